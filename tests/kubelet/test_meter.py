from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from k8slab.clock import Clock
from k8slab.kubelet.meter import Meter
from k8slab.runtime.base import Usage
from tests.kubelet.kubelet_world import World, container, pod


class Measured(World):
    """A world whose containers use what `cores` says, and 64 MiB."""

    def __init__(self, *, real: bool = True) -> None:
        super().__init__(real=real, nodes=("node-1", "node-2"))
        self.cores = 0.5
        self.burnt: dict[str, float] = {}
        self.runtime.usage = self.usage  # type: ignore[attr-defined]
        self.meter = Meter(self.client, self.runtime, self.clock)  # type: ignore[arg-type]

    async def usage(self, id: str) -> Usage | None:
        state = self.runtime.states.get(id)
        if state is None or state.phase != "running":
            return None
        return Usage(self.burnt.get(id, 0.0), 64 << 20)

    async def after(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            for id, state in self.runtime.states.items():
                if state.phase == "running":
                    self.burnt[id] = self.burnt.get(id, 0.0) + self.cores
            await super().after(1)

    def pods(self) -> dict[str, float]:
        return {used.name: round(sum(c.cpu for c in used.containers), 3) for used in self.meter.pods("default")}


@pytest.fixture
async def world() -> AsyncIterator[Measured]:
    world = Measured()
    await world.start()
    task = asyncio.ensure_future(world.meter.run())
    await world.clock.settle()
    yield world
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.kubelets.stop()


async def test_averages_over_fifteen_seconds(world: Measured) -> None:
    await world.run(pod())
    await world.after(14)
    assert world.pods() == {}
    await world.after(1)
    assert world.pods() == {"web": 0.5}  # since its start, fifteen seconds ago
    world.cores = 2.0
    await world.after(14)
    assert world.pods() == {"web": 0.5}
    await world.after(1)
    assert world.pods() == {"web": pytest.approx(2.0, abs=0.2)}
    (used,) = world.meter.pods()
    assert (used.window, used.time, used.containers[0].memory) == (15.0, world.clock.time(), 64 << 20)


async def test_a_fresh_container_waits(world: Measured) -> None:
    await world.after(8)
    await world.run(pod())
    await world.after(7)
    assert world.pods() == {}  # it has lived for seven seconds: too short to say
    await world.after(15)
    assert world.pods() == {"web": 0.5}
    (used,) = world.meter.pods()
    assert used.window == 22.0


async def test_all_containers_or_none(world: Measured) -> None:
    await world.run(pod(containers=[container("web"), container("side")]))
    await world.after(15)
    assert world.pods() == {"web": 1.0}
    world.runtime.end("side", 1)
    await world.after(2)  # restarted, and not measured yet
    assert world.pods() == {}


async def test_nodes(world: Measured) -> None:
    await world.run(pod())
    await world.run(pod("other"))
    await world.run(pod("there", node="node-2"))
    await world.after(15)
    assert {n.name: (n.cpu, n.memory >> 20) for n in world.meter.nodes()} == {"node-1": (1.0, 128), "node-2": (0.5, 64)}
    await world.kubelets.power_off("node-2")
    await world.after(15)
    assert {n.name: n.cpu for n in world.meter.nodes()} == {"node-1": 1.0, "node-2": 0}
    assert "there" not in world.pods()


async def test_records_use_nothing() -> None:
    world = Measured(real=False)
    await world.start()
    await world.run(pod())
    assert world.pods() == {"web": 0.0}
    (used,) = world.meter.pods()
    assert (used.window, used.containers[0].memory) == (15.0, 0)
    await world.kubelets.stop()


def test_a_fast_lab_is_not_measured_more_often_than_each_second() -> None:
    world = Measured()
    world.meter._clock = Clock(60)  # type: ignore[assignment]
    assert world.meter.period == 60
    world.meter._clock = Clock(10)
    assert world.meter.period == 15
