"""When a CronJob is due: the five fields of cron, their short names, and Go's `@every`.

Read by `validation_jobs.py` and by `controllers/cronjob.py`. The language and its words for a mistake are those of
the parser Kubernetes uses (github.com/robfig/cron v3, ParseStandard); Sunday is 0 only, and a schedule without a zone
is UTC's, as in a controller manager that runs in a container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

YEARS = 5  # a schedule without a moment in so many years ("31 of February") has none at all
WORD_BY_WORD = {  # short names
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 2**63 / 1e9  # seconds a Go duration can hold
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


class Schedule(Protocol):
    """Moments, in seconds since 1970."""

    def next(self, after: float) -> float | None:
        """The first moment later than this; None if there is none."""
        ...

    def latest(self, first: float, until: float) -> float:
        """The last moment not later than `until`; `first` is one of them."""
        ...


class Bounds(NamedTuple):
    """What a field may hold, and the names its numbers have."""

    low: int
    high: int
    names: Mapping[str, int] = {}


FIELDS = (
    Bounds(0, 59),
    Bounds(0, 23),
    Bounds(1, 31),
    Bounds(1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    Bounds(0, 6, {name: number for number, name in enumerate(DAYS)}),
)


class Field(NamedTuple):
    """The numbers that match; `any` when it was a star: then the other of the two day fields decides alone."""

    numbers: frozenset[int]
    any: bool


@dataclass(frozen=True)
class Cron:
    """The moments at which all fields match, in a zone's own time."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    zone: tzinfo = UTC

    def next(self, after: float) -> float | None:
        moment = after // 60 * 60 + 60
        last_year = datetime.fromtimestamp(after, self.zone).year + YEARS
        while True:
            local = datetime.fromtimestamp(moment, self.zone)
            if local.year > last_year:
                return None
            if not self._is_day(local):
                moment = max(moment + 60, _midnight_after(local))
            elif local.hour not in self.hour.numbers:
                moment += 3600 - local.minute * 60
            elif local.minute not in self.minute.numbers:
                moment += 60
            else:
                return moment

    def latest(self, first: float, until: float) -> float:
        back = 60.0
        while until - back > first and (self.next(until - back) or until + 1) > until:
            back *= 2
        found = first
        moment = self.next(max(until - back, first))
        while moment is not None and moment <= until:
            found, moment = moment, self.next(moment)
        return found

    def _is_day(self, local: datetime) -> bool:
        """Of the two day fields one is enough, unless one of them is a star."""
        day, weekday = local.day in self.day.numbers, local.isoweekday() % 7 in self.weekday.numbers
        fits = (day and weekday) if self.day.any or self.weekday.any else (day or weekday)
        return fits and local.month in self.month.numbers


def _midnight_after(local: datetime) -> float:
    return (local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)).timestamp()


@dataclass(frozen=True)
class Every:
    """One moment every so many seconds."""

    seconds: float

    def next(self, after: float) -> float | None:
        return float(int(after)) + self.seconds

    def latest(self, first: float, until: float) -> float:
        return first + (until - first) // self.seconds * self.seconds


def parse(text: str, zone: str | None = None) -> Schedule:
    """The schedule a text stands for, in a zone. Raises ValueError with the words Kubernetes' parser has for it."""
    if not text:
        raise ValueError("empty spec string")
    text, where = _zone_of(text, zone)
    if text.startswith("@every "):
        return Every(max(1.0, float(int(_duration(text.removeprefix("@every "), text)))))
    if text.startswith("@") and text not in WORD_BY_WORD:
        raise ValueError(f"unrecognized descriptor: {text}")
    words = WORD_BY_WORD.get(text, text).split()
    if len(words) != len(FIELDS):
        raise ValueError(f"expected exactly {len(FIELDS)} fields, found {len(words)}: [{' '.join(words)}]")
    minute, hour, day, month, weekday = map(_field, words, FIELDS)
    return Cron(minute, hour, day, month, weekday, where)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


def _zone_of(text: str, zone: str | None) -> tuple[str, tzinfo]:
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return text, zone_of(zone) if zone else UTC
    name, found, rest = text.partition("=")[2].partition(" ")
    if not found:
        raise ValueError(f"invalid location descriptior: {text}")  # spelt so there
    try:
        return rest.strip(), zone_of(name)
    except ValueError as error:
        raise ValueError(f"provided bad location {name}: {error}") from None


def _field(text: str, bounds: Bounds) -> Field:
    ranges = [_range(part, bounds) for part in text.split(",") if part]
    return Field(frozenset[int]().union(*(found.numbers for found in ranges)), any(found.any for found in ranges))


def _range(text: str, bounds: Bounds) -> Field:
    """`*`, `5`, `1-5`, each perhaps with `/step`; a step after a single number counts up to the highest."""
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = low in ("*", "?")
    if star:
        start, end = bounds.low, bounds.high
    else:
        start = _number(low, text, bounds)
        end = _number(highs[0], text, bounds) if highs else start
        if len(highs) > 1:
            raise ValueError(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _number(steps[0], text) if steps else 1
    if steps and not highs:
        end = bounds.high
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return Field(frozenset(range(start, end + 1, step)), star and step == 1)


def _number(word: str, text: str, bounds: Bounds | None = None) -> int:
    if bounds and (named := bounds.names.get(word.lower())) is not None:
        return named
    if not re.fullmatch(r"[+-]?[0-9]+", word):
        raise ValueError(f'failed to parse int from {word}: strconv.Atoi: parsing "{word}": invalid syntax')
    if (number := int(word)) < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


def _duration(text: str, descriptor: str) -> float:
    """Seconds of a Go duration: `1h30m`, `90s`, `0.5h`."""
    parts = list(_PART.finditer(text.removeprefix("+")))
    seconds = sum(float(part[1]) * UNITS[part[2]] for part in parts)
    if not parts or "".join(part[0] for part in parts) != text.removeprefix("+") or seconds > LONGEST:
        raise ValueError(f'failed to parse duration {descriptor}: time: invalid duration "{text}"')
    return seconds
