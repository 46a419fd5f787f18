"""The rules for HorizontalPodAutoscalers and PodDisruptionBudgets.

Tables for `validation.py`. Source: pkg/apis/autoscaling/validation/validation.go, pkg/apis/policy/validation.
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api import names
from k8slab.api.causes import forbidden, invalid, required, unsupported
from k8slab.api.checks import (
    POSITIVE,
    REQUIRED,
    Required,
    Table,
    count_or_percent,
    named,
    not_over_all,
    one_of,
)
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.quantities import parse

SOURCES = {  # a metric's type -> the field that describes it
    "Object": "object", "External": "external", "Pods": "pods", "Resource": "resource",
    "ContainerResource": "containerResource",
}  # fmt: skip
MOST_WINDOW, MOST_PERIOD = 3600, 1800  # seconds


def _replicas(spec: Obj, path: str) -> Iterable[Cause]:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        yield invalid(f"{path}.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid(f"{path}.maxReplicas", most, POSITIVE)
    if least is not None and most < least:
        yield invalid(f"{path}.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _metric(metric: Obj, path: str) -> Iterable[Cause]:
    """One source of numbers, and the one its type says."""
    type_ = metric.get("type", "")
    if not type_:
        yield required(f"{path}.type", "must specify a metric source type")
    if type_ not in SOURCES:
        yield unsupported(f"{path}.type", type_, sorted(SOURCES))
    given = [field for field in SOURCES.values() if metric.get(field) is not None]
    expected = SOURCES.get(type_)
    if expected and expected not in given:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(given) != 1:
        for field in given:
            if field != expected:
                yield forbidden(f"{path}.{field}", "must populate the given metric source only")


def _target(target: Obj, path: str) -> Iterable[Cause]:
    type_ = target.get("type", "")
    if not type_:
        yield required(f"{path}.type", "must specify a metric target type")
    if type_ not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{path}.type", type_, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if field in target and parse(target[field]) <= 0:
            yield invalid(f"{path}.{field}", target[field], "must be positive")
    if target.get("averageUtilization", 1) < 1:
        yield invalid(f"{path}.averageUtilization", target["averageUtilization"], POSITIVE)


def _of_resource(source: Obj, path: str) -> Iterable[Cause]:
    target = source.get("target") or {}
    if "averageUtilization" not in target and "averageValue" not in target:
        detail = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", detail)
    if "averageUtilization" in target and "averageValue" in target:
        yield forbidden(f"{path}.target.averageValue", "may not set both a target raw value and a target utilization")


def _of_object(source: Obj, path: str) -> Iterable[Cause]:
    if not {"value", "averageValue"} & (source.get("target") or {}).keys():
        yield required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _of_external(source: Obj, path: str) -> Iterable[Cause]:
    given = {"value", "averageValue"} & (source.get("target") or {}).keys()
    if not given:
        detail = "must set either a target value for metric or a per-pod target"
        yield required(f"{path}.target.averageValue", detail)
    if len(given) == 2:
        detail = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{path}.target.value", detail)


def _of_pods(source: Obj, path: str) -> Iterable[Cause]:
    if "averageValue" not in (source.get("target") or {}):
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _window(seconds: int, path: str) -> Iterable[Cause]:
    if seconds < 0:
        yield invalid(path, seconds, "must be greater than or equal to zero")
    if seconds > MOST_WINDOW:
        yield invalid(path, seconds, f"must be less than or equal to {MOST_WINDOW}")


def _policy(policy: Obj, path: str) -> Iterable[Cause]:
    if policy.get("type") not in ("Pods", "Percent"):
        yield unsupported(f"{path}.type", policy.get("type", ""), ["Percent", "Pods"])
    for field in ("value", "periodSeconds"):
        if policy.get(field, 0) <= 0:
            yield invalid(f"{path}.{field}", policy.get(field, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > MOST_PERIOD:
        yield invalid(f"{path}.periodSeconds", policy["periodSeconds"], f"must be less than or equal to {MOST_PERIOD}")


def _one_limit(spec: Obj, path: str) -> Iterable[Cause]:
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        fields = ("minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")
        shown = {field[0].upper() + field[1:]: spec.get(field) for field in fields}  # as the internal struct has it
        yield invalid(path, shown, "minAvailable and maxUnavailable cannot be both set")


_SHARE = (count_or_percent, not_over_all)
TABLE: Table = {
    "autoscaling.v2.HorizontalPodAutoscalerSpec": {"": (_replicas,), "scaleTargetRef": ()},
    "autoscaling.v2.CrossVersionObjectReference": {
        "kind": (REQUIRED, named(names.path_segment)),
        "name": (REQUIRED, named(names.path_segment)),
    },
    "autoscaling.v2.MetricSpec": {"": (_metric,)},
    "autoscaling.v2.MetricIdentifier": {
        "name": (Required("must specify a metric name"), named(names.path_segment)),
    },
    "autoscaling.v2.MetricTarget": {"": (_target,)},
    "autoscaling.v2.ObjectMetricSource": {"describedObject": (), "metric": (), "target": (), "": (_of_object,)},
    "autoscaling.v2.ExternalMetricSource": {"metric": (), "target": (), "": (_of_external,)},
    "autoscaling.v2.PodsMetricSource": {"metric": (), "target": (), "": (_of_pods,)},
    "autoscaling.v2.ResourceMetricSource": {
        "name": (Required("must specify a resource name"),),
        "target": (),
        "": (_of_resource,),
    },
    "autoscaling.v2.ContainerResourceMetricSource": {
        "name": (Required("must specify a resource name"),),
        "container": (Required("must specify a container"), named(names.dns_label)),
        "target": (),
        "": (_of_resource,),
    },
    "autoscaling.v2.HPAScalingRules": {
        "stabilizationWindowSeconds": (_window,),
        "selectPolicy": (one_of("Disabled", "Max", "Min"),),
        "policies": (Required("must specify at least one Policy"),),
    },
    "autoscaling.v2.HPAScalingPolicy": {"": (_policy,)},
    "policy.v1.PodDisruptionBudgetSpec": {
        "": (_one_limit,),
        "minAvailable": _SHARE,
        "maxUnavailable": _SHARE,
        "unhealthyPodEvictionPolicy": (one_of("AlwaysAllow", "IfHealthyBudget"),),
    },
}
