"""`lab.diagram()`: who owns whom, what reaches and uses what, drawn from the objects as they are at this moment.

A still picture, the same in a notebook, in what nbconvert makes of it, and in a file. `diagram_graph.py` reads the
objects, `diagram_since.py` compares two moments, `diagram_layout.py` and `diagram_svg.py` draw.
"""

from __future__ import annotations

from html import escape
from subprocess import SubprocessError

from k8slab import tools
from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.widgets import diagram_layout, diagram_svg, versions
from k8slab.widgets.diagram_graph import KINDS, Graph, Shape, crowded, graph_of
from k8slab.widgets.diagram_since import SIGNS, WORDS, bare, compare, moment, told
from k8slab.widgets.still import style

MOST = 24  # pods drawn one by one
ARROWS = {"owns": "owns", "reaches": "sends requests to", "scales": "scales", "uses": "uses"}
NOTHING = "There is nothing to draw yet."


def show(lab: Lab, since: Diagram | None = None) -> Diagram:
    """The diagram of this moment; with `since`, a diagram of an earlier one, marked with what changed between them."""
    if since is not None and not isinstance(since, Diagram):
        raise LabError("since= is an earlier diagram: `before = lab.diagram()`, then `lab.diagram(since=before)`.")
    objects = {kind: found for kind in KINDS if (found := _listed(lab, kind)) is not None}
    book = versions.book(lab.name)
    graph = graph_of(objects, Clock().time(), book.known)
    book.share(graph.known)
    return Diagram(graph if since is None else compare(bare(since.graph), graph))


def _listed(lab: Lab, kind: str) -> list[Obj] | None:
    """All of a kind; None where this user may not look."""
    try:
        return list(lab.api.list(kind, "" if kind == "Node" else lab.namespace))
    except Forbidden:
        return None


class Diagram:
    """The drawing. `hint` is a sentence when it could be drawn better."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.hint = "" if tools.path_of("dot") else tools.missing("dot")

    def svg(self) -> str:
        """The drawing as SVG, complete in itself: `Path("web.svg").write_text(lab.diagram().svg())`."""
        graph = crowded(self.graph, MOST)
        return diagram_svg.draw(
            graph, self._layout(graph), style("diagram.css"), f"{headline(self.graph)} Diagram.", repr(self)
        )

    def _layout(self, graph: Graph) -> diagram_layout.Layout:
        if not self.hint:
            try:
                layout = diagram_layout.by_dot(graph)
                if diagram_layout.in_order(graph, layout):
                    return layout
            except (OSError, SubprocessError, ValueError, KeyError) as problem:
                self.hint = f"Graphviz could not lay it out ({problem}), so it is drawn plainer."
        return diagram_layout.by_columns(graph)

    def __repr__(self) -> str:
        lines = _tree(self.graph)
        if self.graph.since is not None:
            lines.insert(0, told(self.graph))
        return "\n".join(lines) or NOTHING

    def _repr_html_(self) -> str:
        if not self.graph.shapes:
            return f"<p>{NOTHING}</p>"
        drawing = self.svg()
        hint = f'<span class="hint">{escape(self.hint).replace("`", "")}</span>' if self.hint else ""
        return (
            f'<figure class="kl diagram"><figcaption><b>{escape(headline(self.graph))}</b>'
            f"<span>as of {moment(self.graph.at)}</span></figcaption>"
            f'<div class="field" tabindex="0" role="group" aria-label="The drawing, which may be wider than the page">'
            f'{drawing}</div><div class="legend">{_legend(self.graph)}{hint}</div>'
            f"<details><summary>In words</summary><pre>{escape(repr(self))}</pre></details></figure>"
        )


def headline(graph: Graph) -> str:
    """What it shows, in a sentence: the difference, or how many pods are ready."""
    if graph.since is not None:
        return told(graph)
    pods = [shape for shape in graph.shapes if shape.kind == "Pod"]
    ready = sum(shape.state == "ready" for shape in pods)
    return f"{ready} of {len(pods)} pods ready." if pods else "No pods."


def _legend(graph: Graph) -> str:
    there = {arrow.how for arrow in graph.arrows}
    parts = [f"<span>{diagram_svg.sample(how)}{word}</span>" for how, word in ARROWS.items() if how in there]
    marks = {*graph.marks(), *(arrow.mark for arrow in graph.arrows)}
    parts += [
        f'<span><svg class="kl-d" width="14" height="14" aria-hidden="true"><g class="{mark}">'
        f"{diagram_svg.glyph(mark, 0, 0, 14, 'mark')}</g></svg>{word}</span>"
        for mark, word in WORDS.items()
        if mark in marks
    ]
    return "".join(parts)


def _tree(graph: Graph) -> list[str]:
    """The same in plain text: what owns nothing and is owned by nobody begins a line."""
    shapes = graph.by_id()
    owned = {arrow.end for arrow in graph.arrows if arrow.how == "owns"}
    marked = graph.since is not None

    def lines(shape: Shape, depth: int) -> list[str]:
        below = [arrow for arrow in graph.arrows if arrow.start == shape.id]
        here, deeper = "  " * depth, "  " * (depth + 1)
        others = [(a.mark, f"{deeper}{_to(a.how)} {_named(shapes[a.end])}") for a in below if a.how != "owns"]
        inner = [line for a in below if a.how == "owns" for line in lines(shapes[a.end], depth + 1)]
        own = [(shape.mark, f"{here}{_named(shape)}{_words(shape)}"), *others]
        return [*(f"{SIGNS[mark]} {text}" if marked else text for mark, text in own), *inner]

    return [line for shape in graph.shapes if shape.id not in owned for line in lines(shape, 0)]


def _to(how: str) -> str:
    return "->" if how == "reaches" else how


def _named(shape: Shape) -> str:
    return f"{shape.kind.lower()}/{shape.name}"


def _words(shape: Shape) -> str:
    ports = shape.facts if shape.kind == "Service" else ""
    news = shape.was or WORDS.get(shape.mark, "")
    said = ", ".join(filter(None, (_lower(shape.detail) + ports, f"on {shape.place}" if shape.place else "", news)))
    return f" ({said})" if said else ""


def _lower(detail: str) -> str:
    return detail if detail[:1].isdigit() or detail == detail.upper() else detail[:1].lower() + detail[1:]
