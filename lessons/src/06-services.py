# %% [raw] tags=["header"]
# lesson: "06"
# title: Services
# minutes: {teach: 18, practise: 12}
# you_will:
#   - give pods that come and go one address and one name that stay
#   - say which pods get requests now, and why another gets none
#   - read port, targetPort and nodePort, and choose among the three types
#   - keep a client with one pod, and say what that costs
# needs:
#   lessons: ["00", "05"]
#   abilities: [containers, kubectl]
# words:
#   Service: An object with an address and a name that stay, and a selector that says which pods answer there.
#   cluster IP: The address of a Service. No machine has it; what is sent there is sent on to a pod.
#   EndpointSlice: The list of addresses behind a Service, kept up to date by a controller.
#   endpoint: One address in that list, usually a pod's.
#   readiness probe: A question the kubelet asks a container again and again; while the answer is no, its pod gets no requests.
#   kube-proxy: The program on each node that sends on what is sent to a Service.
#   session affinity: A Service's habit of sending one client to the same pod each time; also called sticky.
#   node port: A port that every node opens for one Service.
#   load balancer: A machine or program outside of the cluster that hands requests to its nodes.
# runtimes:
#   docker: full
#   local: full
#   simulated: not at all; containers are records, and nobody answers a request
#   cluster: in part; from outside, requests go through the API server, which knows no affinity and no node port

# %% [markdown]
# # Services
#
# The shop's settings name the address of its web server. It worked on Tuesday. On Wednesday the pod was replaced,
# the new one got another address, and the shop called a number where nobody lives.
#
# **How do you call something that keeps moving?** You will give moving pods an address that stays.
# You will see who decides where each request goes, why a pod may get none, and what it takes to be called from outside.

# %%
import k8slab

lab = k8slab.Lab()
lesson = k8slab.lesson("06")
lesson

# %% [markdown]
# Three pods, made as in lesson 05. The `readinessProbe` is new: it will matter in the middle of the lesson.

# %%
%%manifest
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "k8slab/web:v1", readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}]}

# %%
lab.wait("deployment/web")
%kubectl get pods -o wide

# %% [markdown]
# ## An address that goes
#
# Each pod has an IP of its own. Its server listens there, on port 8080. Delete a pod and compare.

# %% [markdown] key="moved" tags=["predict"]
# **You delete one pod, and its replacement is ready. Which address does the new pod have?**
#
# - [ ] The old one: it takes the place of the pod that went.
# - [x] Another one.
# - [ ] None of its own. It shares one with its ReplicaSet.
#
# The pod that went had {old}, and that address is not among those of the three pods now.
# A pod is replaced and not repaired: name and address go with it. Whoever wrote the address down calls nobody.

# %%
lesson.predict("moved")

# %%
gone = lab.pods("app=web")[0]
%kubectl delete pod {gone.name} --wait=false
lab.wait("deployment/web")
lesson.reveal("moved", old=gone.ip)
%kubectl get pods -l app=web -o custom-columns=POD:.metadata.name,IP:.status.podIP

# %% [markdown]
# ## An address that stays
#
# A **Service** has an address and a name that stay as long as the Service does.
# Its selector says which pods answer there. You know selectors from lesson 05: labels are the glue here, too.

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]

# %% [markdown]
# Two ports, two sides. `port` is where the Service is called, `targetPort` where the pods listen.

# %%
%kubectl get service web

# %% [markdown]
# The column CLUSTER-IP shows the address. The Service has a name as well: inside of the cluster, `http://web` leads there.
# `lab.get` looks the name up as a pod would. Every answer of this image says in a header which pod it came from.

# %%
from collections import Counter

def who(url="http://web"):
    return lab.get(url).headers["x-pod"]

who()

# %% [markdown] key="nine" tags=["predict"]
# **You send nine requests to `http://web`, each on a new connection. Who answers?**
#
# - [ ] One pod, all nine: the first in the list.
# - [x] All three pods, some of the nine each.
# - [ ] All three pods, each of the nine: the answers come in triples.
#
# {pods} pods answered. The Service chose one pod for every connection.
# Nothing about your request told it which. To you it was one server all the time.

# %%
lesson.predict("nine")

# %%
answers = Counter(who() for _ in range(9))
lesson.reveal("nine", pods=len(answers))
answers

# %% [markdown]
# ## Look at it
#
# Every dot below is a real request, and it flies to the pod that answered.

# %%
lab.traffic("web", rate=5)

# %% [markdown]
# Keep it in sight: right-click it and choose *Create New View for Output*. Press **Busy 40**.
# Then delete a pod in a cell of your own, and watch its row. Count what failed.

# %% [markdown]
# ## The list behind the address
#
# Who told the Service about the new pod? A controller keeps a list of addresses for each Service: its **EndpointSlice**.

# %%
%kubectl get endpointslices -l kubernetes.io/service-name=web

# %% [markdown] key="list" tags=["predict"]
# **You scale `web` to five. What changes in the Service object itself?**
#
# - [ ] Its selector: two more pods are added to it.
# - [ ] Its cluster IP: more pods need another address.
# - [x] Nothing.
#
# The list behind it now has {count} addresses. The Service is the wish, the EndpointSlice is what is found for it.
# A program on every node, **kube-proxy**, reads the list and sends each connection on to one of its addresses.

# %%
lesson.predict("list")

# %%
def endpoints(name="web"):
    slices = lab.api.list("EndpointSlice", lab.namespace, f"kubernetes.io/service-name={name}")
    return [e["targetRef"]["name"] for s in slices for e in s.get("endpoints") or [] if e["conditions"]["ready"]]

before = lab.read("service/web").spec
%kubectl scale deployment web --replicas=5
lab.wait("deployment/web")
lesson.reveal("list", count=len(endpoints()))
lab.read("service/web").spec == before

# %% [markdown] key="nobody" tags=["exercise"]
# ## Your turn: nobody answers
#
# There is a second Service, `shop`. It is meant to lead to the pods of `web`, and nobody answers there.
# Find out why, and change the **Service** so that `http://shop` is answered by pods of `web`.

# %%
lesson.start("nobody")

# %% key="nobody" tags=["exercise"]
# solution
%kubectl set selector service shop app=web

# %% [markdown] key="nobody" tags=["hints"]
# 1. **Where to look.** Which addresses are behind `shop`? Ask for its EndpointSlice, as you did for `web`.
# 2. **Which thing.** The list is empty. Compare the selector of `shop` with the labels of the pods, letter by letter.
# 3. **Which command.** `kubectl set selector service` followed by its name and the right label, or `kubectl edit`, or YAML.

# %%
lesson.check("nobody")

# %% [markdown] tags=["solution"]
# An empty list is the first thing to look for when a Service does not answer. Kubernetes did not refuse the wrong selector:
# pods that match it might come later.

# %% [markdown]
# ## Ready or not
#
# A pod can run and still have no use for requests: it warms up, or has lost its database.
# The readiness probe asks for that. Once a second the kubelet calls `/ready` on each pod of `web`.
# Tell one pod to say no. It goes on running. The API server passes your request on to that one pod:

# %%
import threading

def call(pod, path):
    proxy = f"/api/v1/namespaces/{lab.namespace}/pods/{pod}:8080/proxy"
    return lab.api.send("GET", proxy + path).text

call(lab.pods("app=web")[0].name, "/ready")

# %% [markdown] key="unready" tags=["predict"]
# **One pod says that it is not ready. What becomes of it?**
#
# - [ ] The kubelet restarts its container.
# - [ ] The ReplicaSet deletes it and makes another one.
# - [x] It stays, and gets no requests.
#
# It runs, with RESTARTS {restarts} and READY 0/1. It answered {answers} of the thirty requests after that.
# Its address left the list, and no more was done. A restart is what a *liveness* probe asks for: lesson 04.

# %%
lesson.predict("unready")

# %%
shy = lab.pods("app=web")[0].name
call(shy, "/ready?off")
%kubectl wait pod/{shy} --for=condition=Ready=false --timeout=60s
while shy in endpoints():
    threading.Event().wait(0.1)
answers = Counter(who() for _ in range(30))[shy]
restarts = next(pod.restarts for pod in lab.pods("app=web") if pod.name == shy)
lesson.reveal("unready", restarts=restarts, answers=answers)
%kubectl get pods -l app=web

# %% [markdown]
# Find its row in the Traffic view: the line to it is dashed. Now let it say yes again.

# %%
call(shy, "/ready?on")
lab.wait("deployment/web")
shy in endpoints()

# %% [markdown]
# ### A failure, on purpose
#
# The next cell **is meant to fail**. It calls the right name at a wrong port. Read which ports there are.

# %% tags=["raises-exception"]
lab.get("http://web:8080")

# %% [markdown]
# 8080 is where the pods listen, and the Service has no such port. Its own is 80, as its manifest says.
# Whoever calls a Service needs to know its port only, so the pods may move to another one unnoticed.

# %% [markdown] key="front" tags=["exercise"]
# ## Your turn: another door
#
# Make a Service `front` that is called on port **8000** and leads to the pods of `web`.
# `http://front:8000` must be answered.

# %% key="front" tags=["exercise"]
# solution
%kubectl expose deployment web --name=front --port=8000 --target-port=8080

# %% [markdown] key="front" tags=["hints"]
# 1. **Where to look.** The manifest of `web` has all you need. Three of its words differ for `front`, or fewer.
# 2. **Which field.** `port` is where the Service is called. Where the pods listen has not changed.
# 3. **Which command.** `kubectl expose deployment` with a name, `--name`, `--port` and `--target-port`; or YAML.

# %%
lesson.check("front")

# %% [markdown]
# ## Names
#
# A Service's full name is longer than `web`. It has its namespace in it, so that two teams may both have a `web`:

# %%
for name in ("web", "web.default", "web.default.svc.cluster.local"):
    print(name, lab.get(f"http://{name}").status)

# %% [markdown]
# Inside of one namespace the short name is enough. Besides the name, every new pod is told the addresses of the Services
# in environment variables.

# %% [markdown] key="variables" tags=["predict"]
# **You make a Service `later`, and then one more pod. Which pods have the variable `LATER_SERVICE_HOST`?**
#
# - [ ] All of them: the kubelet adds it as soon as there is a Service.
# - [x] The new one only.
# - [ ] None. Names have replaced the variables.
#
# A process gets its environment when it starts, and nobody can change it from outside later. An old pod has it {old}
# times, the new one {new}. A name is looked up each time, so it has no such trouble.

# %%
lesson.predict("variables")

# %%
def variables(pod):
    return sum(line.startswith("LATER_SERVICE_HOST") for line in call(pod, "/env").splitlines())

%kubectl create service clusterip later --tcp=80:8080
old = lab.pods("app=web")[0].name
%kubectl run newcomer --image=k8slab/web:v1
lab.wait("pod/newcomer")
lesson.reveal("variables", old=variables(old), new=variables("newcomer"))

# %% [markdown]
# ## Across the nodes
#
# The pods of `web` are on several nodes. Does a Service prefer one of them?

# %%
places = {pod.name: pod.node for pod in lab.pods("app=web")}
Counter(places[who()] for _ in range(20))

# %% [markdown]
# It does not. The address of the Service is the same on every node, and so is the list behind it.
# Whoever calls need not know which machines there are.

# %% [markdown]
# ## The same pod again
#
# A server that keeps something about you in its memory needs you back. **Session affinity** promises that:
# the same client address is sent to the same pod, for three hours unless you say otherwise. Here is a Service that does.

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: sticky}
spec:
  selector: {app: web}
  sessionAffinity: ClientIP
  ports: [{port: 80, targetPort: 8080}]

# %% [markdown] key="sticky" tags=["predict"]
# **You send twenty requests to `http://sticky` from here. How many pods answer?**
#
# - [x] One.
# - [ ] Five, four requests each.
# - [ ] Two: one for new clients, one for those that come again.
#
# {pods} of {ready} pods answered. The others wait for other clients. So one busy client can wear out one pod
# while the rest is idle. And when that pod goes, its clients go to another one, which knows nothing of them.

# %%
lesson.predict("sticky")

# %%
answers = Counter(who("http://sticky") for _ in range(20))
lesson.reveal("sticky", pods=len(answers), ready=len(endpoints("sticky")))
answers

# %%
lab.traffic("sticky", rate=5)

# %% [markdown]
# Traffic plays six clients, each with an address of its own. Each is sent to its own pod again and again, so the shares stay uneven.
# Many people behind one router have one address: to a Service they are one client. Lesson 03 has better ways to keep state.

# %% [markdown]
# ## From outside
#
# A cluster IP is for callers inside of the cluster. Two more types of Service open a way in. Each adds to the one before:
#
# | type | who can call | what is added |
# |---|---|---|
# | ClusterIP | pods and nodes | an address and a name |
# | NodePort | whoever reaches a node | the same port on every node |
# | LoadBalancer | whoever reaches its address | a load balancer before the nodes |

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]

# %%
%kubectl scale deployment web --replicas=1
lab.wait("deployment/web")
%kubectl get service web
%kubectl get pods -l app=web -o wide

# %% [markdown]
# The second number in the column PORT(S) is the **node port**, out of 30000 to 32767. One pod is left, on one node.

# %% [markdown] key="nodeport" tags=["predict"]
# **You call the node port on each node. Which nodes answer?**
#
# - [ ] The one with the pod.
# - [x] All of them.
# - [ ] The first one: it is the entrance of the cluster.
#
# {answered} of {all} nodes answered, and every answer came from the same pod. A node without a pod sends the request on to one that has it.
# So the outside needs to know one node, any node.

# %%
lesson.predict("nodeport")

# %%
port = lab.read("service/web").spec["ports"][0]["nodePort"]
nodes = [node["metadata"]["name"] for node in lab.api.list("Node")]
answers = {node: who(f"http://{node}:{port}") for node in nodes}
lesson.reveal("nodeport", answered=len(answers), all=len(nodes))
answers

# %% [markdown]
# With `type: LoadBalancer` the cluster asks its cloud for an address that the whole world can call. It stays *pending* until
# somebody gives one. Here the lab does.

# %%
%%manifest
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]

# %%
%kubectl wait service/web --for=jsonpath=.status.loadBalancer.ingress --timeout=60s
%kubectl get service web

# %% [markdown] key="share" tags=["exercise"]
# ## Your turn: a quarter for the new version
#
# `web` shall try its next version on some of its clients. Scale `web` to **three**. Make a Deployment `next` with **one**
# replica of `k8slab/web:v2`, so that its pod also answers at `http://web`. Do not change the Service.

# %% key="share" tags=["exercise"]
# solution
lab.kubectl("scale deployment web --replicas=3")
labels = {"app": "web", "track": "next"}
container = {"name": "web", "image": "k8slab/web:v2"}
template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
lab.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "next"}, "spec": spec})

# %% [markdown] key="share" tags=["hints"]
# 1. **Where to look.** The Service does not know Deployments. What does it ask of a pod before it sends it requests?
# 2. **Which labels.** The pod of `next` needs the label the Service selects by, and one more that tells it from those of `web`.
# 3. **Which manifest.** Take that of `web`: another name, one replica, another tag. Put both labels in `matchLabels` and in the template.

# %%
lesson.check("share")

# %% [markdown]
# The two Deployments do not get into each other's way: each ReplicaSet asks for a label of its own as well, its hash.
# The Service asks for `app=web` alone, and takes them all. Lesson 07 goes on from here.

# %% [markdown]
# The lesson removes what it made:

# %%
%kubectl delete service web sticky shop front later --ignore-not-found
%kubectl delete deployment web next --ignore-not-found
%kubectl delete pod newcomer --wait=false

# %% [markdown]
# ## Three questions

# %% [markdown] key="empty" tags=["quiz"]
# **A Service has an address, and every request to it is refused. Its three pods are Running. What do you look at first?**
#
# - [ ] Whether the Service's cluster IP belongs to a node.
#   It belongs to no machine, and need not: kube-proxy takes what is sent there.
# - [x] Its EndpointSlice.
#   If no address is in it, the selector matches no pod, or no pod that matches is ready.
# - [ ] Whether the Deployment names the Service.
#   Then they would have to be tied to each other. Neither knows the other: the labels of the pods are all they share.

# %%
lesson.quiz("empty")

# %% [markdown] key="ports" tags=["quiz"]
# **`ports: [{port: 80, targetPort: 8080, nodePort: 30080}]`. A pod calls this Service by its name. Which port does it use?**
#
# - [x] 80.
#   That is the Service's own port. The other two are for what lies behind it and for callers outside.
# - [ ] 8080.
#   The containers listen there. Callers of the Service never see it.
# - [ ] 30080.
#   For that the pod would have to call a node. It can, but then it depends on that node.

# %%
lesson.quiz("ports")

# %% [markdown] key="guest" tags=["quiz"]
# **You start a bare pod with the single label `app=web`, from an image that prints nonsense. What do callers of `web` see?**
#
# - [ ] Nothing of it: the pod belongs to no Deployment.
#   A ReplicaSet would ignore it, since the hash is missing. The Service asks for `app=web` and no more.
# - [x] Now and then nonsense, once the pod is ready.
#   The selector matches, so its address gets into the list. A selector with two labels is safer than one.
# - [ ] An error: the Service refuses pods it does not know.
#   A Service knows no pods by name. It takes whatever matches and is ready.

# %%
lesson.quiz("guest")

# %% [markdown]
# ## What you saw
#
# - A Service has an address and a name that stay. Pods come and go behind it.
# - The selector says which pods may answer, and readiness which of them do now: both are in the EndpointSlice.
# - `port` is the Service's, `targetPort` the pods', `nodePort` every node's.
# - Affinity keeps a client with a pod, until the pod goes.
#
# **How do you call something that keeps moving:** by the name of a Service.

# %%
lesson.recap()

# %% [markdown]
# ### What the lab left out
#
# - Here pods take turns. A real kube-proxy mostly draws lots, so that ten requests may well be shared 5, 3 and 2.
# - A real cluster IP exists in rules of each node's kernel only. The lab's is an address of this machine, with a program that listens there.
# - Where ports below 1024 are kept for root, the lab serves port 80 on a free one. `kubectl describe service web` says which.
# - The load balancer of a cloud is a machine of its own and costs money. The lab's is one more address of this machine.
# - A pod that stops gets no new requests at once here. On many nodes that takes a moment, and a few requests may fail: lesson 07.
#
# ### In the Kubernetes documentation
#
# - [Service](https://kubernetes.io/docs/concepts/services-networking/service/), `/docs/concepts/services-networking/service/`
# - [EndpointSlices](https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/), `/docs/concepts/services-networking/endpoint-slices/`
# - [DNS for Services and Pods](https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/), `/docs/concepts/services-networking/dns-pod-service/`
# - [Virtual IPs and Service Proxies](https://kubernetes.io/docs/reference/networking/virtual-ips/), `/docs/reference/networking/virtual-ips/`
# - [Liveness, Readiness, and Startup Probes](https://kubernetes.io/docs/concepts/workloads/pods/probes/), `/docs/concepts/workloads/pods/probes/`
