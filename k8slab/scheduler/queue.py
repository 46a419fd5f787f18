"""The pods that wait for a node: those to be tried now, those told to wait a little, those nothing can be done for.

`loop.py` takes the next one and parks it here when no node would have it; changes in the cluster wake it again
(kube-scheduler: pkg/scheduler/backend/queue/scheduling_queue.go). A pod is known by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from k8slab.api.objects import Key
from k8slab.clock import Clock
from k8slab.scheduler.filters import WAKES

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0  # seconds; podInitialBackoffSeconds, podMaxBackoffSeconds
LONGEST_PARKED = 300.0  # seconds; podMaxInUnschedulablePodsDuration


@dataclass(eq=False)
class Waiting:
    """A pod in the queue."""

    key: Key
    priority: int
    age: int  # the order of arrival
    place: str = "active"  # active, backoff, parked, error; "" once it is no longer ours
    attempts: int = 0
    refused_by: frozenset[str] = frozenset()
    since: float = 0.0  # when it was last refused

    @property
    def rank(self) -> tuple[int, int]:
        """Higher priority first, then who came first (queuesort/priority_sort.go)."""
        return -self.priority, self.age

    @property
    def backoff(self) -> float:
        """Seconds to wait before the next try: 1, 2, 4, 8, 10, 10, …"""
        return float(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self.attempts - 1, 10)))


class SchedulingQueue:
    """Three places: active, backoff, parked. `wake` is called whenever there is something to take."""

    def __init__(self, clock: Clock, wake: Callable[[], object]) -> None:
        self._clock = clock
        self._wake = wake
        self._ages = count()
        self._pods: dict[Key, Waiting] = {}
        self._active: list[tuple[tuple[int, int], Waiting]] = []
        self._backoff: list[tuple[float, int, Waiting]] = []
        self._parked: dict[Key, Waiting] = {}
        self._refused: dict[str, dict[Key, Waiting]] = {}  # the parked, by the plugins that refused them
        self._flush: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._pods)

    def add(self, key: Key, priority: int = 0) -> None:
        """A pod has come, or has changed such that it is worth another try: at once."""
        entry = self._pods.get(key)
        if entry is None:
            entry = self._pods[key] = Waiting(key, priority, next(self._ages))
        elif entry.place == "active":
            return
        self._activate(entry)

    def remove(self, key: Key) -> None:
        """It has a node now, or is gone."""
        if entry := self._pods.pop(key, None):
            self._unpark(entry)
            entry.place = ""

    def pop(self) -> Waiting | None:
        """The next to try. Pods backing off are passed over only while others are due (KEP-5142), so that in an idle
        cluster a label or a freed node helps at once."""
        while self._backoff and self._backoff[0][0] <= self._clock.monotonic():
            entry = heappop(self._backoff)[2]
            if entry.place == "backoff":
                self._activate(entry)
        for entry in self._drain():
            entry.place, entry.attempts = "tried", entry.attempts + 1
            return entry
        return None

    def park(self, entry: Waiting, refused_by: frozenset[str]) -> None:
        """No node would have it: keep it until something changes that these plugins look at, or five minutes."""
        entry.refused_by, entry.since = refused_by, self._clock.monotonic()
        entry.place = "parked"
        self._parked[entry.key] = entry
        for plugin in refused_by or ("",):  # without nodes, nobody in particular has refused it: anything may help
            self._refused.setdefault(plugin, {})[entry.key] = entry
        if self._flush is None:
            self._flush = self._clock.call_later(LONGEST_PARKED, self._flush_parked)

    def retry(self, entry: Waiting) -> None:
        """Something went wrong that is not the pod's fault: try again after its back-off."""
        entry.place = "error"
        self._clock.call_later(entry.backoff, lambda: self._activate(entry) if entry.place == "error" else None)

    def moved(self, changes: frozenset[str]) -> None:
        """The cluster has changed in these ways: wake whom it may help."""
        if not changes or not self._parked:
            return
        for plugin in [plugin for plugin in self._refused if WAKES.get(plugin, changes) & changes]:
            for entry in [*self._refused.get(plugin, {}).values()]:
                self._back_off(entry)

    def close(self) -> None:
        """Let go of the timer."""
        if self._flush:
            self._flush()
            self._flush = None

    def _activate(self, entry: Waiting) -> None:
        self._unpark(entry)
        entry.place = "active"
        heappush(self._active, (entry.rank, entry))
        self._wake()

    def _back_off(self, entry: Waiting) -> None:
        self._unpark(entry)
        entry.place = "backoff"
        due = entry.since + entry.backoff / self._clock.speed
        heappush(self._backoff, (due, entry.age, entry))
        self._wake()

    def _unpark(self, entry: Waiting) -> None:
        self._parked.pop(entry.key, None)
        for plugin in entry.refused_by or ("",):
            if waiting := self._refused.get(plugin):
                waiting.pop(entry.key, None)
                if not waiting:
                    del self._refused[plugin]

    def _drain(self) -> Iterator[Waiting]:
        while self._active:
            entry = heappop(self._active)[1]
            if entry.place == "active":
                yield entry
        while self._backoff:
            entry = heappop(self._backoff)[2]
            if entry.place == "backoff":
                yield entry

    def _flush_parked(self) -> None:
        self._flush = None
        late = self._clock.monotonic() - LONGEST_PARKED / self._clock.speed
        for entry in [e for e in self._parked.values() if e.since <= late]:
            self._back_off(entry)
        if self._parked:
            oldest = min(entry.since for entry in self._parked.values())
            self._flush = self._clock.call_later((oldest - late) * self._clock.speed, self._flush_parked)
