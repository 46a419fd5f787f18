"""How long kubelets may keep what they read of ConfigMaps and Secrets: noted on every node, longer in larger clusters.

`kubectl describe node` shows it. The rule is Kubernetes' (pkg/controller/ttl): steps that overlap, so that a node more
or less does not rewrite all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Key, Obj, annotations_of
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes, itself

NOTE = "node.alpha.kubernetes.io/ttl"
STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 1 << 31, 300))  # from, to nodes: seconds


class NodeTTLController(Controller[Key]):
    """Its keys are nodes."""

    name = "ttl-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self._nodes, self._step = 0, 0

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Node": self._of_node}

    def _of_node(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        self._nodes += (before is None) - (after is None)
        self._step = step(self._step, self._nodes)
        return itself(before, after) if after else ()

    async def reconcile(self, key: Key) -> float | None:
        node = self.client.informer("Node").get(key.name)
        wanted = str(STEPS[self._step][2])
        if node and annotations_of(node).get(NOTE) != wanted:
            self.client.patch("Node", key.name, "", {"metadata": {"annotations": {NOTE: wanted}}})
        return None


def step(now: int, nodes: int) -> int:
    """The step for so many nodes, coming from another."""
    while nodes > STEPS[now][1]:
        now += 1
    while nodes < STEPS[now][0]:
        now -= 1
    return now
