"""Scheduling: its picture and words as tables, then the view upon a pretended lab whose judgement is the scheduler's."""

from __future__ import annotations

import pytest

from k8slab.lab.explanations import otherwise
from k8slab.settings import LabError
from k8slab.widgets import scheduling_model as model
from k8slab.widgets import scheduling_wishes as wishes
from k8slab.widgets import scheduling_words as words
from k8slab.widgets.scheduling import ELSEWHERE, show
from k8slab.widgets.scheduling_wishes import Wish
from tests.widgets import cluster, scheduled
from tests.widgets.cluster import snapshot
from tests.widgets.page import Page
from tests.widgets.scheduled import SchedulingLab, judged, node, pod

NOBODY = {"node": "", "victims": [], "message": ""}


def fits(name, **scores):
    return {"name": name, "verdict": "fits", "scores": scores, "total": sum(scores.values())}


def why(*nodes, node="", **more):
    told = {"namespace": "default", "pod": "web", "node": node, "message": "", "filters": [], "weights": {}}
    return told | {"nodes": list(nodes), "preemption": NOBODY} | more


def room_of(objects):
    """The room on these nodes, with all pods that are on them."""
    nodes, pods = ([obj for obj in objects if obj["kind"] == kind] for kind in ("Node", "Pod"))
    return model.rooms(nodes, map(model.taken, pods))


# ---- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (why(fits("a", NodeResourcesFit=62, PodTopologySpread=200), fits("b", NodeResourcesFit=76), node="a"),
         "186 points ahead of b: +200 spread, −14 free room."),
        (why(fits("a", NodeResourcesFit=1), fits("b", NodeResourcesFit=0), node="a"),
         "1 point ahead of b: +1 free room."),
        (why(fits("a", ImageLocality=9), fits("b", ImageLocality=9), node="a"),
         f"9 points, as many as b. {words.LOTS}"),
        (why(fits("a", ImageLocality=9), fits("b", ImageLocality=7), fits("c", ImageLocality=7), node="a"),
         "2 points ahead of b and c: +2 image."),
        (why(fits("a", ImageLocality=9), {"name": "b", "verdict": "refused"}, node="a"), "No other node would do."),
        (why(fits("a"), {"name": "b", "verdict": "not looked at"}, node="a"),
         "Room was made for it there: nobody else was asked."),
        (why(), ""),
    ],
)  # fmt: skip
def test_by_how_much_the_best_one_won(told, said):
    assert words.lead(told) == said


@pytest.mark.parametrize(
    ("told", "supposed", "at", "said"),
    [
        (why(node="a"), False, "a", "**web** went to **a**."),
        (why(node="a"), True, "", "**web** would go to **a**."),
        (why(node="a"), True, "a", "**web** would go to **a**."),
        (why(node="a"), True, "b", "**web** would go to **a**, not to b."),
        (why(), False, "", "No node takes **web**."),
        (why(), True, "", "No node would take **web**."),
        (why(preemption={"node": "a", "victims": ["default/low", "x/lower"]}), False, "",
         "**web** waits for **a**: low and lower must leave first."),
        (why(preemption={"node": "a", "victims": ["default/low"]}), True, "",
         "**web** would wait for **a**: low must leave first."),
    ],
)  # fmt: skip
def test_the_outcome_in_a_sentence(told, supposed, at, said):
    assert words.sentence(told, supposed, at) == said


@pytest.mark.parametrize(("milli", "said"), [(0, "0"), (50, "0.05"), (500, "0.5"), (2000, "2"), (10500, "10.5")])
def test_cores(milli, said):
    assert words.cores(milli) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (1024, "1 Ki"), (256 << 20, "256 Mi"), (3 << 29, "1.5 Gi"), (2 << 30, "2 Gi")]
)
def test_sizes(number, said):
    assert words.size(number) == said


@pytest.mark.parametrize(
    ("names", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), ([*"abcde"], "a, b and 3 more")],
)
def test_names_in_a_row(names, said):
    assert words.listed(names) == said


# ---- the picture --------------------------------------------------------------------------------------------------


def test_who_waits_comes_first_then_the_newest_and_who_is_over_not_at_all():
    pods = [
        pod("old", "node-1", at=cluster.START),
        pod("new", "node-1", at=cluster.START + 5),
        pod("waits"),
        cluster.pod("done", state="done"),
        cluster.leaving(pod("gone")),
        {**pod("elsewhere"), "metadata": {**pod("elsewhere")["metadata"], "namespace": "shop"}},
    ]
    found = model.pods_of(snapshot(*pods), "default")
    assert [each["metadata"]["name"] for each in found] == ["waits", "new", "old"]
    assert model.listing([*map(model.choice, found)])["waits"] == {"name": "waits", "state": "pending", "word": "Pending", "node": "",
                                             "order": 0}  # fmt: skip


def test_room_is_what_others_leave():
    mine = pod("mine", "node-1", cpu="1")
    others = [pod("other", "node-1", cpu="500m", memory="1Gi"), cluster.pod("over", "node-1", "done")]
    room = model.rooms(
        [node("node-1", cpu="2")], map(model.taken, [mine, pod("waits"), *others]), mine["metadata"]["uid"]
    )
    assert room == {"node-1": {"cpu": (500, 2000), "memory": (1 << 30, 8 << 30)}}


def test_a_row_says_how_much_is_free_or_lacking():
    mine, other = pod("mine", cpu="2", memory="1Gi"), pod("other", "node-1", cpu="3")
    objects = [node("node-1", cpu="4"), mine, other]
    found = model.rows(objects[:1], judged(objects, mine), room_of(objects), model.asks(mine)[0])
    row = found["node-1"]
    assert (row["verdict"], row["plugin"], row["reasons"]) == ("refused", "NodeResourcesFit", ["Insufficient cpu"])
    assert row["room"]["cpu"] == {"used": 3000, "total": 4000, "ask": 2000, "short": True, "say": "1 free, 2 asked"}
    assert (row["room"]["memory"]["short"], row["room"]["memory"]["say"]) == (False, "7.8 Gi free of 8 Gi")


def test_facts_of_a_node():
    mine = pod("mine", nodeSelector={"disk": "ssd"})
    nodes = [node("node-1", cordoned=True, labels={"disk": "hdd"}), node("node-2", taint="gpu=yes:NoSchedule")]
    rows = model.rows(nodes, judged([*nodes, mine], mine), {}, {}, ["disk"])
    assert rows["node-1"]["facts"] == ["cordoned", "zone a", "disk=hdd"]
    assert rows["node-2"]["facts"] == ["gpu=yes:NoSchedule", "zone a", "no label disk"]


def test_the_filters_in_their_turn():
    objects = scheduled.waiting()
    told = judged(objects, next(o for o in objects if o["metadata"]["name"] == "report-9c2vl"))
    assert [(step["plugin"], step["of"], step["out"], step["say"]) for step in model.filters(told)] == [
        ("NodeUnschedulable", 3, 0, ""),
        ("TaintToleration", 3, 1, "1 out: node-3"),
        ("NodeResourcesFit", 2, 2, "2 out: node-1 and node-2"),
    ]
    assert model.silent(told).startswith("NodeName, NodeAffinity, ")
    assert model.silent({}) == ""
    assert model.counted(told) == "3 nodes: 0 would do, 3 refused"


def test_fifty_nodes_are_told_by_what_they_have_in_common():
    objects = scheduled.many()
    mine = objects[-1]
    nodes = [o for o in objects if o["kind"] == "Node"]
    told = judged(objects, mine)
    rows = model.rows(nodes, told, room_of(objects), model.asks(mine)[0])
    shown = [(row["name"], row["word"], row["plugin"]) for row in sorted(rows.values(), key=lambda r: r["order"])]
    assert shown == [
        ("node-6", "Chosen", ""),
        ("node-18", "Would do", ""),
        ("node-24", "Would do", ""),
        ("node-30", "Would do", ""),
        ("9 nodes", "Would do", ""),
        ("26 nodes", "Refused", "NodeResourcesFit"),
        ("5 nodes", "Refused", "NodeUnschedulable"),
        ("6 nodes", "Refused", "TaintToleration"),
    ]
    crowd = rows["group/refused/NodeResourcesFit/Insufficient cpu"]
    assert crowd["most"] == "at most 0.2 CPU and 7.8 Gi memory free on one of them"
    assert sum(len(row["names"]) or 1 for row in rows.values()) == 50


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, ["CPU 0.5", "memory 256 Mi"]),
        ({"containers": [{"name": "c"}]}, ["nothing: neither CPU nor memory is requested"]),
        ({"nodeSelector": {"disk": "ssd", "zone": "a"}}, ["CPU 0.5", "memory 256 Mi", "disk=ssd and zone=a"]),
        ({"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"operator": "Exists"}]},
         ["CPU 0.5", "memory 256 Mi", "tolerates gpu=yes:NoSchedule, tolerates every taint"]),
        ({"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
          "priorityClassName": "high"}, ["CPU 0.5", "memory 256 Mi", "priority class high"]),
    ],
)  # fmt: skip
def test_what_it_asks_for(spec, said):
    assert [one["say"] for one in model.asks(pod(**spec))[1]] == said


@pytest.mark.parametrize(
    ("about", "here", "said"),
    [
        (pod("web", "node-1"), True, ("**web** is on **node-1**.", "The lab's scheduler remembers its latest 200")),
        (pod("web", "node-1"), False, ("**web** is on **node-1**.", "")),
        (pod("web"), False, ("No node takes **web**.", "2 have too little CPU left, 1 has been cordoned.")),
        (cluster.pod("web", state="pending"), True, ("**web** has not been decided upon yet.", "")),
        (pod("web", schedulingGates=[{"name": "wait"}]), True, ("**web** is held back.", "It is not to be placed")),
    ],
)
def test_without_an_account_the_objects_speak(about, here, said):
    sentence, reason = model.unexplained(about, here)
    assert (sentence, reason[: len(said[1])]) == said


# ---- wishes -------------------------------------------------------------------------------------------------------


def test_what_is_offered():
    objects = scheduled.three()
    found = wishes.choices(objects[:3], objects[-1:])
    assert found["cpu"] == {"most": 5000, "step": 100}
    assert found["memory"] == {"most": 10240, "step": 256}
    assert found["selectors"][:2] == ["disk=ssd", "topology.kubernetes.io/zone=a"]
    assert found["selectors"][-1] == "kubernetes.io/hostname=node-3"
    assert (found["taints"], found["classes"]) == (["gpu=yes:NoSchedule"], {"high": 1000})
    assert wishes.choices([], [])["cpu"] == {"most": 0, "step": 50}


OFFERED = wishes.choices(scheduled.three()[:3], scheduled.three()[-1:])


@pytest.mark.parametrize(
    ("message", "wish", "arguments"),
    [
        ({}, Wish(), {}),
        ({"cpu": 700, "memory": 64}, Wish(cpu=700, memory=64), {"cpu": "700m", "memory": "64Mi"}),
        ({"selector": "disk=ssd"}, Wish(selector="disk=ssd"), {"node_selector": {"disk": "ssd"}}),
        ({"selector": "", "priority": ""}, Wish(selector="", priority=""), {"node_selector": {}, "priority_class": ""}),
        ({"priority": "high"}, Wish(priority="high"), {"priority_class": "high"}),
        ({"tolerate": ["gpu=yes:NoSchedule"]}, Wish(tolerate=("gpu=yes:NoSchedule",)),
         {"tolerations": [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]}),
    ],
)  # fmt: skip
def test_what_a_page_wishes_for(message, wish, arguments):
    assert wishes.read(message, OFFERED) == wish
    assert wish.arguments == arguments
    assert otherwise(pod(), **arguments)["kind"] == "Pod"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"cpu": -1}, "cpu: a whole number from 0 to 5000"),
        ({"cpu": "1"}, "cpu: a whole number"),
        ({"cpu": True}, "cpu: a whole number"),
        ({"memory": 1 << 40}, "memory: a whole number"),
        ({"selector": "disk=gold"}, "disk=gold is not there"),
        ({"priority": "nobody"}, "nobody is not there"),
        ({"tolerate": ["x:NoSchedule"]}, "No node has the taint x:NoSchedule"),
        ({"tolerate": "gpu"}, "tolerate: a list of taints"),
    ],
)
def test_what_nobody_offered_is_refused(message, said):
    with pytest.raises(ValueError, match=said):
        wishes.read(message, OFFERED)


def test_a_wish_as_a_line_of_python():
    assert Wish(cpu=700, selector="").line("web") == "lab.what_if('web', cpu='700m', node_selector={})"
    assert wishes.toleration("gpu:NoSchedule") == {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}


# ---- the view -----------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(request):
    return SchedulingLab(*scheduled.waiting(), name=f"scheduling-{request.node.name}")


@pytest.fixture
def view(lab):
    view = show(lab)
    yield view
    view.close()


def test_it_begins_with_who_waits(view, lab):
    assert view._picture["pod"] == "report-9c2vl"
    assert view._picture["say"] == "No node takes **report-9c2vl**."
    assert view._picture["detail"] == "1 has a taint it does not tolerate, 2 have too little CPU left."
    assert view._picture["told"][0]["count"] == 4
    assert "NodeResourcesFit: 2 of 2 nodes out" in view.text()
    assert "Refused by TaintToleration: node(s) had untolerated taint(s)" in view.html()


def test_a_pod_of_ones_choice_and_none_that_is_not_there(lab):
    view = show(lab, "pod/web-7d5bc-x2j5h")
    assert view._picture["say"] == "**web-7d5bc-x2j5h** went to **node-2**."
    assert view._picture["then"].startswith("The points are of the moment it was placed.")
    assert (Page(view).press(do="wish")["ok"], view.draw()["then"]) == (True, "")
    view.close()
    with pytest.raises(LabError, match="has no pod 'nobody'"):
        show(lab, "nobody")


def test_another_is_chosen_and_one_that_goes_makes_room_for_the_next(view, lab):
    page = Page(view)
    assert page.press(do="choose", pod="redis-0")["ok"]
    page.until(lambda: page.picture["pod"] == "redis-0")
    lab.api.becomes(*(obj for obj in lab.api.all() if obj["metadata"]["name"] != "redis-0"))
    page.until(lambda: page.picture["pod"] == "report-9c2vl")
    lab.api.becomes()
    page.until(lambda: page.picture["say"] == "There is no pod here.")


def test_what_if_it_asked_for_less_and_back(view, lab):
    page = Page(view)
    assert page.press(do="wish", cpu=500)["ok"]
    page.until(lambda: page.picture["supposed"])
    assert page.picture["say"] == "**report-9c2vl** would go to **node-1**."
    assert page.picture["asks"][0] == {"what": "cpu", "say": "CPU 0.5"}
    assert page.picture["line"] == "lab.what_if('report-9c2vl', cpu='500m')"
    assert page.press(do="forget")["ok"]
    page.until(lambda: not page.picture["supposed"])
    assert page.picture["say"] == "No node takes **report-9c2vl**."


def test_what_if_it_were_more_important(view, lab):
    page = Page(view)
    page.press(do="wish", priority="high")
    page.until(lambda: page.picture["supposed"])
    assert page.picture["say"] == "**report-9c2vl** would wait for **node-1**: web-7d5bc-b3v6d must leave first."
    assert (page.picture["rows"]["node-1"]["word"], page.picture["rows"]["node-1"]["facts"][-1]) == (
        "To be cleared",
        "web-7d5bc-b3v6d must leave",
    )


def test_a_wish_for_a_pod_that_is_no_longer_chosen_means_nothing(view):
    page = Page(view)
    page.press(do="choose", pod="redis-0")
    assert page.press(do="wish", pod="report-9c2vl", cpu=500)["ok"]
    page.settled()
    assert (page.picture["pod"], page.picture["supposed"]) == ("redis-0", False)


def test_a_wish_is_asked_again_when_there_is_more_or_less_room_and_only_then(view, lab):
    page = Page(view)
    page.press(do="wish", cpu=2500)
    page.until(lambda: page.picture["say"].endswith("would go to **node-1**."))
    asked = len(lab.asked)
    lab.api.becomes(*lab.api.all())
    page.settled()
    assert len(lab.asked) == asked
    lab.api.becomes(*lab.api.all(), pod("more", "node-1", cpu="1"))
    page.until(lambda: page.picture["say"] == "No node would take **report-9c2vl**.")


def test_while_nobody_looks_nobody_is_asked(view, lab):
    page = Page(view)
    page.say(do="hello", on=False)
    page.press(do="wish", cpu=2500)
    page.settled()
    assert lab.asked == [("explain", "report-9c2vl")]
    page.say(do="seen", on=True, seq=page.seq)
    page.until(lambda: page.picture["say"].endswith("would go to **node-1**."))


def test_an_answer_that_is_refused_is_told(view, lab):
    def refuse(name, **wish):
        raise LabError('Error from server (Forbidden): pods "report-9c2vl" is forbidden: exceeded quota: q')

    lab.what_if = refuse
    page = Page(view)
    assert page.press(do="wish", cpu=500)["ok"]
    page.until(lambda: page.picture["supposed"])
    assert page.picture["say"] == "**report-9c2vl** cannot be asked for so."
    assert "exceeded quota" in page.picture["detail"]
    assert page.picture["rows"]["node-1"]["verdict"] == "unknown"


def test_a_decision_that_is_not_remembered_is_said_to_be(lab):
    def forgotten(name):
        raise LabError("no decision about pod default/web-7d5bc-x2j5h is remembered: only the latest are.")

    lab.explain = forgotten
    view = show(lab, "web-7d5bc-x2j5h")
    assert view._picture["say"] == "**web-7d5bc-x2j5h** is on **node-2**."
    assert "latest 200" in view._picture["detail"]
    Page(view).press(do="wish")
    assert view.draw()["say"] == "**web-7d5bc-x2j5h** would go to **node-2**."
    view.close()


def test_elsewhere_it_says_what_it_cannot_know(lab):
    lab.context = "kind-prod"
    view = show(lab)
    assert (view._picture["can"], view._picture["note"]) == (False, ELSEWHERE)
    assert view._picture["say"] == "No node takes **report-9c2vl**."
    assert view._picture["told"][0]["reason"] == "FailedScheduling"
    assert view._picture["rows"]["node-1"]["room"]["cpu"]["short"]
    answer = Page(view).press(do="wish", cpu=1)
    assert (answer["ok"], answer["say"]) == (False, ELSEWHERE)
    assert lab.asked == []
    view.close()


def test_the_cell_that_runs_again_shows_its_pod_again(lab):
    view = show(lab, "redis-0")
    page = Page(view)
    page.press(do="choose", pod="report-9c2vl")
    assert show(lab, "redis-0") is view
    page.until(lambda: page.picture["pod"] == "redis-0")
    view.close()
