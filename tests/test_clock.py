"""Time as everybody gets it."""

from __future__ import annotations

import time

import pytest

from k8slab.clock import Clock


def test_a_clock_that_is_set_back_goes_on_from_where_it_was(monkeypatch):
    wall, ticks = [1000.0], [5.0]
    monkeypatch.setattr(time, "time", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    clock = Clock(speed=10)
    told = []
    for step, back in ((1, 0), (1, -600), (1, 0), (2, 0), (1, 700), (1, 0)):
        wall[0] += step + back
        ticks[0] += step
        told.append(clock.time())
    assert told == [1001, 1002, 1003, 1005, 1106, 1107]  # behind its own time until somebody sets it forward again
    assert clock.since(1105.0) == 20


class Still(Clock):
    def __init__(self, speed, now):
        super().__init__(speed)
        self.now = now

    def time(self):
        return self.now


@pytest.mark.parametrize(
    ("speed", "passed", "since"),
    [
        (1, 30.9, 30.9),  # as Kubernetes counts: up to a second too much
        (20, 15.9, 299.0),  # 5 minutes are 15 s: a stamp of :00 may have been written at :00.95
        (20, 0.3, 0.0),  # it cannot have been written later than now
        (20, -2.0, -40.0),  # nor has it, if it lies ahead
        (0.5, 30.0, 15.0),
    ],
)
def test_a_fast_clock_makes_up_for_what_timestamps_drop(speed, passed, since):
    assert Still(speed, 1_767_225_600 + passed).since("2026-01-01T00:00:00Z") == pytest.approx(since)


def test_what_has_a_fraction_is_exact():
    assert Still(20, 1_767_225_600 + 2).since("2026-01-01T00:00:00.5Z") == pytest.approx(30)
