"""The kubelet: on each node it makes the pods that were bound there true.

`kubelets.py` holds them all; `agent.py` is one node; `workers.py` looks after its pods: `view.py` -> `plan.py` (decide)
-> `launch.py` (act) -> `status.py` (tell).
"""
