"""Ending containers: the preStop hook, the stop signal when its turn has come, and force when the grace is over.

`plan.py` decides when (`Stop`, `Signal`), `workers.py` hands it in, and the container's `Ending` keeps how far it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from k8slab.clock import Clock
from k8slab.kubelet.hooks import Hooks
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.notes import RETRY, Ending
from k8slab.kubelet.plan import Signal, Stop
from k8slab.kubelet.record import Record
from k8slab.kubelet.view import full_name
from k8slab.runtime.base import Runtime, RuntimeFailure

log = logging.getLogger(__name__)


class Endings:
    """Ends the containers of one node. `wake` is told when a hook is over."""

    def __init__(
        self, runtime: Runtime, clock: Clock, launcher: Launcher, hooks: Hooks, wake: Callable[[Record], None]
    ) -> None:
        self._runtime, self._clock, self._launcher, self._hooks, self._wake = runtime, clock, launcher, hooks, wake
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, record: Record, stop: Stop) -> None:
        """Say so, and run its preStop hook; or, if that was begun before, give it less time."""
        before = record.stopping.get(stop.id)
        if before is None:
            self._launcher.tell(record.pod, stop.container, "Normal", "Killing", stop.message)
        ending = record.stopping[stop.id] = Ending(self._clock.time(), stop.grace)
        if before is not None:
            ending.hooked = True  # no longer waited for; a signal that was sent is sent again, with the new grace
        elif stop.grace > 0 and self._hooks.wanted(stop.container, "preStop"):
            self._spawn(self._hook(record, stop, ending))
        else:
            ending.hooked = True

    def signal(self, record: Record, signal: Signal) -> None:
        """Its turn has come."""
        record.stopping[signal.id].signalled = True
        self._spawn(self._stop(record, signal.id, signal.grace / self._clock.speed))

    async def close(self) -> None:
        """Let go: what was signalled will end, or not, without us."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hook(self, record: Record, stop: Stop, ending: Ending) -> None:
        await self._hooks.pre_stop(record, stop.container, stop.id, stop.grace)
        ending.hooked = True
        self._wake(record)

    async def _stop(self, record: Record, id: str, seconds: float) -> None:
        try:
            await self._runtime.stop(id, seconds)
        except RuntimeFailure as error:
            log.warning("pod %s: container %s could not be stopped: %s", full_name(record.pod), id, error)
            await self._clock.sleep(RETRY)
            record.stopping.pop(id, None)  # the next look tries again
        self._wake(record)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
