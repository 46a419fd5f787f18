"""What one metric of an autoscaler says: how many replicas, what was measured, or why it says nothing. Pure.

Between `podautoscaler.py`, which has the pods and what they use, and `replica_calculator.py`, which counts. This lab
serves the resource metrics API; custom and external metrics are answered as on a cluster where nobody serves them. The
words are Kubernetes' (pkg/controller/podautoscaler/horizontal.go, metrics/client.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from k8slab.api.metrics import PodUsage
from k8slab.api.objects import Obj
from k8slab.api.quantities import canonical, milli
from k8slab.api.selectors import go_string
from k8slab.controllers.replica_calculator import (
    USUAL,
    MetricError,
    Proposal,
    Sample,
    Since,
    Tolerances,
    by_utilization,
    by_value,
    requests_of,
)

NO_TARGET = (
    "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"
)
NO_CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
NO_EXTERNAL = (
    "unable to fetch metrics from external metrics API: "
    "the server could not find the requested resource (get {}.external.metrics.k8s.io)"
)

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """What a metric is judged by: the target's pods, what was measured of them, and how many there are to be now."""

    namespace: str
    pods: Sequence[Obj]
    usage: Sequence[PodUsage]
    replicas: int
    since: Since
    age: Callable[[float], float]  # Kubernetes seconds since a time
    tolerances: Tolerances = USUAL


@dataclass(frozen=True)
class Answer:
    """The metric asks for so many replicas. `name` is how events call it, `status` its place in currentMetrics."""

    replicas: int
    name: str
    status: Obj


@dataclass(frozen=True)
class Failure:
    """The metric says nothing: `reason` and `why` go into event and condition, `error` into the summary."""

    reason: str
    why: str
    error: str


def evaluate(metric: Obj, scene: Scene) -> Answer | Failure:
    """Look at one entry of `spec.metrics`."""
    kind = metric["type"]
    source = metric[kind[0].lower() + kind[1:]]
    if kind in ("Pods", "Object", "External"):
        return _unserved(kind, source, scene)
    try:
        return _resource(metric, source, scene)
    except MetricError as error:
        what = f"{source['container']} container" if kind == "ContainerResource" else f"{source['name']} resource"
        return Failure(f"FailedGet{kind}Metric", str(error), f"failed to get {what} metric value: {error}")


def samples_of(usage: Iterable[PodUsage], resource: str, container: str, scene: Scene) -> dict[str, Sample]:
    """What each pod (or its container) uses of a resource. Raises MetricError."""
    found = {}
    for pod in usage:
        meant = [c for c in pod.containers if container in ("", c.name)]
        if container and not meant:
            absent = f"container {container} not present in metrics for pod {pod.namespace}/{pod.name}"
            raise MetricError(f"failed to get container metrics: {absent}")
        if resource in ("cpu", "memory") and meant:
            used = sum(c.milli(resource) for c in meant)
            found[pod.name] = Sample(used, scene.age(pod.time), pod.window)
    return found


def _resource(metric: Obj, source: Obj, scene: Scene) -> Answer:
    resource, container, target = source["name"], source.get("container", ""), source["target"]
    named = {"name": resource} | ({"container": container} if container else {})
    if target.get("averageValue") is not None:
        found = _prefixed(f"failed to get {resource} usage", lambda: _usage(resource, container, target, scene))
        return _answer(metric, named, found, f"{resource} resource")
    if target.get("averageUtilization") is None:
        raise MetricError(NO_TARGET)
    found = _prefixed(f"failed to get {resource} utilization", lambda: _share(resource, container, target, scene))
    which = "container resource" if container else "resource"
    return _answer(metric, named, found, f"{resource} {which} utilization (percentage of request)")


def _usage(resource: str, container: str, target: Obj, scene: Scene) -> Proposal:
    samples = _fetched(resource, container, scene)
    wanted = milli(target["averageValue"])
    return by_value(scene.pods, samples, wanted, scene.replicas, scene.since, resource, scene.tolerances)


def _share(resource: str, container: str, target: Obj, scene: Scene) -> Proposal:
    samples = _fetched(resource, container, scene)
    return by_utilization(
        scene.pods, samples, lambda: requests_of(scene.pods, resource, container), target["averageUtilization"],
        scene.replicas, scene.since, resource, scene.tolerances,
    )  # fmt: skip


def _fetched(resource: str, container: str, scene: Scene) -> dict[str, Sample]:
    def fetch() -> dict[str, Sample]:
        if not scene.usage:
            raise MetricError("no metrics returned from resource metrics API")
        return samples_of(scene.usage, resource, container, scene)

    return _prefixed(f"unable to get metrics for resource {resource}", fetch)


def _prefixed(what: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except MetricError as error:
        raise MetricError(f"{what}: {error}") from None


def _answer(metric: Obj, named: Mapping[str, str], found: Proposal, name: str) -> Answer:
    current: dict[str, Any] = {"averageValue": canonical(f"{found.average}m")}
    if found.utilization is not None:
        current["averageUtilization"] = found.utilization
    kind = metric["type"]
    status = {"type": kind, kind[0].lower() + kind[1:]: {**named, "current": current}}
    return Answer(found.replicas, name, status)


def _unserved(kind: str, source: Obj, scene: Scene) -> Failure:
    """What a cluster says where nobody serves custom or external metrics."""
    name, target = source["metric"]["name"], source["target"]
    reason, total = f"FailedGet{kind}Metric", target.get("value") is not None
    if kind == "Pods":
        why = f"unable to get metric {name}: {NO_CUSTOM}"
        return Failure(reason, why, f"failed to get pods metric value: {why}")
    if kind == "Object":  # the parts stand as replica_calculator.go misplaces them
        about = source["describedObject"]
        why = f"unable to get metric {name}: {about['kind']} on {scene.namespace} {about['name']}/{NO_CUSTOM}"
        inner = why if total else f"failed to get {name} object metric: {why}"
        return Failure(reason, why, f"failed to get object metric value: {inner}")
    shown = go_string(source["metric"].get("selector"))
    why = f"unable to get external metric {scene.namespace}/{name}/{shown}: {NO_EXTERNAL.format(name)}"
    inner = f"failed to get external metric {name}: {why}" if total else f"failed to get {name} external metric: {why}"
    return Failure(reason, why, f"failed to get {name} external metric value: {inner}")
