"""Which nodes a DaemonSet's pods belong on, and how such a pod looks. Pure, for `daemonset.py`.

The pod is bound by the scheduler like any other; a required node affinity names its one node. The rules are
Kubernetes' (pkg/controller/daemon/daemon_controller.go: NodeShouldRunDaemonPod, podsShouldBeOnNode; util).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from k8slab.api.objects import Obj, annotations_of, is_pod_ready, is_terminating, labels_of
from k8slab.api.selectors import from_node_expression
from k8slab.clock import Clock
from k8slab.controllers.history import POD_HASH
from k8slab.controllers.node_health import tolerates
from k8slab.controllers.pods import is_available, pod_from

GENERATION = "deprecated.daemonset.template.generation"  # on the DaemonSet
POD_GENERATION = "pod-template-generation"  # on its pods
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
TOLERATED = (  # a daemon stays through its node's troubles
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)

ByNode = Mapping[str, list[Obj]]


class Place(NamedTuple):
    """What a node means to a DaemonSet."""

    wanted: bool  # a pod should be there
    kept: bool  # a pod that is there may stay


def places(ds: Obj, nodes: Iterable[Obj]) -> dict[str, Place]:
    """What each node, by its name, means to the DaemonSet: its name, labels and taints decide."""
    spec = ds["spec"]["template"]["spec"]
    bears = tolerations(spec)
    return {node["metadata"]["name"]: _place(spec, bears, node) for node in nodes}


def _place(spec: Obj, bears: list[Obj], node: Obj) -> Place:
    if spec.get("nodeName", node["metadata"]["name"]) != node["metadata"]["name"] or not _selects(spec, node):
        return Place(False, False)
    taints = [taint for taint in (node.get("spec") or {}).get("taints") or [] if taint["effect"] != "PreferNoSchedule"]
    refused = [taint for taint in taints if not any(tolerates(toleration, taint) for toleration in bears)]
    return Place(not refused, not any(taint["effect"] == "NoExecute" for taint in refused))


def _selects(spec: Obj, node: Obj) -> bool:
    if not (spec.get("nodeSelector") or {}).items() <= labels_of(node).items():
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    return required is None or any(_fits(term, node) for term in required["nodeSelectorTerms"])


def _fits(term: Obj, node: Obj) -> bool:
    """A node selector term: all its expressions and fields hold; an empty term matches nothing."""
    labels, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    named = {"metadata.name": node["metadata"]["name"]}
    return bool(labels or fields) and (
        all(from_node_expression(e).matches(labels_of(node)) for e in labels)
        and all(from_node_expression(e).matches(named) for e in fields)
    )


def tolerations(spec: Obj) -> list[Obj]:
    """The template's tolerations, and those every daemon has."""
    troubles = [*TOLERATED, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    added = [
        {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": effect} for trouble, effect in troubles
    ]
    own = spec.get("tolerations") or []
    covered = [(t["key"], t["effect"]) for t in added]
    kept = [t for t in own if (t.get("key"), t.get("effect")) not in covered or t.get("operator") != "Exists"]
    return kept + added


def new_pod(ds: Obj, node: str, hash_: str) -> Obj:
    """The pod for this node, of the version with this hash."""
    pod = pod_from(ds)
    spec = pod["spec"]
    labels = labels_of(pod) | {POD_HASH: hash_}
    if generation := annotations_of(ds).get(GENERATION):
        labels[POD_GENERATION] = generation
    pod["metadata"]["labels"] = labels
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    affinity[REQUIRED] = {"nodeSelectorTerms": [here]}  # replaces the template's: this node fits it
    spec["tolerations"] = tolerations(spec)
    return pod


def node_of(pod: Obj) -> str:
    """The node it is on, or is for; empty if it does not say."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    required: dict[str, Any] = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def by_node(pods: Iterable[Obj]) -> dict[str, list[Obj]]:
    """The pods of each node, the one that counts first: on its node already, then the oldest."""
    found: dict[str, list[Obj]] = {}
    for pod in sorted(pods, key=_order):
        if not (has_ended(pod) and is_terminating(pod)):
            found.setdefault(node_of(pod), []).append(pod)
    return found


def _order(pod: Obj) -> tuple[bool, str, str]:
    meta = pod["metadata"]
    return not pod["spec"].get("nodeName"), meta.get("creationTimestamp", ""), meta["name"]


def has_ended(pod: Obj) -> bool:
    """Failed or Succeeded: a daemon never may."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def is_of(pod: Obj, hash_: str) -> bool:
    """Whether it is of the version with this hash."""
    return labels_of(pod).get(POD_HASH) == hash_


def is_up(ds: Obj, pod: Obj, clock: Clock) -> bool:
    """Ready for `minReadySeconds`."""
    return is_available(pod, ds["spec"].get("minReadySeconds", 0), clock)


class Counts(NamedTuple):
    """How many nodes each is true of."""

    desired: int = 0
    current: int = 0
    misscheduled: int = 0
    ready: int = 0
    updated: int = 0
    available: int = 0


def status_of(ds: Obj, nodes: Iterable[Obj], pods: ByNode, hash_: str, collisions: int, clock: Clock) -> Obj:
    """The status; on each node its first pod counts."""
    total = Counts()
    for name, (wanted, _) in places(ds, nodes).items():
        first = next(iter(pods.get(name, [])), None)
        one = Counts(desired=wanted, misscheduled=bool(first and not wanted))
        if first and wanted:
            up, ready = is_up(ds, first, clock), is_pod_ready(first)
            one = one._replace(current=1, ready=ready, updated=is_of(first, hash_), available=up)
        total = Counts(*map(sum, zip(total, one, strict=True)))
    status = {
        "currentNumberScheduled": total.current,
        "numberMisscheduled": total.misscheduled,
        "desiredNumberScheduled": total.desired,
        "numberReady": total.ready,
        "observedGeneration": ds["metadata"].get("generation", 0),
    }
    rest = {
        "updatedNumberScheduled": total.updated,
        "numberAvailable": total.available,
        "numberUnavailable": total.desired - total.available,
        "collisionCount": collisions,
    }
    return status | {name: count for name, count in rest.items() if count}
