"""Time as everybody gets it."""

from __future__ import annotations

import time

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
