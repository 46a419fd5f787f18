"""Where each shape of the diagram stands and how its arrows run: by Graphviz where its `dot` is here, else by columns.

Both give a `Layout` in pixels, which `diagram_svg.py` draws in the same way.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

from k8slab.widgets.diagram_graph import USED, Arrow, Graph, Shape

SECONDS = 20  # for dot to answer
WIDTH, HEIGHT, MORE = 144, 64, 20  # of a tile; how much taller it is with a line about what was
ACROSS, DOWN = 40, 14  # between two columns, between two tiles
PAD, HEAD, EMPTY = 12, 34, 26  # in a node's box: around its tiles, above them; what stands in an empty one
GAP = 12  # between two boxes
MARGIN = 2  # around all
COLUMN = {"HorizontalPodAutoscaler": 0, "CronJob": 1, "Deployment": 1, "Pod": 3, "Service": 4}
OWNER, POD, BEYOND = 2, 3, 4  # the column of other owners; of pods; of what only pods use

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle: left, top, width, height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> float:
        """Half way down."""
        return self.y + self.h / 2


@dataclass(frozen=True)
class Layout:
    """Shapes by id, nodes by name, and for each arrow of the graph, in order, the points of its Bézier curves."""

    width: float
    height: float
    boxes: Mapping[str, Box]
    places: Mapping[str, Box]
    lines: Sequence[Sequence[Point]]


def columns(graph: Graph) -> list[list[Shape]]:
    """The shapes from left to right, none of the columns empty."""
    kinds = {shape.id: shape.kind for shape in graph.shapes}
    by_pods = {arrow.end for arrow in graph.arrows if arrow.how == "uses" and kinds[arrow.start] == "Pod"}
    found: dict[int, list[Shape]] = {}
    for shape in graph.shapes:
        found.setdefault(_column(shape, by_pods), []).append(shape)
    return [found[at] for at in sorted(found)]


def _column(shape: Shape, used_by_pods: set[str]) -> int:
    if shape.kind in USED:
        return BEYOND if shape.id in used_by_pods else POD
    return COLUMN.get(shape.kind, OWNER)


def height_of(shape: Shape) -> float:
    """How tall its tile is."""
    return HEIGHT + (MORE if shape.mark else 0)


# ---- by dot ----------------------------------------------------------------------------------------------------


def by_dot(graph: Graph) -> Layout:
    """Where Graphviz puts them. Raises OSError or CalledProcessError when it cannot."""
    run = subprocess.run(
        ["dot", "-Tjson0"], input=source(graph), capture_output=True, text=True, check=True, timeout=SECONDS
    )
    return read(graph, json.loads(run.stdout))


def source(graph: Graph) -> str:
    """The graph in Graphviz' own language: shapes are s0, s1, …, nodes' boxes cluster_0, …; names stay at home."""
    ids = {shape.id: f"s{number}" for number, shape in enumerate(graph.shapes)}
    inches = f"nodesep={DOWN / 72:.3f} ranksep={ACROSS / 72:.3f}"
    wide = f'node [shape=box label="" fixedsize=true width={WIDTH / 72:.3f}]'
    lines = ["digraph {", f"rankdir=LR newrank=true {inches}; {wide}"]
    boxes = [[ids[shape.id] for shape in graph.shapes if shape.place == place.name] for place in graph.places]
    for number, inside in enumerate(boxes):
        head = f'label=" " fontsize={HEAD - PAD} margin={PAD};'
        lines.append(
            f"subgraph cluster_{number} {{ {head} {'; '.join(inside) or f'e{number} [height={EMPTY / 72:.3f}]'} }}"
        )
        # An invisible column of stays keeps the nodes in their order, as far as crossing lines allow.
        stays = "; ".join(f"a{number} -> {one} [style=invis]" for one in inside or [f"e{number}"])
        lines.append(f"a{number} [width=0.01 height=0.01 style=invis]; {stays}")
    if boxes:
        lines.append(f"{{ rank=same; {' -> '.join(f'a{number}' for number in range(len(boxes)))} [style=invis] }}")
    lines += [f"{ids[shape.id]} [height={height_of(shape) / 72:.3f}]" for shape in graph.shapes]
    ranks = [[ids[shape.id] for shape in column] for column in columns(graph)]
    for rank in ranks:
        empties = [f"e{n}" for n, inside in enumerate(boxes) if not inside] if set(rank) & set(chain(*boxes)) else []
        lines.append(f"{{ rank=same; {'; '.join(rank + empties)} }}")
    lines += [f"{left[0]} -> {right[0]} [style=invis weight=0]" for left, right in pairwise(ranks)]
    for number, arrow in enumerate(graph.arrows):
        ends = (arrow.end, arrow.start) if arrow.how == "reaches" else (arrow.start, arrow.end)
        lines.append(f'{ids[ends[0]]}:e -> {ids[ends[1]]}:w [comment="{number}" arrowhead=none]')
    return "\n".join([*lines, "}"])


def read(graph: Graph, drawn: Mapping[str, Any]) -> Layout:
    """What dot answered, in pixels from the upper left corner."""
    _, _, width, height = map(float, drawn["bb"].split(","))
    named = {thing["name"]: thing for thing in drawn["objects"]}
    boxes = {}
    for number, shape in enumerate(graph.shapes):
        x, y = map(float, named[f"s{number}"]["pos"].split(","))
        tall = height_of(shape)
        boxes[shape.id] = Box(x - WIDTH / 2 + MARGIN, height - y - tall / 2 + MARGIN, WIDTH, tall)
    places = {}
    for number, place in enumerate(graph.places):
        left, low, right, high = map(float, named[f"cluster_{number}"]["bb"].split(","))
        places[place.name] = Box(left + MARGIN, height - high + MARGIN, right - left, high - low)
    lines: list[Sequence[Point]] = [()] * len(graph.arrows)
    for edge in drawn.get("edges", ()):
        if edge.get("comment"):
            number = int(edge["comment"])
            points = [_point(text, height) for text in edge["pos"].split() if text[0] not in "se"]
            lines[number] = _run(graph.arrows[number], points, boxes)
    return Layout(width + 2 * MARGIN, height + 2 * MARGIN, boxes, places, lines)


def _run(arrow: Arrow, points: Sequence[Point], boxes: Mapping[str, Box]) -> Sequence[Point]:
    """Dot's own way around what stands between; from column to column, a calmer one."""
    start, end = boxes[arrow.start], boxes[arrow.end]
    if max(end.x - start.x, start.x - end.x) - WIDTH < 2 * ACROSS:
        return _curve(start, end)
    return points[::-1] if arrow.how == "reaches" else points


def _point(text: str, height: float) -> Point:
    x, y = map(float, text.split(","))
    return x + MARGIN, height - y + MARGIN


def in_order(graph: Graph, layout: Layout) -> bool:
    """Whether the nodes stand in their order: with some graphs dot gives that up to spare a crossing."""
    tops = [layout.places[place.name].y for place in graph.places]
    return tops == sorted(tops)


# ---- by columns ------------------------------------------------------------------------------------------------


def by_columns(graph: Graph) -> Layout:
    """Pods in their nodes' boxes, one below the other; everything else beside what it belongs to."""
    boxes: dict[str, Box] = {}
    places: dict[str, Box] = {}
    ordered = columns(graph)
    with_pods = next((n for n, column in enumerate(ordered) if any(s.kind == "Pod" for s in column)), None)
    x = float(MARGIN)
    lefts = []
    for number in range(len(ordered)):
        lefts.append(x + (PAD if number == with_pods else 0))
        x += WIDTH + ACROSS + (2 * PAD if number == with_pods else 0)
    if with_pods is not None:
        _place_pods(graph, ordered[with_pods], lefts[with_pods], boxes, places)
    for number in _outwards(len(ordered), with_pods):
        if number != with_pods:
            _place_beside(graph, ordered[number], lefts[number], boxes)
    low = max((box.y + box.h for box in (*boxes.values(), *places.values())), default=0.0)
    lines = [_curve(boxes[arrow.start], boxes[arrow.end]) for arrow in graph.arrows]
    return Layout(x - ACROSS + MARGIN, low + MARGIN, boxes, places, lines)


def _place_pods(graph: Graph, column: Sequence[Shape], x: float, boxes: dict[str, Box], places: dict[str, Box]) -> None:
    y = float(MARGIN)
    for place in graph.places:
        top, y = y, y + HEAD
        for shape in (shape for shape in column if shape.place == place.name):
            boxes[shape.id] = Box(x, y, WIDTH, height_of(shape))
            y += height_of(shape) + DOWN
        y += EMPTY if y == top + HEAD else PAD - DOWN
        places[place.name] = Box(x - PAD, top, WIDTH + 2 * PAD, y - top)
        y += GAP
    for shape in column:
        if shape.id not in boxes:
            boxes[shape.id] = Box(x, y, WIDTH, height_of(shape))
            y += height_of(shape) + DOWN


def _outwards(count: int, start: int | None) -> Iterator[int]:
    """The columns by how near they are to the pods'."""
    return iter(sorted(range(count), key=lambda number: abs(number - (start or 0))))


def _place_beside(graph: Graph, column: Sequence[Shape], x: float, boxes: dict[str, Box]) -> None:
    """Each as near to the middle of its neighbours as those above it allow."""

    def wish(shape: Shape) -> float:
        ends = [{a.start, a.end} - {shape.id} for a in graph.arrows if shape.id in (a.start, a.end)]
        near = [boxes[id].middle for one in ends for id in one if id in boxes]
        return sum(near) / len(near) - height_of(shape) / 2 if near else 0.0

    y = float(MARGIN)
    for wished, shape in sorted(((wish(shape), shape) for shape in column), key=lambda pair: pair[0]):
        boxes[shape.id] = Box(x, max(y, wished), WIDTH, height_of(shape))
        y = boxes[shape.id].y + height_of(shape) + DOWN


def _curve(start: Box, end: Box) -> list[Point]:
    """From side to side, wherever they face each other."""
    x1, x2 = (start.x, end.x + end.w) if start.x > end.x else (start.x + start.w, end.x)
    middle = (x1 + x2) / 2
    return [(x1, start.middle), (middle, start.middle), (middle, end.middle), (x2, end.middle)]
