from __future__ import annotations

import pytest

from k8slab.clock import VirtualClock
from k8slab.runtime.base import ContainerSpec, PodConfig, RuntimeFailure
from k8slab.runtime.simulated import SimulatedRuntime
from tests.runtime.world import World


async def test_what_is_not_to_run_for_ever_ends_after_a_second() -> None:
    clock = VirtualClock()
    world = await World.make(SimulatedRuntime(clock))
    once = await world.start(image="busybox", runs_on=False)
    ever = await world.start(image="nginx:1.27")
    await clock.advance(0.9)
    assert world.state(once).phase == "running"
    await clock.advance(0.2)
    assert (world.state(once).phase, world.state(once).exit_code) == ("exited", 0)
    assert world.state(once).finished - world.state(once).started == pytest.approx(1)
    await clock.advance(100_000)
    assert world.state(ever).phase == "running"


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx:does-not-exist", "docker.io/library/nginx:does-not-exist"),
        ("a/b:does-not-exist", "docker.io/a/b:does-not-exist"),
        ("ghcr.io/a/b:does-not-exist", "ghcr.io/a/b:does-not-exist"),
    ],
)
async def test_a_pull_fails_in_containerds_words(image: str, full: str) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await SimulatedRuntime(VirtualClock()).pull(image)
    assert str(caught.value) == (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


async def test_logs_say_that_nothing_runs() -> None:
    world = await World.make(SimulatedRuntime(VirtualClock()))
    (line,) = [line async for line in world.runtime.logs(await world.start())]
    assert b"records, not processes" in line.text
    with pytest.raises(RuntimeFailure, match="--runtime local"):
        await world.runtime.exec("x", ["sh"])


async def test_many_are_cheap() -> None:
    runtime = SimulatedRuntime(VirtualClock())
    for number in range(2000):
        uid, node = f"u{number}", number // 100
        await runtime.run_pod(PodConfig(uid, uid, "default", f"node-{node}", f"10.244.{node}.0/24", uid))
        await runtime.start(ContainerSpec(f"c{number}", uid, "main", "nginx"))
    assert len(set(runtime.pods().values())) == 2000
    await runtime.close(leave_running=False)
    assert runtime.pods() == {}
