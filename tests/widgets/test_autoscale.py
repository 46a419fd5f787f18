"""Autoscale: what it reckons from an autoscaler's own words, what it says, and how it looks."""

import pytest

from k8slab.widgets import autoscale_model
from k8slab.widgets.autoscale import Autoscale
from k8slab.widgets.autoscale_model import History, Metric, advance, formula, look, picture, recommended, say, windows
from tests.widgets import cluster
from tests.widgets.alive import Alive
from tests.widgets.browser import FAULTS
from tests.widgets.cluster import FakeLab, deployment, thing

EVEN = {"up": 0.1, "down": 0.1}


def hpa(current=3, desired=3, percent=None, target=50, conditions=(), least=1, most=10, **spec):
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
            }
        ],
        **spec,
    }
    status = {"currentReplicas": current, "desiredReplicas": desired}
    status["conditions"] = [{"type": t, "status": s, "reason": r, "message": "m"} for t, s, r in conditions]
    if percent is not None:
        measured = {"averageUtilization": percent, "averageValue": f"{percent}m"}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": measured}}]
    return thing("HorizontalPodAutoscaler", "web", spec, status)


def web(ready=3):
    made = deployment(replicas=ready)
    made["status"] = {"readyReplicas": ready}
    return made


def grown(lab):
    """The same autoscaler, one replica later."""
    now = lab.api.now["HorizontalPodAutoscaler"][0]["status"]["currentReplicas"] + 1
    return [hpa(percent=84 - now, current=now, desired=6), web(now)]


def seen(*objects):
    return look(cluster.snapshot(*objects), "web", "default")


@pytest.mark.parametrize(
    ("current", "measured", "wanted"),
    [
        (3, 84, 6),  # ceil(3 × 1.68) = ceil(5.04)
        (3, 54, 3),  # within a tenth: nothing
        (3, 55, 3),
        (3, 56, 4),
        (3, 45, 3),
        (3, 44, 3),  # ceil(2.64)
        (6, 10, 2),
        (1, 0, 0),
        (2, 75, 3),  # exactly 3.0 is not 4
    ],
)
def test_the_formula(current, measured, wanted):
    assert recommended(Metric("cpu", "%", measured, 50, 0), current, EVEN) == wanted


def test_the_formula_with_its_numbers():
    now = seen(hpa(percent=84, most=5), web())
    assert formula(now, autoscale_model.metric_of(now)) == [
        "84 % measured / 50 % wished = 1.68",
        "ceil(3 × 1.68) = ceil(5.04) = 6",
        "at least 1, at most 5: 5",
    ]
    now = seen(hpa(percent=52), web())
    assert formula(now, autoscale_model.metric_of(now))[1] == "between 0.90 and 1.10: close enough, so 3 stay"


def test_of_several_metrics_the_one_furthest_above_decides():
    more = {
        "type": "Pods",
        "pods": {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": "10"}},
    }
    found = hpa(percent=40)
    found["spec"]["metrics"].append(more)
    found["status"]["currentMetrics"].append(
        {"type": "Pods", "pods": {"metric": {"name": "requests"}, "current": {"averageValue": "25"}}}
    )
    metric = autoscale_model.metric_of(seen(found, web()))
    assert (metric.name, metric.ratio, metric.load) == ("requests", 2.5, 75)


@pytest.mark.parametrize(
    ("behavior", "found"),
    [
        (None, {"up": 0, "down": 300}),
        ({"scaleDown": {"stabilizationWindowSeconds": 60}}, {"up": 0, "down": 60}),
        (
            {"scaleUp": {"stabilizationWindowSeconds": 30}, "scaleDown": {"stabilizationWindowSeconds": 0}},
            {"up": 30, "down": 0},
        ),
    ],
)
def test_windows(behavior, found):
    assert windows(hpa(**({"behavior": behavior} if behavior else {}))) == found


HELD = ("AbleToScale", "True", "ScaleDownStabilized")


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([hpa(), web()], "It waits for its first measurement."),
        ([hpa(percent=84, desired=6), web()], "More load than wished: it asks for 6 instead of 3."),
        ([hpa(percent=10, desired=1), web()], "Less load than wished: 1 are enough instead of 3."),
        (
            [hpa(percent=10, conditions=[HELD]), web()],
            "The formula asks for another number, and a stabilisation window holds it back.",
        ),
        ([hpa(percent=50), web()], "3 are as many as the load asks for."),
        (
            [hpa(percent=90, conditions=[("ScalingLimited", "True", "TooManyReplicas")], most=3), web()],
            "The load asks for more, and 3 is the most it may have.",
        ),
        ([hpa(conditions=[("ScalingActive", "False", "FailedGetResourceMetric")]), web()], "It cannot decide: m."),
        (
            [hpa(conditions=[("AbleToScale", "False", "FailedGetScale")])],
            "Its target is not there: nothing can be scaled.",
        ),
    ],
)
def test_what_it_says(objects, said):
    now = seen(*objects)
    assert say(now, autoscale_model.metric_of(now)) == said


def test_the_history_and_when_it_may_shrink():
    history = advance(History(), seen(hpa(percent=84), web()), 100)
    assert advance(history, seen(hpa(percent=84), web()), 105) is history
    history = advance(history, seen(hpa(percent=10, conditions=[HELD]), web()), 110)
    assert [(step.at, step.current, step.held) for step in history.steps] == [(100, 84, False), (110, 10, True)]
    told = picture(history, seen(hpa(percent=10, conditions=[HELD]), web()), "web", 10)
    assert (history.high, told["until"]) == (100, 100 + 300 / 10)


def test_without_an_autoscaler_and_in_words():
    assert picture(History(), None, "web", 1)["say"] == "There is no HorizontalPodAutoscaler web."
    told = picture(History(), seen(hpa(percent=84), web()), "web", 1)
    assert "84 % measured / 50 % wished = 1.68" in autoscale_model.html(told)


# ---- in a browser -------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_a_person_sees_the_numbers_and_what_is_held_back(page, dark):
    lab = FakeLab(hpa(percent=84, desired=6), web(), name=f"autoscale-{dark}")
    view = Autoscale(lab, "web", "default")
    try:
        shown = Alive(page, view, dark=dark)
        shown.until(lambda: page.get_by_text("ceil(3 × 1.68) = ceil(5.04) = 6").is_visible())
        shown.until(lambda: page.get_by_text("it asks for 6 instead of 3.").is_visible())
        lab.api.becomes(hpa(percent=10, current=6, desired=6, conditions=[HELD]), web(6))
        shown.until(lambda: page.get_by_text("It may shrink in").is_visible())
        assert page.get_by_role("img").get_attribute("aria-label").endswith("6 ready, 6 wanted, 1 to 10 allowed.")
        heard = len(shown.heard)
        shown.rest(1.2)  # "now" moves on, and nobody is asked for it
        assert len(shown.heard) == heard
        assert page.evaluate(FAULTS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        view.close()
