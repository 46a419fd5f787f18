"""The picture of a journey: its stations with times and objects as marked lines, and the sentence above. Pure.

`journey_model.py` and `journey_outside.py` give the stations, `journey.js` draws, and a page without a kernel gets the
table below.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from k8slab.widgets.delta import Picture
from k8slab.widgets.journey_model import Station
from k8slab.widgets.marked_yaml import Line, lines, news

EXACT, OUTSIDE, WAITING = "exact", "outside", "waiting"
CELL = "style='padding:2px 14px 2px 0;text-align:left'"


def picture(stations: Sequence[Station], how: str, what: str, pods: Sequence[str], pod: str, lab: bool) -> Picture:
    """The view as it should look now. `how`: exact times, seconds from outside, or nothing yet."""
    begun = stations[0].at if stations and how == OUTSIDE else 0.0
    drawn, before = {}, begun
    for order, station in enumerate(stations):
        marked = lines(station.obj, station.base) if station.obj else []
        name = f"{station.obj['kind'].lower()}/{station.obj['metadata']['name']}" if station.obj else ""
        drawn[station.id] = {
            "order": order, "who": station.who, "title": station.title, "say": station.say, "at": station.at - begun,
            "took": station.at - before, "object": name, "file": station.file,
            "lines": marked, "news": news(marked), "look": _look(marked),
        }  # fmt: skip
        before = station.at
    total = before - begun if stations else 0.0
    shown = {name: order for order, name in enumerate(pods)}
    say = sentence(stations, how, what, lab)
    return {"what": what, "how": how, "stops": drawn, "total": total, "pods": shown, "pod": pod, "say": say}


def sentence(stations: Sequence[Station], how: str, what: str, lab: bool) -> str:
    """What came of it, in a sentence or two."""
    if how == WAITING or not stations:
        return f"Nothing has happened to {what} yet. Apply it, and its way is followed from here."
    ids = {station.id for station in stations}
    if how == OUTSIDE:
        again = " Apply a change, and every hop is timed." if lab else ""
        return f"What the cluster tells of {what} afterwards: whole seconds, and the objects as they are now.{again}"
    last = stations[-1]
    if "refused" in ids:
        return f"Refused after {milliseconds(last.at)}, and nothing was stored: {last.say}"
    if "ready" not in ids and "counted" not in ids:
        return f"Under way since {milliseconds(last.at)}. Last: {last.title[0].lower()}{last.title[1:]}."
    slowest = max(range(len(stations)), key=lambda at: stations[at].at - (stations[at - 1].at if at else 0))
    took = stations[slowest].at - (stations[slowest - 1].at if slowest else 0)
    end = "requests reach the pod" if "served" in ids else "the pod is ready"
    at = next(station.at for station in reversed(stations) if station.id == ("served" if "served" in ids else "ready"))
    return (
        f"{milliseconds(at)} from the request until {end}. "
        f"The longest hop was “{stations[slowest].title}”: {milliseconds(took)}."
    )


def milliseconds(ms: float) -> str:
    """A time as people read it: 0.4 ms, 35 ms, 1.2 s."""
    if ms < 9.95:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 999.5 else f"{ms / 1000:.1f} s"


def text(found: Picture) -> str:
    """The journey in plain words, a line for each hop."""
    stops = _ordered(found)
    return "\n".join([found["say"], *(f"  {_time(found, stop):>10}  {stop['who']}: {stop['title']}" for stop in stops)])


def html(found: Picture) -> str:
    """A table: a row for each hop."""
    rows = "".join(
        f"<tr><td {CELL}>{_time(found, stop)}</td><td {CELL}>{escape(stop['who'])}</td>"
        f"<th {CELL}>{escape(stop['title'])}</th><td {CELL}>{escape(stop['say'])}</td></tr>"
        for stop in _ordered(found)
    )
    head = "".join(f"<th {CELL}>{word}</th>" for word in ("took", "who", "hop", "what happened"))
    table = f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    title = f"<b>The way of {escape(found['what'])}</b>"
    say = f"<figcaption>{escape(found['say'])}</figcaption>"
    return f"<figure style='font:13px/1.5 system-ui,sans-serif;margin:0'>{title}{say}{table if rows else ''}</figure>"


def _look(marked: Sequence[Line]) -> int:
    """The line to be seen first: the first that is new, and is more than a revision."""
    told = [at for at, (mark, text, *_) in enumerate(marked) if mark in "+~" and "resourceVersion:" not in text]
    return told[0] if told else 0


def _time(found: Picture, stop: Picture) -> str:
    return milliseconds(stop["took"]) if found["how"] == EXACT else f"{stop['took'] / 1000:.0f} s"


def _ordered(found: Picture) -> list[Picture]:
    return sorted(found["stops"].values(), key=lambda stop: int(stop["order"]))
