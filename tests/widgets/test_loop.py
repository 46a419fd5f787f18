"""Loop: its rows and words, and its steps as a cell and a click take them."""

import pytest

from k8slab.settings import LabError
from k8slab.widgets import loop_model
from k8slab.widgets.loop import FREE, IDLE, LONGEST, OFF, Loop, show
from k8slab.widgets.loop_model import Row
from tests.widgets import cluster
from tests.widgets.alive import Alive, shot
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


class At:
    """A clock that stands where it was set."""

    now = 1_767_225_600.0

    def time(self):
        return self.now


@pytest.fixture
def clock(view):
    view._clock = At()
    view.run()
    return view._clock


def test_slow_motion_takes_a_step_at_each_pause_and_none_between(view, lab, clock):
    view.slow(2.0)
    assert view.draw()["told"] == []
    phases = []
    for moment in (1.9, 0.2, 1.0, 1.1, 2.0, 2.0):
        clock.now += moment
        phases.append(view.draw()["loops"]["Deployment/web"]["phase"])
    assert phases == ["", "read", "read", "compare", "act", "read"]
    assert [call[1] for call in lab.api.calls].count("turn") == 1


def test_slow_motion_with_nothing_to_do_waits(view, lab, clock):
    lab.turn_loops = lambda *_: {"held": True, "waiting": [], "wrote": []}
    view.slow(1.0)
    clock.now += 1.5
    drawn = view.draw()
    assert (drawn["mode"], drawn["told"]) == ("slow", [])


def test_a_change_of_way_holds_no_longer_than_five_minutes(view, lab, clock):
    view.hold()
    clock.now += 200
    view.slow()
    view.off()
    assert view.draw()["until"] == At.now + LONGEST
    assert [call[1] for call in lab.api.calls[-2:]] != ["hold", "hold"]
    clock.now += 101
    assert (view.draw()["mode"], view.wake()) == ("run", None)


def test_switched_off_no_step_is_taken(view, lab, clock):
    view.off()
    assert view.step(3) == OFF
    assert "turn" not in [call[1] for call in lab.api.calls]
    assert view.draw()["say"] == "Switched off. Deployment web wants 4, sees 3: nobody acts."
    assert "nobody acts" in loop_model.text(view.draw())


@pytest.mark.parametrize("pause", [0, 0.1, 11, -1])
def test_a_pause_out_of_range(view, pause):
    with pytest.raises(LabError, match=r"0\.3 to 10 seconds"):
        view.slow(pause)


@pytest.mark.parametrize(
    ("mode", "gap"),
    [("run", "1 missing"), ("slow", "wants 3, sees 2"), ("hand", "wants 3, sees 2: waits for your step"),
     ("off", "wants 3, sees 2: nobody acts")],
)  # fmt: skip
def test_what_becomes_of_a_gap(mode, gap):
    row = Row("ReplicaSet", "web-1", 3, 2, "pods")
    assert loop_model.gap(row, mode) == gap
    assert loop_model.gap(Row("ReplicaSet", "web-1", 3, 3, "pods"), mode) == "as wished"


@pytest.mark.parametrize(
    ("rows", "mode", "said"),
    [
        ([], "off", "Deployment web is not there."),
        ([Row("Deployment", "web", 3, 3, "")], "off", "Switched off, and nobody notices: all is as wished. "),
        ([Row("Deployment", "web", 3, 3, "")], "run", "3 pods wished, and there are 3: nothing is missing."),
        ([Row("Deployment", "web", 3, 2, "")], "slow", "Deployment web: 3 wished, 2 found: 1 is missing."),
    ],
)
def test_how_it_stands(rows, mode, said):
    assert loop_model.sentence(rows, "Deployment web", mode).startswith(said)


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


@pytest.mark.parametrize(("asked", "mode"), [({"slow": 2}, "slow"), ({"off": True}, "off"), ({"hold": True}, "hand")])
def test_how_a_cell_asks(lab, asked, mode):
    view = show(lab, "deployment/web", **asked)
    assert view.draw()["mode"] == mode
    view.close()


def test_a_view_that_closes_holds_no_more(lab):
    view = Loop(lab, "Deployment", "web")
    view.hold()
    view.close()
    assert lab.api.calls[-1][1] == "release"


@pytest.mark.browser
def test_a_person_steps_and_runs(page, view):
    shown = Alive(page, view)
    shown.until(lambda: page.get_by_text("waits for your step").is_visible())
    for word in ("wishes for 4 pods", "1 is missing.", "is to have 4, not 3."):
        page.get_by_role("button", name="Step").focus()
        page.keyboard.press("Enter")
        shown.until(lambda word=word: page.locator(".phases .at", has_text=word).is_visible())
    page.get_by_role("button", name="On", exact=True).click()
    shown.until(lambda: page.get_by_text("run by themselves").is_visible())
    assert page.get_by_role("button", name="Step").is_hidden()


@pytest.mark.browser
def test_a_person_looks_in_slow_motion(page, lab, view):
    shown = Alive(page, view)
    page.get_by_role("button", name="Slow motion").click()
    for word in ("wishes for 4 pods", "1 is missing.", "is to have 4, not 3."):  # nobody presses anything
        shown.until(lambda word=word: page.locator(".phases .at", has_text=word).is_visible())
    page.get_by_label("Pause").focus()
    page.keyboard.press("Home")
    shown.until(lambda: view._pause == 0.5)
    shown.until(lambda: page.get_by_text("0.5 s").is_visible())


@pytest.mark.browser
def test_a_person_switches_the_controllers_off(page, lab, view):
    shown = Alive(page, view)
    page.get_by_role("button", name="Off", exact=True).click()
    said = "Switched off. Deployment web wants 4, sees 3: nobody acts."
    shown.until(lambda: page.get_by_text(said).first.is_visible())
    gone = lab.api.now["Pod"][-1]
    lab.api.becomes(*(obj for obj in lab.api.all() if obj is not gone))
    shown.until(lambda: page.get_by_text("wants 3, sees 2: nobody acts").is_visible())
    shown.until(lambda: page.locator(".since", has_text="now").first.is_visible())
    shot(page, "loop-off", "The **loop** with its controllers switched off: a pod is missing, and nobody acts.")
    page.get_by_role("button", name="By hand").click()
    shown.until(lambda: page.get_by_text("wants 4, sees 3: waits for your step").is_visible())
    assert [call[1] for call in lab.api.calls].count("hold") == 1


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_names_sizes_and_contrast(page, view, dark, tmp_path):
    view.step(3)
    shown = Alive(page, view, dark=dark)
    shown.rest(0.2)
    assert page.evaluate(FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
