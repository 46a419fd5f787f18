"""A card without a browser's help: in words for terminals and screen readers, and as a page's still HTML.

Pure. `cards.py` puts both into what a notebook saves, so that an exported page shows what the learner saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from k8slab.teach.pictures import headings
from k8slab.teach.prose import html as marked
from k8slab.teach.prose import plain
from k8slab.widgets.delta import Picture

CARD = "border:1px solid #8884;border-radius:12px;padding:12px 20px;margin:4px 0;font:13px/1.5 system-ui,sans-serif"
SIGNS = {
    "yes": "✓",
    "no": "×",
    "guess": "•",
    "ready": "✓",
    "failed": "×",
    "done": "✓",
    "notready": "◐",
    "starting": "◐",
    "skip": "–",
}


def text(picture: Picture) -> str:
    """The card, a line for each thing it says."""
    return "\n".join(plain(line) for line in _lines(picture) if line)


def html(picture: Picture) -> str:
    """One section, self-contained, readable on white and on black."""
    head, ask, *lines = list(_lines(picture))
    body = "".join(f"<div>{marked(line)}</div>" for line in lines if line)
    return f"<section style='{CARD}'><small>{escape(head)}</small><div><b>{marked(ask)}</b></div>{body}</section>"


def _lines(picture: Picture) -> Iterator[str]:
    yield picture["tag"]
    yield picture["ask"]
    yield from _BODIES[picture["kind"]](picture)


def _question(picture: Picture) -> Iterator[str]:
    for option in picture["options"]:
        note = f" ({option['note']})" if option["note"] else ""
        yield f"{SIGNS.get(option['mark'], '○')} {option['text']}{note}"
        yield option.get("why", "")
    yield from picture.get("said", ())


def _check(picture: Picture) -> Iterator[str]:
    if outcome := picture.get("outcome"):
        yield f"{outcome['title']}: {outcome['say']}"
    for rung in picture["ladder"]:
        if rung.get("text"):
            yield f"{rung['title']}: {rung['text']}"
        yield from (part.get("text") or part["code"] for part in rung.get("parts", ()))


def _hint(picture: Picture) -> Iterator[str]:
    yield from (part.get("text") or part["code"] for part in picture["parts"])


def _title(picture: Picture) -> Iterator[str]:
    yield f"{picture['done']} of {len(picture['steps'])} steps done · about {picture['minutes']} min left"
    yield from (f"– {goal}" for goal in picture["you_will"])
    yield from (f"{row['name']}: {row['text']}" for row in picture["real"])
    yield picture["problem"]


def _recap(picture: Picture) -> Iterator[str]:
    for heading, rows in headings(picture["rows"]).items():
        yield f"**{heading}**"
        yield from (f"{SIGNS.get(row['state'], '○')} {row['name']} {row['text']}" for row in rows)
    yield "**Words**"
    yield from (f"**{entry['word']}**: {entry['means']}" for entry in picture["words"])
    if picture["next"]:
        yield f"Next: lesson {picture['next']}"


def _progress(picture: Picture) -> Iterator[str]:
    for row in picture["rows"]:
        cells = [f"{cell} {name}" for name, cell in zip(picture["columns"], row["cells"], strict=True)]
        yield f"{SIGNS.get(row['state'], '○')} {row['name']}: {row['done']} of {row['of']} steps ({' · '.join(cells)})"
    yield picture["note"]


_BODIES: dict[str, Callable[[Picture], Iterator[str]]] = {
    "predict": _question,
    "quiz": _question,
    "check": _check,
    "hint": _hint,
    "title": _title,
    "recap": _recap,
    "progress": _progress,
}
