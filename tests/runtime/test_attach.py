"""Talking to a container's own process, and to commands beside it: what is typed, what comes back, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from k8slab.runtime import isolation
from k8slab.runtime.base import Exec, RuntimeFailure
from k8slab.runtime.simulated import SimulatedRuntime
from tests.runtime.world import World, local
from tests.waiting import PATIENCE


@pytest.fixture(params=["local", "bare"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "local" and not isolation.probe().bubblewrap:
        pytest.skip(str(isolation.probe().missing))
    async with local(tmp_path / "lab", fenced=request.param == "local") as runtime:
        yield await World.make(runtime)


async def heard(held: Exec, text: bytes, stream: str = "stdout") -> bytes:
    """What comes, up to this text."""
    said = b""
    async with asyncio.timeout(PATIENCE):
        async for source, data in held.output():
            said += data if source == stream else b""
            if text in said:
                return said
    raise AssertionError(f"{text!r} did not come, but {said!r}")


async def rest(held: Exec) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return b"".join([data async for _, data in held.output()])


async def test_attach_types_and_listens_and_leaves_it_running(world: World) -> None:
    id = await world.start("sh", "-c", "while read x; do echo got $x; echo err $x >&2; done; exit 3", stdin=True)
    held = await world.runtime.attach(id, stdin=True)
    await held.write(b"one\n")
    await heard(held, b"got one")
    held.close()
    again = await world.runtime.attach(id, stdin=True)
    await again.write(b"two\n")
    await heard(again, b"err two", "stderr")
    await again.close_stdin()  # without `once` the container's own stdin stays open
    assert world.state(id).phase == "running"
    assert [line.text async for line in world.runtime.logs(id)][:1] == [b"got one"]
    last = await world.runtime.attach(id, stdin=True, once=True)
    await last.write(b"three\n")
    await last.close_stdin()
    assert b"got three" in await rest(last)
    assert await last.wait() == 3


async def test_who_goes_ends_a_stdin_that_is_open_once(world: World) -> None:
    id = await world.start("sh", "-c", "cat; exit 5", stdin=True)
    held = await world.runtime.attach(id, stdin=True, once=True)
    await held.write(b"bye\n")
    held.close()
    assert (await world.end(id)).exit_code == 5
    assert [line.text async for line in world.runtime.logs(id)] == [b"bye"]


async def test_attach_to_a_terminal_has_its_size(world: World) -> None:
    id = await world.start("sh", "-c", "while read x; do stty size; done", tty=True, stdin=True)
    held = await world.runtime.attach(id, stdin=True)
    held.resize(99, 33)
    said = b""
    async with asyncio.timeout(PATIENCE):
        await held.write(b"\n")
        async for _, data in held.output():
            said += data
            if b"33 99" in said:
                break
            await held.write(b"\n")  # the size goes another way than what is typed
    held.close()


async def test_a_shell_has_job_control(world: World) -> None:
    id = await world.start("sh", "-i", tty=True, stdin=True)
    held = await world.runtime.attach(id, stdin=True)
    await held.write(b"sleep 1000 & jobs; kill %1; exit 0\n")
    assert b"Running" in await rest(held)
    assert await held.wait() == 0
    assert b"tty" not in b"".join([line.text async for line in world.runtime.logs(id)])  # no complaint


async def test_everybody_who_is_attached_hears_everything(world: World) -> None:
    id = await world.start("sh", "-c", "read x; seq 1 60000", stdin=True)
    ears = [await world.runtime.attach(id) for _ in range(3)]
    mouth = await world.runtime.attach(id, stdin=True)
    await mouth.write(b"go\n")
    expected = "".join(f"{n}\n" for n in range(1, 60001)).encode()  # more than any pipe holds
    assert [await rest(ear) for ear in ears] == [expected] * 3
    assert await rest(mouth) == expected
    assert [await ear.wait() for ear in ears] == [0, 0, 0]


async def test_more_is_typed_than_it_takes_at_once(world: World) -> None:
    id = await world.start("sh", "-c", "sleep 0.2; wc -c", stdin=True)
    held = await world.runtime.attach(id, stdin=True, once=True)
    async with asyncio.timeout(PATIENCE):
        for _ in range(64):
            await held.write(b"x" * 32768)
        await held.close_stdin()
        assert (await rest(held)).strip() == str(64 * 32768).encode()


async def test_a_command_that_reads_nothing_holds_nobody_up(world: World) -> None:
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["sh", "-c", "exit 2"], stdin=True)
    async with asyncio.timeout(PATIENCE):
        for _ in range(64):
            await running.write(b"x" * 32768)
        assert await running.wait() == 2
        assert await rest(running) == b""


async def test_a_command_ends_though_its_children_go_on(world: World) -> None:
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["sh", "-c", "sleep 1000 & echo started"])
    assert await rest(running) == b"started\n"
    assert await running.wait() == 0


async def test_only_what_runs_can_be_held(world: World) -> None:
    id = await world.start("true")
    await world.end(id)
    for ask in (world.runtime.attach(id), world.runtime.exec(id, ["true"]), world.runtime.attach("nobody")):
        with pytest.raises(RuntimeFailure, match="not running"):
            await ask


async def test_records_say_what_they_are() -> None:
    from k8slab.clock import Clock

    runtime = SimulatedRuntime(Clock())
    for ask in (runtime.exec("x", ["sh"]), runtime.attach("x")):
        with pytest.raises(RuntimeFailure, match="runtime local"):
            await ask
