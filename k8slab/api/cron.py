"""A CronJob's schedule: five fields, or a word such as @hourly, and the moments it means.

`validation_jobs.py` reads schedules to see whether they can be read, the CronJob controller to know when the next job
is due. The grammar and the complaints are those of robfig/cron, which Kubernetes uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
NONE: frozenset[int] = frozenset()
WORDS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
YEARS_AHEAD = 5  # a moment further away than that (30 February) never comes


class Bounds(NamedTuple):
    """What a field may say."""

    low: int
    high: int
    names: Mapping[str, int] = MappingProxyType({})


FIELDS = (Bounds(0, 59), Bounds(0, 23), Bounds(1, 31), Bounds(1, 12, MONTHS), Bounds(0, 6, DAYS))


@dataclass(frozen=True)
class Schedule:
    """The minutes, hours, days, months and weekdays that fit; or, with `every`, a plain interval in seconds."""

    minutes: frozenset[int] = NONE
    hours: frozenset[int] = NONE
    days: frozenset[int] = NONE
    months: frozenset[int] = NONE
    weekdays: frozenset[int] = NONE
    either_day: bool = False  # both day fields say something: a day that fits one of them will do
    every: int = 0

    def next(self, after: float, zone: tzinfo = UTC) -> float | None:
        """The first moment later than `after` (both in seconds since 1970) on a clock of this zone; None: never.

        An hour that the clock repeats in autumn counts once.
        """
        if self.every:
            return float(int(after) + self.every)
        start = datetime.fromtimestamp(int(after), zone).replace(tzinfo=None)
        moment = start.replace(second=0) + timedelta(minutes=1)
        while moment.year <= start.year + YEARS_AHEAD:
            if moment.month not in self.months:
                moment = (moment.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif not self._is_day(moment):
                moment = moment.replace(hour=0, minute=0) + timedelta(days=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0) + timedelta(hours=1)
            elif moment.minute not in self.minutes or moment.replace(tzinfo=zone).timestamp() <= after:
                moment += timedelta(minutes=1)
            else:
                return moment.replace(tzinfo=zone).timestamp()
        return None

    def _is_day(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return day or weekday if self.either_day else day and weekday


@lru_cache(maxsize=512)
def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError with the sentence a user sees."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith("@"):
        return _word(text)
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ValueError(f"expected exactly {len(FIELDS)} fields, found {len(parts)}: [{' '.join(parts)}]")
    read = (_field(part, bounds) for part, bounds in zip(parts, FIELDS, strict=True))
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = read
    return Schedule(minutes, hours, days, months, weekdays, either_day=not (any_day or any_weekday))


def _word(text: str) -> Schedule:
    if text in WORDS:
        return parse(WORDS[text])
    if text.startswith("@every "):
        seconds = _duration(text, text[len("@every ") :])
        return Schedule(every=max(1, int(seconds)))
    raise ValueError(f"unrecognized descriptor: {text}")


def _duration(text: str, length: str) -> float:
    """Go's notation: 1h30m, 90s."""
    found = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", length)
    if not found or "".join(number + unit for number, unit in found) != length.lstrip("+"):
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{length}"')
    return sum(float(number) * UNITS[unit] for number, unit in found)


def _field(text: str, bounds: Bounds) -> tuple[frozenset[int], bool]:
    """The numbers a field means, and whether it is open (a star without a step)."""
    values: set[int] = set()
    star = False
    for part in text.split(","):
        if part:
            found, open_ = _range(part, bounds)
            values.update(found)
            star = star or open_
    return frozenset(values), star


def _range(text: str, bounds: Bounds) -> tuple[range, bool]:
    span, *steps = text.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if star:
        low, high = bounds.low, bounds.high
    elif len(ends) > 2:
        raise ValueError(f"too many hyphens: {text}")
    else:
        low = _number(ends[0], bounds.names)
        high = _number(ends[1], bounds.names) if len(ends) == 2 else bounds.high if steps else low
    step = _number(steps[0], {}) if steps else 1
    if low < bounds.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ValueError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if not step:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), star and step == 1


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
