"""Who owns whom, and which Service reaches which pod: a drawing of the live objects, made anew at each call.

`graph_of` reads the objects, purely; Graphviz lays the graph out where its program `dot` is installed, `plain_svg.py`
does where it is not.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from k8slab import tools
from k8slab.api.objects import Obj, controller_of, is_pod_ready, is_terminating
from k8slab.lab.plain_svg import svg

KINDS = ("Node", "Deployment", "ReplicaSet", "Pod", "Service", "EndpointSlice")
INK = "#010203"  # a colour nobody else uses: it becomes the page's own text colour, so that a dark page works too
LAYOUT_SECONDS = 20


class Shape(NamedTuple):
    """A thing in the drawing; `place` is the node a pod runs on, `faint` one that is not (or no longer) at work."""

    id: str
    kind: str
    name: str
    detail: str = ""
    place: str = ""
    faint: bool = False


class Arrow(NamedTuple):
    """From the owner to what it owns, or (`reaches`) from a Service to a pod it sends requests to."""

    start: str
    end: str
    reaches: bool = False


@dataclass(frozen=True)
class Graph:
    """What is to be drawn."""

    shapes: Sequence[Shape]
    arrows: Sequence[Arrow]
    nodes: Sequence[str]


def graph_of(objects: Mapping[str, Sequence[Obj]]) -> Graph:
    """Deployments, ReplicaSets that wish for something or own something, pods on their nodes, Services."""
    shapes, arrows = [], []
    pods = objects.get("Pod", ())
    busy = {(controller_of(pod) or {}).get("uid") for pod in pods}
    for kind in ("Deployment", "ReplicaSet"):
        for obj in objects.get(kind, ()):
            wish = obj["spec"].get("replicas", 1)
            if kind == "Deployment" or wish or obj["metadata"]["uid"] in busy:
                ready = (obj.get("status") or {}).get("readyReplicas", 0)
                shapes.append(Shape(obj["metadata"]["uid"], kind, obj["metadata"]["name"], f"{ready} of {wish} ready"))
    shapes += map(_pod, pods)
    by_name = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}
    for service in objects.get("Service", ()):
        meta = service["metadata"]
        if meta["name"] != "kubernetes":
            shapes.append(Shape(meta["uid"], "Service", meta["name"], service["spec"].get("clusterIP", "")))
            reached = _reached(meta["name"], objects.get("EndpointSlice", ()))
            arrows += [Arrow(meta["uid"], by_name[name], True) for name in reached if name in by_name]
    drawn = {shape.id for shape in shapes}
    for obj in (*objects.get("ReplicaSet", ()), *pods):
        owner, owned = (controller_of(obj) or {}).get("uid"), obj["metadata"]["uid"]
        if owner in drawn and owned in drawn:
            arrows.append(Arrow(owner, owned))
    return Graph(shapes, arrows, [node["metadata"]["name"] for node in objects.get("Node", ())])


def _pod(pod: Obj) -> Shape:
    meta, phase = pod["metadata"], (pod.get("status") or {}).get("phase", "Pending")
    words = "leaving" if is_terminating(pod) else "ready" if is_pod_ready(pod) else phase.lower()
    return Shape(meta["uid"], "Pod", meta["name"], words, pod["spec"].get("nodeName", ""), words != "ready")


def _reached(service: str, slices: Sequence[Obj]) -> list[str]:
    """The pods that a Service sends requests to now."""
    mine = [s for s in slices if (s["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service]
    endpoints = [e for s in mine for e in s.get("endpoints") or [] if (e.get("conditions") or {}).get("ready")]
    return [e["targetRef"]["name"] for e in endpoints if (e.get("targetRef") or {}).get("kind") == "Pod"]


class Diagram:
    """The drawing. `source` is its Graphviz text, `hint` a sentence when it could be drawn better."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.hint = "" if tools.path_of("dot") else tools.missing("dot")

    @property
    def source(self) -> str:
        """The graph in Graphviz' own language."""
        return dot_source(self.graph)

    def svg(self) -> str:
        """The drawing as SVG."""
        if self.hint:
            return svg(self.graph)
        command = ["dot", "-Tsvg"]
        drawn = subprocess.run(
            command, input=self.source, capture_output=True, text=True, check=True, timeout=LAYOUT_SECONDS
        ).stdout
        return drawn[drawn.index("<svg") :].replace(INK, "currentColor")

    def __repr__(self) -> str:
        return "\n".join(_tree(self.graph)) or "There is nothing to draw yet."

    def _repr_html_(self) -> str:
        if not self.graph.shapes:
            return "<p>There is nothing to draw yet.</p>"
        hint = f"<p><small>{self.hint}</small></p>" if self.hint else ""
        return f'<div style="color: var(--jp-ui-font-color1, inherit); overflow-x: auto">{self.svg()}{hint}</div>'


def dot_source(graph: Graph) -> str:
    """Owners on the left, pods on the right in a box for each node, Services beyond them."""
    import graphviz

    ink = {"color": INK, "fontcolor": INK, "fontname": "sans-serif"}
    drawing = graphviz.Digraph(
        graph_attr={"rankdir": "LR", "bgcolor": "transparent", **ink},
        node_attr={"shape": "box", "style": "rounded", "fontsize": "11", **ink},
        edge_attr={"arrowsize": "0.7", **ink},
    )
    for place in ["", *graph.nodes]:
        inside = graphviz.Digraph(name=f"cluster_{place}" if place else "rest")
        if place:
            inside.attr(label=place, style="rounded,dashed", fontsize="10")
        for shape in graph.shapes:
            if (shape.place if shape.place in graph.nodes else "") == place:
                _draw(inside, shape)
        drawing.subgraph(inside)
    for arrow in graph.arrows:
        # A Service stands on the other side of the pods it reaches: its arrows point back.
        drawing.edge(*((arrow.end, arrow.start) if arrow.reaches else arrow[:2]), **_line(arrow))
    return str(drawing.source)


def _draw(drawing: Any, shape: Shape) -> None:
    label = "\n".join(filter(None, (shape.kind, shape.name, shape.detail)))
    style = "rounded,dashed" if shape.faint else "rounded"
    drawing.node(shape.id, label, style=style, shape="oval" if shape.kind == "Service" else "box")


def _line(arrow: Arrow) -> dict[str, str]:
    return {"dir": "back", "style": "dashed"} if arrow.reaches else {}


def _tree(graph: Graph) -> list[str]:
    """The same in plain text."""
    shapes = {shape.id: shape for shape in graph.shapes}
    owned = {arrow.end for arrow in graph.arrows if not arrow.reaches}

    def lines(id: str, depth: int) -> list[str]:
        shape = shapes[id]
        words = ", ".join(filter(None, (shape.detail, shape.place and f"on {shape.place}")))
        text = f"{'  ' * depth}{shape.kind.lower()}/{shape.name}" + (f" ({words})" if words else "")
        below = [arrow for arrow in graph.arrows if arrow.start == id]
        reached = [f"{'  ' * (depth + 1)}-> pod/{shapes[arrow.end].name}" for arrow in below if arrow.reaches]
        return [text, *reached, *(line for arrow in below if not arrow.reaches for line in lines(arrow.end, depth + 1))]

    return [line for shape in graph.shapes if shape.id not in owned for line in lines(shape.id, 0)]
