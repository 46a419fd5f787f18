"""Journey: stations out of recorded hops, objects as marked lines, what other clusters tell, and a person's way through."""

import pytest
import yaml

from k8slab.api.errors import ApiError
from k8slab.api.objects import copy
from k8slab.settings import LabError
from k8slab.widgets import journey, journey_model, journey_outside, journey_picture
from k8slab.widgets.marked_yaml import lines, news, shown
from tests.widgets import cluster
from tests.widgets.alive import Alive, shot
from tests.widgets.recorded import HOPS, RecordedLab

ALL = [
    "read", "defaulted", "admitted", "validated", "stored", "looked-Deployment", "made-ReplicaSet", "looked-ReplicaSet",
    "made-Pod", "decided", "bound", "planned", "creating", "sandbox", "pulled", "started", "running", "ready", "listed",
    "counted", "served",
]  # fmt: skip
POD = next(hop["object"] for hop in HOPS if (hop["object"] or {}).get("kind") == "Pod")


def ids(hops=HOPS, pod=""):
    return [station.id for station in journey_model.way(hops, pod)]


def station(id, hops=HOPS, pod=""):
    return next(station for station in journey_model.way(hops, pod) if station.id == id)


def new(found):
    return [text.strip() for mark, text, *_ in lines(found.obj, found.base) if mark in "+~"]


# ---- the way --------------------------------------------------------------------------------------------------------


def test_every_hop_is_a_station_in_the_order_of_time():
    assert sorted(ids()) == sorted(ALL)
    assert ids()[:18] == ALL[:18]
    times = [found.at for found in journey_model.way(HOPS)]
    assert times == sorted(times)


def test_each_pod_has_a_way_of_its_own():
    first, second = journey_model.pods(HOPS)
    ways = [journey_model.way(HOPS, pod) for pod in (first, second)]
    assert [len(way) for way in ways] == [len(ALL), len(ALL)]
    assert {way[10].obj["metadata"]["name"] for way in ways} == {first, second}
    assert ways[0][:5] == ways[1][:5]


@pytest.mark.parametrize(
    ("id", "told"),
    [
        ("read", []),
        ("stored", ["resourceVersion:"]),
        ("bound", ["nodeName: node-"]),
        ("ready", ["ready: true"]),
        ("made-Pod", ["generateName: web-", "kind: ReplicaSet", "- key: node.kubernetes.io/not-ready"]),
        ("made-ReplicaSet", ["pod-template-hash:", "kind: Deployment"]),
        ("defaulted", ["type: RollingUpdate", "imagePullPolicy: IfNotPresent"]),
        ("running", ["startedAt:"]),
        ("counted", ["readyReplicas:"]),
        ("planned", []),
    ],
)  # fmt: skip
def test_what_is_new_at_a_hop(id, told):
    marked = new(station(id))
    for start in told:
        assert any(line.startswith(start) for line in marked), (start, marked)
    if not told:
        assert marked == []


def test_what_comes_from_the_template_is_not_new():
    assert "image: k8slab/web:v1" not in new(station("made-Pod")) + new(station("made-ReplicaSet"))
    assert "app: web" not in new(station("made-Pod"))


@pytest.mark.parametrize("known", range(len(HOPS) + 1))
def test_under_way_the_stations_so_far_are_those_of_the_whole_way(known):
    whole = {found.id: found for found in journey_model.way(HOPS)}
    so_far = journey_model.way(HOPS[:known])
    assert [whole[found.id].at for found in so_far] == [found.at for found in so_far]
    assert journey_picture.sentence(so_far, "exact", "deployment/web", True)


def test_a_refusal_ends_it():
    hops = [*HOPS[:4], {"hop": "refused", "at": 2.0, "object": None, "message": "spec.replicas: Invalid value: -1"}]
    assert ids(hops) == ["read", "defaulted", "admitted", "refused"]
    said = journey_picture.sentence(journey_model.way(hops), "exact", "deployment/web", True)
    assert said == "Refused after 2.0 ms, and nothing was stored: spec.replicas: Invalid value: -1"


def test_a_pod_that_no_node_would_have():
    at = next(i for i, hop in enumerate(HOPS) if hop["hop"] == "decided")
    hops = [*HOPS[:at], {**HOPS[at], "node": "", "fit": 0}]
    assert station("decided", hops).title == "No node would do"
    bound = station("decided", [*hops, *HOPS[at:]])  # later one would
    assert bound.title == "A node is chosen"


def test_a_replica_set_that_grew():
    at = next(i for i, hop in enumerate(HOPS) if (hop["object"] or {}).get("kind") == "ReplicaSet")
    before = copy(HOPS[at]["object"])
    before["spec"]["replicas"] = 1
    found = station("made-ReplicaSet", [*HOPS[:at], {**HOPS[at], "before": before}, *HOPS[at + 1 :]])
    assert found.title == "The ReplicaSet is resized"
    assert new(found) == ["replicas: 2"]


@pytest.mark.parametrize(
    ("runtime", "pid", "said"),
    [("local", 7, "Container web is process 7 of this machine."), ("docker", None, "It runs."),
     ("simulated", None, "Simulated: a record says that it runs, and no process does.")],
)  # fmt: skip
def test_what_a_runtime_can_say(runtime, pid, said):
    hops = [hop | ({"runtime": runtime, "pid": pid} if hop["hop"] == "started" else {}) for hop in HOPS]
    assert station("started", hops).say == said


@pytest.mark.parametrize(("ms", "said"), [(0.44, "0.4 ms"), (9.96, "10 ms"), (347.2, "347 ms"), (1234.0, "1.2 s")])
def test_milliseconds(ms, said):
    assert journey_picture.milliseconds(ms) == said


# ---- marked lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ({}, {"a": 1}, [["+", "a: 1"]]),
        ({"a": 1}, {"a": 1}, [[" ", "a: 1"]]),
        ({"a": 1}, {"a": 2}, [["~", "a: 2", "1"]]),
        ({"a": 1, "b": {"c": 1}}, {"a": 1}, [[" ", "a: 1"], ["-", "b: …"]]),
        ({"a": True}, {"a": 1}, [[" ", "a: 1"]]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": "x"}}, [[" ", "a:"], [" ", "  b: 1"], ["+", "  c: x"]]),
        ({"l": [{"name": "x", "v": 1}]}, {"l": [{"name": "y", "v": 1}, {"name": "x", "v": 2}]},
         [[" ", "l:"], ["+", "- name: y"], ["+", "  v: 1"], [" ", "- name: x"], ["~", "  v: 2", "1"]]),
        ({"l": ["x"]}, {"l": ["x", "y: z"]}, [[" ", "l:"], [" ", "- x"], ["+", "- 'y: z'"]]),
        ({"l": [1, 2]}, {"l": [1]}, [[" ", "l:"], [" ", "- 1"], ["-", "- 2"]]),
        ({"a": {}}, {"a": {}, "e": []}, [[" ", "a: {}"], ["+", "e: []"]]),
        ({"s": "1"}, {"s": "1", "t": None}, [[" ", "s: '1'"], ["+", "t: null"]]),
    ],
)  # fmt: skip
def test_marks(before, after, marked):
    spec = {"kind": "X", "metadata": {"name": "x"}}
    found = lines({**spec, "spec": after}, {**spec, "spec": before})
    assert [[mark, text.removeprefix("  "), *was] for mark, text, *was in found[4:]] == marked
    assert news(found) == sum(mark in "+~" for mark, *_ in marked)


def test_marked_lines_are_yaml():
    text = "\n".join(text for _, text, *_ in lines(POD))
    assert yaml.safe_load(text) == shown(POD)
    assert {mark for mark, *_ in lines(POD)} == {"+"}


def test_what_is_long_and_no_news_is_left_out():
    obj = {
        "metadata": {
            "name": "x",
            "managedFields": [1],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        }
    }
    assert lines(obj) == [["+", "metadata:"], ["+", "  name: x"]]


# ---- from outside ---------------------------------------------------------------------------------------------------


def outside(pod=""):
    last = {}
    for hop in HOPS:
        if hop["hop"] == "stored":
            last[hop["object"]["metadata"]["uid"]] = hop["object"]
    return cluster.snapshot(*last.values())


def test_what_any_cluster_tells_of_it():
    objects = outside()
    found = journey_outside.way(objects, "Deployment", "web", "default")
    assert [one.id for one in found][:3] == ["stored", "made-ReplicaSet", "made-Pod"]
    assert {one.id for one in found[3:]} == {"PodScheduled", "PodReadyToStartContainers", "started", "Ready", "listed"}
    assert all(one.at % 1000 == 0 for one in found)
    marked = {one.id: new(one) for one in found}
    assert any(line.startswith("nodeName: node-") for line in marked["PodScheduled"])
    assert set(journey_outside.pods(objects, "Deployment", "web", "default")) == set(journey_model.pods(HOPS))


def test_of_what_is_not_there_nothing_is_told():
    assert journey_outside.way(outside(), "Deployment", "other", "default") == []


def test_who_wrote_the_wish_last():
    objects = outside()
    web = copy(objects["Deployment"][0])
    web["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Update", "time": "2026-01-01T00:00:07Z"},
        {"manager": "kube-controller-manager", "time": "2026-01-01T00:00:09Z", "subresource": "status"},
    ]
    stored = journey_outside.way({**objects, "Deployment": [web]}, "Deployment", "web", "default")[0]
    assert "2026-01-01T00:00:07Z. managedFields name kubectl." in stored.say


# ---- the view -------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(request):
    return RecordedLab(name=f"journey-{request.node.name}", known=0)


@pytest.fixture
def view(lab):
    view = journey.show(lab, "deployment/web")
    yield view
    view.close()


@pytest.mark.parametrize("what", ["web", "service/web", "deployment/"])
def test_what_has_no_journey(lab, what):
    with pytest.raises(LabError):
        journey.show(lab, what)


def test_a_manifest_is_followed_before_it_is_applied(lab):
    lab.apply = lambda text: lab.api.calls.append((lab.following, text))
    manifest = "kind: Service\nmetadata: {name: web}\n---\nkind: Deployment\nmetadata: {name: web}\n"
    view = journey.show(lab, manifest)
    assert lab.api.calls == [(True, manifest)]
    assert view is journey.show(lab, "deploy/web")
    view.close()
    assert lab.following is False
    with pytest.raises(LabError, match="needs one of Deployment"):
        journey.show(lab, "kind: Service\nmetadata: {name: web}\n")


def test_first_nothing_then_all_of_it(lab, view):
    assert view.text() == "Nothing has happened to deployment/web yet. Apply it, and its way is followed from here."
    lab.goes_on(view)
    assert list(view.draw()["stops"]) == [found.id for found in journey_model.way(HOPS)]
    assert "until requests reach the pod" in view.draw()["say"]


def test_what_was_there_before_is_told_from_outside(lab, view):
    lab.api.becomes(*(obj for objects in outside().values() for obj in objects))
    drawn = view.draw()
    assert drawn["how"] == "outside"
    assert "Apply a change, and every hop is timed." in drawn["say"]


def test_a_lab_that_was_started_anew_follows_again(lab, view):
    lab.following = None
    view.draw()
    assert lab.following is True


def test_a_lab_that_does_not_answer_leaves_what_is_known(lab, view):
    lab.goes_on(view)
    view.draw()

    def away(*_):
        raise ApiError("away")

    lab.hops = away
    assert len(view.draw()["stops"]) == len(ALL)


def test_another_cluster_is_asked_for_nothing_but_its_objects(lab):
    lab.context, lab.following = "kind-prod", None
    view = journey.show(lab, "deployment/web")
    assert view.wake() is None
    lab.api.becomes(*(obj for objects in outside().values() for obj in objects))
    assert "whole seconds" in view.draw()["say"]
    assert "Apply a change" not in view.draw()["say"]
    assert lab.following is None
    view.close()


def chosen(shown, key):
    shown.until(f"document.querySelector('[data-key={key}]')?.ariaSelected === 'true'")


@pytest.mark.browser
def test_a_person_walks_the_way(page, lab, view):
    shown = Alive(page, view)
    assert page.get_by_role("button", name="Next").is_disabled()
    shown.changes(lambda: lab.goes_on(view))
    hops = page.locator(".stop")
    assert hops.count() == len(ALL)
    hops.first.focus()
    page.keyboard.press("ArrowRight")
    chosen(shown, "defaulted")
    defaulted = station("defaulted")
    assert page.locator(".code ins").count() == news(lines(defaulted.obj, defaulted.base))
    page.keyboard.press("End")
    chosen(shown, view_order(view)[-1])
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_role("button", name="Back").click()
    chosen(shown, view_order(view)[-2])
    pod = journey_model.pods(HOPS)[1]
    page.locator("[data-key=bound]").click()
    page.get_by_label("Follow").select_option(pod)
    shown.until(f"document.querySelector('.count').textContent.includes('{pod}')")
    shot(
        page,
        "journey-pod",
        "The same **journey** at another hop: the pod as the scheduler has bound it, its news marked.",
    )


def view_order(view):
    return sorted(view._picture["stops"], key=lambda key: view._picture["stops"][key]["order"])


@pytest.mark.browser
def test_it_plays_by_itself_and_stops_when_a_hand_is_laid_on_it(page, lab, view):
    shown = Alive(page, view)
    shown.changes(lambda: lab.goes_on(view))
    page.get_by_role("button", name="Play").click()
    chosen(shown, "defaulted")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.locator("[data-key=ready]").click()
    page.get_by_role("button", name="Play").wait_for()
    chosen(shown, "ready")


@pytest.mark.browser
@pytest.mark.parametrize("page", [{}, {"width": 800}], indirect=True)
def test_from_outside_it_says_so(page, lab, view):
    shown = Alive(page, view)
    shown.changes(lambda: lab.api.becomes(*(obj for objects in outside().values() for obj in objects)))
    assert page.get_by_text("Whole seconds, from the objects").is_visible()
    assert page.locator(".about, .panel", has_text="in the same second as the first").first.is_visible()
