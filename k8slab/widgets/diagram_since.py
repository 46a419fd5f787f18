"""Two moments in one drawing: what came, what went, what changed between them.

Pure. `diagram_graph.py` reads each moment; `diagram.py` asks for the comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from k8slab.widgets.diagram_graph import Arrow, Graph, Place, Shape

SIGNS = {"": " ", "came": "+", "went": "−", "changed": "≠"}
WORDS = {"came": "new", "went": "gone", "changed": "changed"}


def compare(before: Graph, now: Graph) -> Graph:
    """`now`, with everything marked that is not as it was, and what is there no more."""
    old, new = before.by_id(), now.by_id()
    masters = _masters(before), _masters(now)
    shapes = [
        _marked(shape, old.get(shape.id), masters[0].get(shape.id, ""), masters[1].get(shape.id, ""))
        for shape in now.shapes
    ]
    shapes += [shape._replace(mark="went", was="") for id, shape in old.items() if id not in new]
    drawn = set(now.arrows)
    arrows = [arrow if arrow in set(before.arrows) else arrow._replace(mark="came") for arrow in now.arrows]
    arrows += [arrow._replace(mark="went") for arrow in before.arrows if arrow not in drawn]
    return replace(now, shapes=shapes, arrows=arrows, places=_places(before, now), since=before.at)


def bare(graph: Graph) -> Graph:
    """The later moment alone: what went, and every mark, left out."""
    keep: tuple[list[Shape], list[Arrow], list[Place]] = (
        [shape._replace(mark="", was="") for shape in graph.shapes if shape.mark != "went"],
        [arrow._replace(mark="") for arrow in graph.arrows if arrow.mark != "went"],
        [place._replace(mark="", was="") for place in graph.places if place.mark != "went"],
    )
    return replace(graph, shapes=keep[0], arrows=keep[1], places=keep[2], since=None)


def told(graph: Graph) -> str:
    """The difference in a sentence."""
    then = moment(graph.since or 0.0)
    counts = Counter(graph.marks())
    lines = sum(bool(arrow.mark) for arrow in graph.arrows)
    if not counts and not lines:
        return f"Nothing has changed since {then}."
    parts = [f"{counts[mark]} {word}" for mark, word in (("came", "came"), ("went", "went")) if counts[mark]]
    parts += [f"{counts['changed']} changed"] if counts["changed"] else []
    if not parts:
        return f"Since {then}: only who reaches or uses whom changed."
    return f"Since {then}: {', '.join(parts)}."


def moment(at: float) -> str:
    """A moment as this machine's clocks show it."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def _masters(graph: Graph) -> Mapping[str, str]:
    """By id, the name of whatever owns it."""
    names = graph.by_id()
    return {arrow.end: names[arrow.start].name for arrow in graph.arrows if arrow.how == "owns"}


def _marked(now: Shape, old: Shape | None, master_then: str, master_now: str) -> Shape:
    if old is None:
        return now._replace(mark="came")
    if master_then != master_now:
        return now._replace(mark="changed", was="adopted" if master_now else "released")
    for field in ("version", "detail", "place", "facts"):
        then = getattr(old, field)
        if then != getattr(now, field):
            short = then.removesuffix(" ready") if then[:1].isdigit() else then
            said = f"on {then or 'no node'}" if field == "place" else short or "none"
            return now._replace(mark="changed", was=f"was {said}")
    return now


def _places(before: Graph, now: Graph) -> list[Place]:
    old, new = ({place.name: place for place in graph.places} for graph in (before, now))
    places = []
    for name, place in new.items():
        if name not in old:
            places.append(place._replace(mark="came"))
        elif old[name].word != place.word:
            places.append(place._replace(mark="changed", was=f"was {old[name].word}"))
        else:
            places.append(place)
    return [*places, *(place._replace(mark="went") for name, place in old.items() if name not in new)]
