"""One node as the scheduler sees it: what it offers, and the sum of what its pods take.

`cache.py` keeps one for every node; `filters.py` and `scores.py` read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k8slab.api.objects import Obj, labels_of, natural
from k8slab.scheduler.census import tally
from k8slab.scheduler.podinfo import Amounts, Group, Port, Usage, amounts

ZONE = "topology.kubernetes.io/zone"


class NodeInfo:
    """A node and the sum of what its pods take. `node` is None for a name that so far only pods speak of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = natural(name)
        self.node: Obj | None = None
        self.labels: Mapping[str, str] = {}
        self.taints: Sequence[Obj] = ()
        self.unschedulable = False
        self.allocatable: Amounts = {}
        self.images: Mapping[str, int] = {}  # name -> bytes
        self.pods: dict[str, Usage] = {}  # by uid
        self.requested: dict[str, int] = {}
        self.assumed: dict[str, int] = {}
        self.ports: list[Port] = []
        self.groups: dict[Group, int] = {}
        self.priorities: dict[int, int] = {}  # priority -> how many pods

    @property
    def zone(self) -> str:
        """The zone it says it is in, or nothing."""
        return self.labels.get(ZONE, "")

    def describe(self, node: Obj | None) -> frozenset[str]:
        """Take over what the object says; which of the things a pod may wait for have changed."""
        spec = (node or {}).get("spec") or {}
        status = (node or {}).get("status") or {}
        told = {
            "labels": labels_of(node) if node else {},
            "taints": spec.get("taints") or (),
            "unschedulable": bool(spec.get("unschedulable")),
            "allocatable": amounts(status.get("allocatable") or status.get("capacity")),
        }
        changed = frozenset(what for what, value in told.items() if getattr(self, what) != value)
        self.node = node
        self.images = {name: each.get("sizeBytes", 0) for each in status.get("images") or () for name in each["names"]}
        for what in changed:
            setattr(self, what, told[what])
        return changed

    def count(self, usage: Usage, sign: int) -> None:
        """Add (1) or take away (-1) what a pod takes."""
        for total, part in ((self.requested, usage.requests), (self.assumed, usage.assumed)):
            for resource, number in part.items():
                total[resource] = total.get(resource, 0) + sign * number
        for port in usage.ports:
            self.ports.append(port) if sign > 0 else self.ports.remove(port)
        tally(self.priorities, usage.priority, sign)
        if usage.spreads:
            tally(self.groups, usage.group, sign)
