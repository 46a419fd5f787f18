"""Time, for everybody: no other module calls `time` or sleeps (a test looks).

Kubernetes' durations (a back-off of 10 s, a grace of 30 s) are written down as Kubernetes has them and pass
through a `Clock`, which divides them by the lab's speed. Timestamps in objects stay wall-clock time, so that
`kubectl get` shows true ages.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache


class Clock:
    """Real time; with `speed` 10 a Kubernetes duration of 30 s takes 3 s here."""

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.speed = speed
        self._looked = time.time(), time.monotonic()

    def time(self) -> float:
        """Seconds since 1970, as the machine's clock has them, but never fewer than before.

        Set back, it goes on from where it was, at its pace: who waits for ten seconds to pass since a moment must not
        wait for an hour and ten seconds. (Go's times carry the monotonic clock along for this.)
        """
        last, then = self._looked
        now, ticks = time.time(), time.monotonic()
        if now < last:
            now = last + ticks - then
        self._looked = now, ticks
        return now

    def monotonic(self) -> float:
        """Real seconds from an unknown start, never going backwards: for measuring."""
        return time.monotonic()

    def timestamp(self) -> str:
        """Now, as `metadata.creationTimestamp` writes it: RFC 3339, whole seconds, UTC."""
        return to_timestamp(self.time())

    def micro_timestamp(self) -> str:
        """Now with microseconds: the MicroTime of Leases and Events."""
        return datetime.fromtimestamp(self.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def since(self, then: float | str) -> float:
        """Kubernetes seconds (real seconds times speed) since `then`, a timestamp or seconds since 1970."""
        return (self.time() - (self.in_second(from_timestamp(then)) if isinstance(then, str) else then)) * self.speed

    def in_second(self, second: float) -> float:
        """A moment in the past of which a timestamp tells the whole second, in seconds since 1970.

        Timestamps drop the fraction, which in a lab that runs twenty times as fast is up to twenty of Kubernetes'
        seconds. As much of it as goes beyond one of these is made up for, so that nothing that has to wait comes
        earlier than in Kubernetes (later it may: by a real second at most). What has a fraction is taken as it is.
        """
        if second % 1:
            return second
        return max(second, min(second + 1 - 1 / self.speed, self.time()))

    async def sleep(self, seconds: float) -> None:
        """Wait for so many Kubernetes seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back after so many Kubernetes seconds; the returned function takes it back."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds) / self.speed, callback).cancel


class VirtualClock(Clock):
    """Time that stands still until `advance`: an hour of controllers' life in milliseconds, for tests."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        super().__init__()
        self._now = start
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def time(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        cancel = self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], None]:
        self._count += 1
        entry = (self._now + max(0.0, seconds), self._count, callback)
        heapq.heappush(self._due, entry)

        def cancel() -> None:
            if entry in self._due:
                self._due.remove(entry)
                heapq.heapify(self._due)

        return cancel

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass; whatever falls due happens at its own moment, in order."""
        end = self._now + seconds
        await self.settle()
        while self._due and self._due[0][0] <= end:
            self._now, _, callback = heapq.heappop(self._due)
            callback()
            await self.settle()
        self._now = end

    async def settle(self, turns: int = 50) -> None:
        """Let every task run until all of them wait (for time, or for each other)."""
        for _ in range(turns):
            await asyncio.sleep(0)


def to_timestamp(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, whole seconds: `2026-01-01T00:00:00Z`."""
    return _written(math.floor(seconds))


@lru_cache(256)  # a busy second is written down ten thousand times
def _written(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def from_timestamp(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 timestamp."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
