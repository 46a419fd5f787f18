"""How far a learner is in every lesson: `k8slab progress` in a terminal, `k8slab.progress()` in a notebook.

Both read the file that `progress.py` keeps beside the notebooks, and nothing else; nothing of it leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slab.settings import LESSONS_FOLDER, LabError
from k8slab.teach import progress, words
from k8slab.teach.cards import Card
from k8slab.teach.words import Words
from k8slab.widgets.delta import Picture

STAYS = "This is kept in one file on this machine. Nothing of it is sent anywhere."
AGAIN = 2.0  # s between two looks at the file, while somebody looks at the card
HEADINGS = {"predict": "guesses", "exercise": "exercises", "quiz": "quiz"}


@dataclass(frozen=True)
class Part:
    """One kind of step in one lesson: how many there are, were tried, were right."""

    of: int
    tried: int
    right: int


@dataclass(frozen=True)
class Row:
    """One lesson."""

    lesson: str
    title: str
    minutes: int
    parts: Mapping[str, Part]

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return sum(part.of for part in self.parts.values())

    @property
    def done(self) -> int:
        """Steps done: a guess counts once it is made, an exercise and a question once they are right."""
        return sum(part.tried if kind == "predict" else part.right for kind, part in self.parts.items())

    @property
    def state(self) -> str:
        """How it stands, in the look's words for states."""
        return "ready" if self.done == self.steps else "starting" if self.begun else "none"

    @property
    def begun(self) -> bool:
        """Whether anything in it was tried."""
        return any(part.tried for part in self.parts.values())


def rows(lessons: Iterable[Words], done: Mapping[str, Any]) -> list[Row]:
    """What was done in each lesson, in their order. Pure."""
    return [_row(lesson, done.get(lesson.lesson, {})) for lesson in lessons]


def _row(lesson: Words, done: Mapping[str, Any]) -> Row:
    def part(kind: str) -> Part:
        known = [done.get(kind, {}).get(key) for of_kind, key in lesson.steps if of_kind == kind]
        tried = [step for step in known if step]
        return Part(len(known), len(tried), sum(bool(step.get("right")) for step in tried))

    return Row(lesson.lesson, lesson.title, sum(lesson.minutes.values()), {kind: part(kind) for kind in HEADINGS})


def following(found: Sequence[Row]) -> Row | None:
    """The lesson to go on with: the first that is begun and not done, else the first that is not begun."""
    return next((row for row in found if row.state == "starting"), None) or next(
        (row for row in found if row.state == "none"), None
    )


def said(kind: str, part: Part) -> str:
    """One cell of the table: "3 of 4, 2 right", "1 of 3", or a dash for nothing yet."""
    if not part.tried:
        return "–"
    if kind == "predict":
        return f"{part.tried} of {part.of}, {part.right} right"
    return f"{part.right} of {part.of}"


def text(found: Sequence[Row], file: Path) -> str:
    """For a terminal. Pure."""
    table = [("", *HEADINGS.values(), "steps")]
    for row in found:
        cells = [said(kind, part) for kind, part in row.parts.items()]
        table.append((f"{row.lesson} {row.title}", *cells, f"{row.done} of {row.steps}"))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["   ".join(map(str.ljust, line, widths)).rstrip() for line in table]
    coming = following(found)
    on = f"Next: {coming.lesson} {coming.title}." if coming else "All of it is done."
    return "\n".join([*lines, "", on, f"{file}: {STAYS[0].lower()}{STAYS[1:]}"])


def picture(found: Sequence[Row], problem: str = "") -> Picture:
    """For a card. Pure."""
    coming = following(found)
    return {
        "kind": "progress",
        "tag": "Your progress",
        "ask": f"Next: {coming.lesson} {coming.title}" if coming else "All of it is done",
        "columns": list(HEADINGS.values()),
        "rows": [
            {
                "name": f"{row.lesson} {row.title}",
                "state": row.state,
                "done": row.done,
                "of": row.steps,
                "cells": [said(kind, part) for kind, part in row.parts.items()],
            }
            for row in found
        ],
        "note": problem or STAYS,
    }


def course(lessons: Iterable[Words], file: Path) -> list[Picture]:
    """Every lesson as a line of a recap; none if the file cannot be read."""
    try:
        found = rows(lessons, progress.kept(file))
    except LabError:
        return []
    return [
        {
            "kind": "course",
            "name": f"{row.lesson} {row.title}",
            "state": row.state,
            "text": f"{row.done} of {row.steps} steps",
        }
        for row in found
    ]


class ProgressCard(Card):
    """Every lesson with what was done in it. Looks at the file again now and then: other notebooks write it."""

    _esm = Card._esm
    _css = Card._css

    def __init__(self, folder: Path) -> None:
        lessons = all_lessons()

        def look() -> Picture:
            try:
                return picture(rows(lessons, progress.kept(folder / progress.NAME)))
            except LabError as error:
                return picture(rows(lessons, {}), str(error))

        super().__init__(("progress", folder), look)

    def wake(self) -> float | None:
        return AGAIN


def show() -> ProgressCard:
    """The progress of whoever works in this folder, live: `k8slab.progress()` as a cell's last line."""
    folder = Path.cwd()
    return ProgressCard.shown(("progress", folder), lambda: ProgressCard(folder))


def told(folder: Path | None = None) -> str:
    """What `k8slab progress` says. Raises LabError when nothing was done yet, and says what to do."""
    places = [folder] if folder else [Path(), Path(LESSONS_FOLDER)]
    file = next((place / progress.NAME for place in places if (place / progress.NAME).is_file()), None)
    if file is None:
        where = " and in ".join(str(place.resolve()) for place in places)
        raise LabError(
            f"Nothing is kept in {where}: no guess and no check so far. `k8slab lessons` opens the lessons. "
            "If yours are elsewhere, name their folder with `--dir`."
        )
    return text(rows(all_lessons(), progress.kept(file)), file)


def all_lessons() -> list[Words]:
    """Every lesson there is, in order."""
    return [words.load(number) for number in words.files()]
