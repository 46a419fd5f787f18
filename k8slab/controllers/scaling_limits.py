"""From what the metrics ask for to what is done: stabilisation windows, scaling policies, minimum and maximum. Pure.

`podautoscaler.py` keeps a `History` for every autoscaler and asks `limit`. Without a `behavior` the older rules hold:
up to twice the replicas (or 4) at once, down to the highest recommendation of the last five minutes
(pkg/controller/podautoscaler/horizontal.go). Times are Kubernetes seconds from any fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from k8slab.api.objects import Obj

DOWNSCALE_WINDOW = 300.0  # --horizontal-pod-autoscaler-downscale-stabilization
LONGEST = 3600.0  # seconds; no window or period may be longer

ABOVE = "recent recommendations were higher than current one, applying the highest recent recommendation"
BELOW = "recent recommendations were lower than current one, applying the lowest recent recommendation"
TOO_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
IN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")
READY = ("ReadyForNewScale", "recommended size matches current size")

DEFAULT_UP: Obj = {  # pkg/apis/autoscaling/v2/defaults.go
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DEFAULT_DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


class Moment(NamedTuple):
    """A number at a time: what was recommended, or by how many the replicas were changed."""

    time: float
    number: int


@dataclass
class History:
    """What an autoscaler remembers: its recommendations, and how many replicas it added and took away."""

    recommended: list[Moment] = field(default_factory=list)
    added: list[Moment] = field(default_factory=list)
    removed: list[Moment] = field(default_factory=list)

    def begin(self, replicas: int, now: float) -> None:
        """The size it finds counts as recommended, so that a new autoscaler does not shrink what it finds at once."""
        if not self.recommended:
            self.recommended.append(Moment(now, replicas))

    def scaled(self, before: int, after: int, now: float) -> None:
        """Remember a change of size."""
        (self.added if after > before else self.removed).append(Moment(now, abs(after - before)))

    def forget(self, now: float) -> None:
        """Drop what no window can reach any more."""
        for moments in (self.recommended, self.added, self.removed):
            moments[:] = [moment for moment in moments if now - moment.time <= LONGEST]


class Limited(NamedTuple):
    """The replicas to have; and why: whether it held back (AbleToScale), whether a limit cut it (ScalingLimited)."""

    replicas: int
    able: tuple[str, str]
    limited: bool
    limit: tuple[str, str]


def limit(spec: Obj, history: History, current: int, desired: int, now: float) -> Limited:
    """What becomes of a wish for `desired` replicas. The wish is remembered."""
    behavior = spec.get("behavior")
    steady = _stabilised(behavior, history, current, desired, now)
    history.recommended.append(Moment(now, desired))
    history.forget(now)
    held = BELOW if behavior and desired >= current else ABOVE
    able = READY if steady == desired else ("ScaleUpStabilized" if held is BELOW else "ScaleDownStabilized", held)
    if behavior is None:
        replicas, why = _by_rules(spec, current, steady)
    else:
        replicas, why = _by_behavior(spec, behavior, history, current, steady, now)
    return Limited(replicas, able, replicas != steady, why)


def rules_of(behavior: Obj | None, direction: str) -> Obj:
    """The rules for `scaleUp` or `scaleDown`, with what is not said filled in."""
    default = DEFAULT_UP if direction == "scaleUp" else DEFAULT_DOWN
    said = {field: value for field, value in ((behavior or {}).get(direction) or {}).items() if value is not None}
    return {**default, **said}


def _stabilised(behavior: Obj | None, history: History, current: int, desired: int, now: float) -> int:
    """The wish, brought between the lowest recent recommendation (up) and the highest (down)."""
    if behavior is None:
        return max([desired, *(m.number for m in history.recommended if now - m.time <= DOWNSCALE_WINDOW)])
    up = rules_of(behavior, "scaleUp")["stabilizationWindowSeconds"]
    down = rules_of(behavior, "scaleDown").get("stabilizationWindowSeconds", DOWNSCALE_WINDOW)
    lowest = min([desired, *(m.number for m in _within(history.recommended, up, now))])
    highest = max([desired, *(m.number for m in _within(history.recommended, down, now))])
    return min(max(current, lowest), highest)


def _by_rules(spec: Obj, current: int, wished: int) -> tuple[int, tuple[str, str]]:
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    rate = max(2 * current, 4)
    if wished < least:
        return least, TOO_FEW
    if wished > min(most, rate):
        return min(most, rate), TOO_FAST_UP if most > rate else TOO_MANY
    return wished, IN_RANGE


def _by_behavior(
    spec: Obj, behavior: Obj, history: History, current: int, wished: int, now: float
) -> tuple[int, tuple[str, str]]:
    if wished > current:
        rate, most = max(current, _rate(behavior, "scaleUp", history, current, now)), spec["maxReplicas"]
        if wished > min(most, rate):
            return min(most, rate), TOO_FAST_UP if most > rate else TOO_MANY
    elif wished < current:
        rate, least = min(current, _rate(behavior, "scaleDown", history, current, now)), spec.get("minReplicas", 1)
        if wished < max(least, rate):
            return max(least, rate), TOO_FAST_DOWN if least < rate else TOO_FEW
    return wished, IN_RANGE


def _rate(behavior: Obj, direction: str, history: History, current: int, now: float) -> int:
    """How far the policies let the replicas go now, counting from where their period began."""
    rules = rules_of(behavior, direction)
    if rules["selectPolicy"] == "Disabled":
        return current
    up = direction == "scaleUp"
    ends = [_end(policy, history, current, now, up) for policy in rules["policies"]]
    farthest = rules["selectPolicy"] == "Max"
    return max(ends) if farthest == up else min(ends)


def _end(policy: dict[str, Any], history: History, current: int, now: float, up: bool) -> int:
    added, removed = (
        sum(m.number for m in _within(moments, policy["periodSeconds"], now))
        for moments in (history.added, history.removed)
    )
    start = current - added + removed
    if policy["type"] == "Pods":
        return int(start + policy["value"] if up else start - policy["value"])
    share = policy["value"] / 100
    return ceil(start * (1 + share)) if up else int(start * (1 - share))


def _within(moments: list[Moment], window: float, now: float) -> list[Moment]:
    """Those younger than `window` seconds."""
    return [moment for moment in moments if now - moment.time < window]
