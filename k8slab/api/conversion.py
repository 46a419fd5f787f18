"""Kinds that are served in two forms and kept in one: HorizontalPodAutoscalers (v1 and v2), Events (core and new).

Rows of `kinds.py` that are kept elsewhere name them. `apiserver/resources.py` converts what comes in and what goes
out; everything behind it sees the stored form alone. Kubernetes does this in pkg/apis/*/conversion.go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from k8slab.api.errors import BadRequest
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, annotations_of

Change = Callable[[Obj], Obj]


def served(kind: Kind, obj: Obj) -> Obj:
    """A stored object in the form of this row."""
    return _PAIRS[kind.api_version].served(obj) | _type(kind) if kind.kept == "elsewhere" else obj


def stored(kind: Kind, obj: Obj) -> Obj:
    """An object of this row's form as it is stored. Raises BadRequest if an annotation it came from is damaged."""
    return _PAIRS[kind.api_version].stored(obj) | _type(kind.stored) if kind.kept == "elsewhere" else obj


def _type(kind: Kind) -> Obj:
    return {"apiVersion": kind.api_version, "kind": kind.kind}


# ---- events --------------------------------------------------------------------------------------------------------

_EVENT = {  # core/v1 -> events.k8s.io/v1
    "involvedObject": "regarding", "message": "note", "reportingComponent": "reportingController",
    "source": "deprecatedSource", "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp", "count": "deprecatedCount",
}  # fmt: skip


def _renamed(names: Mapping[str, str]) -> Change:
    return lambda obj: {names.get(field, field): value for field, value in obj.items()}


# ---- autoscalers ---------------------------------------------------------------------------------------------------

_CPU = "targetCPUUtilizationPercentage"
_NOTES = "autoscaling.alpha.kubernetes.io/"  # annotations that carry what v1 has no field for
_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR = (
    _NOTES + what for what in ("metrics", "current-metrics", "conditions", "behavior")
)


def _is_cpu_share(metric: Obj, side: str) -> bool:
    resource = metric.get("resource") or {}
    return resource.get("name") == "cpu" and "averageUtilization" in (resource.get(side) or {})


def _to_v1(autoscaler: Obj) -> Obj:
    """One CPU percentage has a field of its own; everything else travels in annotations."""
    spec, status = dict(autoscaler["spec"]), dict(autoscaler.get("status") or {})
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    notes = {
        _METRICS: [_flat(metric, "target") for metric in metrics if not _is_cpu_share(metric, "target")],
        _CURRENT: [_flat(metric, "current") for metric in current],
        _CONDITIONS: status.pop("conditions", None),
        _BEHAVIOR: spec.pop("behavior", None),
    }
    for metric in metrics:
        if _is_cpu_share(metric, "target"):
            spec[_CPU] = metric["resource"]["target"]["averageUtilization"]
    for metric in current:
        if _is_cpu_share(metric, "current"):
            status["currentCPUUtilizationPercentage"] = metric["resource"]["current"]["averageUtilization"]
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    written = {name: json.dumps(value, separators=(",", ":")) for name, value in notes.items() if value}
    return {**autoscaler, "metadata": _annotated(autoscaler, written), "spec": spec, "status": status}


def _from_v1(autoscaler: Obj) -> Obj:
    spec, status = dict(autoscaler.get("spec") or {}), dict(autoscaler.get("status") or {})
    notes = annotations_of(autoscaler) if "metadata" in autoscaler else {}
    metrics = [_deep(metric, "target") for metric in _read(notes, _METRICS)]
    if (share := spec.pop(_CPU, None)) is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    share = status.pop("currentCPUUtilizationPercentage", None)
    current = [_deep(metric, "current") for metric in _read(notes, _CURRENT)]
    if share is not None and not current:
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": share}}}]
    kept = {"metrics": metrics, "behavior": _read(notes, _BEHAVIOR)}
    seen = {"currentMetrics": current, "conditions": _read(notes, _CONDITIONS)}
    spec |= {field: value for field, value in kept.items() if value}
    status |= {field: value for field, value in seen.items() if value}
    result = {**autoscaler, "spec": spec}
    if "metadata" in autoscaler:
        result["metadata"] = _annotated(autoscaler, {})
    return result | ({"status": status} if status or "status" in autoscaler else {})


def _annotated(autoscaler: Obj, written: Mapping[str, str]) -> Obj:
    """The metadata with these annotations in place of those of an earlier conversion."""
    meta = dict(autoscaler["metadata"])
    mine = (_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR)
    notes = {name: text for name, text in annotations_of(autoscaler).items() if name not in mine} | dict(written)
    meta.pop("annotations", None)
    return meta | ({"annotations": notes} if notes else {})


def _read(notes: Mapping[str, str], name: str) -> Any:
    try:
        found = json.loads(notes.get(name, "null")) or []
    except ValueError:
        raise BadRequest(f"the annotation {name} is not JSON") from None
    wanted = dict if name == _BEHAVIOR and found else list
    if not isinstance(found, wanted) or (wanted is list and not all(isinstance(item, dict) for item in found)):
        raise BadRequest(f"the annotation {name} is not what a conversion of this object has written")
    return found


# In v1 a metric's target lies flat in its source: {name, targetAverageUtilization} for {name, target: {...}}.
_FLAT: dict[str, dict[str, str]] = {
    "target": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue",
               "value": "targetValue"},
    "current": {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue",
                "value": "currentValue"},
}  # fmt: skip
_TYPES = {"targetAverageUtilization": "Utilization", "targetAverageValue": "AverageValue", "targetValue": "Value"}


def _sources(metric: Obj) -> Iterable[tuple[str, Obj]]:
    return ((name, source) for name, source in metric.items() if isinstance(source, dict))


def _flat(metric: Obj, side: str) -> Obj:
    made = dict(metric)
    for name, source in _sources(metric):
        flat = {field: value for field, value in source.items() if field not in (side, "metric", "describedObject")}
        flat |= {_FLAT[side][field]: value for field, value in (source.get(side) or {}).items() if field != "type"}
        if "metric" in source:
            selector = "metricSelector" if name == "external" else "selector"
            flat |= {"metricName": source["metric"].get("name", "")}
            flat |= {selector: source["metric"]["selector"]} if "selector" in source["metric"] else {}
        if "describedObject" in source:
            flat["target"] = source["describedObject"]
        made[name] = flat
    return made


def _deep(metric: Obj, side: str) -> Obj:
    made, names = dict(metric), {flat: field for field, flat in _FLAT[side].items()}
    for name, source in _sources(metric):
        deep = {
            field: value for field, value in source.items()
            if field not in (*names, "metricName", "metricSelector", "selector", "target")
        }  # fmt: skip
        values = {names[field]: value for field, value in source.items() if field in names}
        type_ = next((_TYPES[field] for field in _TYPES if field in source), "")
        deep[side] = ({"type": type_} if side == "target" else {}) | values
        if "metricName" in source:
            selector = source.get("metricSelector") or source.get("selector")
            deep["metric"] = {"name": source["metricName"]} | ({"selector": selector} if selector else {})
        if "target" in source:
            deep["describedObject"] = source["target"]
        made[name] = deep
    return made


class _Pair(NamedTuple):
    """The two ways between a form and the stored one."""

    served: Change
    stored: Change


_PAIRS = {
    "autoscaling/v1": _Pair(_to_v1, _from_v1),
    "events.k8s.io/v1": _Pair(_renamed(_EVENT), _renamed({new: old for old, new in _EVENT.items()})),
}
