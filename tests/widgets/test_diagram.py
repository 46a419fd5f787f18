"""Who owns whom, drawn with and without Graphviz, and two moments beside each other."""

from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from k8slab import tools
from k8slab.api.errors import Forbidden
from k8slab.settings import LabError
from k8slab.widgets import diagram, diagram_layout
from k8slab.widgets.diagram_graph import crowded
from k8slab.widgets.diagram_svg import GLYPHS, fitted
from tests.widgets import cluster
from tests.widgets.alive import shot
from tests.widgets.axe import violations
from tests.widgets.browser import DARK, FAULTS
from tests.widgets.cluster import FakeLab, pod, thing

SVG = "{http://www.w3.org/2000/svg}"
DOT = pytest.mark.skipif(tools.path_of("dot") is None, reason="Graphviz is not here")
LAYOUTS = pytest.mark.parametrize("lay", [pytest.param(diagram_layout.by_dot, marks=DOT), diagram_layout.by_columns])


def release():
    """Deployment web between two versions, behind its Service; node-3 is empty."""
    web = cluster.deployment(replicas=3)
    old, new = cluster.replica_set(owner=web, replicas=2), cluster.replica_set("web-9fc4d", 1, web, "2")
    past = cluster.replica_set("web-past", 0, web, "0")
    old["status"], web["status"] = {"readyReplicas": 2}, {"readyReplicas": 2}
    pods = [
        pod("web-7d5bc-x2j5h", "node-1", owner=old),
        pod("web-7d5bc-k4m2x", "node-2", owner=old),
        pod("web-9fc4d-8hs2l", "node-2", "notready", owner=new, image="k8slab/web:v2"),
    ]
    pods[2]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "web-config"}}]
    config = thing("ConfigMap", "web-config", {}, {}) | {"data": {"GREETING": "hello", "COLOUR": "blue"}}
    ends = cluster.endpoints(*pods[:2], waiting=[pods[2]])
    nodes = [cluster.node(f"node-{n}") for n in (1, 2, 3)]
    return [*nodes, web, old, new, past, *pods, config, cluster.service(), ends]


def others():
    """A StatefulSet with a claim, an autoscaler, a CronJob with a Job whose pod waits for a node."""
    redis = thing("StatefulSet", "redis", {"replicas": 1}, {"readyReplicas": 1})
    first = pod("redis-0", "node-1", owner=redis, image="redis:7")
    first["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-redis-0"}}]
    asks = {"resources": {"requests": {"storage": "1Gi"}}}
    target = {"kind": "Deployment", "name": "web"}
    report = thing("CronJob", "report", {"schedule": "*/5 * * * *"}, {})
    run = thing("Job", "report-29384", {"completions": 1}, {}, owner=report)
    return [
        redis,
        first,
        thing("PersistentVolumeClaim", "data-redis-0", asks, {"phase": "Bound"}),
        thing(
            "HorizontalPodAutoscaler",
            "web",
            {"minReplicas": 3, "maxReplicas": 9, "scaleTargetRef": target},
            {"desiredReplicas": 3},
        ),
        report,
        run,
        pod("report-29384-9c2vl", "", "unplaced", owner=run, image="k8slab/worker:v1"),
        cluster.service("redis", port=6379, address="127.64.250.10"),
        cluster.endpoints(first, name="redis"),
        thing("DaemonSet", "agent", {}, {"numberReady": 2, "desiredNumberScheduled": 3}),
    ]


def later():
    """The release, further on: one pod went, one came, one got ready, one was released by its ReplicaSet."""
    now = {obj["metadata"]["uid"]: obj for obj in release()}
    del now["Pod/web-7d5bc-k4m2x"]
    released, passed = now["Pod/web-7d5bc-x2j5h"], now["Pod/web-9fc4d-8hs2l"]
    del released["metadata"]["ownerReferences"]
    passed["status"] = cluster.pod_status("ready")
    new = now["ReplicaSet/web-9fc4d"]
    new["spec"]["replicas"] = 2
    came = pod("web-9fc4d-q8d5z", "node-3", "starting", owner=new, image="k8slab/web:v2")
    came["spec"]["containers"][0]["envFrom"] = passed["spec"]["containers"][0]["envFrom"]
    return [*(obj for obj in now.values() if obj["kind"] != "EndpointSlice"), came, cluster.endpoints(released, passed)]


def many(count=90):
    web = cluster.deployment(replicas=count)
    rs = cluster.replica_set(owner=web, replicas=count)
    states = ["ready"] * 8 + ["notready", "crashing"]
    pods = [pod(f"web-7d5bc-{n:05}", f"node-{n % 3 + 1}", states[n % 10], owner=rs) for n in range(count)]
    return [*(cluster.node(f"node-{n}") for n in (1, 2, 3)), web, rs, *pods]


def shown(*objects, since=None, lab=None):
    return diagram.show(lab or FakeLab(*objects, name="diagram"), since)


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: None)


# ---- what is drawn ------------------------------------------------------------------------------------------------


def test_the_graph():
    graph = shown(*release()).graph
    names = {shape.id: f"{shape.kind}/{shape.name}" for shape in graph.shapes}
    assert "ReplicaSet/web-past" not in names.values()  # it wishes for nothing and has nothing
    by = {how: {(names[a.start], names[a.end]) for a in graph.arrows if a.how == how} for how in ("owns", "reaches")}
    assert by["owns"] == {
        ("Deployment/web", "ReplicaSet/web-7d5bc"),
        ("Deployment/web", "ReplicaSet/web-9fc4d"),
        ("ReplicaSet/web-7d5bc", "Pod/web-7d5bc-x2j5h"),
        ("ReplicaSet/web-7d5bc", "Pod/web-7d5bc-k4m2x"),
        ("ReplicaSet/web-9fc4d", "Pod/web-9fc4d-8hs2l"),
    }
    assert by["reaches"] == {  # a pod that is not ready is not reached
        ("Service/web", "Pod/web-7d5bc-x2j5h"),
        ("Service/web", "Pod/web-7d5bc-k4m2x"),
    }
    assert [place.name for place in graph.places] == ["node-1", "node-2", "node-3"]


def test_the_tree_in_plain_text():
    assert repr(shown(*release(), *others())).splitlines() == [
        "horizontalpodautoscaler/web (3 to 9, now 3)",
        "  scales deployment/web",
        "deployment/web (2 of 3 ready)",
        "  replicaset/web-7d5bc (2 of 2 ready)",
        "    pod/web-7d5bc-k4m2x (ready, on node-2)",
        "    pod/web-7d5bc-x2j5h (ready, on node-1)",
        "  replicaset/web-9fc4d (0 of 1 ready)",
        "    uses configmap/web-config",
        "    pod/web-9fc4d-8hs2l (not ready, on node-2)",
        "statefulset/redis (1 of 1 ready)",
        "  pod/redis-0 (ready, on node-1)",
        "    uses persistentvolumeclaim/data-redis-0",
        "daemonset/agent (2 of 3 ready)",
        "cronjob/report (*/5 * * * *)",
        "  job/report-29384 (0 of 1 done)",
        "    pod/report-29384-9c2vl (pending)",
        "service/web (127.64.250.9:80)",
        "  -> pod/web-7d5bc-k4m2x",
        "  -> pod/web-7d5bc-x2j5h",
        "service/redis (127.64.250.10:6379)",
        "  -> pod/redis-0",
        "configmap/web-config (2 keys)",
        "persistentvolumeclaim/data-redis-0 (bound, 1Gi)",
    ]


def test_versions_have_their_names_and_colours_of_every_view():
    shapes = {shape.name: (shape.version, shape.cat) for shape in shown(*release()).graph.shapes}
    assert shapes["web-7d5bc"] == shapes["web-7d5bc-x2j5h"]
    assert shapes["web-9fc4d"] == shapes["web-9fc4d-8hs2l"]
    assert shapes["web-7d5bc"] != shapes["web-9fc4d"]
    again = {shape.name: (shape.version, shape.cat) for shape in shown(*later()).graph.shapes}
    assert again["web-7d5bc-x2j5h"] == shapes["web-7d5bc-x2j5h"]  # released, it is still what it was made from


USERS = {
    "a volume": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
    "a projected volume": {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}]},
    "one variable": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}}]},
    "all its variables": {"envFrom": [{"configMapRef": {"name": "c"}}]},
}


@pytest.mark.parametrize("how", USERS)
def test_what_pods_use_however_they_name_it(how):
    one = pod("alone")
    where = one["spec"] if "volumes" in USERS[how] else one["spec"]["containers"][0]
    where |= USERS[how]
    lines = repr(shown(one)).splitlines()
    assert lines == ["pod/alone (ready, on node-1)", "  uses configmap/c", "configmap/c (missing)"]


def test_the_certificate_every_pod_may_use_is_not_drawn():
    one = pod("alone")
    sources = [{"configMap": {"name": "kube-root-ca.crt"}}, {"serviceAccountToken": {}}]
    one["spec"]["volumes"] = [{"name": "v", "projected": {"sources": sources}}]
    assert repr(shown(one)) == "pod/alone (ready, on node-1)"


def test_where_a_user_may_not_look_nothing_is_claimed():
    one = pod("alone")
    one["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "s"}}]
    lab = FakeLab(one)
    listed = lab.api.list

    def refuse(kind, namespace=""):
        if kind in ("Secret", "Node"):
            raise Forbidden("no")
        return listed(kind, namespace)

    lab.api.list = refuse
    assert repr(shown(lab=lab)).splitlines()[-1] == "secret/s"


def test_nothing_to_draw():
    drawing = shown(cluster.node())
    assert repr(drawing) == "There is nothing to draw yet."
    assert "nothing to draw" in drawing._repr_html_()


def test_a_crowd_is_counted_and_the_words_still_name_each():
    drawing = shown(*many())
    pods = [shape for shape in crowded(drawing.graph, diagram.MOST).shapes if shape.kind == "Pod"]
    assert {(s.place, s.detail, s.many) for s in pods} == {
        (f"node-{n}", word, many)
        for n in (1, 2, 3)
        for word, many in (("Ready", 24), ("Not ready", 3), ("Crashing", 3))
    }
    assert repr(drawing).count("pod/web-7d5bc-") == 90


# ---- two moments --------------------------------------------------------------------------------------------------


def test_what_came_what_went_what_changed():
    told = repr(shown(*later(), since=shown(*release()))).splitlines()
    assert told[0].endswith(": 1 came, 1 went, 3 changed.")
    assert told[1:-1] == [
        "  deployment/web (2 of 3 ready)",
        "    replicaset/web-7d5bc (2 of 2 ready)",
        "−     pod/web-7d5bc-k4m2x (ready, on node-2, gone)",
        "≠     pod/web-7d5bc-x2j5h (ready, on node-1, released)",
        "≠   replicaset/web-9fc4d (0 of 2 ready, was 0 of 1)",
        "      uses configmap/web-config",
        "≠     pod/web-9fc4d-8hs2l (ready, on node-2, was Not ready)",
        "+     pod/web-9fc4d-q8d5z (starting, on node-3, new)",
        "  service/web (127.64.250.9:80)",
        "    -> pod/web-7d5bc-x2j5h",
        "+   -> pod/web-9fc4d-8hs2l",
        "−   -> pod/web-7d5bc-k4m2x",
    ]


def test_the_same_moment_twice_is_no_change():
    before = shown(*release())
    assert repr(shown(*release(), since=before)).startswith("Nothing has changed since ")


def test_a_comparison_may_itself_be_what_is_compared_with():
    first = shown(*release())
    second = shown(*later(), since=first)
    assert repr(shown(*later(), since=second)).startswith("Nothing has changed since ")


def test_a_node_that_came_or_fell_silent_is_marked():
    was = [cluster.node("node-1"), cluster.node("node-2"), pod()]
    now = [cluster.node("node-1", ready="Unknown"), cluster.node("node-3"), pod()]
    marks = {place.name: (place.mark, place.was) for place in shown(*now, since=shown(*was)).graph.places}
    assert marks == {"node-1": ("changed", "was Ready"), "node-2": ("went", ""), "node-3": ("came", "")}


def test_since_wants_a_diagram():
    with pytest.raises(LabError, match=r"before = lab\.diagram\(\)"):
        shown(*release(), since="10:42")


# ---- how it is laid out -------------------------------------------------------------------------------------------


@LAYOUTS
@pytest.mark.parametrize("objects", [release, lambda: [*release(), *others()], many], ids=["release", "all", "many"])
def test_nothing_lies_upon_anything_and_all_is_inside(lay, objects):
    graph = crowded(shown(*objects()).graph, diagram.MOST)
    layout = lay(graph)
    boxes = list(layout.boxes.values())
    assert len(boxes) == len(graph.shapes)
    assert len(layout.lines) == len(graph.arrows)
    assert all(layout.lines)
    for n, one in enumerate(boxes):
        assert 0 <= one.x <= one.x + one.w <= layout.width
        assert 0 <= one.y <= one.y + one.h <= layout.height
        assert not any(_overlap(one, other) for other in boxes[n + 1 :])
    for shape in graph.shapes:
        for name, place in layout.places.items():
            inside = _overlap(layout.boxes[shape.id], place)
            assert inside == (name == shape.place), f"{shape.name} and {name}"


def _overlap(one, other):
    return (
        one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h
    )


@LAYOUTS
def test_arrows_begin_and_end_at_the_side_of_what_they_join(lay):
    graph = shown(*release(), *others()).graph
    layout = lay(graph)
    for arrow, line in zip(graph.arrows, layout.lines, strict=True):
        for point, id in ((line[0], arrow.start), (line[-1], arrow.end)):
            box = layout.boxes[id]
            assert min(abs(point[0] - box.x), abs(point[0] - box.x - box.w)) < 9  # dot keeps a little distance
            assert box.y - 2 <= point[1] <= box.y + box.h + 2


@LAYOUTS
def test_nodes_stand_in_their_order(lay):
    graph = shown(*many()).graph
    assert diagram_layout.in_order(graph, lay(crowded(graph, diagram.MOST)))


def test_a_layout_with_nodes_out_of_order_is_not_used(monkeypatch):
    """Dot spares crossings by it; people look for node-2 below node-1."""
    graph = shown(*release()).graph
    right = diagram_layout.by_columns(graph)
    wrong = replace(right, places=dict(zip(right.places, reversed(right.places.values()), strict=True)))
    monkeypatch.setattr(tools, "path_of", lambda name: "/usr/bin/dot")
    monkeypatch.setattr(diagram_layout, "by_dot", lambda graph: wrong)
    drawing = diagram.Diagram(graph)
    assert drawing._layout(graph) == right
    assert drawing.hint == ""


@DOT
def test_a_name_cannot_break_out_of_graphviz_source():
    graph = shown(pod('a"] ; x [label="b')).graph
    assert len(diagram_layout.by_dot(graph).boxes) == 1
    assert 'label="b' not in diagram_layout.source(graph)


def test_without_dot_it_says_what_would_lay_it_out_better(plain):
    drawing = shown(*release())
    assert "sudo apt install graphviz" in drawing._repr_html_()
    assert len(ElementTree.fromstring(drawing.svg()).findall(f".//{SVG}g[@class='thing ']")) == 8


def test_a_dot_that_fails_is_done_without(monkeypatch):
    def fail(graph):
        raise OSError("dot was killed")

    monkeypatch.setattr(tools, "path_of", lambda name: "/usr/bin/dot")
    monkeypatch.setattr(diagram_layout, "by_dot", fail)
    assert "dot was killed" in shown(*release())._repr_html_()


# ---- how it is drawn ----------------------------------------------------------------------------------------------


def test_the_svg_is_whole_named_and_refers_to_nothing(plain):
    text = shown(*release(), *others()).svg()
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "3 of 5 pods ready. Diagram."
    assert "pod/web-9fc4d-8hs2l (not ready, on node-2)" in root.find(f"{SVG}desc").text
    assert " id=" not in text
    assert "url(" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert {e.text for e in root.iter(f"{SVG}text")} >= {"web-9fc4d", "8hs2l", "node-3", "Not ready", "v2", "ConfigMap"}


def test_every_state_and_every_mark_has_a_glyph():
    graph = shown(*cluster.mixed()).graph
    states = {shape.state for shape in graph.shapes} - {""}
    assert states > {"ready", "failed", "pending", "terminating", "done"}
    assert states | {"came", "went", "changed"} <= GLYPHS.keys()


def test_markup_in_a_name_is_text(plain):
    drawing = shown(pod("<b>&amp;"))
    ElementTree.fromstring(drawing.svg())
    assert "<b>&" not in drawing._repr_html_()


class Balance(HTMLParser):
    """Which elements are still open."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_its_html_is_whole():
    assert Balance(shown(*later(), since=shown(*release()))._repr_html_()).open == []


def test_a_long_name_loses_its_middle():
    assert fitted("web-7d5bc-x2j5h", 10) == "web-…x2j5h"
    assert fitted("web", 10) == "web"


def test_a_shape_says_all_when_hovered(plain):
    titles = [e.text for e in ElementTree.fromstring(shown(*release()).svg()).iter(f"{SVG}title")]
    assert "Pod web-9fc4d-8hs2l, v2, Not ready, on node-2" in titles


def _on(page, drawing, dark):
    body = f'data-jp-theme-light="{"false" if dark else "true"}" style="margin:0;padding:20px;background:'
    body += f'{"#111" if dark else "#fff"};{DARK if dark else ""}"'
    page.set_content(f'<!doctype html><html lang="en"><title>a diagram</title><body {body}>{drawing._repr_html_()}')


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", [{"width": w} for w in (1280, 800)], indirect=True, ids=lambda o: str(o["width"]))
def test_it_is_for_everybody(page, dark):
    """axe-core's findings, sizes, contrast; a wide one is scrolled in its own frame, by keys too."""
    since = shown(*later(), *others(), since=shown(*release(), *others()))
    kinds = {
        "diagram": (shown(*release(), *others()), "The **diagram**: who owns whom, on which node, and what is used."),
        "diagram-since": (since, "Two **moments** in one diagram: what came, what went, and what changed."),
    }
    for name, (drawing, caption) in kinds.items():
        _on(page, drawing, dark)
        width = page.viewport_size["width"]
        ending = f"{'-dark' if dark else ''}{'' if width == 1280 else f'-{width}'}"
        shot(page, name + ending, "" if ending else caption)
        assert violations(page) == []
        assert page.evaluate(FAULTS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "field"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator("details pre").is_visible()


INK = """() => [...document.querySelectorAll('.kl-d text')].map((el) => {
  const box = el.getBoundingClientRect(), tile = el.closest('.thing')?.querySelector('.tile').getBoundingClientRect();
  return tile && (box.right > tile.right + 1 || box.bottom > tile.bottom + 1) ? el.textContent : "";
}).filter(Boolean)"""


@pytest.mark.browser
def test_no_word_leaves_its_tile(page):
    long = [pod(f"an-uncommonly-long-name-of-a-pod-{n}", f"node-{n}") for n in (1, 2)]
    _on(page, shown(*release(), *others(), *long), dark=False)
    assert page.evaluate(INK) == []


@pytest.mark.browser
@pytest.mark.parametrize("page", [{"forced": "active"}], indirect=True)
def test_in_forced_colours_it_is_still_seen(page):
    _on(page, shown(*release()), dark=False)
    colours = page.evaluate("[...document.querySelectorAll('.kl-d .name')].map((el) => getComputedStyle(el).fill)")
    assert colours
    assert page.evaluate("getComputedStyle(document.querySelector('.kl-d .tile')).stroke") != "none"
