"""The promises of `runtime/base.py`, to be kept by every runtime: by records, by fenced processes, by bare ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from k8slab.clock import Clock
from k8slab.runtime import isolation
from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.simulated import SimulatedRuntime
from tests.requirements import ENGINES, FIXTURE
from tests.runtime import world as worlds
from tests.runtime.world import World, cidr, local, pod, spec
from tests.waiting import PATIENCE

RUNTIMES = ["simulated", "local", "bare", *ENGINES]


@asynccontextmanager
async def world_of(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Of the runtime that the fixture was asked for."""
    if request.param in FIXTURE:
        monkeypatch.setattr(worlds, "SUBNET", worlds.BRIDGED)
        async with worlds.docker(tmp_path / "lab", request.getfixturevalue(FIXTURE[request.param])) as runtime:
            yield await World.make(runtime)
        return
    if request.param == "simulated":
        simulated = SimulatedRuntime(Clock(speed=20))
        await simulated.open()
        yield await World.make(simulated)
        await simulated.close(leave_running=False)
        return
    if request.param == "local" and not isolation.probe().bubblewrap:
        pytest.skip(str(isolation.probe().missing))
    async with local(tmp_path / "lab", fenced=request.param == "local") as runtime:
        yield await World.make(runtime)


@pytest.fixture(params=RUNTIMES)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async with world_of(request, tmp_path, monkeypatch) as found:
        yield found


async def test_a_pod_has_one_address_of_its_nodes_range_until_it_is_removed(world: World) -> None:
    runtime = world.runtime
    assert world.address.startswith(cidr().removesuffix("0/24"))
    assert not world.address.endswith(".1")  # the node's
    assert await runtime.run_pod(world.pod) == world.address
    other = pod()
    theirs = await runtime.run_pod(other)
    assert theirs != world.address
    assert runtime.pods() == {world.pod.uid: world.address, other.uid: theirs}
    await runtime.remove_pod(other.uid)
    await runtime.remove_pod(other.uid)
    assert runtime.pods() == {world.pod.uid: world.address}


async def test_a_container_runs_and_is_told(world: World) -> None:
    id = await world.start("sleep", "1000")
    state = world.state(id)
    assert (state.phase, state.name, state.attempt, state.exit_code) == ("running", "main", 0, None)
    assert state.started > 1e9
    assert state.image_id
    assert world.heard[-1] == world.pod.uid


async def test_starting_again_what_runs_starts_nothing(world: World) -> None:
    wanted = spec(world.pod.uid, "sleep", "1000")
    await world.runtime.start(wanted)
    await world.runtime.start(wanted)
    assert len(world.runtime.containers(world.pod.uid)) == 1


async def test_a_container_needs_its_pods_sandbox(world: World) -> None:
    with pytest.raises(RuntimeFailure, match="sandbox") as caught:
        await world.runtime.start(spec("nobody", "true"))
    assert caught.value.reason == "CreateContainerError"


async def test_what_runs_to_its_end_has_completed(world: World) -> None:
    state = await world.end(await world.start("true", runs_on=False))
    assert (state.exit_code, state.reason) == (0, "Completed")
    assert state.finished >= state.started


async def test_a_crash_is_exit_code_137(world: World) -> None:
    id = await world.start("sleep", "1000")
    await world.runtime.signal(id, 9)
    state = await world.end(id)
    assert (state.exit_code, state.reason) == (137, "Error")
    await world.runtime.signal(id, 9)  # nobody is there any more: no error


async def test_stop_returns_when_it_has_ended_and_may_be_repeated(world: World) -> None:
    id = await world.start("sleep", "1000")
    await world.runtime.stop(id, 0)
    assert world.state(id).phase == "exited"
    await world.runtime.stop(id, 0)
    await world.runtime.stop("never-was", 0)


async def test_every_attempt_is_there_oldest_first_until_it_is_removed(world: World) -> None:
    first = await world.start("true", runs_on=False)
    await world.end(first)
    second = await world.start("sleep", "1000", attempt=1)
    assert [state.id for state in world.runtime.containers(world.pod.uid)] == [first, second]
    await world.runtime.remove(first)
    await world.runtime.remove(first)
    assert [state.id for state in world.runtime.containers(world.pod.uid)] == [second]


async def test_removing_a_pod_ends_what_runs_in_it(world: World) -> None:
    await world.start("sleep", "1000")
    await world.start("sleep", "1000")
    await world.runtime.remove_pod(world.pod.uid)
    assert world.runtime.containers(world.pod.uid) == []


async def test_an_image_that_is_not_there_cannot_be_pulled(world: World) -> None:
    with pytest.raises(RuntimeFailure, match="does-not-exist") as caught:
        await world.runtime.pull("k8slab/web:does-not-exist")
    assert caught.value.reason == "ErrImagePull"
    with pytest.raises(RuntimeFailure, match="invalid reference format") as caught:
        await world.runtime.pull("Not An Image")
    assert caught.value.reason == "InvalidImageName"


async def test_an_image_that_is_pulled_is_listed_and_has_one_id(world: World) -> None:
    first = await world.runtime.pull("k8slab/web:v1")
    assert await world.runtime.pull("k8slab/web:v1") == first
    assert await world.runtime.pull("k8slab/web:v2") != first
    assert "k8slab/web:v1" in await world.runtime.images()


async def test_following_a_log_ends_with_its_container(world: World) -> None:
    id = await world.start("sleep", "1000")

    async def follow() -> int:
        return len([line async for line in world.runtime.logs(id, follow=True)])

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    await world.runtime.signal(id, 9)
    async with asyncio.timeout(PATIENCE):
        assert await following <= 1
    with pytest.raises(RuntimeFailure):
        _ = [line async for line in world.runtime.logs("never-was")]


async def test_only_what_runs_is_used(world: World) -> None:
    id = await world.start("sleep", "1000")
    used = await world.runtime.usage(id)
    assert used is not None
    assert used.cpu_seconds >= 0
    await world.runtime.stop(id, 0)
    assert await world.runtime.usage(id) is None


async def test_closing_leaves_nothing(world: World) -> None:
    await world.start("sleep", "1000")
    await world.runtime.close(leave_running=False)
    await world.runtime.close(leave_running=False)
