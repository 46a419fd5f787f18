"""Schedules: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from k8slab.api import cron

AFTER = "2026-01-31T10:07:30"  # a Saturday


def following(schedule, after=AFTER, zone=UTC, times=1):
    moment = datetime.fromisoformat(after).replace(tzinfo=zone).timestamp()
    for _ in range(times):
        moment = cron.parse(schedule).next(moment, zone)
    return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M:%S %a")


@pytest.mark.parametrize(
    ("schedule", "then"),
    [
        ("* * * * *", "2026-01-31 10:08:00 Sat"),
        ("*/5 * * * *", "2026-01-31 10:10:00 Sat"),
        ("7 * * * *", "2026-01-31 11:07:00 Sat"),
        ("30 9 * * *", "2026-02-01 09:30:00 Sun"),
        ("0 0 29 2 *", "2028-02-29 00:00:00 Tue"),
        ("0 12 * * mon-fri", "2026-02-02 12:00:00 Mon"),
        ("0 0 13 * 5", "2026-02-06 00:00:00 Fri"),  # the 13th, or a Friday
        ("0 0 13 * *", "2026-02-13 00:00:00 Fri"),
        ("0 22,23 1-7/3 MAR,jun ?", "2026-03-01 22:00:00 Sun"),
        ("5/20 10 * * *", "2026-01-31 10:25:00 Sat"),
        ("@hourly", "2026-01-31 11:00:00 Sat"),
        ("@weekly", "2026-02-01 00:00:00 Sun"),
        ("@every 1h30m", "2026-01-31 11:37:30 Sat"),
    ],
)
def test_the_next_moment(schedule, then):
    assert following(schedule) == then


def test_a_clock_that_jumps():  # an hour that is repeated counts once
    berlin = ZoneInfo("Europe/Berlin")
    assert following("30 3 * * *", "2026-03-28T12:00:00", berlin) == "2026-03-29 03:30:00 Sun"
    assert following("0 * * * *", "2026-10-25T01:30:00", berlin, times=2) == "2026-10-25 03:00:00 Sun"


def test_a_day_that_never_comes():
    assert cron.parse("0 0 30 2 *").next(0.0) is None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "empty spec string"),
        ("every day", "expected exactly 5 fields, found 2: [every day]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ],
)
def test_what_cannot_be_read(schedule, said):
    with pytest.raises(ValueError) as caught:
        cron.parse(schedule)
    assert str(caught.value) == said
