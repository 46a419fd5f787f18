"""The cluster as the scheduler sees it: what every node has, what its pods take, who is where.

Fed by the informers, one change at a time, so that placing a pod costs the same in a cluster of ten pods and of ten
thousand (kube-scheduler: pkg/scheduler/backend/cache). `nodeinfo.py` is one node, `census.py` counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

from k8slab.api.objects import Obj
from k8slab.scheduler.census import Kin, Opinion, tally
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import Group, PodInfo, Usage
from k8slab.scheduler.terms import NamespaceLabels, Terms

REMEMBERED = 64  # how many nodes that got room the cache recalls; beyond that, whoever cares looks at all
T = TypeVar("T")


@dataclass
class Members:
    """The pods of one group that are on nodes: how many, and how many each zone has."""

    sample: Usage  # equal ones are kept once: 150,000 pods of a lab are a handful of different ones
    size: int = 0
    zones: dict[str, int] = field(default_factory=dict)


class Cache:
    """All nodes, kept current. `namespace_labels` looks up what labels a namespace has."""

    def __init__(self, namespace_labels: NamespaceLabels = lambda name: {}) -> None:
        self.namespace_labels = namespace_labels
        self.infos: dict[str, NodeInfo] = {}
        self.groups: dict[str, dict[Group, Members]] = {}  # by namespace
        self.kin: dict[str, dict[frozenset[tuple[str, str]], Kin]] = {}  # by namespace, then by labels
        self.opinions: dict[Terms, Opinion] = {}
        self.nominated: dict[str, dict[str, Usage]] = {}  # node -> the pods it is being cleared for, by uid
        self.priorities: dict[int, int] = {}  # of all pods on nodes
        self.freed: deque[str] = deque(maxlen=REMEMBERED)
        self.freed_count = 0  # grows whenever a node may have become better for somebody
        self._nodes: list[NodeInfo] | None = None
        self._known: dict[Hashable, object] = {}

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        """The nodes there are, node-2 before node-10."""
        if self._nodes is None:
            there = [info for info in self.infos.values() if info.node is not None]
            self._nodes = sorted(there, key=lambda info: info.order)
        return self._nodes

    def recall(self, question: Hashable, work_out: Callable[[], T]) -> T:
        """An answer that holds until a node's or namespace's label, a taint, or the kinds of pods there are change."""
        if question not in self._known:
            self._known[question] = work_out()
        return cast(T, self._known[question])

    def forget(self) -> None:
        """Labels, taints or the kinds of pods have changed: answers are worked out anew."""
        self._known.clear()

    # ------------------------------------------------------------------------------------------ changes

    def set_node(self, name: str, node: Obj | None) -> frozenset[str]:
        """A node came, changed or (None) went. Says what changed for waiting pods: `labels`, `taints`, … or `added`."""
        info = self._info(name)
        came, zone = info.node is None and node is not None, info.zone
        if came or node is None:
            self._nodes = None
        changed = info.describe(node)
        if came or node is None or changed & {"labels", "taints"}:
            self.forget()
        if info.zone != zone:
            self._move_zone(info, zone)
        if "labels" in changed and info.pods:
            self._find_places_anew()
        if node is None and not info.pods:
            del self.infos[name]
        if not changed and not came:
            return frozenset()
        self._free(name)
        return changed | {"added"} if came else changed

    def set_pod(self, uid: str, before: str, pod: Obj | None) -> frozenset[str]:
        """A pod is now this (None: takes nothing any more) and was on the node `before`. Says what that may mean to
        waiting pods: `freed` if room was made, `pods` if somebody came or is seen differently now."""
        after = pod["spec"].get("nodeName", "") if pod else ""
        old = self.infos[before].pods.get(uid) if before in self.infos else None
        new = Usage.of(pod) if pod and after else None
        if old == new and before == after:
            return frozenset()
        if old:
            self.take_off(before, uid)
            self._free(before)
        if new:
            self.put_on(after, uid, new)
        stays = old and new and before == after and (old.requests, old.ports) == (new.requests, new.ports)
        return frozenset((["freed"] if old and not stays else []) + (["pods"] if new else []))

    def nominate(self, pod: PodInfo) -> None:
        """Room is being made for a pod on a node; it counts there for others of no higher priority."""
        self.withdraw(pod.uid)
        if pod.nominated:
            self.nominated.setdefault(pod.nominated, {})[pod.uid] = pod.usage

    def withdraw(self, uid: str) -> None:
        """A nomination has come to its end."""
        for node in [node for node, pods in self.nominated.items() if uid in pods]:
            del self.nominated[node][uid]
            if not self.nominated[node]:
                del self.nominated[node]

    # ------------------------------------------------------------------------------------------ counting

    def put_on(self, name: str, uid: str, usage: Usage) -> None:
        """Count a pod on a node."""
        info = self._info(name)
        members = self.groups.setdefault(usage.group.namespace, {}).setdefault(usage.group, Members(usage))
        usage = members.sample if members.sample == usage else usage
        info.pods[uid] = usage
        members.size += 1
        self._count(info, usage, members, 1)

    def take_off(self, name: str, uid: str) -> Usage:
        """Count it no more; what it took."""
        info = self.infos[name]
        usage = info.pods.pop(uid)
        space = self.groups[usage.group.namespace]
        members = space[usage.group]
        members.size -= 1
        self._count(info, usage, members, -1)
        if not members.size:
            del space[usage.group]
        if info.node is None and not info.pods:
            del self.infos[name]
        return usage

    @contextmanager
    def without(self, node: NodeInfo, uids: Iterable[str]) -> Iterator[dict[str, Usage]]:
        """The cluster as it would be without some pods of a node; what is still in the dict at the end comes back."""
        away = {uid: self.take_off(node.name, uid) for uid in uids}
        try:
            yield away
        finally:
            for uid, usage in away.items():
                self.put_on(node.name, uid, usage)

    @contextmanager
    def with_more(self, node: NodeInfo, pods: Mapping[str, Usage]) -> Iterator[None]:
        """The cluster as it would be with some more pods on a node."""
        for uid, usage in pods.items():
            self.put_on(node.name, uid, usage)
        try:
            yield
        finally:
            for uid in pods:
                self.take_off(node.name, uid)

    def _count(self, info: NodeInfo, usage: Usage, members: Members, by: int) -> None:
        info.count(usage, by)
        tally(self.priorities, usage.priority, by)
        if usage.spreads and info.zone:
            tally(members.zones, info.zone, by)
        space = self.kin.setdefault(usage.group.namespace, {})
        kin = space.get(usage.labels)
        if kin is None:
            kin = space[usage.labels] = Kin(usage.group.namespace, dict(usage.labels), self._labels_of)
            self.forget()
        kin.count(info.name, by)
        if not usage.spreads:
            tally(kin.leaving, info.name, by)
        if not kin.nodes:
            del space[usage.labels]
            self.forget()
        if usage.terms:
            self._count_opinion(info, usage, by)

    def _count_opinion(self, info: NodeInfo, usage: Usage, by: int) -> None:
        opinion = self.opinions.get(usage.terms)
        if opinion is None:
            opinion = self.opinions[usage.terms] = Opinion(usage.terms, self._labels_of)
            self.forget()
        opinion.count(info.name, by)
        if not opinion.nodes:
            del self.opinions[usage.terms]
            self.forget()

    # ------------------------------------------------------------------------------------------ questions

    def alike(self, namespace: str, selectors: Iterable[Mapping[str, str]]) -> tuple[Group, ...]:
        """The groups of the namespace whose pods every one of the selectors picks."""
        wanted = frozenset(pair for selector in selectors for pair in selector.items())
        found = self.groups.get(namespace, {}).items()
        return tuple(group for group, members in found if wanted <= members.sample.labels)

    def zones(self, groups: Iterable[Group]) -> dict[str, int]:
        """How many pods of these groups each zone has; nothing while no node names a zone."""
        total: dict[str, int] = {}
        for group in groups:
            members = self.groups.get(group.namespace, {}).get(group)
            for zone, number in members.zones.items() if members else ():
                total[zone] = total.get(zone, 0) + number
        return total

    def _info(self, name: str) -> NodeInfo:
        if name not in self.infos:
            self.infos[name] = NodeInfo(name)
        return self.infos[name]

    def _labels_of(self, name: str) -> Mapping[str, str]:
        info = self.infos.get(name)
        return info.labels if info else {}

    def _find_places_anew(self) -> None:
        for space in self.kin.values():
            for kin in space.values():
                kin.moved()
        for opinion in self.opinions.values():
            opinion.moved()

    def _move_zone(self, info: NodeInfo, old: str) -> None:
        for group, number in info.groups.items():
            zones = self.groups[group.namespace][group].zones
            if old:
                tally(zones, old, -number)
            if info.zone:
                tally(zones, info.zone, number)

    def _free(self, name: str) -> None:
        self.freed.append(name)
        self.freed_count += 1
