"""An autoscaler's picture: load, metric, wanted and actual replicas over time, and its formula with the numbers in it.

Pure. Everything is read from the HorizontalPodAutoscaler's spec, status and conditions, and from its target: nothing is
known that kubectl would not show. `autoscale.py` remembers what it saw, `autoscale.js` draws. The rules are those of
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ (algorithm details).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from k8slab.api.objects import Obj, condition
from k8slab.api.quantities import parse
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot

KINDS = ("HorizontalPodAutoscaler", "Deployment", "ReplicaSet", "StatefulSet")
STEPS = 400  # changes remembered
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
DOWN_WINDOW, UP_WINDOW = 300, 0  # s, the defaults of stabilizationWindowSeconds
HELD = ("ScaleDownStabilized", "ScaleUpStabilized")


@dataclass(frozen=True)
class Metric:
    """What one metric says: its name, what is measured for each pod, what is wished; `load` is that of all pods."""

    name: str
    unit: str
    current: float
    target: float
    load: float

    @property
    def ratio(self) -> float:
        """How many times the target is measured."""
        return self.current / self.target if self.target else 1.0


@dataclass(frozen=True)
class Step:
    """What was so since `at`."""

    at: float
    load: float
    current: float
    wanted: int
    actual: int
    held: bool


@dataclass(frozen=True)
class History:
    """What was seen since the view was opened. `high` is when the formula last asked for no fewer than there were."""

    steps: tuple[Step, ...] = ()
    high: float = 0.0


@dataclass(frozen=True)
class Look:
    """An autoscaler and its target at one moment."""

    hpa: Obj
    target: Obj | None

    @property
    def current(self) -> int:
        """The replicas it reckons with."""
        return int((self.hpa.get("status") or {}).get("currentReplicas", 0))

    @property
    def actual(self) -> int:
        """The replicas that are ready."""
        return int(((self.target or {}).get("status") or {}).get("readyReplicas", 0))

    @property
    def wanted(self) -> int:
        """The replicas it last asked for."""
        return int((self.hpa.get("status") or {}).get("desiredReplicas", 0))


def look(objects: Snapshot, name: str, namespace: str) -> Look | None:
    """The autoscaler as it is now, or None."""
    found = _find(objects, "HorizontalPodAutoscaler", name, namespace)
    if found is None:
        return None
    ref = found["spec"]["scaleTargetRef"]
    return Look(found, _find(objects, ref["kind"], ref["name"], namespace))


def metric_of(now: Look) -> Metric | None:
    """The metric that decides: of those measured, the one furthest above its target. None before a measurement."""
    measured = (now.hpa.get("status") or {}).get("currentMetrics") or []
    pairs = zip(now.hpa["spec"].get("metrics") or [], measured, strict=False)
    found = [metric for wish, is_ in pairs if (metric := _metric(wish, is_, now.current))]
    return max(found, key=lambda metric: metric.ratio, default=None)


def recommended(metric: Metric, current: int, tolerance: Mapping[str, float]) -> int:
    """What the formula asks for: current × measured / wished, rounded up; within the tolerance, what there is."""
    if 1 - tolerance["down"] <= metric.ratio <= 1 + tolerance["up"]:
        return current
    return math.ceil(current * metric.ratio - 1e-9)


def tolerances(hpa: Obj) -> dict[str, float]:
    """How far the ratio may be from 1 without a change."""
    behavior = hpa["spec"].get("behavior") or {}
    named = {"up": "scaleUp", "down": "scaleDown"}
    given = {way: (behavior.get(field) or {}).get("tolerance") for way, field in named.items()}
    return {way: TOLERANCE if value is None else float(parse(str(value))) for way, value in given.items()}


def windows(hpa: Obj) -> dict[str, int]:
    """The stabilisation windows, in Kubernetes seconds."""
    behavior = hpa["spec"].get("behavior") or {}
    down = (behavior.get("scaleDown") or {}).get("stabilizationWindowSeconds")
    up = (behavior.get("scaleUp") or {}).get("stabilizationWindowSeconds")
    return {"up": UP_WINDOW if up is None else up, "down": DOWN_WINDOW if down is None else down}


def advance(history: History, now: Look | None, at: float) -> History:
    """The history with this moment in it; the same one when nothing changed."""
    if now is None:
        return history
    metric = metric_of(now)
    load, current = (metric.load, metric.current) if metric else (0.0, 0.0)
    step = Step(at, load, current, now.wanted or now.actual, now.actual, _held(now))
    if not history.steps or replace(history.steps[-1], at=at) != step:
        history = replace(history, steps=(*history.steps, step)[-STEPS:])
        if metric and recommended(metric, now.current, tolerances(now.hpa)) >= now.current:
            history = replace(history, high=at)
    return history


def picture(history: History, now: Look | None, name: str, speed: float) -> Picture:
    """The view as it should look now."""
    if now is None:
        return {"name": name, "found": False, "say": f"There is no HorizontalPodAutoscaler {name}."}
    spec, metric, window = now.hpa["spec"], metric_of(now), windows(now.hpa)
    told: Picture = {
        "name": name,
        "found": True,
        "target": f"{spec['scaleTargetRef']['kind']} {spec['scaleTargetRef']['name']}",
        "least": spec.get("minReplicas", 1),
        "most": spec["maxReplicas"],
        "current": now.current,
        "wanted": now.wanted,
        "actual": now.actual,
        "tolerance": tolerances(now.hpa),
        "windows": window,
        "speed": speed,
        "steps": {str(int(step.at * 1000)): _step(step) for step in history.steps},
        "formula": formula(now, metric) if metric else [],
        "say": say(now, metric),
    }
    if metric:
        told["metric"] = {"name": metric.name, "unit": metric.unit, "current": metric.current, "target": metric.target}
    if _held(now) and history.high:
        told["until"] = history.high + window["down"] / speed
    return told


def formula(now: Look, metric: Metric) -> list[str]:
    """The formula with its numbers, a line for each step of the reckoning."""
    tolerance, ratio = tolerances(now.hpa), metric.ratio
    low, high = 1 - tolerance["down"], 1 + tolerance["up"]
    measured, wished = _number(metric.current), _number(metric.target)
    lines = [f"{measured} {metric.unit} measured / {wished} {metric.unit} wished = {ratio:.2f}"]
    if low <= ratio <= high:
        return [*lines, f"between {low:.2f} and {high:.2f}: close enough, so {now.current} stay"]
    product = now.current * ratio
    wanted = recommended(metric, now.current, tolerance)
    lines.append(f"ceil({now.current} × {ratio:.2f}) = ceil({product:.2f}) = {wanted}")
    least, most = now.hpa["spec"].get("minReplicas", 1), now.hpa["spec"]["maxReplicas"]
    if not least <= wanted <= most:
        lines.append(f"at least {least}, at most {most}: {min(max(wanted, least), most)}")
    return lines


def say(now: Look, metric: Metric | None) -> str:
    """What it does, and why."""
    able, active = condition(now.hpa, "AbleToScale") or {}, condition(now.hpa, "ScalingActive") or {}
    limited = condition(now.hpa, "ScalingLimited") or {}
    if now.target is None and able:
        return "Its target is not there: nothing can be scaled."
    if active.get("status") == "False":
        return f"It cannot decide: {active.get('message', 'no measurement')}."
    if metric is None:
        return "It waits for its first measurement."
    if now.wanted > now.current:
        return f"More load than wished: it asks for {now.wanted} instead of {now.current}."
    if now.wanted < now.current:
        return f"Less load than wished: {now.wanted} are enough instead of {now.current}."
    if _held(now):
        return "The formula asks for another number, and a stabilisation window holds it back."
    if limited.get("status") == "True":
        return _limited(str(limited.get("reason", "")), now)
    return f"{now.current} {'is' if now.current == 1 else 'are'} as many as the load asks for."


def text(told: Picture) -> str:
    """The picture in plain words."""
    if not told["found"]:
        return str(told["say"])
    head = f"Autoscaler {told['name']}: {told['actual']} ready, {told['wanted']} wanted"
    reckoned = "; ".join(told["formula"])
    return f"{head} ({told['least']} to {told['most']}). {told['say']}" + (f" {reckoned}." if reckoned else "")


def html(told: Picture) -> str:
    """The same, for a page without a kernel."""
    return f"<p>{escape(text(told))}</p>"


def _limited(reason: str, now: Look) -> str:
    spec = now.hpa["spec"]
    return {
        "TooManyReplicas": f"The load asks for more, and {spec['maxReplicas']} is the most it may have.",
        "TooFewReplicas": f"The load asks for fewer, and {spec.get('minReplicas', 1)} is the least it may have.",
    }.get(reason, "A scaling policy lets it change only so many at a time.")


def _metric(wish: Obj, is_: Obj, current: int) -> Metric | None:
    kind = wish["type"]
    field = kind[0].lower() + kind[1:]
    source: Obj = wish.get(field) or {}
    seen: Obj = (is_.get(field) or {}).get("current") or {}
    target: Obj = source.get("target") or {}
    name = str(source.get("name") or (source.get("metric") or {}).get("name") or kind)
    average = _quantity(seen.get("averageValue"))
    if "averageUtilization" in target and "averageUtilization" in seen:
        load = (average or 0.0) * current
        return Metric(name, "%", float(seen["averageUtilization"]), float(target["averageUtilization"]), load)
    for key in ("averageValue", "value"):
        found, wished = _quantity(seen.get(key)), _quantity(target.get(key))
        if found is not None and wished:
            return Metric(name, "a pod" if key == "averageValue" else "", found, wished, found * (current or 1))
    return None


def _quantity(value: Any) -> float | None:
    return None if value is None else float(parse(str(value)))


def _held(now: Look) -> bool:
    return (condition(now.hpa, "AbleToScale") or {}).get("reason") in HELD


def _step(step: Step) -> Picture:
    return {
        "at": step.at,
        "load": step.load,
        "current": step.current,
        "wanted": step.wanted,
        "actual": step.actual,
        "held": step.held,
    }


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"


def _find(objects: Snapshot, kind: str, name: str, namespace: str) -> Obj | None:
    named = (obj for obj in objects.get(kind, ()) if obj["metadata"]["name"] == name)
    return next((obj for obj in named if obj["metadata"].get("namespace") == namespace), None)
