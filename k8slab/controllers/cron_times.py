"""Which of a CronJob's moments is due now, and when the next one is. Pure, for `cronjob.py`.

A CronJob lives by a calendar that runs as fast as the lab does: it agrees with the wall clock at the CronJob's creation
and is `speed` times as fast from then on. Timestamps in objects stay wall-clock time. The rules for missed moments are
Kubernetes' (pkg/controller/cronjob/utils.go).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from k8slab.api import cron
from k8slab.api.cron import Schedule
from k8slab.api.objects import Obj
from k8slab.clock import Clock, from_timestamp

TOO_MANY = 100  # missed moments, from which on a warning is due


class Calendar:
    """A CronJob's time, in seconds since 1970."""

    def __init__(self, cronjob: Obj, clock: Clock) -> None:
        self._start = from_timestamp(cronjob["metadata"]["creationTimestamp"])
        self._clock = clock

    def now(self) -> float:
        """The present."""
        return self._start + self._clock.since(self._start)

    def read(self, timestamp: str) -> float:
        """The moment of a timestamp in an object."""
        return self._start + (from_timestamp(timestamp) - self._start) * self._clock.speed

    def wall(self, moment: float) -> float:
        """The wall clock at a moment of ours, in whole seconds and never earlier: read again, it is no missed one."""
        exact = self._start + (moment - self._start) / self._clock.speed
        return math.ceil(exact - 1e-6)


class Due(NamedTuple):
    """The latest moment that has passed without a job, if there is one, and whether very many have."""

    moment: float | None
    too_many: bool = False


def due(cronjob: Obj, schedule: Schedule, calendar: Calendar) -> Due:
    """What has to be started now: the latest moment since the last job, not older than `startingDeadlineSeconds`.

    Raises ValueError for a schedule that can be read, but never comes.
    """
    now, earliest = calendar.now(), _last(cronjob, calendar)
    if (deadline := cronjob["spec"].get("startingDeadlineSeconds")) is not None:
        earliest = max(earliest, now - deadline)
    first = schedule.next(earliest)
    if first is None:
        raise ValueError("time difference between two schedules is less than 1 second")
    if first > now:
        return Due(None)
    second = schedule.next(first) or math.inf
    return Due(schedule.latest(first, now), (now - first) // (second - first) + 1 > TOO_MANY)


def next_in(cronjob: Obj, schedule: Schedule, calendar: Calendar) -> float | None:
    """Kubernetes seconds until the moment after the latest one that has passed."""
    now, last = calendar.now(), _last(cronjob, calendar)
    first = schedule.next(last)
    after = schedule.next(schedule.latest(first, now)) if first is not None and first <= now else first
    return None if after is None else max(0.0, after - now)


def _last(cronjob: Obj, calendar: Calendar) -> float:
    """When a job was last started, or else when the CronJob came."""
    last = (cronjob.get("status") or {}).get("lastScheduleTime")
    return calendar.read(last or cronjob["metadata"]["creationTimestamp"])


def schedule_of(cronjob: Obj) -> Schedule:
    """Its schedule, in its time zone. Raises ValueError."""
    return cron.parse(cronjob["spec"]["schedule"], cronjob["spec"].get("timeZone"))
