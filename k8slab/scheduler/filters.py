"""May this pod run on that node? One function a rule, in kube-scheduler's order, with its reason in Kubernetes' words.

The first rule that refuses a node ends the matter for that node. `decide.py` asks, `queue.py` learns from `WAKES` which
changes could make a refusal go away. Sources: kubernetes/kubernetes pkg/scheduler/framework/plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from k8slab.api.objects import Obj
from k8slab.scheduler.cache import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.volumes import ONE_POD

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Refusal(NamedTuple):
    """Why a node is out. `resolvable`: whether removing other pods from it could help (Unschedulable) or not at all
    (UnschedulableAndUnresolvable)."""

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool


Filter = Callable[[PodInfo, NodeInfo], Refusal | None]

CORDONED = Refusal("NodeUnschedulable", ("node(s) were unschedulable",), False)
WRONG_NAME = Refusal("NodeName", ("node(s) didn't match the requested node name",), False)
TAINTED = Refusal("TaintToleration", ("node(s) had untolerated taint(s)",), False)
NOT_SELECTED = Refusal("NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",), False)
NOT_NAMED = Refusal("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), False)
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
}


def filters_for(pod: PodInfo) -> list[Filter]:
    """The rules that can say anything about this pod (kube-scheduler skips the others in PreFilter)."""
    rules: list[tuple[Filter, object]] = [
        (node_unschedulable, True),
        (node_name, pod.spec.get("nodeName")),
        (taint_toleration, True),
        (node_affinity, pod.spec.get("nodeSelector") or pod.node_affinity.get(REQUIRED)),
        (node_ports, pod.usage.ports),
        (node_resources_fit, True),
        (volume_restrictions, pod.storage and pod.storage.exclusive),
        (volume_binding, pod.storage),
    ]
    return [rule for rule, matters in rules if matters]


def node_unschedulable(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """A cordoned node takes nobody, except who tolerates the taint that says so (DaemonSets do)."""
    return CORDONED if node.unschedulable and not tolerates(pod.tolerations, UNSCHEDULABLE_TAINT) else None


def node_name(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """`spec.nodeName` means this node and no other."""
    return WRONG_NAME if pod.spec.get("nodeName") != node.name else None


def taint_toleration(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """Taints that forbid, and are not tolerated. A node that is not ready carries one too."""
    for taint in node.taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerates(pod.tolerations, taint):
            return TAINTED
    return None


def node_affinity(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """`nodeSelector`, and the required part of node affinity: terms are alternatives."""
    selector: Mapping[str, str] = pod.spec.get("nodeSelector") or {}
    if not selector.items() <= node.labels.items():
        return NOT_SELECTED
    terms = (pod.node_affinity.get(REQUIRED) or {}).get("nodeSelectorTerms")
    if terms is not None and not any(matches_term(term, node) for term in terms):
        return NOT_SELECTED
    return None


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


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def tolerates(tolerations: Sequence[Obj], taint: Mapping[str, str]) -> bool:
    """Whether one of the tolerations bears with the taint (an empty key with Exists bears with all)."""
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator") == "Exists":
            return True
        if toleration.get("key") and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def matches_term(term: Obj, node: NodeInfo) -> bool:
    """A node selector term: all its expressions and fields hold; an empty term matches nothing."""
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not labels and not fields:
        return False
    named = {"metadata.name": node.name}
    return all(_holds(e, node.labels) for e in labels) and all(_holds(e, named) for e in fields)


def _holds(expression: Obj, labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    values = expression.get("values") or []
    if operator in ("NotIn", "DoesNotExist"):
        return value is None or (operator == "NotIn" and value not in values)
    if value is None:
        return False
    if operator in ("Gt", "Lt"):
        return _number(value) is not None and _compare(operator, _number(value), _number(values[0]))
    return operator == "Exists" or value in values


def _compare(operator: str, left: int | None, right: int | None) -> bool:
    if left is None or right is None:
        return False
    return left > right if operator == "Gt" else left < right


def _number(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdigit() else None


def pinned(pod: PodInfo) -> frozenset[str] | None:
    """The only nodes whose names the pod's affinity allows (as a DaemonSet's pods say), or None: any."""
    terms = (pod.node_affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ()
    names: set[str] = set()
    for term in terms:
        fields = [f for f in term.get("matchFields") or () if f["key"] == "metadata.name" and f["operator"] == "In"]
        if not fields:
            return None
        names |= set.intersection(*(set(f["values"]) for f in fields))
    return frozenset(names) if terms else None
