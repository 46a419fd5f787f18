"""A node that believes its disk is full: it says so, and lets its pods go, one by one, until it is told better.

The disk of this machine is not touched: `lab.fill_disk` only makes the node believe it. `agent.py` shows the condition
and carries evictions out, `eviction.py` says who goes first; where disks are measured for real, `pressure.py` does it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from k8slab.api.objects import Obj, is_pod_active
from k8slab.api.quantities import value
from k8slab.clock import Clock
from k8slab.kubelet.eviction import Used, evicted, victim
from k8slab.kubelet.pressure import PERIOD, Node

log = logging.getLogger(__name__)

RESOURCE = "ephemeral-storage"
LEAST = 10  # per cent of the node's disk that must stay free (evictionHard nodefs.available)

Measure = Callable[[Obj], Awaitable[Used]]


async def unmeasured(pod: Obj) -> Used:
    """What a pod has written where containers are only records: nothing."""
    return Used(pod)


class FullDisk:
    """One node's belief, while it lasts."""

    def __init__(self, clock: Clock, node: Node, pods: Callable[[], Iterable[Obj]], measure: Measure) -> None:
        self._clock, self._node, self._pods, self._measure = clock, node, pods, measure
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on there is no room."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._reclaim())

    def end(self) -> None:
        """There is room again."""
        if self._task:
            self._task.cancel()
            self._task = None

    async def _reclaim(self) -> None:
        while True:
            if self._node.on:
                try:
                    await self._evict_one()
                except Exception:
                    log.exception("nothing was evicted from %s", self._node.config.name)
            await self._clock.sleep(PERIOD)

    async def _evict_one(self) -> None:
        self._node.under_pressure(RESOURCE)
        used = [await self._measure(pod) for pod in self._pods() if is_pod_active(pod)]
        if found := victim(RESOURCE, used, idle=True):
            least = value(self._node.config.storage) * LEAST // 100
            self._node.evict(found.pod, evicted(RESOURCE, found, 0, least))
