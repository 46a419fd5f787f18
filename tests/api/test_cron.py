from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.cron import Cron, Every, parse


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("* * * * *", "2026-01-01T00:00:00", "2026-01-01T00:01:00"),
        ("* * * * *", "2026-01-01T00:00:59", "2026-01-01T00:01:00"),
        ("*/5 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:10:00"),
        ("*/25 * * * *", "2026-01-01T00:50:00", "2026-01-01T01:00:00"),
        ("5/20 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:25:00"),  # a step from 5 up to 59
        ("30 8-17/4 * * *", "2026-01-01T12:30:00", "2026-01-01T16:30:00"),
        ("0,30 9,17 * * *", "2026-01-01T09:30:00", "2026-01-01T17:00:00"),
        ("0 0 1 * *", "2026-01-15T12:00:00", "2026-02-01T00:00:00"),
        ("0 0 * feb-apr *", "2026-01-15T12:00:00", "2026-02-01T00:00:00"),
        ("0 0 * * mon-fri", "2026-01-02T00:00:00", "2026-01-05T00:00:00"),  # a Friday
        ("0 0 * * SUN", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),  # either day field is enough
        ("0 0 */2 * fri", "2026-01-03T00:00:00", "2026-01-05T00:00:00"),  # a stepped star is no star
        ("0 0 ? * 1", "2026-01-01T00:00:00", "2026-01-05T00:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("@hourly", "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
        ("@daily", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("@midnight", "2026-01-01T13:00:00", "2026-01-02T00:00:00"),
        ("@weekly", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("@monthly", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
        ("@yearly", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("@every 1h30m", "2026-01-01T00:00:07", "2026-01-01T01:30:07"),
    ],
)
def test_next(schedule: str, after: str, due: str) -> None:
    assert parse(schedule).next(at(after)) == at(due)


def test_no_such_day() -> None:
    assert parse("0 0 31 2 *").next(at("2026-01-01T00:00:00")) is None


def test_zones() -> None:
    noon_in_tokyo = at("2026-01-01T12:00:00", "Asia/Tokyo")
    before = noon_in_tokyo - 3600
    assert parse("0 12 * * *", "Asia/Tokyo").next(before) == noon_in_tokyo
    assert parse("TZ=Asia/Tokyo 0 12 * * *").next(before) == noon_in_tokyo
    assert parse("CRON_TZ=Asia/Tokyo 0 12 * * *").next(before) == noon_in_tokyo
    with pytest.raises(ValueError, match="provided bad location Mars/Base: unknown time zone Mars/Base"):
        parse("TZ=Mars/Base 0 12 * * *")
    with pytest.raises(ValueError, match="unknown time zone ../etc/passwd"):
        parse("0 12 * * *", "../etc/passwd")


def test_the_hour_that_does_not_exist_is_left_out_and_the_double_one_is_double() -> None:
    berlin = "Europe/Berlin"
    spring = parse("30 2 * * *", berlin)
    assert spring.next(at("2026-03-28T12:00:00", berlin)) == at("2026-03-30T02:30:00", berlin)
    autumn = parse("30 2 * * *", berlin)
    first = autumn.next(at("2026-10-25T00:00:00", berlin))
    assert first is not None
    second = autumn.next(first)
    assert second == first + 3600
    hourly = parse("0 * * * *", berlin)
    assert hourly.next(at("2026-03-29T01:00:00", berlin)) == at("2026-03-29T03:00:00", berlin)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("", "empty spec string"),
        ("every day", "expected exactly 5 fields, found 2: [every day]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * * foo *", 'failed to parse int from foo: strconv.Atoi: parsing "foo": invalid syntax'),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        ("@every 9999999h", 'failed to parse duration @every 9999999h: time: invalid duration "9999999h"'),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_mistakes(schedule: str, words: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(schedule)
    assert str(error.value) == words


@pytest.mark.parametrize("schedule", ["*/7 * * * *", "0 3 * * *", "30 6-16/4 * * 1-5", "0 0 1 */3 *"])
@given(days=st.integers(0, 200), seconds=st.integers(0, 86400))
def test_latest_is_the_last_one_not_later(schedule: str, days: int, seconds: int) -> None:
    cron = parse(schedule)
    first = cron.next(at("2026-01-01T00:00:00"))
    assert isinstance(cron, Cron)
    assert first is not None
    until = first + days * 86400 + seconds
    found = cron.latest(first, until)
    following = cron.next(found)
    assert found <= until
    assert following is not None
    assert following > until
    assert cron.next(found - 60) == found


def test_latest_of_every_keeps_its_beat() -> None:
    every = parse("@every 90s")
    assert isinstance(every, Every)
    assert every.latest(100.0, 100.0 + 90 * 7 + 5) == 100.0 + 90 * 7
    assert datetime.fromtimestamp(every.next(0.5) or 0, UTC).second == 30
