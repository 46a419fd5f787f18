"""Who owns whom, drawn with and without Graphviz."""

from xml.etree import ElementTree

import pytest

from k8slab import tools
from k8slab.lab.diagram import Diagram, dot_source, graph_of
from tests.lab.world import pod, service, snapshot, workload

WEB = workload("Deployment", "web", replicas=2)
RS = workload("ReplicaSet", "web-7d9", WEB, replicas=2)
OLD = workload("ReplicaSet", "web-old", WEB, replicas=0)
PODS = [pod("web-a", RS), pod("web-b", RS, ready=False, node="node-2")]
SERVICE = service("web", {"app": "web"})
SLICE = {
    "kind": "EndpointSlice",
    "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
    "endpoints": [
        {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "web-a"}},
        {"conditions": {"ready": False}, "targetRef": {"kind": "Pod", "name": "web-b"}},
    ],
}
NODES = [{"kind": "Node", "metadata": {"name": f"node-{n}"}} for n in (1, 2)]


@pytest.fixture
def graph():
    return graph_of(snapshot(WEB, RS, OLD, *PODS, SERVICE, SLICE, *NODES))


def test_the_graph(graph):
    assert [shape.name for shape in graph.shapes] == ["web", "web-7d9", "web-a", "web-b", "web"]
    owns = {(a.start, a.end) for a in graph.arrows if not a.reaches}
    assert owns == {("uid-web", "uid-web-7d9"), ("uid-web-7d9", "uid-web-a"), ("uid-web-7d9", "uid-web-b")}
    assert [a.end for a in graph.arrows if a.reaches] == ["uid-web-a"]  # a pod that is not ready is not reached
    assert graph.nodes == ["node-1", "node-2"]


def test_the_tree_in_plain_text(graph):
    assert repr(Diagram(graph)).splitlines() == [
        "deployment/web (2 of 2 ready)",
        "  replicaset/web-7d9 (2 of 2 ready)",
        "    pod/web-a (ready, on node-1)",
        "    pod/web-b (running, on node-2)",
        "service/web (127.64.240.7)",
        "  -> pod/web-a",
    ]


def test_graphviz_source_has_a_box_for_each_node(graph):
    source = dot_source(graph)
    assert source.count("subgraph cluster_") + source.count('subgraph "cluster_') == 2
    assert "dir=back" in source


@pytest.mark.skipif(tools.path_of("dot") is None, reason="Graphviz is not here")
def test_drawn_by_graphviz(graph):
    drawing = Diagram(graph)
    root = ElementTree.fromstring(drawing.svg())
    assert {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")} >= {"web-a", "node-1", "Deployment"}
    assert "currentColor" in drawing.svg()
    assert drawing.hint == ""


def test_without_dot_it_is_drawn_plainer_and_says_so(graph, monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: None)
    drawing = Diagram(graph)
    root = ElementTree.fromstring(drawing.svg())
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 5
    assert "sudo apt install graphviz" in drawing._repr_html_()


def test_nothing_to_draw():
    drawing = Diagram(graph_of(snapshot(*NODES)))
    assert repr(drawing) == "There is nothing to draw yet."
    assert "nothing to draw" in drawing._repr_html_()


def test_orphans_and_strangers_are_drawn_alone():
    graph = graph_of(snapshot(pod("alone", RS), *NODES))
    assert [shape.name for shape in graph.shapes] == ["alone"]
    assert not graph.arrows
