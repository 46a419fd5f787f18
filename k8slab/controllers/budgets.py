"""How many pods a PodDisruptionBudget lets go: the numbers of its status. Pure, for `disruption.py`.

The rules are Kubernetes' (pkg/controller/disruption/disruption.go). The eviction subresource reads `disruptionsAllowed`
and notes each pod it lets go in `disruptedPods`, until that pod is seen to be going.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from k8slab.api.objects import Obj, is_pod_ready, is_terminating, with_condition
from k8slab.clock import Clock

DELETION_TIMEOUT = 120.0  # Kubernetes seconds an evicted pod may take to be seen going


@dataclass(frozen=True)
class Count:
    """How many pods there should be, and how many of them healthy."""

    expected: int
    desired: int


def count(spec: Obj, pods: Sequence[Obj], scale: int) -> Count:
    """`scale` is the sum of the replicas that the pods' owners want, and only asked where the budget needs it."""
    if (most := spec.get("maxUnavailable")) is not None:
        return Count(scale, max(0, scale - scaled(most, scale)))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Count(scale, scaled(least, scale))
    return Count(0, 0) if least is None else Count(len(pods), least)


def needs_scale(spec: Obj) -> bool:
    """Whether the budget depends on how many replicas the owners want."""
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def scaled(value: int | str, total: int) -> int:
    """A number, or a percentage of the total, rounded up. Raises ValueError for a text that is neither."""
    if isinstance(value, int):
        return value
    if not value.endswith("%") or not value[:-1].isdigit():
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    return ceil(int(value[:-1]) * total / 100)


def still_going(status: Obj, pods: Iterable[Obj], clock: Clock) -> tuple[dict[str, str], list[Obj]]:
    """Of the pods that were let go: those not yet seen going (name -> when), and those whose two minutes are over."""
    noted: Mapping[str, str] = status.get("disruptedPods") or {}
    waiting: dict[str, str] = {}
    late: list[Obj] = []
    for pod in pods:
        since = noted.get(pod["metadata"]["name"])
        if since is None or is_terminating(pod):
            continue
        if clock.since(since) > DELETION_TIMEOUT:
            late.append(pod)
        else:
            waiting[pod["metadata"]["name"]] = since
    return waiting, late


def healthy(pods: Iterable[Obj], going: Mapping[str, str]) -> int:
    """The pods that are ready and will stay."""
    return sum(is_pod_ready(p) and not is_terminating(p) and p["metadata"]["name"] not in going for p in pods)


def status(budget: Obj, wanted: Count, ready: int, going: Mapping[str, str], now: str) -> Obj:
    """The status to write."""
    old, generation = budget.get("status") or {}, budget["metadata"].get("generation", 1)
    allowed = max(0, ready - wanted.desired) if wanted.expected > 0 else 0
    verdict = {
        "type": "DisruptionAllowed",
        "status": str(allowed > 0),
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": generation,
    }
    new = {
        "conditions": with_condition(old.get("conditions") or [], verdict, now),
        "currentHealthy": ready,
        "desiredHealthy": wanted.desired,
        "disruptionsAllowed": allowed,
        "expectedPods": wanted.expected,
        "observedGeneration": generation,
    }
    return new | ({"disruptedPods": dict(going)} if going else {})


def failed(budget: Obj, why: str, now: str) -> Obj:
    """The status when nobody can count: to be safe, nothing may go."""
    old = budget.get("status") or {}
    verdict = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": why}
    verdict |= {"observedGeneration": old.get("observedGeneration", 0)}
    return {**old, "disruptionsAllowed": 0, "conditions": with_condition(old.get("conditions") or [], verdict, now)}
