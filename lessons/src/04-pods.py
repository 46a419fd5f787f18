# %% [raw] tags=["header"]
# lesson: "04"
# title: Pods
# minutes: {teach: 18, practise: 12}
# you_will:
#   - say what the containers of one pod share, and what each has for itself
#   - prepare a pod with an init container, and help it with a sidecar
#   - tell the three probes apart by what follows when one fails
#   - read a crash loop, find its reason, and repair it
# needs:
#   lessons: ["00"]
#   abilities: [containers, kubectl]
# words:
#   emptyDir: A folder that is made for a pod when it gets its node, shared by its containers, and gone with it.
#   volume: A folder that a pod's containers may see, whoever keeps it.
#   init container: A container that must end well before the pod's own containers start.
#   sidecar: A helper that runs beside a pod's own containers, from before their start until after their end.
#   liveness probe: A question that says whether a container still works; while the answer is no, it is started again.
#   startup probe: A question that says whether a container has come up; until then the other probes wait.
#   restart policy: A pod's rule whether an ended container is started again (Always, OnFailure or Never).
#   back-off: A wait before the next try, twice as long each time.
# runtimes:
#   docker: full
#   local: full
#   simulated: not at all; containers are records, so they write no files and no logs
#   cluster: full

# %% [markdown]
# # Pods
#
# The shop's web server writes files, and a second program sends them on. On Friday the two were started on two machines.
# The second program found an empty folder and was content with it. Nobody noticed until Monday.
#
# **What must be kept together, and what happens to the rest when one part fails?** You will put several containers
# into one pod, see what they share, and end them one at a time.

# %%
import k8slab

lab = k8slab.Lab()
lesson = k8slab.lesson("04")
lesson

# %%
lab.board()

# %% [markdown]
# ## Two containers, one pod
#
# The pod `pair` has two containers and a folder for both, an **emptyDir**. Once a second, `writer` adds a line to a file there.

# %%
%%manifest
apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  volumes: [{name: notes, emptyDir: {}}]
  containers:
  - {name: web, image: "k8slab/web:v1", volumeMounts: [{name: notes, mountPath: /notes}]}
  - {name: writer, image: "k8slab/web:v1", volumeMounts: [{name: notes, mountPath: /notes}],
     command: [sh, -c, 'while date >> "$0/times"; do sleep 1; done', /notes]}

# %% [markdown] key="pair" tags=["predict"]
# **What does `kubectl get pods -o wide` show of the two containers?**
#
# - [ ] Two pods on one node, with two addresses.
# - [x] One pod with one address, and READY 2/2.
# - [ ] One pod with two addresses, and READY 1/1.
#
# Kubernetes places pods and not containers: both run on {node}, at the address {ip}.
# Each has its own files, and ends by itself. They share the pod's address, its volumes and its fate.

# %%
lesson.predict("pair")

# %%
lab.wait("pod/pair")
pair = lab.pods()[0]
lesson.reveal("pair", node=pair.node, ip=pair.ip)
%kubectl get pods -o wide

# %% [markdown]
# Read the file from the *other* container. `-c` says in which one a command runs:

# %%
%kubectl exec pair -c web -- tail -n 2 /notes/times

# %% [markdown] key="fate" tags=["predict"]
# **The process in `writer` is killed. What becomes of the pod?**
#
# - [ ] Both containers are started again: they are one thing.
# - [x] `writer` is started again, `web` goes on.
# - [ ] The pod is replaced by a new one.
#
# The kubelet looks at each container by itself. The pod shows {restarts} restart, and all of it is that of `writer`.
# The file still has its old lines: an emptyDir lasts as long as its pod, and the pod is the same.

# %%
lesson.predict("fate")

# %%
lab.crash("pair", "writer")
lab.wait("pod/pair")
lesson.reveal("fate", restarts=next(pod.restarts for pod in lab.pods() if pod.name == "pair"))
%kubectl get pod pair -o custom-columns=CONTAINER:.status.containerStatuses[*].name,RESTARTS:.status.containerStatuses[*].restartCount
%kubectl exec pair -c web -- wc -l /notes/times

# %% [markdown]
# ## First this, then that
#
# Some work must be done before a server starts: fetch a file, wait for a database. An **init container** does it and ends.

# %% [markdown] key="late" tags=["predict"]
# **In the pod `late`, the init container `prepare` takes eight seconds. What does STATUS say meanwhile?**
#
# - [ ] Running, with READY 1/2.
# - [x] Init:0/1
# - [ ] Pending, and the pod has no node yet.
#
# The pod had its node. There `prepare` ran first, and `web` was not started. It was ready {seconds} s after you looked.
# If an init container fails, it is tried again, and the rest goes on waiting.

# %%
lesson.predict("late")

# %%
%%manifest
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  volumes: [{name: notes, emptyDir: {}}]
  initContainers:
  - {name: prepare, image: "k8slab/web:v1", volumeMounts: [{name: notes, mountPath: /notes}],
     command: [sh, -c, 'sleep 8; echo prepared > "$0/news"', /notes]}
  containers: [{name: web, image: "k8slab/web:v1", volumeMounts: [{name: notes, mountPath: /notes}]}]

# %%
%kubectl get pod late
seconds = lab.wait("pod/late")
lesson.reveal("late", seconds=seconds)
%kubectl exec late -c web -- cat /notes/news

# %% [markdown]
# ## A helper beside it
#
# A **sidecar** helps as long as the pod's own containers run: it collects their logs, or encrypts what they send.
# It stands among the init containers, and `restartPolicy: Always` says that it shall not end before the others start.

# %% [markdown] key="sidecar" tags=["predict"]
# **A pod runs a sidecar `helper`, a server, and a container `work` that ends after two seconds. What becomes of the pod?**
#
# - [x] It is Completed: the helper is stopped.
# - [ ] It stays Running: one container still runs.
# - [ ] `work` is started again to keep the helper company.
#
# The phase of the pod is {phase}. Only its own containers count, and the kubelet stopped the helper after them.
# An ordinary second container would have kept the pod from ending. That is what sidecars were made for.

# %%
lesson.predict("sidecar")

# %%
%%manifest
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  restartPolicy: Never
  initContainers:
  - {name: helper, image: "k8slab/web:v1", restartPolicy: Always}
  containers: [{name: work, image: "k8slab/web:v1", command: [sh, -c, "sleep 2; echo done"]}]

# %%
%kubectl wait pod/once --for=jsonpath=.status.phase=Succeeded --timeout=90s
lesson.reveal("sidecar", phase=lab.read("pod/once").status["phase"])
%kubectl get pod once
%kubectl logs once -c work

# %% [markdown] key="team" tags=["exercise"]
# ## Your turn: a team
#
# Make a pod `team` with **two** containers, both from `k8slab/web:v1` or another tag, that share **one** emptyDir.
# Both must be ready. Two web servers in one pod want the same port of the same address: give one of them other work.

# %% key="team" tags=["exercise"]
# solution
volume = {"name": "notes", "emptyDir": {}}
mounts = [{"name": "notes", "mountPath": "/notes"}]
web = {"name": "web", "image": "k8slab/web:v1", "volumeMounts": mounts}
idle = {**web, "name": "idle", "command": ["sleep", "3600"]}
spec = {"volumes": [volume], "containers": [web, idle]}
lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "team"}, "spec": spec})

# %% [markdown] key="team" tags=["hints"]
# 1. **Where to look.** The manifest of `pair` is nearly what you need. Run it under another name first.
# 2. **Which fields.** The pod has `volumes`, each container has `volumeMounts`, and the volume's name ties them together.
# 3. **Which form.** A container is `{name: …, image: …, command: [...], volumeMounts: [{name: …, mountPath: /…}]}`.

# %%
lesson.check("team")

# %% [markdown]
# ## Does it still work?
#
# A process may run and do nothing useful: it waits for ever, or answers every request with an error.
# The kubelet sees a process that runs. It asks more only if you say what to ask. `v3` of our image answers with errors.

# %% [markdown] key="liveness" tags=["predict"]
# **The kubelet asks `/healthz` once a second and gets an error each time. What follows?**
#
# - [ ] The pod gets no requests, and is left alone.
# - [x] The container is started again.
# - [ ] The pod is deleted.
#
# After three failed answers in a row the kubelet stopped the container and started it again: {restarts} so far.
# It does not help here, since the mistake is in the image. Restarting helps against what time brings: leaks and deadlocks.

# %%
lesson.predict("liveness")

# %%
%%manifest
apiVersion: v1
kind: Pod
metadata: {name: sick}
spec:
  containers:
  - name: web
    image: k8slab/web:v3
    livenessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}

# %%
%kubectl wait pod/sick --for=jsonpath=.status.containerStatuses[0].lastState.terminated --timeout=90s
lesson.reveal("liveness", restarts=next(pod.restarts for pod in lab.pods() if pod.name == "sick"))
%kubectl get events --field-selector involvedObject.name=sick,type=Warning -o custom-columns=DID:.reason,TIMES:.count,SAID:.message

# %% [markdown]
# There are three probes. They ask in the same way, and what follows a no differs:
#
# | probe | asks | after too many times no |
# |---|---|---|
# | startup | has it come up? | the container is started again; until a yes the other two wait |
# | liveness | does it still work? | the container is started again |
# | readiness | shall it get requests now? | no requests until a yes: lesson 06 |
#
# Slow starters need a startup probe: without one, liveness would end them before they have come up.

# %% [markdown] key="watched" tags=["exercise"]
# ## Your turn: watched
#
# Make a pod `watched` from `k8slab/web:v1` with a **liveness** probe on `/healthz` and a **readiness** probe on `/ready`,
# both at port 8080. It must be ready.

# %% key="watched" tags=["exercise"]
# solution
def ask(path):
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1}

web = {"name": "web", "image": "k8slab/web:v1", "livenessProbe": ask("/healthz"), "readinessProbe": ask("/ready")}
lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "watched"}, "spec": {"containers": [web]}})

# %% [markdown] key="watched" tags=["hints"]
# 1. **Where to look.** The manifest of `sick` has one of the two probes. Its image is the wrong one for you.
# 2. **Which fields.** `livenessProbe` and `readinessProbe` stand beside `image`. Their insides have the same form.
# 3. **Which form.** `readinessProbe: {httpGet: {path: …, port: …}, periodSeconds: 1}`

# %%
lesson.check("watched")

# %% [markdown]
# ## Again and again
#
# A pod's **restart policy** says whether a container that has ended is started again. It is `Always` unless you say otherwise.
# The next pod ends with an error as soon as it starts.

# %% [markdown] key="loop" tags=["predict"]
# **A pod crashes at every start. What does STATUS show after a few seconds?**
#
# - [ ] Error, and nobody tries any more.
# - [ ] Running, since it is started again at once each time.
# - [x] CrashLoopBackOff
#
# The first restart came at once. Then the kubelet waits 10 s, 20 s, 40 s, at most five minutes.
# The status says that it waits, and nothing of the reason. That is in the log of the run before:

# %%
lesson.predict("loop")

# %%
%%manifest
apiVersion: v1
kind: Pod
metadata: {name: crasher}
spec:
  containers:
  - name: app
    image: k8slab/web:v1
    command: [sh, -c, 'test "$DATABASE" && exec sleep 3600; echo "no DATABASE, giving up"; exit 1']

# %%
%kubectl wait pod/crasher --for=jsonpath=.status.containerStatuses[0].state.waiting.reason=CrashLoopBackOff --timeout=90s
lesson.reveal("loop")
%kubectl get pod crasher
%kubectl logs crasher --previous

# %% [markdown]
# The program lacks a variable. With `restartPolicy: OnFailure` the kubelet would do the same, with `Never` it would leave it.
#
# ### A failure, on purpose
#
# The next cell **is meant to fail**. It gives the running pod the variable. Find the few fields that may be changed.

# %% tags=["raises-exception"]
%kubectl set env pod/crasher DATABASE=shop

# %% [markdown]
# A pod's containers are fixed when it is made, except for their images and some numbers. A process could not take over a
# new variable anyway. So nobody repairs a pod: you make another one in its place.

# %% [markdown] key="repair" tags=["exercise"]
# ## Your turn: repair it
#
# Have a pod `crasher` that runs, with the same command and the variable `DATABASE` set to anything.

# %% key="repair" tags=["exercise"]
# solution
lab.kubectl("delete pod crasher --grace-period=1")
command = 'test "$DATABASE" && exec sleep 3600; echo "no DATABASE, giving up"; exit 1'
app = {"name": "app", "image": "k8slab/web:v1", "command": ["sh", "-c", command]}
app["env"] = [{"name": "DATABASE", "value": "shop"}]
lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crasher"}, "spec": {"containers": [app]}})

# %% [markdown] key="repair" tags=["hints"]
# 1. **Where to look.** The old pod has the name you need. It must go before another one can have it.
# 2. **Which field.** `env` stands beside `command`: a list of names and values.
# 3. **Which form.** `kubectl delete pod` and its name; then the manifest again, with `env: [{name: …, value: …}]`.

# %%
lesson.check("repair")

# %% [markdown]
# ## The end of a pod

# %% [markdown] key="bare" tags=["predict"]
# **You delete the pod `pair`, and make it again from the same manifest. How many lines has `/notes/times` then?**
#
# - [ ] As many as before: the volume was kept.
# - [x] It begins anew.
# - [ ] You cannot make it: the name is taken for ever.
#
# First nobody brought it back: nobody wishes for a bare pod but you. Then you made one, and only its name is the same.
# It is another pod, on {node}, with an emptyDir of its own. What must outlive pods needs another volume: lesson 10.

# %%
lesson.predict("bare")

# %%
spec = {key: lab.read("pod/pair").spec[key] for key in ("containers", "volumes")}
%kubectl delete pod pair --grace-period=1
%kubectl get pod pair --ignore-not-found
lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pair"}, "spec": spec})
lab.wait("pod/pair")
lesson.reveal("bare", node=lab.read("pod/pair").spec["nodeName"])
%kubectl exec pair -c web -- wc -l /notes/times

# %% [markdown]
# The lesson removes what it made:

# %%
%kubectl delete pods --all --wait=false

# %% [markdown]
# ## Three questions

# %% [markdown] key="apart" tags=["quiz"]
# **The shop has a web server and a database. Do they belong into one pod?**
#
# - [ ] Yes: the one is of no use without the other.
#   Then every copy of the web server would bring a database of its own, and every release would end both.
# - [x] No: they are scaled, released and repaired apart.
#   What belongs into one pod must be on one machine and share its fate. These two need an address to find each other, no more.
# - [ ] Yes, so that they reach each other without a network.
#   That would be faster by a little. It would tie together what has to be changed apart.

# %%
lesson.quiz("apart")

# %% [markdown] key="warm" tags=["quiz"]
# **A server needs two minutes to warm up. With a liveness probe it is restarted for ever and never comes up. What is the remedy?**
#
# - [ ] A readiness probe in place of the liveness probe.
#   It would get no requests while it warms up, which is right. But a server that hangs later would stay so.
# - [x] A startup probe that allows more than two minutes.
#   Until it says yes, the liveness probe waits. After that a server that hangs is found as quickly as before.
# - [ ] An init container that sleeps for two minutes.
#   Init containers end before the server starts. It would begin to warm up two minutes later.

# %%
lesson.quiz("warm")

# %% [markdown] key="policy" tags=["quiz"]
# **A pod with `restartPolicy: Never` and two containers: one ends with 0, the other is killed and ends with an error. What is the pod's phase?**
#
# - [ ] Succeeded: one of them did its work.
#   For that every container would have to end with 0.
# - [ ] Running, until somebody deletes it.
#   Something would have to run. With Never the kubelet starts neither of them again.
# - [x] Failed.
#   All its containers have ended, and at least one of them with an error.

# %%
lesson.quiz("policy")

# %% [markdown]
# ## What you saw
#
# - A pod's containers share a node, an address, volumes and one fate. Each is started again by itself.
# - Init containers come before the work, sidecars stand beside it.
# - Liveness restarts, readiness withholds requests, startup makes the others wait.
# - A crash loop says that it waits. The reason is in the log of the run before.
#
# **What must be kept together:** what shares files or an address, and is of no use apart.

# %%
lesson.recap()

# %% [markdown]
# ### What the lab left out
#
# - On a real node the containers of a pod share a network namespace, so one reaches the other as `localhost`.
#   Here they share an address of this machine instead: `POD_IP` names it.
# - Where this machine allows no mounts, `/notes` is a link to the shared folder, and only commands given as words find it there.
# - If the board shows a factor, waiting times such as the back-off are divided by it.
#
# ### In the Kubernetes documentation
#
# - [Pods](https://kubernetes.io/docs/concepts/workloads/pods/), `/docs/concepts/workloads/pods/`
# - [Pod Lifecycle](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/), `/docs/concepts/workloads/pods/pod-lifecycle/`
# - [Init Containers](https://kubernetes.io/docs/concepts/workloads/pods/init-containers/), `/docs/concepts/workloads/pods/init-containers/`
# - [Sidecar Containers](https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/), `/docs/concepts/workloads/pods/sidecar-containers/`
# - [Configure Liveness, Readiness and Startup Probes](https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/), `/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/`
# - [Volumes](https://kubernetes.io/docs/concepts/storage/volumes/), `/docs/concepts/storage/volumes/`
