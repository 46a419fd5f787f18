"""Which keys a controller has still to look at: each once, however often it was asked for.

`controllers/base.py` and the kubelet's workers take from it. The rules are client-go's (util/workqueue): a key is never
worked on twice at the same time, and one that was added while being worked on comes again afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from k8slab.clock import Clock

K = TypeVar("K", bound=Hashable)

BASE, LONGEST = 0.005, 1000.0  # client-go's DefaultTypedControllerRateLimiter: 5 ms doubled each time, 1000 s at most


class WorkQueue(Generic[K]):
    """Keys to work on. All delays, the back-off too, are Kubernetes seconds and pass through the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[K] = deque()
        self._dirty: set[K] = set()  # wanted: waiting now, or again once done
        self._working: set[K] = set()
        self._later: dict[K, tuple[float, Callable[[], None]]] = {}  # due (real seconds, monotonic), take it back
        self._failures: dict[K, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Look at it soon."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at it in so many Kubernetes seconds; of several such wishes the earliest stands."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds / self._clock.speed
        planned = self._later.get(key)
        if planned:
            if planned[0] <= due:
                return
            planned[1]()
        self._later[key] = (due, self._clock.call_later(seconds, lambda: self._fall_due(key)))

    def retry(self, key: K) -> float:
        """It failed: look again after a back-off that doubles with every failure; says how long."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(BASE * 2.0 ** min(failures - 1, 32), LONGEST)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """It went well: the next failure starts with the shortest back-off."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, yours alone until `done`; waits for one."""
        while not self._waiting:
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._call_getter()  # it was ours to take: the next in line takes it
                raise
            finally:
                if getter in self._getters:
                    self._getters.remove(getter)
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Finished with it; if it was added meanwhile, it comes again."""
        self._working.discard(key)
        if key in self._dirty:
            self._push(key)

    def _push(self, key: K) -> None:
        self._waiting.append(key)
        self._call_getter()

    def _call_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _fall_due(self, key: K) -> None:
        self._later.pop(key, None)
        self.add(key)
