# %% [raw] tags=["header"]
# lesson: "00"
# title: Start here
# minutes: {teach: 9, practise: 6}
# you_will:
#   - say what is real on this machine, and what is only shown
#   - start a container, find its process, and end it
#   - tell a container that ended from a pod that was deleted
#   - use guesses, checks, hints and resets
# needs:
#   lessons: []
#   abilities: [containers, kubectl]
# words:
#   container: A process, or a few, with fences around it.
#   image: A folder with a program and the files it needs, made to be started as a container.
#   process: A running program. The kernel gives it a number, its PID.
#   pod: One or several containers that Kubernetes starts on one node and that share an address.
#   node: A machine of the cluster, on which pods run.
#   kubelet: The program on each node that starts its containers, and starts them again.
#   kubectl: The command with which people talk to Kubernetes.
#   API server: The program that answers kubectl. It keeps what you wish for, and what is.
# runtimes:
#   docker: full
#   local: full
#   simulated: in part; a container is a record, so there is no process to find
#   cluster: in part; the process runs on another machine

# %% [markdown]
# # Start here
#
# You start a web server in a terminal and close the window. The server is gone. A shop is open at night, too.
#
# **Who keeps a program running when nobody looks?** In a quarter of an hour you start one and end it, twice.
# You will find out where it runs, who notices when it ends, and how this course looks at what you did.
#
# A notebook is text and cells. Click into a cell and press **Shift+Enter** to run it. Begin with the next one.

# %%
import k8slab

lab = k8slab.Lab()
lesson = k8slab.lesson("00")
lesson

# %% [markdown]
# Every lesson begins with this card. Its bar fills as you guess, check and answer.
# What you do is kept in a small file beside this notebook, and nothing of it leaves your machine.
# The [index](index.ipynb) shows all lessons and how far you are; in a terminal, `k8slab progress` does.

# %% [markdown]
# ## What is real here
#
# A **container** is a process with fences around it: it has numbers, files and names of its own, or has not.
# How many fences there are depends on your machine. The next cell tries each of them.

# %%
lab.doctor()

# %% [markdown]
# A tick means: there. A half disc means: in part. A dashed ring means: missing.
# The lessons go on without what is missing, and say so where it matters.

# %% [markdown]
# ## The first container
#
# An **image** is a folder with a program in it. `k8slab/web:v1` holds a small web server.
# Kubernetes puts containers into **pods**, and pods onto **nodes**, the machines of the cluster. Look at them:

# %%
lab.board()

# %% [markdown]
# Keep the board in sight: right-click it and choose *Create New View for Output*.
#
# Now guess, before you do anything. A guess costs one click, and you remember better what you have guessed first.

# %% [markdown] key="process" tags=["predict"]
# **You start one container. What does this machine have afterwards that it did not have before?**
#
# - [ ] A second operating system, with a kernel of its own.
# - [x] A process more.
# - [ ] A program, installed for everybody.
#
# {seconds} s after kubectl said *created*, the web server was ready. It is a **process** of this machine like any other,
# with a number, its PID. No second kernel was started, and nothing was installed: its files come from the image.

# %%
lesson.predict("process")

# %% [markdown]
# **kubectl** is the command with which people talk to Kubernetes. A line that begins with `%kubectl` runs the real one.

# %%
%kubectl run first --image=k8slab/web:v1
seconds = lab.wait("pod/first")
lesson.reveal("process", seconds=seconds)
%kubectl get pod first -o wide

# %% [markdown]
# The column IP is the pod's address: the pod is like a small machine of its own.
# Each program is told the name of the machine it runs on, in a variable called `HOSTNAME`. In a pod that is the pod's name.
# Which processes of your machine were told `first`?

# %%
import psutil

def processes_of(name):
    told = psutil.process_iter(["environ"])
    return [process for process in told if (process.info["environ"] or {}).get("HOSTNAME") == name]

processes_of("first")

# %% [markdown]
# `python` is the container. `bwrap`, if it is there, has put up the fences and waits for it to end.
# Ask the kernel under which numbers it knows each of them:

# %%
for process in processes_of("first"):
    !grep NSpid /proc/{process.pid}/status

# %% [markdown]
# The first number is the PID on this machine. A second number, if there is one, is the PID that the process itself sees.
# There it is the number 1: the first and only program in its world. That is one of the fences.
# A machine without this fence shows one number. With Docker Engine the processes are root's, or run in a machine beside
# yours: unless you are root there, nothing is listed.

# %% [markdown]
# ## It ends
#
# Programs end: they have mistakes, or run out of memory. End this one.

# %% [markdown] key="ends" tags=["predict"]
# **The process in your pod is killed. What does `kubectl get pods` show a few seconds later?**
#
# - [ ] No pod.
# - [ ] The pod `first`, stopped.
# - [x] The pod `first`, running, with RESTARTS 1.
#
# {seconds} s later the pod was ready again. It kept its name and its address, and it has a new process with a new PID.
# You asked for a pod that runs, and that wish still stands.

# %%
lesson.predict("ends")

# %%
lab.crash("first")
seconds = lab.wait("pod/first")
lesson.reveal("ends", seconds=seconds)
%kubectl get pods
processes_of("first")

# %% [markdown]
# Who was it? The programs of Kubernetes leave notes, called events:

# %%
%kubectl get events --field-selector involvedObject.name=first -o custom-columns=BY:.reportingComponent,DID:.reason,TIMES:.count,SAID:.message

# %% [markdown]
# The **kubelet** is the program on each node that starts containers. It noticed that the process had ended,
# and started the container again: see the column TIMES.

# %% [markdown] key="second" tags=["exercise"]
# ## Your turn: a second pod
#
# Start a pod with the name `second` from the image `k8slab/web:v2`, and have it ready.

# %% [markdown]
# Use the empty cell. Below it is the check: it looks at the cluster and not at your cell, so any way counts.
# Run it now, before you begin, and it says *Not begun*. If you are stuck, open a hint on its card.

# %% key="second" tags=["exercise"]
# solution
%kubectl run second --image=k8slab/web:v2

# %% [markdown] key="second" tags=["hints"]
# 1. **Where to look.** You have started a pod in this lesson. Two words of that line differ now.
# 2. **Which words.** One is the pod's name, the other the part of the image after the colon, its tag.
# 3. **Which command.** `%kubectl run` followed by the name, and `--image=` followed by the image.

# %%
lesson.check("second")

# %% [markdown] key="click" tags=["exercise"]
# ## Your turn: one click
#
# Kill the process in the pod `second`. Select its tile on the board and press **Crash**.
# The pod must come back by itself, with one restart more.

# %% key="click" tags=["exercise"]
# solution
lab.crash("second")

# %% [markdown] key="click" tags=["hints"]
# 1. **Where to look.** Every pod is a tile on the board. The tile you need has the version v2.
# 2. **Which button.** Click the tile. A bar with three buttons appears below the nodes. Delete is not the one.
# 3. **Which command.** A cell can do it, too: `lab.crash(` with the pod's name in quotation marks.

# %%
lesson.check("click")

# %% [markdown]
# Crash it again at once, and it takes longer: after a second crash the kubelet waits ten seconds before it starts
# the container again, then twenty, then forty, up to five minutes. A program that ends at once would otherwise do nothing but start.

# %% [markdown]
# ## It is deleted
#
# A container that ends is one thing. A pod that somebody deletes is another.

# %% [markdown] key="deleted" tags=["predict"]
# **You delete the pod `first`. What is there ten seconds later?**
#
# - [ ] The pod `first`, started again.
# - [ ] A new pod with another name.
# - [x] No pod in its place.
#
# You had wished for a pod, and you took the wish back. The kubelet starts containers again as long as their pod is wished for.
# Nobody wishes for this one any more, so nobody brings it back. Lesson 05 has somebody who does.

# %%
lesson.predict("deleted")

# %%
%kubectl delete pod first
lesson.reveal("deleted")
%kubectl get pods

# %% [markdown]
# ### A failure, on purpose
#
# The next cell **is meant to fail**. You ask for a pod that is not there any more. Read who answers, and what.

# %% tags=["raises-exception"]
%kubectl get pod first

# %% [markdown]
# The **API server** said no. It is the program that answers kubectl, and it keeps what you wish for and what is.
# Its messages name the thing that is wrong. When a cell fails and was not meant to, its last line says what to do.

# %% [markdown]
# ## Back to the beginning
#
# You cannot break anything here that stays broken. Three ways lead back:
#
# - *Start this exercise over*, on the card of some checks, puts that exercise's situation in place again.
# - `lesson.reset()` in a cell empties the cluster. Then run the lesson from the top.
# - `k8slab down` in a terminal ends the lab. Nothing of it is left, and the next notebook starts a new one.
#
# The lab itself runs beside the notebook. You may restart the kernel or close the browser: the pods go on.

# %% [markdown]
# Today's last pod goes, too. Each lesson removes what it made:

# %%
%kubectl delete pods --all --wait=false

# %% [markdown]
# ## Three questions

# %% [markdown] key="same-name" tags=["quiz"]
# **A pod shows RESTARTS 3. How many processes has its container had so far?**
#
# - [ ] One, stopped and continued three times.
#   A process that has ended cannot go on. What follows is another process, with another PID.
# - [ ] Three.
#   Each restart is one process more. The one before the first restart counts as well.
# - [x] Four.
#   The first one, and one for each restart. The pod was the same one all the time.

# %%
lesson.quiz("same-name")

# %% [markdown] key="checks" tags=["quiz"]
# **You start the pod `second` from a terminal, and leave the empty cell empty. What does the check say?**
#
# - [ ] Not begun: the cell is empty.
#   The check would have to read your cell for that. It reads the cluster.
# - [x] Right, once the pod is ready.
#   The check asks the API server what is there. It does not know how it got there.
# - [ ] Not right yet: the pod came from somewhere else.
#   For that a pod would have to carry a note of where kubectl was started, and it carries none.

# %%
lesson.quiz("checks")

# %% [markdown] key="night" tags=["quiz"]
# **At night the process in a pod crashes. An hour later somebody deletes the pod by mistake. What runs in the morning?**
#
# - [ ] The pod, with RESTARTS 2.
#   A restart is for a container that ended. Here the pod itself went, and its containers with it.
# - [ ] The pod, with RESTARTS 1.
#   That was so until it was deleted. The kubelet brings back containers of pods that are there.
# - [x] Nothing.
#   The kubelet saw to the crash. Nobody sees to a deleted pod, unless something wishes for it: that is lesson 05.

# %%
lesson.quiz("night")

# %% [markdown]
# ## What you saw
#
# - A container is a process of this machine, with fences around it.
# - The kubelet starts a container again when its process ends.
# - A pod that is deleted stays away.
# - A check looks at the cluster. Any way to get there counts.
#
# **Who keeps a program running at night:** the kubelet of its node, as long as somebody wishes for its pod.

# %%
lesson.recap()

# %% [markdown]
# ### What the lab left out
#
# - The nodes here are parts of one program on one machine. In a real cluster each is a machine with a kubelet of its own.
# - A real kubelet asks a container runtime, such as containerd, to start the container. The lab's runtime starts the process itself.
# - Real images are archives of file system layers, fetched from a registry. The lab's are folders on this machine.
# - `lab.crash` and the Crash button are the lab's. On a cluster a process ends by its own mistakes.
#
# ### In the Kubernetes documentation
#
# - [Containers](https://kubernetes.io/docs/concepts/containers/), `/docs/concepts/containers/`
# - [Pods](https://kubernetes.io/docs/concepts/workloads/pods/), `/docs/concepts/workloads/pods/`
# - [Pod Lifecycle](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/), `/docs/concepts/workloads/pods/pod-lifecycle/`
# - [Nodes](https://kubernetes.io/docs/concepts/architecture/nodes/), `/docs/concepts/architecture/nodes/`
# - [Command line tool (kubectl)](https://kubernetes.io/docs/reference/kubectl/), `/docs/reference/kubectl/`
