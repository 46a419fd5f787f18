"""Memory and disk run short: measured for all nodes, and who has to go is told to.

`kubelets.py` runs one for the whole lab. A node's memory is what it says it has, and its pods' real use counts against
it; the machine's own memory and disk, which all nodes share, come on top: a lab must not take its machine down.
`eviction.py` decides, `agent.py` carries it out and shows the condition.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from k8slab.api.objects import Obj, is_terminating
from k8slab.api.quantities import value
from k8slab.clock import Clock
from k8slab.kubelet import machine
from k8slab.kubelet.eviction import (
    DISK_LEAST,
    MEMORY_LEAST,
    Used,
    beyond_its_limit,
    evicted,
    has_disk_limit,
    victim,
)
from k8slab.kubelet.node import NodeConfig
from k8slab.kubelet.notes import Refusal
from k8slab.kubelet.plan import FINISHED
from k8slab.runtime.base import Runtime, Usage
from k8slab.runtime.disk import size_of

log = logging.getLogger(__name__)

PERIOD = 10.0  # Kubernetes seconds between two looks (housekeeping); at least 1 and at most 10 real ones
WATCH = 1.0  # real seconds between two looks at the machine alone, which a container may fill in a few


class Node(Protocol):
    """What is asked of a kubelet."""

    config: NodeConfig
    on: bool

    def evict(self, pod: Obj, refusal: Refusal) -> None: ...
    def under_pressure(self, resource: str) -> None: ...


class Pressure:
    """Looks after the memory and the disk of a lab. `folder` is where its pods' volumes are."""

    def __init__(self, runtime: Runtime, clock: Clock, pods_of: Callable[[str], Iterable[Obj]], folder: Path) -> None:
        self._runtime, self._clock, self._pods_of, self._folder = runtime, clock, pods_of, folder

    async def run(self, nodes: Callable[[], Iterable[Node]]) -> None:
        """Look until cancelled."""
        left = period = min(max(PERIOD / self._clock.speed, WATCH), 10.0)
        while True:
            await self._clock.sleep(WATCH * self._clock.speed)
            left -= WATCH
            try:
                if left <= 0 or self._machine_is_short():
                    left = period
                    await self.look([node for node in nodes() if node.on])
            except Exception:
                log.exception("memory and disk could not be looked at")

    def _machine_is_short(self) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        return machine.memory_available() < MEMORY_LEAST or machine.disk_available(self._folder) < DISK_LEAST

    async def look(self, nodes: list[Node]) -> None:
        """Measure once, and act: one pod of a node goes at a time, for one less may be enough."""
        pods = {node.config.name: [pod for pod in self._pods_of(node.config.name) if _is_active(pod)] for node in nodes}
        used = {name: [await self._memory(pod) for pod in of_node] for name, of_node in pods.items()}
        free = machine.memory_available()
        hardest = max(nodes, key=lambda node: _total(used[node.config.name]), default=None)
        for node in nodes:
            left = value(node.config.memory) - _total(used[node.config.name])
            available = min(left, free) if node is hardest else left
            if available < MEMORY_LEAST:
                self._reclaim(node, "memory", used[node.config.name], available, MEMORY_LEAST)
        await self._look_at_disk(nodes, pods)

    async def _look_at_disk(self, nodes: list[Node], pods: dict[str, list[Obj]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = machine.disk_available(self._folder)
        short = free < DISK_LEAST
        written: dict[str, list[Used]] = {}
        for node in nodes:
            measured = [pod for pod in pods[node.config.name] if short or has_disk_limit(pod)]
            written[node.config.name] = [await self.disk(pod) for pod in measured]
            for used in written[node.config.name]:
                if refusal := beyond_its_limit(used):
                    node.evict(used.pod, refusal)
        hardest = max(nodes, key=lambda node: sum(u.disk for u in written[node.config.name]), default=None)
        if short and hardest:
            self._reclaim(hardest, "ephemeral-storage", written[hardest.config.name], free, DISK_LEAST)

    def _reclaim(self, node: Node, resource: str, pods: list[Used], available: int, least: int) -> None:
        node.under_pressure(resource)
        if found := victim(resource, pods):
            node.evict(found.pod, evicted(resource, found, available, least))

    # ---- measuring ----------------------------------------------------------------------------------------------

    async def _memory(self, pod: Obj) -> Used:
        used: dict[str, int] = {}
        for state in self._runtime.containers(pod["metadata"]["uid"]):
            if state.phase == "running":
                usage: Usage | None = await self._runtime.usage(state.id)
                used[state.name] = usage.memory if usage else 0
                await asyncio.sleep(0)  # the API answers between two containers
        return Used(pod, memory=used)

    async def disk(self, pod: Obj) -> Used:
        """What a pod has written on this machine's disk."""
        uid = pod["metadata"]["uid"]
        written: dict[str, int] = {}
        for state in self._runtime.containers(uid):
            written[state.name] = written.get(state.name, 0) + await self._runtime.written(state.id)
        scratch = [v["name"] for v in pod["spec"].get("volumes") or [] if "emptyDir" in v]
        volumes = {name: await asyncio.to_thread(self._size_of, uid, name) for name in scratch}
        return Used(pod, written=written, volumes=volumes)

    def _size_of(self, uid: str, volume: str) -> int:
        place = self._folder / uid / "volumes" / volume
        return size_of(place.readlink() if place.is_symlink() else place)


def _is_active(pod: Obj) -> bool:
    return not is_terminating(pod) and (pod.get("status") or {}).get("phase") not in FINISHED


def _total(pods: Iterable[Used]) -> int:
    return sum(sum(used.memory.values()) for used in pods)
