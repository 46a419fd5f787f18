"""Nodes that fall silent: they are called Unknown and tainted, and after their tolerations run out their pods leave.

A kubelet renews its node's Lease every 10 s; 50 s without that, or a new status, and it is believed to be dead. What
then has to be so is decided in `node_health.py`, pure; here it is done, by two controllers as in Kubernetes
(pkg/controller/nodelifecycle and tainteviction). Kubernetes looks every 5 s and taints one node in 10 s at most; here
each is tainted when its own time is up. If all are silent, no pod is driven away, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Key, Obj, condition, is_pod_ready, is_terminating, key_of, with_condition
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers import node_health
from k8slab.controllers.base import Controller, Wakes

LEASES = "kube-node-lease"


class NodeLifecycleController(Controller[str]):
    """Listens for heartbeats, and draws the conclusions when they stop. Its keys are node names."""

    name = "node-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self._heard: dict[str, float] = {}  # node -> when it last gave a sign of life (monotonic)
        self._ready: set[str] = set()

    def watches(self) -> Mapping[str, Wakes[str]]:
        return {"Node": self._of_node, "Lease": self._of_lease}

    def _of_node(self, before: Obj | None, after: Obj | None) -> Iterable[str]:
        node = after or before or {}
        name = node["metadata"]["name"]
        if after is None:
            self._heard.pop(name, None)
            self.recorder.event(
                node, "Normal", "RemovingNode", f"Node {name} event: Removing Node {name} from Controller"
            )
        elif before is None or _heartbeat(before) != _heartbeat(after):
            self._heard[name] = self.clock.monotonic()
        if before is None:
            message = f"Node {name} event: Registered Node {name} in Controller"
            self.recorder.event(node, "Normal", "RegisteredNode", message)
        some_were_ready = bool(self._ready)
        (self._ready.add if after and node_health.ready_status(after) == "True" else self._ready.discard)(name)
        if some_were_ready != bool(self._ready):  # the first one back, or the last one gone, changes it for all
            return [other["metadata"]["name"] for other in self.client.informer("Node").list()]
        return (name,)

    def _of_lease(self, before: Obj | None, after: Obj | None) -> Iterable[str]:
        """A heartbeat is only remembered: whoever looks at the node when its time seems up finds it renewed."""
        if (
            after
            and after["metadata"]["namespace"] == LEASES
            and (before is None or _renewed(before) != _renewed(after))
        ):
            self._heard[after["metadata"]["name"]] = self.clock.monotonic()
        return ()

    async def reconcile(self, key: str) -> float | None:
        node = self.client.informer("Node").get(key)
        if node is None:
            return None
        quiet = (self.clock.monotonic() - self._heard.setdefault(key, self.clock.monotonic())) * self.clock.speed
        left = node_health.grace_of(node) - quiet
        if left <= 0:
            node = self._silence(node)
        wanted = node_health.taints(node, self.clock.timestamp(), evict=bool(self._ready))
        if wanted != (node["spec"].get("taints") or []):
            seen = {"resourceVersion": node["metadata"]["resourceVersion"]}
            self.client.patch("Node", key, "", {"metadata": seen, "spec": {"taints": wanted or None}})
        return left if left > 0 else None  # once silent, it is the node that has to speak

    def _silence(self, node: Obj) -> Obj:
        conditions = node_health.silenced(node, self.clock.timestamp())
        if conditions == (node.get("status") or {}).get("conditions"):
            return node
        name, was_ready = node["metadata"]["name"], node_health.ready_status(node) == "True"
        current = self.client.get("Node", name)
        after = self.client.update({**current, "status": {**current["status"], "conditions": conditions}}, "status")
        if was_ready:
            self.recorder.event(after, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            for pod in self.client.informer("Pod").by("node", name):
                if is_pod_ready(pod):
                    self._not_ready(pod)
        return after

    def _not_ready(self, pod: Obj) -> None:
        ready = condition(pod, "Ready") or {}
        conditions = with_condition(pod["status"]["conditions"], ready | {"status": "False"}, self.clock.timestamp())
        namespace, name = key_of(pod)
        self.client.patch("Pod", name, namespace, {"status": {"conditions": conditions}}, "status")
        self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")


def _heartbeat(node: Obj) -> object:
    return (condition(node, "Ready") or {}).get("lastHeartbeatTime")


def _renewed(lease: Obj) -> object:
    return (lease.get("spec") or {}).get("renewTime")


class TaintEvictionController(Controller[Key]):
    """Drives pods off nodes with NoExecute taints, each when its toleration has run out. Its keys are pods."""

    name = "taint-eviction-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self._marked: dict[Key, float] = {}  # pods that will have to leave, and when that was noticed

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Node": self._of_node, "Pod": self._of_pod}

    def _of_node(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        if after is None or _driving(before) == _driving(after):
            return ()
        return [key_of(pod) for pod in self.client.informer("Pod").by("node", after["metadata"]["name"])]

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        if after is None or (before and _place(before) == _place(after)):
            return ()
        node = self.client.informer("Node").get(after["spec"].get("nodeName", ""))
        return (key_of(after),) if _driving(node) else ()

    async def reconcile(self, key: Key) -> float | None:
        pod = self.client.informer("Pod").get(key.name, key.namespace)
        node = self.client.informer("Node").get(pod["spec"].get("nodeName", "")) if pod else None
        if pod is None or node is None or is_terminating(pod):
            self._marked.pop(key, None)
            return None
        noticed = self._marked.pop(key, None)
        left = node_health.leaves_in(pod, node, self.clock, noticed or self.clock.time())
        if left is None:
            if noticed:
                self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
        elif left > 0:
            self._marked[key] = noticed or self.clock.time()
        else:
            self._evict(pod, key)
        return left or None

    def _evict(self, pod: Obj, key: Key) -> None:
        self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        why = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        before = (pod.get("status") or {}).get("conditions") or []
        conditions = with_condition(before, why, self.clock.timestamp())
        self.client.patch("Pod", key.name, key.namespace, {"status": {"conditions": conditions}}, "status")
        self.client.delete("Pod", key.name, key.namespace, uid=pod["metadata"]["uid"])


def _driving(node: Obj | None) -> list[Obj]:
    return [taint for taint in (node["spec"].get("taints") or []) if taint["effect"] == "NoExecute"] if node else []


def _place(pod: Obj) -> tuple[object, object]:
    return pod["spec"].get("nodeName"), pod["spec"].get("tolerations")
