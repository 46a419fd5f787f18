"""How many replicas a metric asks for: pods and their measurements in, a number out. Pure.

`metric_sources.py` asks once a metric; the largest answer wins in `podautoscaler.py`. The rules are Kubernetes'
(pkg/controller/podautoscaler/replica_calculator.go): desired = ceil(replicas x current / target), nothing for less than
a tenth, and caution wherever a pod is not ready or was not measured. Amounts are thousandths, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from k8slab.api.objects import Obj, condition, is_terminating
from k8slab.api.quantities import milli

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
CPU_INITIALIZATION = 300.0  # seconds; --horizontal-pod-autoscaler-cpu-initialization-period
INITIAL_READINESS_DELAY = 30.0  # seconds; --horizontal-pod-autoscaler-initial-readiness-delay
UNMEASURED = "did not receive metrics for targeted pods (pods might be unready)"
NO_PODS = "no pods returned by selector while calculating replica count"

Since = Callable[[str], float]  # Kubernetes seconds since a timestamp


class MetricError(Exception):
    """The metric says nothing; the message is the event's and the condition's."""


@dataclass(frozen=True)
class Sample:
    """What a pod used, on average over `window` seconds, `age` seconds ago; in thousandths of a CPU or a byte."""

    value: int
    age: float = 0.0
    window: float = 15.0


@dataclass(frozen=True)
class Tolerances:
    """How far from its target a metric may be without anything happening (KEP-4951 lets a behaviour say)."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def cover(self, ratio: float) -> bool:
        """Whether current / target is close enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


USUAL = Tolerances()


@dataclass(frozen=True)
class Proposal:
    """What a metric asks for, and what was measured: a pod's mean, and percent of the request where that is asked."""

    replicas: int
    average: int
    utilization: int | None = None


@dataclass(frozen=True)
class Groups:
    """The pods by what is known of them. Those that are going or have failed are in none."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]


def by_utilization(
    pods: Sequence[Obj],
    samples: Mapping[str, Sample],
    requests: Callable[[], Mapping[str, int]],
    target: int,
    current: int,
    since: Since,
    resource: str,
    tolerances: Tolerances = USUAL,
) -> Proposal:
    """The replicas for `target` percent of what the pods request. Raises MetricError."""
    groups = group(pods, samples, resource, since)
    known = _measured(pods, samples, groups)
    asked = requests()
    utilization, ratio, average = _utilization(known, asked, target)
    full = max(100, target)  # a pod that was not measured is taken to use what it may before it counts as busy
    replicas = _conservative(
        known,
        groups,
        current,
        ratio,
        tolerances,
        lambda name: asked[name] * full // 100,
        lambda values: _utilization(values, asked, target)[1],
    )
    return Proposal(replicas, average, utilization)


def by_value(
    pods: Sequence[Obj],
    samples: Mapping[str, Sample],
    target: int,
    current: int,
    since: Since,
    resource: str = "",
    tolerances: Tolerances = USUAL,
) -> Proposal:
    """The replicas for a mean of `target` thousandths a pod. Raises MetricError."""
    groups = group(pods, samples, resource, since)
    known = _measured(pods, samples, groups)
    mean = sum(known.values()) // len(known)
    replicas = _conservative(
        known,
        groups,
        current,
        mean / target,
        tolerances,
        lambda name: target,
        lambda values: sum(values.values()) // len(values) / target,
    )
    return Proposal(replicas, mean)


def _conservative(
    known: dict[str, int],
    groups: Groups,
    current: int,
    ratio: float,
    tolerances: Tolerances,
    full: Callable[[str], int],
    ratio_of: Callable[[Mapping[str, int]], float],
) -> int:
    """Scale by the ratio, after assuming the worst of every pod that was not measured or is not ready.

    On the way down they count as busy as they may be, on the way up as idle. If that would turn the direction, or bring
    it within the tolerance, nothing happens.
    """
    held_back = groups.unready if ratio > 1.0 else frozenset()
    if not held_back and not groups.missing:
        return current if tolerances.cover(ratio) else ceil(ratio * groups.ready)
    assumed = dict(known)
    if ratio != 1.0:
        assumed |= {name: full(name) if ratio < 1.0 else 0 for name in groups.missing}
    assumed |= dict.fromkeys(held_back, 0)
    again = ratio_of(assumed)
    if tolerances.cover(again) or (ratio < 1.0 < again) or (ratio > 1.0 > again):
        return current
    replicas = ceil(again * len(assumed))
    turned = (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current)
    return current if turned else replicas


def group(pods: Iterable[Obj], samples: Mapping[str, Sample], resource: str, since: Since) -> Groups:
    """Sort the pods: ready and measured, not ready (yet), ready but not measured."""
    ready, unready, missing = 0, set(), set()
    for pod in pods:
        name, phase = pod["metadata"]["name"], (pod.get("status") or {}).get("phase")
        if is_terminating(pod) or phase == "Failed":
            continue
        if phase == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == "cpu" and is_warming_up(pod, samples[name], since):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing))


def is_warming_up(pod: Obj, sample: Sample, since: Since) -> bool:
    """Whether what a pod burns says nothing of its load yet: it is starting, or has only just become ready."""
    ready, started = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or not started:
        return True
    alive, changed = since(started), since(ready["lastTransitionTime"])
    if alive < CPU_INITIALIZATION:
        return ready["status"] == "False" or sample.age > changed - sample.window
    return ready["status"] == "False" and alive - INITIAL_READINESS_DELAY < changed


def requests_of(pods: Iterable[Obj], resource: str, container: str = "") -> dict[str, int]:
    """What each pod requests of a resource, or one of its containers does. Raises MetricError where it says nothing."""
    return {pod["metadata"]["name"]: _request(pod, resource, container) for pod in pods}


def _request(pod: Obj, resource: str, container: str) -> int:
    spec, name = pod["spec"], pod["metadata"]["name"]
    whole = (spec.get("resources") or {}).get("requests")
    if whole and not container:
        if resource not in whole:
            raise MetricError(f"missing pod-level request for {resource} in Pod {name}")
        return milli(whole[resource])
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    meant = [c for c in [*spec["containers"], *sidecars] if container in ("", c["name"])]
    if not meant:
        raise MetricError(f"container {container} not found in Pod {name}")
    total = 0
    for one in meant:
        asked = (one.get("resources") or {}).get("requests") or {}
        if resource not in asked:
            raise MetricError(f"missing request for {resource} in container {one['name']} of Pod {name}")
        total += milli(asked[resource])
    return total


def _measured(pods: Sequence[Obj], samples: Mapping[str, Sample], groups: Groups) -> dict[str, int]:
    """The samples that count: not those of pods that are unready, or on their way out."""
    if not pods:
        raise MetricError(NO_PODS)
    gone = {p["metadata"]["name"] for p in pods if is_terminating(p) or p["status"].get("phase") == "Failed"}
    found = {name: sample.value for name, sample in samples.items() if name not in groups.unready | gone}
    if not found:
        raise MetricError(UNMEASURED)
    return found


def _utilization(values: Mapping[str, int], requests: Mapping[str, int], target: int) -> tuple[int, float, int]:
    """Percent of the requests used, its ratio to the target, and the mean (metrics/utilization.go)."""
    known = [name for name in values if name in requests]
    asked, used = sum(requests[name] for name in known), sum(values[name] for name in known)
    if not asked:
        raise MetricError("no metrics returned matched known pods")
    percent = used * 100 // asked
    return percent, percent / target, used // len(known)
