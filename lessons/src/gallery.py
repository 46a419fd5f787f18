# %% [markdown]
# # Every view, alive
#
# Run the cells from top to bottom. Each view works with mouse, keyboard and screen reader; `docs/gallery.md` has
# pictures of all of them. A cell that runs again shows the same view; a view's `close()` ends it.

# %%
from k8slab import Lab

lab = Lab()
lab

# %% [markdown]
# Something to look at: six pods and a Service.

# %%
lab.apply("""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 6
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: k8slab/web:v1
        ports: [{containerPort: 8080}]
        readinessProbe:
          httpGet: {path: /ready, port: 8080}
          periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
""")
lab.wait("deployment/web")

# %% [markdown]
# ## The board
#
# What is wished and what is. Select a pod to read its log, open a terminal in it, crash it or delete it; drain a node or
# pull its plug; press *web* behind *Services* to see who gets its requests.

# %%
lab.board()

# %% [markdown]
# ## The terminal
#
# A shell in which kubectl already knows this lab. `lab.terminal(pod)` opens one inside a pod.

# %%
lab.terminal()

# %%
lab.terminal(lab.pods("app=web")[0])

# %% [markdown]
# ## Traffic
#
# Requests through the Service, each a dot that flies to the pod that answered. Set the rate, then scale or break `web`.

# %%
lab.traffic("web", rate=5)

# %% [markdown]
# ## The loop
#
# Read, compare, act: the loops below `web`. Press *Slow motion* and delete a pod on the board; then *By hand*, and take
# each step yourself; then *Off*, and see what nobody repairs.

# %%
lab.loop("deployment/web")

# %% [markdown]
# ## The journey
#
# One `kubectl apply`, hop by hop: choose a hop to see the object as it stood there, or press *Play*. Run the second cell
# while you look at the first.

# %%
lab.journey("deployment/web")

# %%
lab.kubectl("set env deployment/web MOOD=good")

# %% [markdown]
# ## A roll out
#
# Old and new pods trade places between two bounds. Run the second cell while you look at the first.

# %%
lab.rollout("web")

# %%
lab.kubectl("set image deployment/web web=k8slab/web:v2")

# %% [markdown]
# ## Autoscaling
#
# The formula with its numbers in it. There is no load here: `images/load` makes some.

# %%
lab.kubectl("autoscale deployment web --cpu-percent=50 --min=3 --max=9")
lab.autoscale("web")

# %% [markdown]
# ## Scheduling
#
# Why a pod went to its node, or to none. `report` asks for more than any node has: turn its CPU down and see who would
# take it. Choose another pod to see by how many points its node won.

# %%
lab.apply("""
apiVersion: v1
kind: Pod
metadata:
  name: report
spec:
  containers:
  - name: report
    image: k8slab/web:v1
    resources:
      requests: {cpu: "8", memory: 128Mi}
""")
lab.scheduling("report")

# %% [markdown]
# ## The shop
#
# Two customers with a browser each. Log in, fill the cart, then scale `shop` to three and reload.

# %%
lab.apply("""
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: k8slab/cart}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
""")
lab.wait("deployment/shop")
lab.shop("http://shop")

# %% [markdown]
# ## The handshake
#
# Three packets before the first byte. Press *Connect*.

# %%
lab.handshake()

# %% [markdown]
# ## What fences hide
#
# One process asked what it sees, with a fence more each time.

# %%
lab.isolation()

# %% [markdown]
# ## The race
#
# The same small work as process, container and virtual machine, started at once.

# %%
lab.race()

# %% [markdown]
# ## The diagram
#
# Who owns whom, which Service reaches which pod, and what pods use, as it is now. Kept, it can be compared with later.

# %%
before = lab.diagram()
before

# %%
lab.kubectl("scale deployment web --replicas=4")
lab.wait("deployment/web")
lab.diagram(since=before)

# %% [markdown]
# ## The doctor
#
# This machine: which runtime, which fences, and the line that would add what is missing.

# %%
lab.doctor()
