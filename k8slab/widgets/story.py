"""What happened, told: newest cause first, its consequences grouped below it, each a whole sentence.

Pure: `advance(story, happenings, deeds, now)`. `noticing.py` finds what happened, `story_words.py` has the sentences.
What the learner did through a view is told by the view itself (`Deed`), so that it need not be guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from k8slab.widgets.noticing import Happening
from k8slab.widgets.story_words import SENTENCES, TITLES, Line

CHAPTERS = 12  # told at most; older ones are forgotten
LINES = 8
MEMORY = 120.0  # s after which nothing new is put down to a cause
DECISIONS = {"made", "let-go", "new-set"}
BAD = {"no-image", "backing-off", "failed", "unplaced", "unhealthy", "warning"}


@dataclass(frozen=True)
class Deed:
    """What the learner did through a view: a title of its own, whom it concerns, and which causes it accounts for."""

    title: str
    about: frozenset[str]
    covers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Chapter:
    """A cause and what followed. `number` is its identity."""

    number: int
    at: float
    title: str
    about: frozenset[str]
    covers: frozenset[str] = frozenset()
    lines: Mapping[str, Line] = field(default_factory=dict)


Story = tuple[Chapter, ...]  # newest first


def advance(story: Story, happenings: Iterable[Happening], deeds: Sequence[Deed], now: float) -> Story:
    """The story with what the learner did, and then with what happened."""
    for deed in deeds:
        story = _open(story, deed.title, deed.about, deed.covers, now)
    for happening in happenings:
        story = _tell(story, happening, now)
    return story


def told(story: Story) -> dict[str, dict[str, Any]]:
    """The story as a picture: by number, `at` in seconds since 1970, and sentences with their lines."""
    return {
        str(chapter.number): {
            "at": chapter.at,
            "title": chapter.title,
            "lines": [_line(line, chapter) for line in list(chapter.lines.values())[:LINES]],
        }
        for chapter in story
    }


def _tell(story: Story, happening: Happening, now: float) -> Story:
    chapter = _cause_of(story, happening, now)
    if chapter is None:
        if happening.what not in TITLES:  # it follows from something older than the story
            return story
        title = TITLES[happening.what](happening.name, happening.facts)
        story = _open(story, title, happening.about, frozenset(), now)
        chapter = story[0]
    if happening.cause:
        chapter = replace(chapter, about=chapter.about | happening.about, covers=chapter.covers - {happening.cause})
    if happening.what in SENTENCES:
        chapter = _extended(chapter, happening, now)
    return tuple(chapter if c.number == chapter.number else c for c in story)


def _cause_of(story: Story, happening: Happening, now: float) -> Chapter | None:
    """The chapter it belongs to: for a cause, the deed that accounts for it; else the newest about this very pod.

    What a controller decides (to make pods, to let some go) belongs to the newest chapter about its object.
    """
    recent = [chapter for chapter in story if now - chapter.at < MEMORY]
    if happening.cause:
        return next((c for c in recent if happening.cause in c.covers), None)
    own = [] if happening.what in DECISIONS else [c for c in recent if happening.subject in c.about]
    return next(iter(own or [c for c in recent if happening.about & c.about]), None)


def _open(story: Story, title: str, about: frozenset[str], covers: frozenset[str], now: float) -> Story:
    number = story[0].number + 1 if story else 1
    return (Chapter(number, now, title, about, covers), *story)[:CHAPTERS]


def _extended(chapter: Chapter, happening: Happening, now: float) -> Chapter:
    key = f"{happening.what}:{happening.subject if happening.what in BAD else happening.facts.get('set', '')}"
    line = chapter.lines.get(key) or Line(happening.what, facts=happening.facts)
    names = line.names if happening.name in line.names else (*line.names, happening.name)
    node = happening.facts.get("node")
    nodes = (*line.nodes, node) if node and node not in line.nodes else line.nodes
    line = replace(line, names=names, nodes=nodes, after=now - chapter.at)
    return replace(chapter, about=chapter.about | {happening.subject}, lines={**chapter.lines, key: line})


def _line(line: Line, chapter: Chapter) -> dict[str, Any]:
    made = sum(len(other.names) for other in chapter.lines.values() if other.what == "made")
    return {"say": SENTENCES[line.what](line, made), "bad": line.what in BAD}
