"""The cluster as the scheduler sees it: what every node has, and what its pods already take.

Fed by the informers, one change at a time, so that placing a pod costs the same in a cluster of ten pods and of ten
thousand (kube-scheduler: pkg/scheduler/backend/cache). `podinfo.py` says what a pod takes; `decide.py` reads this.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8slab.api.objects import Obj, labels_of
from k8slab.scheduler.podinfo import Amounts, Group, Port, Usage, amounts

ZONE = "topology.kubernetes.io/zone"
REMEMBERED = 64  # how many nodes that got room the cache recalls; beyond that, whoever cares looks at all


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
        self.pods: dict[str, Usage] = {}  # by uid
        self.requested: dict[str, int] = {}
        self.assumed: dict[str, int] = {}
        self.ports: list[Port] = []
        self.groups: dict[Group, int] = {}

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
        if usage.spreads:
            _tally(self.groups, usage.group, sign)


@dataclass
class Members:
    """The pods of one group that are on nodes: how they look, and how many each zone has."""

    labels: Mapping[str, str]
    sample: Usage  # equal ones are kept once: 150,000 pods of a lab are a handful of different ones
    size: int = 0
    zones: dict[str, int] = field(default_factory=dict)


class Cache:
    """All nodes, kept current."""

    def __init__(self) -> None:
        self.infos: dict[str, NodeInfo] = {}
        self.groups: dict[str, dict[Group, Members]] = {}  # by namespace
        self.freed: deque[str] = deque(maxlen=REMEMBERED)
        self.freed_count = 0  # grows whenever a node may have become better for somebody
        self._nodes: list[NodeInfo] | None = None

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        """The nodes there are, node-2 before node-10."""
        if self._nodes is None:
            there = [info for info in self.infos.values() if info.node is not None]
            self._nodes = sorted(there, key=lambda info: info.order)
        return self._nodes

    def set_node(self, name: str, node: Obj | None) -> frozenset[str]:
        """A node came, changed or (None) went. Says what changed for waiting pods: `labels`, `taints`, … or `added`."""
        info = self.infos.setdefault(name, NodeInfo(name))
        came, zone = info.node is None and node is not None, info.zone
        if came or node is None:
            self._nodes = None
        changed = info.describe(node)
        if info.zone != zone:
            self._move_zone(info, zone)
        if node is None and not info.pods:
            del self.infos[name]
        if not changed and not came:
            return frozenset()
        self._free(name)
        return changed | {"added"} if came else changed

    def set_pod(self, uid: str, before: str, pod: Obj | None) -> bool:
        """A pod is now this (None: takes nothing any more) and was on the node `before`. Says whether room was made."""
        after = pod["spec"].get("nodeName", "") if pod else ""
        old = self.infos[before].pods.get(uid) if before in self.infos else None
        new = Usage.of(pod) if pod and after else None
        if old == new and before == after:
            return False
        if old:
            self._forget(self.infos[before], uid, old)
        if pod and new:
            self._remember(self.infos.setdefault(after, NodeInfo(after)), uid, new, labels_of(pod))
        if old:
            self._free(before)
        return old is not None

    def alike(self, namespace: str, selectors: Iterable[Mapping[str, str]]) -> tuple[Group, ...]:
        """The groups of the namespace whose pods every one of the selectors picks."""
        wanted = [selector.items() for selector in selectors]
        found = self.groups.get(namespace, {}).items()
        return tuple(g for g, members in found if all(want <= members.labels.items() for want in wanted))

    def zones(self, groups: Iterable[Group]) -> dict[str, int]:
        """How many pods of these groups each zone has; nothing while no node names a zone."""
        total: dict[str, int] = {}
        for group in groups:
            members = self.groups.get(group.namespace, {}).get(group)
            for zone, number in members.zones.items() if members else ():
                total[zone] = total.get(zone, 0) + number
        return total

    def _remember(self, info: NodeInfo, uid: str, usage: Usage, labels: Mapping[str, str]) -> None:
        space = self.groups.setdefault(usage.group.namespace, {})
        members = space.setdefault(usage.group, Members(labels, usage))
        usage = members.sample if members.sample == usage else usage
        info.pods[uid] = usage
        info.count(usage, 1)
        members.size += 1
        if usage.spreads and info.zone:
            _tally(members.zones, info.zone, 1)

    def _forget(self, info: NodeInfo, uid: str, usage: Usage) -> None:
        space = self.groups[usage.group.namespace]
        members = space[usage.group]
        del info.pods[uid]
        info.count(usage, -1)
        members.size -= 1
        if usage.spreads and info.zone:
            _tally(members.zones, info.zone, -1)
        if not members.size:
            del space[usage.group]
        if info.node is None and not info.pods:
            del self.infos[info.name]

    def _move_zone(self, info: NodeInfo, old: str) -> None:
        for group, number in info.groups.items():
            zones = self.groups[group.namespace][group].zones
            if old:
                _tally(zones, old, -number)
            if info.zone:
                _tally(zones, info.zone, number)

    def _free(self, name: str) -> None:
        self.freed.append(name)
        self.freed_count += 1


def natural(name: str) -> tuple[object, ...]:
    """A sort key under which node-2 comes before node-10."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))


def _tally(counts: dict[Any, int], key: object, by: int) -> None:
    number = counts.get(key, 0) + by
    if number:
        counts[key] = number
    else:
        counts.pop(key, None)
