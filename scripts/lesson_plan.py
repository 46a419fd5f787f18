"""lessons/timing.md: the lessons in half a day and in a whole one, computed from the minutes in their headers.

`lesson_index.py` puts the page beside the others. Lessons come in order; what does not fit is left for another day, and
what is left of the day goes to practising.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BEGIN = 9 * 60
NOON = 12 * 60
LONGEST = 90  # min at a stretch
PAUSE, LUNCH = 15, 60
DAYS = (("Half a day", 12 * 60 + 30), ("A whole day", 17 * 60))
STRETCHES = (3.0, 2.5, 2.0, 1.5, 1.0)  # of the time for practising, the longest that fits
RULES = f"""\
At most {LONGEST} minutes at a stretch, then a pause. Practising gets what is left of the day, up to three times its
minutes: in a class people ask. Alone, a lesson takes about the minutes of its header."""


@dataclass(frozen=True)
class Part:
    """One line of a day: from when (minutes since midnight), for how long, what."""

    begin: int
    minutes: int
    what: str
    split: str = ""  # how a lesson's minutes divide

    @property
    def end(self) -> int:
        return self.begin + self.minutes


def day(lessons: Mapping[str, Mapping[str, Any]], end: int) -> tuple[list[Part], list[str]]:
    """A day that ends in time, and the lessons that are left for another. `lessons`: name -> header, in order."""
    names = list(lessons)
    for count in range(len(names), 0, -1):
        for stretch in STRETCHES:
            parts = _parts({name: lessons[name] for name in names[:count]}, stretch)
            if parts[-1].end <= end:
                return parts, names[count:]
    return [], names


def _parts(lessons: Mapping[str, Mapping[str, Any]], stretch: float) -> list[Part]:
    parts: list[Part] = []
    now = since = BEGIN
    for name, header in lessons.items():
        teach, practise = header["minutes"]["teach"], round(header["minutes"]["practise"] * stretch)
        if now > since and now + teach + practise - since > LONGEST:
            lunch = now >= NOON - LONGEST / 2 and not any(part.what == "Lunch" for part in parts)
            rest = Part(now, LUNCH, "Lunch") if lunch and stretch > 1 else Part(now, PAUSE, "Pause")
            parts.append(rest)
            now = since = rest.end
        parts.append(Part(now, teach + practise, name, f"{teach} + {practise}"))
        now += teach + practise
    return parts


def page(lessons: Mapping[str, Mapping[str, Any]]) -> str:
    """The page's text."""
    parts = ["# Timing plan", RULES]
    for title, end in DAYS:
        planned, left = day(lessons, end)
        parts += [f"## {title}", "\n".join(_table(planned))]
        if left:
            parts.append("For another day: " + ", ".join(left) + ".")
    return "\n\n".join(parts) + "\n"


def _table(parts: Sequence[Part]) -> list[str]:
    rows = [f"| {_clock(part.begin)} | {part.what} | {part.split or part.minutes} min |" for part in parts]
    end = f"| {_clock(parts[-1].end)} | End | |" if parts else "| | No lesson is short enough. | |"
    return ["| from | what | teach + practise |", "|---|---|---|", *rows, end]


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"
