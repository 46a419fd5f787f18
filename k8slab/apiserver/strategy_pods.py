"""What the server writes into a new pod for the scheduler: gates make it wait, label keys become part of selectors.

`strategy.py` calls it when a pod is created (pkg/registry/core/pod/strategy.go, PrepareForCreate).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from k8slab.api.objects import Obj

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "lastProbeTime": None,
    "lastTransitionTime": None,
}


def first_conditions(spec: Obj) -> Obj:
    """What a new pod's status begins with besides its phase: while gated, that it waits."""
    return {"conditions": [dict(GATED)]} if spec.get("schedulingGates") else {}


def merge_label_keys(spec: Obj, labels: Mapping[str, str]) -> None:
    """`matchLabelKeys` and `mismatchLabelKeys` mean the pod's own labels: they are written out (KEP-3633, KEP-3243)."""
    for rule in (*_affinity_terms(spec.get("affinity") or {}), *(spec.get("topologySpreadConstraints") or ())):
        selector = rule.get("labelSelector")
        if selector is None:
            continue
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            for key in rule.get(field) or ():
                if key in labels:
                    wanted = {"key": key, "operator": operator, "values": [labels[key]]}
                    selector.setdefault("matchExpressions", []).append(wanted)


def _affinity_terms(affinity: Obj) -> Iterator[Obj]:
    for side in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(side) or {}
        yield from rules.get(REQUIRED) or ()
        preferred: Iterable[Obj] = rules.get(PREFERRED) or ()
        yield from (each["podAffinityTerm"] for each in preferred if each.get("podAffinityTerm"))
