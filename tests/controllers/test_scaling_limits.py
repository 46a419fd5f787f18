from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj
from k8slab.controllers.scaling_limits import ABOVE, BELOW, History, Limited, Moment, limit

NOW = 10_000.0


def ask(current: int, desired: int, history: History | None = None, now: float = NOW, **spec: Any) -> Limited:
    return limit({"minReplicas": 1, "maxReplicas": 100, **spec}, history or History(), current, desired, now)


def policy(type_: str, value: int, period: int = 60) -> Obj:
    return {"type": type_, "value": value, "periodSeconds": period}


def rules(*policies: Obj, select: str = "Max", window: int = 0) -> Obj:
    return {"policies": [*policies], "selectPolicy": select, "stabilizationWindowSeconds": window}


@pytest.mark.parametrize(
    ("current", "desired", "spec", "expected", "reason"),
    [
        (3, 5, {}, 5, "DesiredWithinRange"),
        (3, 7, {"maxReplicas": 7}, 6, "ScaleUpLimit"),
        (4, 9, {"maxReplicas": 7}, 7, "TooManyReplicas"),
        (1, 9, {}, 4, "ScaleUpLimit"),
        (3, 1, {"minReplicas": 2}, 2, "TooFewReplicas"),
        (3, 3, {}, 3, "DesiredWithinRange"),
    ],
)
def test_without_a_behavior(current: int, desired: int, spec: Obj, expected: int, reason: str) -> None:
    found = ask(current, desired, **spec)
    assert (found.replicas, found.limit[0], found.limited) == (expected, reason, expected != desired)
    assert found.able[0] == "ReadyForNewScale"


def test_the_highest_recommendation_of_five_minutes_counts() -> None:
    history = History()
    for seconds, wish, expected in ((0, 7, 7), (60, 3, 7), (299, 4, 7), (300, 3, 7), (301, 3, 4), (700, 2, 2)):
        found = ask(7, wish, history, seconds)
        assert (seconds, found.replicas) == (seconds, expected)
        assert found.able == (
            ("ScaleDownStabilized", ABOVE) if expected != wish else ("ReadyForNewScale", found.able[1])
        )


@pytest.mark.parametrize(
    ("behavior", "current", "desired", "expected", "reason"),
    [
        ({"scaleUp": rules(policy("Pods", 4))}, 10, 30, 14, "ScaleUpLimit"),
        ({"scaleUp": rules(policy("Percent", 50))}, 3, 30, 5, "ScaleUpLimit"),  # 4.5, rounded up
        ({"scaleUp": rules(policy("Pods", 4), policy("Percent", 50))}, 10, 30, 15, "ScaleUpLimit"),
        ({"scaleUp": rules(policy("Pods", 4), policy("Percent", 50), select="Min")}, 10, 30, 14, "ScaleUpLimit"),
        ({"scaleUp": rules(policy("Pods", 4), select="Disabled")}, 10, 30, 10, "ScaleUpLimit"),
        ({"scaleUp": rules(policy("Pods", 500))}, 10, 300, 100, "TooManyReplicas"),
        ({}, 10, 30, 20, "ScaleUpLimit"),  # the default: twice, or four more
        ({}, 2, 30, 6, "ScaleUpLimit"),
        ({}, 10, 2, 2, "DesiredWithinRange"),  # and down to the minimum at once
        ({"scaleDown": rules(policy("Pods", 2))}, 10, 1, 8, "ScaleDownLimit"),
        ({"scaleDown": rules(policy("Percent", 15))}, 10, 1, 8, "ScaleDownLimit"),  # 8.5, rounded down
        ({"scaleDown": rules(policy("Pods", 2), policy("Percent", 50))}, 10, 1, 5, "ScaleDownLimit"),
        ({"scaleDown": rules(policy("Pods", 2), policy("Percent", 50), select="Min")}, 10, 1, 8, "ScaleDownLimit"),
        ({"scaleDown": rules(policy("Pods", 2), select="Disabled")}, 10, 1, 10, "ScaleDownLimit"),
        ({"scaleDown": rules(policy("Percent", 100))}, 10, 0, 1, "TooFewReplicas"),
    ],
)
def test_policies(behavior: Obj, current: int, desired: int, expected: int, reason: str) -> None:
    found = ask(current, desired, behavior=behavior)
    assert (found.replicas, found.limit[0]) == (expected, reason)


def test_a_period_counts_from_its_begin() -> None:
    behavior = {"scaleUp": rules(policy("Pods", 4)), "scaleDown": rules(policy("Pods", 2))}
    history = History(added=[Moment(NOW - 30, 3)])
    assert ask(13, 30, history, behavior=behavior).replicas == 14  # 10 a minute ago, and 4
    assert ask(13, 30, history, NOW + 31, behavior=behavior).replicas == 17
    history = History(added=[Moment(NOW - 30, 9)])
    assert ask(19, 30, history, behavior=behavior).replicas == 19  # policies have changed meanwhile: no step back
    history = History(removed=[Moment(NOW - 10, 1)])
    assert ask(9, 1, history, behavior=behavior).replicas == 8
    history = History()
    history.scaled(5, 8, NOW)
    history.scaled(8, 6, NOW)
    assert (history.added, history.removed) == ([Moment(NOW, 3)], [Moment(NOW, 2)])


def test_windows_up_and_down() -> None:
    behavior = {"scaleUp": rules(policy("Pods", 99), window=60), "scaleDown": rules(policy("Pods", 99), window=120)}
    history = History(recommended=[Moment(NOW - 30, 4), Moment(NOW - 70, 2)])
    found = ask(3, 9, history, behavior=behavior)
    assert (found.replicas, found.able) == (4, ("ScaleUpStabilized", BELOW))
    history = History(recommended=[Moment(NOW - 100, 6), Moment(NOW - 130, 9)])
    found = ask(8, 2, history, behavior=behavior)
    assert (found.replicas, found.able) == (6, ("ScaleDownStabilized", ABOVE))
    history = History(recommended=[Moment(NOW - 130, 9)])
    assert ask(8, 2, history, behavior=behavior).replicas == 2
    behavior["scaleDown"].pop("stabilizationWindowSeconds")  # then it is five minutes
    assert ask(8, 2, History(recommended=[Moment(NOW - 290, 7)]), behavior=behavior).replicas == 7


def test_what_is_forgotten() -> None:
    history = History([Moment(0, 5)], [Moment(0, 1)], [Moment(0, 1)])
    ask(3, 3, history)
    assert (history.recommended, history.added, history.removed) == ([Moment(NOW, 3)], [], [])
    history.begin(9, NOW)
    assert len(history.recommended) == 1
    fresh = History()
    fresh.begin(9, NOW)
    assert ask(9, 2, fresh).replicas == 9
