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
# ## The diagram
#
# Who owns whom, and which Service reaches which pod, as it is now.

# %%
lab.diagram()
