"""A drawing of the objects without Graphviz: columns from owner to owned, arrows between. `diagram.py` says what."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k8slab.lab.diagram import Graph, Shape

COLUMNS = ("Deployment", "ReplicaSet", "Pod", "Service")
WIDTH, HEIGHT = 190, 52  # of a box, in pixels
ACROSS, DOWN = 250, 68  # from one box to the next
MARGIN = 12
HEAD = '<marker id="k8slab-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'

Corner = tuple[int, int]  # of a box: left, top


def svg(graph: Graph) -> str:
    """The graph as SVG, in the page's own text colour."""
    columns = [column for kind in COLUMNS if (column := _ordered(graph.shapes, kind))]
    at: dict[str, Corner] = {}
    for across, column in enumerate(columns):
        for down, shape in enumerate(column):
            at[shape.id] = (MARGIN + across * ACROSS, MARGIN + down * DOWN)
    width = 2 * MARGIN + max(0, len(columns) - 1) * ACROSS + WIDTH
    height = 2 * MARGIN + (max(map(len, columns), default=1) - 1) * DOWN + HEIGHT
    arrows = [_arrow(at[a.start], at[a.end], a.reaches) for a in graph.arrows if a.start in at and a.end in at]
    boxes = [_box(shape, at[shape.id]) for column in columns for shape in column]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="Who owns whom" font-family="sans-serif" font-size="11" fill="currentColor">'
        f'<defs>{HEAD}<path d="M0 0 8 4 0 8z"/></marker></defs>{"".join(arrows)}{"".join(boxes)}</svg>'
    )


def _ordered(shapes: Sequence[Shape], kind: str) -> list[Shape]:
    """Pods by node, so that those of one node stand together."""
    return sorted((shape for shape in shapes if shape.kind == kind), key=lambda shape: (shape.place, shape.name))


def _box(shape: Shape, at: Corner) -> str:
    x, y = at
    dashes = ' stroke-dasharray="4 3"' if shape.faint else ""
    lines = (f"{shape.kind} · {shape.place}" if shape.place else shape.kind, shape.name, shape.detail)
    text = "".join(_line(x + 10, y + 16 + 14 * row, row, line) for row, line in enumerate(lines))
    rounding = 24 if shape.kind == "Service" else 7
    frame = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{rounding}" fill="none" stroke="currentColor"'
    return f"<g><title>{escape(' '.join(filter(None, lines)))}</title>{frame}{dashes}/>{text}</g>"


def _line(x: int, y: int, row: int, text: str) -> str:
    look = 'font-weight="bold"' if row == 1 else 'opacity="0.75"'
    return f'<text x="{x}" y="{y}" {look}>{escape(text)}</text>'


def _arrow(start: Corner, end: Corner, reaches: bool) -> str:
    (x1, y1), (x2, y2) = start, end
    x1, x2 = (x1, x2 + WIDTH) if x1 > x2 else (x1 + WIDTH, x2)
    y1, y2, middle = y1 + HEIGHT // 2, y2 + HEIGHT // 2, (x1 + x2) // 2
    dashes = ' stroke-dasharray="4 3"' if reaches else ""
    path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="currentColor"{dashes} marker-end="url(#k8slab-head)"/>'
