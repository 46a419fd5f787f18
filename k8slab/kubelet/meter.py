"""What every container uses, measured now and then: what a kubelet's cAdvisor and metrics-server do together.

`server.py` runs one for all nodes. Every 15 s (of the lab's time, but once a second at most) each running container is
asked what it has used so far; two answers make an average, and that is what `kubectl top` shows and the autoscaler
counts with (`api/metrics.py`). A container counts once it has lived for 10 s, from its start, as with metrics-server.
Containers that are only records use nothing, and need no measuring.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import NamedTuple

from k8slab.api.metrics import ContainerUsage, NodeUsage, PodUsage
from k8slab.api.objects import Obj, labels_of
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.runtime.base import ContainerState, Runtime

log = logging.getLogger(__name__)

RESOLUTION = 15.0  # Kubernetes seconds; metrics-server's --metric-resolution
FRESH = 10.0  # Kubernetes seconds a container has to have lived
SHORTEST = 1.0  # real seconds between two measurements, however fast the lab: the kernel counts CPU time in hundredths


class Reading(NamedTuple):
    """CPU seconds used until then, and memory in bytes."""

    time: float
    cpu_seconds: float
    memory: int


class Meter:
    """Measures the containers of all nodes. `Metrics` for who wants to know."""

    def __init__(self, client: Client, runtime: Runtime, clock: Clock) -> None:
        self._pods, self._nodes = client.informer("Pod"), client.informer("Node")
        self._runtime, self._clock = runtime, clock
        self._readings: dict[str, tuple[Reading, Reading]] = {}  # container id -> the two last ones

    @property
    def period(self) -> float:
        """Kubernetes seconds between two measurements."""
        return max(RESOLUTION, SHORTEST * self._clock.speed)

    async def run(self) -> None:
        """Measure until cancelled."""
        while self._runtime.abilities.real:
            await self._clock.sleep(self.period)
            try:
                await self.measure()
            except Exception:
                log.exception("what the containers use could not be measured")

    async def measure(self) -> None:
        """Ask every running container, and forget those that have ended."""
        known, self._readings = self._readings, {}
        for pod in list(self._pods.list()):
            for state in self._running(pod):
                if pair := await self._read(state, known.get(state.id)):
                    self._readings[state.id] = pair
                await asyncio.sleep(0)  # the API answers between two containers

    async def _read(
        self, state: ContainerState, last: tuple[Reading, Reading] | None
    ) -> tuple[Reading, Reading] | None:
        used = await self._runtime.usage(state.id)
        if used is None:
            return None
        now = Reading(self._clock.time(), used.cpu_seconds, used.memory)
        if last:
            return last[1], now
        fresh = self._clock.since(state.started) < FRESH
        return None if fresh else (Reading(state.started, 0.0, 0), now)

    def pods(self, namespace: str = "") -> Iterator[PodUsage]:
        """As `api.metrics.Metrics` promises: a pod with a container that has not been measured is left out."""
        for pod in self._pods.list(namespace):
            if used := self._of_pod(pod):
                yield used

    def nodes(self) -> Iterator[NodeUsage]:
        """What a node's pods use, together. A node that has stopped beating says nothing."""
        for node in self._nodes.list():
            name = node["metadata"]["name"]
            conditions = (node.get("status") or {}).get("conditions") or []
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                pods = [used for pod in self._pods.by("node", name) if (used := self._of_pod(pod))]
                every = [container for pod in pods for container in pod.containers]
                cpu, memory = sum(c.cpu for c in every), sum(c.memory for c in every)
                yield NodeUsage(name, self._clock.time(), self.period, cpu, memory, labels_of(node))

    def _of_pod(self, pod: Obj) -> PodUsage | None:
        """None unless it runs, and every running container of it has been measured."""
        running = self._running(pod) if (pod.get("status") or {}).get("phase") == "Running" else []
        if not self._runtime.abilities.real:
            now = Reading(self._clock.time(), 0.0, 0)
            pairs = [(now._replace(time=now.time - RESOLUTION / self._clock.speed), now)] * len(running)
        else:
            pairs = [self._readings[state.id] for state in running if state.id in self._readings]
        if not running or len(pairs) < len(running):
            return None
        used = [_average(state.name, *pair) for state, pair in zip(running, pairs, strict=True)]
        meta, (before, now) = pod["metadata"], pairs[0]
        window = (now.time - before.time) * self._clock.speed
        return PodUsage(meta.get("namespace", ""), meta["name"], now.time, window, used, labels_of(pod))

    def _running(self, pod: Obj) -> list[ContainerState]:
        if not pod["spec"].get("nodeName"):
            return []
        return [state for state in self._runtime.containers(pod["metadata"]["uid"]) if state.phase == "running"]


def _average(name: str, before: Reading, now: Reading) -> ContainerUsage:
    """Cores on average between two readings (a process that ended may take its time with it); memory as it is now."""
    elapsed = max(now.time - before.time, 1e-3)
    return ContainerUsage(name, max(0.0, now.cpu_seconds - before.cpu_seconds) / elapsed, now.memory)
