"""Does a node answer to a description? Node selectors and taints, as filters, scores and spreading ask.

The rules are Kubernetes' (staging/src/k8s.io/component-helpers/scheduling/corev1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k8slab.api.objects import Obj
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.terms import REQUIRED

FORBIDDING = ("NoSchedule", "NoExecute")


def selects(pod: PodInfo, node: NodeInfo) -> bool:
    """Whether `nodeSelector` and the required part of node affinity let the pod go there: terms are alternatives."""
    selector: Mapping[str, str] = pod.spec.get("nodeSelector") or {}
    if not selector.items() <= node.labels.items():
        return False
    terms = (pod.node_affinity.get(REQUIRED) or {}).get("nodeSelectorTerms")
    return terms is None or any(matches_term(term, node) for term in terms)


def untolerated(pod: PodInfo, node: NodeInfo) -> bool:
    """Whether the node has a taint that forbids and that the pod does not bear."""
    return any(t.get("effect") in FORBIDDING and not tolerates(pod.tolerations, t) for t in node.taints)


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
        return _compare(operator, _number(value), _number(values[0]))
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
