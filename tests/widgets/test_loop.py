"""Loop: its rows and words, and its steps as a cell and a click take them."""

import pytest

from k8slab.settings import LabError
from k8slab.widgets import loop_model
from k8slab.widgets.loop import FREE, IDLE, Loop, show
from k8slab.widgets.loop_model import Row
from tests.widgets import cluster
from tests.widgets.alive import Alive
from tests.widgets.browser import FAULTS
from tests.widgets.cluster import FakeLab


@pytest.fixture
def lab(request):
    nodes_and_web = cluster.shop()
    next(obj for obj in nodes_and_web if obj["kind"] == "Deployment")["spec"]["replicas"] = 4
    return FakeLab(*nodes_and_web, name=f"loop-{request.node.name}")


@pytest.fixture
def view(lab):
    view = show(lab, "deployment/web", hold=True)
    yield view
    view.close()


@pytest.mark.parametrize(
    ("what", "found"),
    [("deployment/web", ("Deployment", "web")), ("deploy/a", ("Deployment", "a")), ("RS/b", ("ReplicaSet", "b"))],
)
def test_names(what, found):
    assert loop_model.named(what) == found


@pytest.mark.parametrize("what", ["web", "service/web", "deployment/"])
def test_what_is_no_loop(lab, what):
    with pytest.raises(LabError, match="such as deployment/web"):
        show(lab, what)


@pytest.mark.parametrize(
    ("wish", "real", "said"),
    [
        (4, 3, "4 wished, 3 found: 1 is missing."),
        (1, 3, "1 wished, 3 found: 2 are too many."),
        (3, 3, "3 and 3: nothing is missing."),
    ],
)
def test_compare(wish, real, said):
    assert loop_model.compare(Row("ReplicaSet", "web-1", wish, real, "pods")) == said


@pytest.mark.parametrize(
    ("wrote", "said"),
    [
        ([], "nothing to do."),
        ([{"verb": "created", "kind": "Pod", "name": "p"}], "Pod p created."),
        ([{"verb": "changed", "kind": "ReplicaSet", "name": "r", "was": 3, "now": 4}],
         "ReplicaSet r is to have 4, not 3."),
        ([{"verb": "changed", "kind": "Deployment", "name": "web"}], "its status written."),
    ],
)  # fmt: skip
def test_acted(wrote, said):
    assert loop_model.acted(wrote, Row("Deployment", "web", 4, 3, "")) == said


def test_rows_are_owner_then_owned_and_leaving_pods_do_not_count():
    objects = cluster.shop()
    objects[-1] = cluster.leaving(objects[-1])
    found = loop_model.rows(cluster.snapshot(*objects), "Deployment", "web", "default")
    assert [(row.kind, row.wish, row.real) for row in found] == [("Deployment", 3, 3), ("ReplicaSet", 3, 2)]


def test_three_steps_are_one_run(view, lab):
    read, compare, act = (view.step() for _ in range(3))
    assert "Deployment web wishes for 4 pods" in repr(read)
    assert "1 is missing" in compare
    assert "ReplicaSet web-7d5bc is to have 4, not 3." in act
    assert [call[1] for call in lab.api.calls].count("turn") == 1


def test_steps_without_a_hold_say_so(view, lab):
    view.run()
    assert view.step(5) == FREE
    lab.turn_loops = lambda *_: {"held": True, "waiting": [], "wrote": []}
    view.hold()
    assert view.step(5) == IDLE


def test_another_cluster_is_shown_but_not_held():
    lab = FakeLab(*cluster.shop(), name="other")
    lab.context = "kind-prod"
    view = show(lab, "deployment/web", hold=True)
    assert view.step() == FREE
    assert not lab.api.calls
    view.close()


def test_a_hold_that_has_ended_is_not_shown_as_one(view):
    assert view.draw()["held"]
    view._until = 0.0
    assert not view.draw()["held"]


def test_a_view_that_closes_holds_no_more(lab):
    view = Loop(lab, "Deployment", "web")
    view.hold()
    view.close()
    assert lab.api.calls[-1][1] == "release"


@pytest.mark.browser
def test_a_person_steps_and_runs(page, view):
    shown = Alive(page, view)
    shown.until(lambda: page.get_by_text("1 missing").is_visible())
    for word in ("wishes for 4 pods", "1 is missing.", "is to have 4, not 3."):
        page.get_by_role("button", name="Step").focus()
        page.keyboard.press("Enter")
        shown.until(lambda word=word: page.locator(".phases .at", has_text=word).is_visible())
    page.get_by_role("button", name="Run").click()
    shown.until(lambda: page.get_by_text("Running by themselves.").is_visible())
    assert page.get_by_role("button", name="Step").is_disabled()


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_names_sizes_and_contrast(page, view, dark, tmp_path):
    view.step(3)
    shown = Alive(page, view, dark=dark)
    shown.rest(0.2)
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
