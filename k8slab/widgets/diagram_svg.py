"""The diagram as SVG, in the look of the views: `diagram_layout.py` says where everything stands.

No ids, so that many of them stand on one page; no picture loaded; colours follow the page's theme.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from k8slab.widgets.diagram_graph import Arrow, Graph, Place, Shape
from k8slab.widgets.diagram_layout import PAD, Box, Layout, Point
from k8slab.widgets.diagram_since import WORDS

FAINT = ("pending", "starting", "terminating", "unknown", "done")  # not really there yet, or no more
RING = '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.7"{}/>'
ON = 'class="on" fill="none" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"'
GLYPHS = {  # those of tokens.css, drawn without masks: in 16 by 16, the colour around them
    "pending": RING.format(' stroke-dasharray="2.4 2.31"'),
    "starting": RING.format(' opacity=".3"')
    + '<path d="M8 2a6 6 0 0 1 6 6" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/>',
    "notready": RING.format("") + '<path d="M2.5 8a5.5 5.5 0 0 0 11 0z" fill="currentColor"/>',
    "ready": f'<circle cx="8" cy="8" r="6.9" fill="currentColor"/><path d="M5.1 8.3l2 2 3.9-4.2" {ON}/>',
    "terminating": RING.format("") + '<rect x="5.5" y="5.5" width="5" height="5" rx="1" fill="currentColor"/>',
    "failed": '<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" fill="currentColor"/>'
    f'<path d="M5.8 5.8l4.4 4.4m0-4.4l-4.4 4.4" {ON}/>',
    "done": RING.format("")
    + '<path d="M5.3 8.2l1.9 1.9 3.5-3.9" fill="none" stroke="currentColor" stroke-width="1.6"/>',
    "unknown": '<path d="M8 .9L15.1 8 8 15.1.9 8z" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M6.5 6.6a1.55 1.55 0 1 1 2.3 1.35c-.5.3-.8.6-.8 1.15M8 11.1v.02" fill="none" stroke="currentColor" '
    'stroke-width="1.4" stroke-linecap="round"/>',
    "came": '<circle cx="8" cy="8" r="6.9" fill="currentColor"/><path d="M8 4.8v6.4M4.8 8h6.4" ' + ON + "/>",
    "went": '<circle cx="8" cy="8" r="6.9" fill="currentColor"/><path d="M4.8 8h6.4" ' + ON + "/>",
    "changed": f'<circle cx="8" cy="8" r="6.9" fill="currentColor"/><path d="M5 6.4h6M5 9.6h6M9.6 4.6l-3.2 6.8" {ON}/>',
}
SERVER = '<rect x="2" y="2.5" width="12" height="4.6" rx="1.4"/><rect x="2" y="8.9" width="12" height="4.6" rx="1.4"/>'
SMALL, CHAR, BOLD, MONO = 6.7, 7.1, 8.2, 7.3  # pixels a letter takes: of 11, of 12, bold of 13, mono of 12


def draw(graph: Graph, layout: Layout, style: str, name: str, told: str) -> str:
    """The drawing; `name` is what a screen reader calls it, `told` all of it in words."""
    w, h = round(layout.width), round(layout.height)
    things = "".join(
        (
            *(_node(place, layout.places[place.name]) for place in graph.places if place.name in layout.places),
            *(_line(arrow, line) for arrow, line in zip(graph.arrows, layout.lines, strict=True) if line),
            *(_tile(shape, layout.boxes[shape.id]) for shape in graph.shapes),
            *_signs(graph, layout),
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="kl kl-d" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        f'role="img" aria-label="{escape(name)}"><desc>{escape(told)}</desc>'
        f"<style>{escape(style, quote=False)}</style>{things}</svg>"
    )


def glyph(state: str, x: float = 0, y: float = 0, size: float = 16, cls: str = "glyph") -> str:
    """A state's glyph, or that of what came, went or changed."""
    return f'<g class="{cls}" transform="translate({x:g} {y:g}) scale({size / 16:g})">{GLYPHS[state]}</g>'


def sample(how: str, mark: str = "") -> str:
    """A short arrow for the legend."""
    return (
        '<svg class="kl-d" width="34" height="10" aria-hidden="true">'
        f'<path class="line {how} {mark}" d="M1 5H26"/>{_head((26, 5), (33, 5), mark)}</svg>'
    )


def _node(place: Place, box: Box) -> str:
    gone = "gone" if place.mark == "went" or place.state in ("off", "silent") else ""
    word = f"{place.word} · {WORDS[place.mark]}" if place.mark in ("came", "went") else place.word
    word += f" · {place.was}" if place.was else ""
    frame = f'<rect class="node {gone} {place.mark}" {_sides(box)} rx="9"/>'
    icon = f'<g class="icon" transform="translate({box.x + PAD:g} {box.y + 10:g})">{SERVER}</g>'
    name = _text(box.x + PAD + 23, box.y + 22.5, "name", place.name, BOLD, box.w - 90)
    after = PAD + 31 + BOLD * min(len(place.name), (box.w - 90) / BOLD)
    told = _text(box.x + after, box.y + 22, "fact", word, SMALL, box.w - after - 6)
    return frame + icon + name + told


def _tile(shape: Shape, box: Box) -> str:
    faint = "faint" if shape.state in FAINT else "failed" if shape.state == "failed" else ""
    colour = f' style="--v:var(--kl-cat-{shape.cat})"' if shape.cat else ""
    rows = _pod(shape, box) if shape.kind == "Pod" else _thing(shape, box)
    spine = f'<rect class="spine" x="{box.x + 5:g}" y="{box.y + 7:g}" width="3" height="{box.h - 14:g}" rx="1.5"/>'
    return (
        f'<g class="thing {shape.mark}" data-state="{shape.state}"{colour}><title>{escape(said(shape))}</title>'
        f'<rect class="tile {faint}" {_sides(box)} rx="6"/>{spine if shape.cat else ""}{"".join(rows)}'
        f"{_mark(shape, box)}</g>"
    )


def said(shape: Shape) -> str:
    """A shape in words: what hovering over it shows."""
    more = (
        shape.version,
        shape.detail,
        f"on {shape.place}" if shape.place else "",
        WORDS.get(shape.mark, ""),
        shape.was,
    )
    return ", ".join(filter(None, (f"{shape.kind} {shape.name}", *more)))


def _pod(shape: Shape, box: Box) -> Iterator[str]:
    """As on the board: state and name, its own part of the name, the state's word."""
    x, y = box.x + 15, box.y
    yield glyph(shape.state or "unknown", x, y + 8)
    yield _chip(shape, box)
    room = box.w - 60 - 7 * len(shape.version)
    if shape.short:
        yield _text(x + 22, y + 20.5, "name", shape.app, BOLD, room)
        yield _text(x, y + 38.5, "mono", shape.short, MONO, box.w - 24 - SMALL * (len(shape.facts) + 1))
        yield _right(shape.facts, box, y + 38.5)
    else:
        yield _text(x + 22, y + 20.5, "fact", "no owner", SMALL, room)
        yield _text(x, y + 38.5, "mono", shape.name, MONO, box.w - 22)
    yield _text(x, y + 55.5, "word", shape.detail, CHAR, box.w - 24)


def _thing(shape: Shape, box: Box) -> Iterator[str]:
    """Kind, name, and how it stands."""
    x, y = box.x + (15 if shape.cat else 11), box.y
    yield _text(x, y + 18.5, "fact", KINDS.get(shape.kind, shape.kind), CHAR, box.w - 20)
    yield _chip(shape, box)
    yield _right(shape.facts, box, y + 18.5)
    yield _text(x, y + 36.5, "name", shape.name, BOLD, box.w - (x - box.x) - 8)
    sign = bool(shape.state)
    yield glyph(shape.state, x, y + 45, 13) if sign else ""
    word = "word" if shape.state else "fact"
    yield _text(x + (19 if sign else 0), y + 55.5, word, shape.detail, CHAR, box.w - 24 - 19 * sign)


KINDS = {"HorizontalPodAutoscaler": "Autoscaler", "PersistentVolumeClaim": "Volume claim"}


def _chip(shape: Shape, box: Box) -> str:
    if not shape.version:
        return ""
    wide = 7 * len(shape.version) + 10
    x = box.x + box.w - 8 - wide
    ground = f'<rect class="chip-ground" x="{x:g}" y="{box.y + 8:g}" width="{wide}" height="17" rx="4"/>'
    at = f'x="{x + wide / 2:g}" y="{box.y + 20.5:g}" text-anchor="middle"'
    return f'{ground}<text class="chip" {at}>{escape(shape.version)}</text>'


def _right(text: str, box: Box, y: float) -> str:
    at = f'x="{box.x + box.w - 9:g}" y="{y:g}" text-anchor="end"'
    return f'<text class="fact" {at}>{escape(text)}</text>' if text else ""


def _mark(shape: Shape, box: Box) -> str:
    """What is not as it was, in a line of its own: glyph, word, colour."""
    if not shape.mark:
        return ""
    y, x = box.y + box.h - 21, box.x + (15 if shape.cat else 11)
    return (
        f'<path class="rule" d="M{x:g} {y:g}H{box.x + box.w - 8:g}"/>'
        + glyph(shape.mark, x, y + 4, 13, "mark")
        + _text(x + 18, y + 14.5, "marked", shape.was or WORDS[shape.mark], SMALL, box.x + box.w - x - 22)
    )


def _signs(graph: Graph, layout: Layout) -> Iterator[str]:
    """On an arrow that came or went between two things that stayed."""
    stays = {shape.id for shape in graph.shapes if shape.mark not in ("came", "went")}
    for arrow, line in zip(graph.arrows, layout.lines, strict=True):
        if arrow.mark and line and {arrow.start, arrow.end} <= stays:
            x, y = _half_way(line)
            yield f'<g class="{arrow.mark}">{glyph(arrow.mark, x - 7, y - 7, 14, "mark")}</g>'


def _half_way(line: Sequence[Point]) -> Point:
    at = (len(line) - 1) // 6 * 3  # where the middle one of its curves begins
    a, b, c, d = line[at : at + 4]
    return tuple((a[i] + 3 * b[i] + 3 * c[i] + d[i]) / 8 for i in (0, 1))  # type: ignore[return-value]


def _line(arrow: Arrow, points: Sequence[Point]) -> str:
    start, *rest = points
    end = points[-1]
    near = next((p for p in reversed(points[:-1]) if abs(p[0] - end[0]) + abs(p[1] - end[1]) > 1), start)
    path = f"M{start[0]:.1f} {start[1]:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in rest)
    return f'<path class="line {arrow.how} {arrow.mark}" d="{path}"/>{_head(near, end, arrow.mark)}'


def _head(near: Point, end: Point, mark: str) -> str:
    dx, dy = end[0] - near[0], end[1] - near[1]
    long = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy = dx / long, dy / long
    x, y = end[0] - 7 * ux, end[1] - 7 * uy
    corners = (end, (x - 3.5 * uy, y + 3.5 * ux), (x + 3.5 * uy, y - 3.5 * ux))
    return f'<path class="head {mark}" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in corners)}Z"/>'


def _text(x: float, y: float, cls: str, text: str, each: float, room: float) -> str:
    return f'<text class="{cls}" x="{x:g}" y="{y:g}">{escape(fitted(text, int(room / each)))}</text>' if text else ""


def fitted(text: str, most: int) -> str:
    """At most so many letters: the middle of a name goes first, because its end tells it from others."""
    if len(text) <= most:
        return text
    end = max(1, most // 2)
    return f"{text[: max(1, most - end - 1)]}…{text[-end:]}"


def _sides(box: Box) -> str:
    return f'x="{box.x:g}" y="{box.y:g}" width="{box.w:g}" height="{box.h:g}"'
