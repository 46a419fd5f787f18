"""Pods of a node that was deleted: nobody will ever end them properly, so they are removed by force.

`nodelifecycle.py` looks after nodes that are silent; here the node object itself is gone (`kubectl delete node`). The
rule and its 40 s are Kubernetes' (pkg/controller/podgc, gcOrphaned).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Obj, key_of, with_condition
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes

QUARANTINE = 40.0  # Kubernetes seconds a node has to be missed before its pods are


class PodGarbageCollector(Controller[str]):
    """Its keys are the names of nodes."""

    name = "pod-garbage-collector-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self._missed: dict[str, float] = {}  # node -> since when (monotonic)

    def watches(self) -> Mapping[str, Wakes[str]]:
        return {"Node": self._of_node, "Pod": self._of_pod}

    def _of_node(self, before: Obj | None, after: Obj | None) -> Iterable[str]:
        """Only coming and going matters."""
        obj = after or before
        return (obj["metadata"]["name"],) if obj and not (before and after) else ()

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[str]:
        node = after["spec"].get("nodeName") if after else None
        known = not node or (before and before["spec"].get("nodeName") == node)
        return () if known or self.client.informer("Node").get(node or "") else (node or "",)

    async def reconcile(self, key: str) -> float | None:
        pods = list(self.client.informer("Pod").by("node", key))
        if self.client.informer("Node").get(key) or not pods:
            self._missed.pop(key, None)
            return None
        missed = (self.clock.monotonic() - self._missed.setdefault(key, self.clock.monotonic())) * self.clock.speed
        if missed < QUARANTINE:
            return QUARANTINE - missed
        for pod in pods:
            self._remove(pod)
        return None

    def _remove(self, pod: Obj) -> None:
        namespace, name = key_of(pod)
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            self.client.patch("Pod", name, namespace, {"status": failed(pod, self.clock.timestamp())}, "status")
        self.client.delete("Pod", name, namespace, grace=0, uid=pod["metadata"]["uid"])


def failed(pod: Obj, now: str) -> Obj:
    """What its status says in its last moment: it has failed, because its node is gone."""
    why = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
    why["message"] = "PodGC: node no longer exists"
    return {
        "phase": "Failed",
        "conditions": with_condition((pod.get("status") or {}).get("conditions") or [], why, now),
    }
