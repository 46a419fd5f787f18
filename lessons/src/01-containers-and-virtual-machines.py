# %% [raw] tags=["header"]
# lesson: "01"
# title: Containers and virtual machines
# minutes: {teach: 18, practise: 12}
# you_will:
#   - say whose kernel a process, a container and a virtual machine run on, and how to find out
#   - compare what each costs to start and to keep, with numbers of your own machine
#   - build a container by hand, one fence at a time
#   - name four things that a container does not hide
# needs:
#   lessons: ["00"]
#   abilities: [containers, kubectl]
# words:
#   kernel: The program that shares out processor, memory, disks and network among all processes of a machine.
#   system call: The way in which a process asks the kernel for something.
#   virtual machine: A program that plays a whole computer; an operating system with a kernel of its own runs in it.
#   namespace: A view of one thing that a group of processes has to itself, such as process numbers or host names.
#   limit: How much of something a container may take. The kernel keeps it.
#   overhead: What is spent before and beside the work itself.
#   emulation: Playing a processor in software. Every instruction costs several.
#   KVM: The part of Linux that lets a virtual machine use the real processor.
# runtimes:
#   docker: full
#   local: full
#   simulated: in part; the pods are records, so no command runs in them
#   cluster: in part; the race and the container by hand are this machine's, the pods the cluster's

# %% [markdown]
# # Containers and virtual machines
#
# Two programs of the shop quarrel about a library. Somebody says: give each its own virtual machine.
# Somebody else says: a container will do, it starts in no time.
#
# **What do you get for the difference?** You will start the same work three ways at once and measure it,
# find out whose kernel it runs on, and then build a container yourself.

# %%
import k8slab

lab = k8slab.Lab()
lesson = k8slab.lesson("01")
lesson

# %% [markdown]
# ## Who owns the kernel?
#
# The **kernel** shares out processor, memory and network among all processes. A process asks it by **system calls**.
# A **virtual machine** is a program that plays a computer, and on that computer a second operating system starts.
#
# `uname -r` asks the kernel for its version. The race in this lesson asks it three times, at least.

# %% [markdown] key="kernels" tags=["predict"]
# **A process, a container and a virtual machine each run `uname -r`. How many different versions do you see?**
#
# - [ ] One. They all run on this machine.
# - [x] Two. One of the three has a kernel of its own.
# - [ ] Three. Each is separate from the others.
#
# The process sees `{process}`, and the container sees `{container}`: the container borrows this machine's kernel.
# The virtual machine sees `{vm}`. It has brought its own, and had to start it first.

# %%
lesson.predict("kernels")

# %% [markdown] key="faster" tags=["predict"]
# **And how much longer does the virtual machine take to its first instruction than the container?**
#
# - [ ] About as long: the work is the same.
# - [ ] Twice or three times as long.
# - [x] At least ten times as long.
#
# Alone, the process began after {process}, the container after {container}, the virtual machine after {vm}.
# The container is a process with fences around it, and putting them up is quick. The virtual machine starts a kernel first.

# %%
lesson.predict("faster")

# %% [markdown]
# ## The race
#
# The next cell starts three copies of each kind: first one alone, then all at once. It takes some seconds.
# The work is the same everywhere, one small program called busybox.

# %%
view = lab.race(3)
view

# %%
race = view.result()
lesson.reveal("kernels", process=race.kernel("process"), container=race.kernel("container"), vm=race.kernel("vm"))
lesson.reveal("faster", process=race.first("process"), container=race.first("container"), vm=race.first("vm"))
race

# %% [markdown]
# All of it was measured here, now. The column *elsewhere* has a recorded race to compare with: the lines below the table
# say on which machine it was, and when. A word in brackets matters: *(recorded)* means that the kind is missing here,
# and that its whole line is taken from that recording.
#
# Without **KVM** a virtual machine is played in software, by **emulation**. Then each of its instructions costs several.

# %% [markdown]
# ## What is overhead?
#
# A copy that starts for one second and works for one second has spent half of its time on getting to work.
# That half is **overhead**. Look at the chart below the lanes, and leave the slider at one second.

# %% [markdown] key="fifty" tags=["predict"]
# **Each copy has one second of work. You start fifty virtual machines and not one. What happens to the share of getting to work?**
#
# - [ ] It shrinks to almost nothing: the start is paid once for all.
# - [x] It stays, more or less: every copy pays for its own start.
# - [ ] It reaches the whole: in the end nothing but starting is done.
#
# With one virtual machine it is {one} of the time, with fifty {fifty}. For fifty plain processes it is {process}.
# More copies bring more work and more starts, side by side. Only longer work makes the share small: move the slider.

# %%
lesson.predict("fifty")

# %%
one, fifty = race.share("vm", 1, 1.0), race.share("vm", 50, 1.0)
lesson.reveal("fifty", one=one, fifty=fifty, process=race.share("process", 50, 1.0))

# %% [markdown]
# The line in the chart is foretold from a few copies. For containers you can measure it, up to fifty.
# Here each has a tenth of a second of work, so that the share is large enough to see:

# %%
print("copies  foretold  measured")
for n in (1, 5, 20, 50):
    found = k8slab.race(n, ["container"])
    print(f'{n:6}{race.share("container", n, 0.1):>10}{found.share("container", n, 0.1):>10}')

# %% [markdown]
# Where the two differ a little, the straight line was too simple: believe what was measured. Where they differ much,
# or the two shares of the virtual machine above do, other programs kept this machine busy. Run the race once more.
#
# Memory tells the same story. See *memory each*: every virtual machine keeps a kernel of its own in memory,
# and fifty of them keep fifty.

# %% [markdown] key="shares" tags=["exercise"]
# ## Your turn: three shares
#
# Work out which share of the time is getting to work, in whole per cent, for a copy with half a second of work:
# `a` starts in 0.005 s, `b` in 0.3 s, `c` in 1.5 s. Write the three numbers into a ConfigMap `shares`, under `a`, `b` and `c`.

# %% key="shares" tags=["exercise"]
# solution
a, b, c = (round(100 * start / (start + 0.5)) for start in (0.005, 0.3, 1.5))
%kubectl create configmap shares --from-literal=a={a} --from-literal=b={b} --from-literal=c={c}

# %% [markdown] key="shares" tags=["hints"]
# 1. **Where to look.** In the paragraph that says what overhead is: a start of one second, and one second of work.
# 2. **Which numbers.** Divide the start by start and work together, then take it times a hundred.
# 3. **Which command.** `%kubectl create configmap` with a name, and `--from-literal=` with `a=` and a number, three times.

# %%
lesson.check("shares")

# %% [markdown]
# ## A container by hand
#
# A container is not a thing that Linux knows. Linux knows **namespaces**: a view of one thing for a group of processes.
# `unshare` starts a program with some of them new. First without any: what does a process see?

# %%
!hostname; ps -e | wc -l; wc -l < /proc/self/mountinfo; grep -c : /proc/net/dev

# %% [markdown]
# That is the host name, how many processes there are, how many folders are mounted, and how many network devices.
#
# Now a host name of its own. The flags `--user --map-root-user` make you root in there, and nowhere else.
# If a cell says *Operation not permitted*, this machine forbids namespaces. Then read on: the text says what others see.

# %%
!unshare --user --map-root-user --uts sh -c 'hostname inside; hostname'
!hostname

# %% [markdown]
# Inside it is called `inside`. Outside nothing has changed: the name belongs to the namespace.

# %% [markdown] key="alone" tags=["predict"]
# **Next it gets process numbers of its own. It runs `ps -e`. What does it see?**
#
# - [ ] All processes, as before, and may not touch them.
# - [x] Next to none: itself, as number 1 or 2.
# - [ ] Nothing: `ps` fails.
#
# In its namespace, counting begins at 1, and what is outside has no number there. What has no number cannot be killed.
# Outside, the same process has an ordinary number. Lesson 00 showed both.

# %%
lesson.predict("alone")

# %%
!unshare --user --map-root-user --pid --fork --mount-proc sh -c 'ps -e'
lesson.reveal("alone")

# %% [markdown]
# Two more. A network of its own has one device, `lo`, and that one is switched off. Nobody is reached from there.
# With mounts of its own it covers `/tmp` with an empty folder. Your `/tmp` stays as it is.

# %%
!unshare --user --map-root-user --net sh -c 'cat /proc/net/dev'
!unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /tmp; ls /tmp | wc -l'; ls /tmp | wc -l

# %% [markdown]
# ## A limit
#
# Fences hide. They do not ration: behind all of them one process could still take all memory. That is what **limits** are for.
#
# In the next cell a program may have 200 MB of addresses and asks for a thousand. It will end with a `MemoryError`.

# %%
!sh -c 'ulimit -v 200000; python3 -c "x = bytearray(1000 * 1000 * 1000)" 2>&1 | tail -1'

# %% [markdown]
# The kernel refused, and this machine did not notice. A container runtime puts such limits around whole groups of
# processes, with control groups, and takes them from the manifest. You write down the limit, the kernel keeps it.

# %% [markdown]
# The next view does all of it once more, a step at a time, and asks a virtual machine the same questions.
# Walk down the list with the arrow keys. One line stays the same behind every fence, and only the virtual machine changes it.
# Who wants to read the system calls finds them in `k8slab.by_hand`, one short function for each fence and each limit.

# %%
lab.isolation()

# %% [markdown]
# ### A failure, on purpose
#
# In a manifest a container may also **request** memory: so much is kept free for it. The next cell **is meant to fail**.
# It requests more than its limit allows.

# %% tags=["raises-exception"]
%kubectl run big --image=k8slab/web:v1 --overrides='{"spec": {"containers": [{"name": "big", "image": "k8slab/web:v1", "resources": {"requests": {"memory": "128Mi"}, "limits": {"memory": "64Mi"}}}]}}'

# %% [markdown]
# The API server refused, and named both numbers. No container was started that could never have had what it was promised.

# %% [markdown] key="fenced" tags=["exercise"]
# ## Your turn: the same in a manifest
#
# Have Kubernetes do what you did by hand. Start a pod `small` from `k8slab/web:v1` that calls itself `inside`
# and may take 64Mi of memory and no more.

# %% key="fenced" tags=["exercise"]
# solution
%kubectl run small --image=k8slab/web:v1 --overrides='{"spec": {"hostname": "inside", "containers": [{"name": "small", "image": "k8slab/web:v1", "resources": {"limits": {"memory": "64Mi"}}}]}}'

# %% [markdown] key="fenced" tags=["hints"]
# 1. **Where to look.** `kubectl explain pod.spec` lists what a pod can wish for. The name is the pod's, the limit its container's.
# 2. **Which fields.** `spec.hostname`, and `resources.limits.memory` of the container.
# 3. **Which command.** A cell that begins with `%%manifest`, with `kind: Pod` below it and both fields in its `spec`.

# %%
lesson.check("fenced")

# %% [markdown]
# ## What a container does not hide
#
# Start a pod, and ask it what you ask this machine.

# %%
%kubectl run one --image=k8slab/web:v1
lab.wait("pod/one")

def in_pod(command):
    try:
        return lab.kubectl(f"exec one -- {command}").strip()
    except k8slab.LabError as refused:
        return refused

# %% [markdown] key="leaks" tags=["predict"]
# **Which of these is the same in the pod and outside it?**
#
# - [ ] The host name.
# - [x] The load of the machine.
# - [ ] The number of the first process.
#
# Kernel version, load, total memory and clock are the machine's, and every container sees them.
# There is a namespace for host names and one for process numbers, and none for these.

# %%
lesson.predict("leaks")

# %%
import platform

print("kernel", platform.release(), "| in the pod:", in_pod("uname -r"))
print("load  ", open("/proc/loadavg").read().split()[0], "| in the pod:", in_pod("cat /proc/loadavg"))
print("memory", open("/proc/meminfo").readline().strip(), "| in the pod:", in_pod("head -1 /proc/meminfo"))
lesson.reveal("leaks")

# %% [markdown]
# This is harmless to look at, and it has consequences. A program that reads its memory from `/proc/meminfo` plans for the
# machine and not for its limit. And a mistake in the kernel is a mistake in every container on that kernel.
# That is why clouds put the containers of different customers into different virtual machines.

# %% [markdown] key="choice" tags=["exercise"]
# ## Your turn: choose
#
# Three jobs wait. `tests` starts a thousand short programs of your own. `driver` tries out a new kernel. `guest` runs a
# stranger's program, which may be hostile. Write a ConfigMap `choice` with the keys `tests`, `driver` and `guest`,
# each with the value `container` or `vm`.

# %% key="choice" tags=["exercise"]
# solution
%kubectl create configmap choice --from-literal=tests=container --from-literal=driver=vm --from-literal=guest=vm

# %% [markdown] key="choice" tags=["hints"]
# 1. **Where to look.** For each job: does it need many starts, a kernel of its own, or a wall that the kernel is not part of?
# 2. **Which is which.** One of the three wants to start quickly and trusts its neighbours.
# 3. **Which command.** `%kubectl create configmap choice` with `--from-literal=` and a key, three times.

# %%
lesson.check("choice")

# %% [markdown]
# Each lesson removes what it made:

# %%
%kubectl delete pods --all --wait=false
%kubectl delete configmap shares choice --ignore-not-found

# %% [markdown]
# ## Three questions

# %% [markdown] key="update" tags=["quiz"]
# **A mistake in the kernel is mended by an update of the host. Ten containers and ten virtual machines run on it. Who has the mended kernel after the host was restarted?**
#
# - [ ] All twenty.
#   For that the virtual machines would have to use the host's kernel. Each has its own.
# - [x] The containers.
#   They use the kernel of their host, whichever that is. Each virtual machine needs the update, too.
# - [ ] None: their images have to be built again.
#   For that the kernel would have to be in the image. An image holds programs and files, and no kernel.

# %%
lesson.quiz("update")

# %% [markdown] key="nightly" tags=["quiz"]
# **A job works for an hour each night. Its virtual machine starts in 1.5 seconds, a container would start in 0.05. What does changing to containers save in time?**
#
# - [ ] Nearly all: the container starts thirty times as fast.
#   That would be so if starting were most of the time. It is 1.5 seconds of an hour.
# - [x] Next to nothing.
#   A second and a half of 3,600 is less than a tenth of one per cent. Memory may still be a reason to change.
# - [ ] Half.
#   For that the start would have to take as long as the work does.

# %%
lesson.quiz("nightly")

# %% [markdown] key="kill" tags=["quiz"]
# **In a container with process numbers of its own, somebody is root and runs `kill -9 4711`. Outside, 4711 is the database. What happens?**
#
# - [ ] The database ends: root may end every process.
#   For that the number would have to mean the same inside. It is looked up in the container's own namespace.
# - [x] The command says that there is no such process.
#   Inside, no process has that number, unless the container itself has started so many.
# - [ ] The kernel refuses: permission denied.
#   A refusal needs a process that is found. This one is not, so there is nothing to refuse.

# %%
lesson.quiz("kill")

# %% [markdown]
# ## What you saw
#
# - A container borrows the kernel of its machine. A virtual machine brings one.
# - That is why one starts in milliseconds and the other in about a second, and keeps a kernel in memory.
# - A container is a process with namespaces and limits, and you can put them up by hand.
# - What has no namespace is shared: the kernel itself, its load, its clock.
#
# **What you get for the difference:** a wall that is not part of the same kernel. Pay for it where you need it.

# %%
lesson.recap()

# %% [markdown]
# ### What the lab left out
#
# - The race's virtual machine is the smallest there is: no disk, no network, a kernel without modules. Usual ones take longer.
# - Its kernel leaves out what a machine of one user can do without, such as guards against its neighbours. It stays a whole Linux.
# - Between the two there are containers that run in small virtual machines of their own, such as Kata Containers.
# - `unshare` puts up namespaces. A container runtime also changes the root folder, drops privileges and filters system calls.
#
# ### In the Kubernetes documentation
#
# - [Containers](https://kubernetes.io/docs/concepts/containers/), `/docs/concepts/containers/`
# - [Runtime Class](https://kubernetes.io/docs/concepts/containers/runtime-class/), `/docs/concepts/containers/runtime-class/`
# - [Resource Management for Pods and Containers](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/), `/docs/concepts/configuration/manage-resources-containers/`
# - [Linux kernel security constraints for Pods and containers](https://kubernetes.io/docs/concepts/security/linux-kernel-security-constraints/), `/docs/concepts/security/linux-kernel-security-constraints/`
