"""May this pod run on that node? One rule a row, in kube-scheduler's order, with its reason in Kubernetes' words.

A row is prepared for a pod (kube-scheduler's PreFilter) and is then a function of the node; the first that refuses a
node ends the matter for that node. `decide.py` asks, `queue.py` learns from `WAKES` which changes could make a refusal
go away. Rules that look at other pods are in `affinity.py` and `spread.py`, what claims mean is in `volumes.py`.
Sources: kubernetes/kubernetes pkg/scheduler/framework/plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slab.scheduler.affinity import inter_pod_affinity, opinions_on
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.matching import pinned, selects, tolerates, untolerated
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo, Usage
from k8slab.scheduler.refusals import Filter, Refusal
from k8slab.scheduler.spread import topology_spread
from k8slab.scheduler.terms import REQUIRED
from k8slab.scheduler.volumes import ONE_POD

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

CORDONED = Refusal("NodeUnschedulable", ("node(s) were unschedulable",), False)
WRONG_NAME = Refusal("NodeName", ("node(s) didn't match the requested node name",), False)
TAINTED = Refusal("TaintToleration", ("node(s) had untolerated taint(s)",), False)
NOT_SELECTED = Refusal("NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",), False)
NOT_NAMED = Refusal("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), False)
CONFLICT = Refusal("NodeAffinity", ("pod affinity terms conflict",), False)
PORT_TAKEN = Refusal("NodePorts", ("node(s) didn't have free ports for the requested pod ports",), True)
IN_USE = Refusal("VolumeRestrictions", (ONE_POD,), True)

# Which changes make another try worth while, by the plugin that refused (their EventsToRegister).
WAKES: Mapping[str, frozenset[str]] = {
    "NodeUnschedulable": frozenset({"added", "unschedulable"}),
    "NodeName": frozenset({"added"}),
    "TaintToleration": frozenset({"added", "taints"}),
    "NodeAffinity": frozenset({"added", "labels"}),
    "NodePorts": frozenset({"added", "freed"}),
    "NodeResourcesFit": frozenset({"added", "freed", "allocatable"}),
    "VolumeBinding": frozenset({"added", "labels", "volumes"}),
    "VolumeRestrictions": frozenset({"freed", "volumes"}),
    "PodTopologySpread": frozenset({"added", "freed", "labels", "taints", "pods"}),
    "InterPodAffinity": frozenset({"added", "freed", "labels", "pods", "namespaces"}),
}

Prepare = Callable[[PodInfo, Cache], "Filter | Refusal | None"]  # None: it has nothing to say; a Refusal: of all nodes


def node_unschedulable(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """A cordoned node takes nobody, except who tolerates the taint that says so (DaemonSets do)."""
    return CORDONED if node.unschedulable and not tolerates(pod.tolerations, UNSCHEDULABLE_TAINT) else None


def node_name(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """`spec.nodeName` means this node and no other."""
    return WRONG_NAME if pod.spec.get("nodeName") != node.name else None


def taint_toleration(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """Taints that forbid, and are not tolerated. A node that is not ready carries one too."""
    return TAINTED if node.taints and untolerated(pod, node) else None


def node_affinity(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """`nodeSelector`, and the required part of node affinity."""
    return None if selects(pod, node) else NOT_SELECTED


def node_ports(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """Two pods cannot have the same port of one node."""
    clash = any(wanted.clashes(taken) for wanted in pod.usage.ports for taken in node.ports)
    return PORT_TAKEN if clash else None


def node_resources_fit(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """Requests, not use, must fit into what is left. What even the empty node lacks, no eviction can give."""
    room, taken = node.allocatable, node.requested
    lacking = [
        resource
        for resource, wanted in pod.requests.items()
        if wanted and wanted > room.get(resource, 0) - taken.get(resource, 0)
    ]
    full = len(node.pods) + 1 > room.get("pods", 0)
    if not lacking and not full:
        return None
    reasons = (*(["Too many pods"] if full else []), *(f"Insufficient {resource}" for resource in sorted(lacking)))
    return Refusal("NodeResourcesFit", reasons, all(pod.requests[r] <= room.get(r, 0) for r in lacking))


def volume_restrictions(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """A claim for one pod alone is another pod's."""
    return IN_USE


def volume_binding(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """The volumes of the pod's claims can be reached from the node, and those that are still to be bound can be had."""
    why = pod.storage.problem(node.node) if pod.storage and node.node else ""
    return Refusal("VolumeBinding", (why,), False) if why else None


def _has_claims(pod: PodInfo, cache: Cache) -> Filter | Refusal | None:
    if pod.storage and pod.storage.missing:
        return Refusal("VolumeBinding", (pod.storage.missing,), False)
    return volume_binding if pod.storage else None


def _asks_for_nodes(pod: PodInfo, cache: Cache) -> Filter | Refusal | None:
    if pinned(pod) == frozenset():
        return CONFLICT
    return node_affinity if pod.spec.get("nodeSelector") or pod.node_affinity.get(REQUIRED) else None


RULES: Mapping[str, Prepare] = {
    "NodeUnschedulable": lambda pod, cache: node_unschedulable,
    "NodeName": lambda pod, cache: node_name if pod.spec.get("nodeName") else None,
    "TaintToleration": lambda pod, cache: taint_toleration,
    "NodeAffinity": _asks_for_nodes,
    "NodePorts": lambda pod, cache: node_ports if pod.usage.ports else None,
    "NodeResourcesFit": lambda pod, cache: node_resources_fit,
    "VolumeRestrictions": lambda pod, cache: volume_restrictions if pod.storage and pod.storage.exclusive else None,
    "VolumeBinding": _has_claims,
    "PodTopologySpread": topology_spread,
    "InterPodAffinity": inter_pod_affinity,
}


def is_relational(pod: PodInfo, cache: Cache) -> bool:
    """Whether other pods' whereabouts matter to it: then placing one more changes where the next may go."""
    return bool(pod.terms or pod.spec.get("topologySpreadConstraints") or any(opinions_on(pod, cache)))


class Filters:
    """The rules that can say anything about one pod, prepared. `verdict` is what refuses every node at once."""

    def __init__(self, pod: PodInfo, cache: Cache) -> None:
        self._pod, self._cache = pod, cache
        prepared = {plugin: rule(pod, cache) for plugin, rule in RULES.items()}
        self.verdict = next((found for found in prepared.values() if isinstance(found, Refusal)), None)
        self.rules = [rule for rule in prepared.values() if rule and not isinstance(rule, Refusal)]
        asked = (plugin for plugin, rule in prepared.items() if rule)
        self.plugins = (self.verdict.plugin,) if self.verdict else tuple(asked)  # whose rules they are, in order

    def refusal(self, node: NodeInfo) -> Refusal | None:
        """The first word against the node: as it is, and as it will be with the more important pods nominated to it."""
        if self._cache.nominated and (more := self._nominated(node)):
            with self._cache.with_more(node, more):
                if refusal := Filters(self._pod, self._cache).refusal_now(node):
                    return refusal
            return Filters(self._pod, self._cache).refusal_now(node)
        return self.refusal_now(node)

    def refusal_now(self, node: NodeInfo) -> Refusal | None:
        """The first word against the node with the pods that are on it."""
        if self.verdict:
            return self.verdict
        for rule in self.rules:
            if refusal := rule(self._pod, node):
                return refusal
        return None

    def _nominated(self, node: NodeInfo) -> dict[str, Usage]:
        others = self._cache.nominated.get(node.name, {})
        return {
            uid: usage
            for uid, usage in others.items()
            if uid != self._pod.uid and usage.priority >= self._pod.priority and uid not in node.pods
        }
