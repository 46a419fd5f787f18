"""What containers do to a runtime that means it no good, or merely do not care. Records do nothing: they are left out.

"Answers": what another container is and uses, and a line of its log, within a second, all the time (and a few times as
long as that takes without the harm, for others work on this machine, too); and commands in it run on, which a fork bomb
may hold up for longer (to enter a control group, the kernel waits for whoever forks).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from k8slab.runtime.base import Exec
from tests.contracts.test_runtime import world_of
from tests.requirements import ENGINES
from tests.runtime.world import World, alive
from tests.waiting import PATIENCE

SECOND = 1.0
SAMPLING = 1.0  # Docker 20.10 counts what a container uses once a second, and has who asks wait for it
# Whatever burns or fills ends by itself after some seconds, wherever it is forked to, also when its test was killed.
UNTIL = "import time\nover = time.monotonic() + {}\ndef going(): return time.monotonic() < over"


@pytest.fixture(params=["local", "bare", ENGINES[0]])
async def real(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world_of(request, tmp_path, monkeypatch) as found:
        yield found


@asynccontextmanager
async def answering(world: World) -> AsyncIterator[list[float]]:
    """Ask all the time, while something goes on beside: how long each answer took."""
    quiet = await world.python("import time; print('hello', flush=True); time.sleep(1000)")
    await world.printed(quiet, "hello")
    loop, took = asyncio.get_running_loop(), list[float]()

    async def ask() -> None:
        while True:
            begun = loop.time()
            assert world.state(quiet).phase == "running"
            assert [line.text async for line in world.runtime.logs(quiet)] == [b"hello"]
            assert await world.runtime.usage(quiet)
            took.append(loop.time() - begun)
            await asyncio.sleep(0.01)

    async def command() -> None:
        while True:
            running = await world.runtime.exec(quiet, ["echo", "yes"])
            assert b"".join([data async for _, data in running.output()]).strip() == b"yes"
            assert await running.wait() == 0
            done.append(running)

    done: list[Exec] = []
    tasks = [asyncio.ensure_future(ask()), asyncio.ensure_future(command())]
    try:
        await several(took, 20)
        busy = max(took)  # with other work than this test's
        took.clear()
        yield took
        async with asyncio.timeout(PATIENCE):
            wanted = len(done) + 1
            while len(done) < wanted and not tasks[1].done():
                await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise outcome
    assert took
    longest = SECOND + 4 * busy + (SAMPLING if world.runtime.name == "docker" else 0)
    assert max(took) < longest, f"{len(took)} answers, the slowest after {max(took):.2f} s"


async def several(took: list[float], count: int = 10) -> None:
    """Until it has been asked a few times more."""
    wanted = len(took) + count
    async with asyncio.timeout(PATIENCE):
        while len(took) < wanted:
            await asyncio.sleep(0.01)


# nothing leaks


def left(world: World, tmp_path: Path) -> dict[str, object]:
    """What there is of this runtime: our descriptors and its helpers', its folders, its processes, its groups."""
    helpers = [psutil.Process(pid) for pid in alive("runtime/shim")]
    ours = [helper for helper in helpers if str(tmp_path) in " ".join(helper.cmdline())]
    return {
        "our descriptors": psutil.Process().num_fds(),
        "its descriptors": [helper.num_fds() for helper in ours],
        "its children": [helper.children() for helper in ours],
        "files": sorted(str(path) for path in tmp_path.rglob("*") if "log" not in path.name),
        "groups": sorted(str(path) for path in Path("/sys/fs/cgroup").glob(f"**/*c-{os.getpid()}-*")),
        "processes": alive(f"K8SLAB_CONTAINER=c-{os.getpid()}-"),
        "containers": world.runtime.containers(world.pod.uid),
    }


async def lives(world: World, count: int, tmp_path: Path) -> None:
    async def life(number: int) -> None:
        if number % 2:
            id = await world.start("sleep", "1000", memory=64 << 20, cpu=0.5)
            await world.runtime.stop(id, 0)
        else:
            id = await world.start("true")
            await world.end(id, 60)
        await world.runtime.remove(id)

    await life(0)
    await life(1)
    before = left(world, tmp_path)
    for _ in range(count // 10):
        await asyncio.gather(*(life(number) for number in range(10)))
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):  # what has been killed is buried a moment later
            while left(world, tmp_path) != before:
                await asyncio.sleep(0.05)
    assert left(world, tmp_path) == before


async def test_twenty_starts_and_stops_leave_nothing(real: World, tmp_path: Path) -> None:
    await lives(real, 20, tmp_path)


@pytest.mark.slow
async def test_two_hundred_starts_and_stops_leave_nothing(real: World, tmp_path: Path) -> None:
    await lives(real, 200, tmp_path)


# bombs, hogs and floods


@pytest.mark.slow
async def test_a_fork_bomb_leaves_the_lab_answering(real: World) -> None:
    if "pids" not in real.runtime.abilities.limits:
        pytest.skip(real.runtime.abilities.missing["pids"])
    bomb = f"import os\n{UNTIL.format(20)}\nprint('lit', flush=True)\nwhile going():\n try: os.fork()\n except OSError: pass"
    async with answering(real) as took:
        id = await real.python(bomb)
        await real.printed(id, "lit")
        await several(took)
        await real.runtime.stop(id, 0)
    assert real.state(id).exit_code == 137
    async with asyncio.timeout(PATIENCE):
        while alive(f"K8SLAB_CONTAINER={id}"):
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_memory_hog_is_killed_and_leaves_the_lab_answering(real: World) -> None:
    hog = f"{UNTIL.format(30)}\nkept = []\nwhile going(): kept.append(bytearray(8 << 20))"
    async with answering(real) as took:
        for _ in range(3):
            state = await real.end(await real.python(hog, memory=96 << 20), 60)
            assert (state.exit_code, state.reason) == (137, "OOMKilled")
        await several(took)


@pytest.mark.slow
async def test_a_disk_filler_leaves_the_lab_answering(real: World) -> None:
    filler = (
        f"import os\n{UNTIL.format(60)}\nprint('writing', flush=True)\nblock = b'x' * (1 << 20)\n"
        "while going():\n with open('filler', 'wb') as file:\n  for _ in range(256): file.write(block)\n  os.fsync(file)"
    )
    async with answering(real) as took:
        id = await real.python(filler)
        await real.printed(id, "writing")
        async with asyncio.timeout(PATIENCE):
            while await real.runtime.written(id) < 64 << 20:
                await asyncio.sleep(0.01)
        await several(took)
        await real.runtime.stop(id, 0)
    await real.runtime.remove(id)
    assert await real.runtime.written(id) == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_gigabyte_of_log_leaves_the_lab_answering_and_the_disk_free(real: World, tmp_path: Path) -> None:
    flood = "timeout 200 head -c 1073741824 /dev/zero | tr '\\0' 'x' | fold -w 119; echo; echo over"
    async with answering(real):
        id = await real.start("sh", "-c", flood)
        assert (await real.end(id, 240)).exit_code == 0
    lines = [line.text async for line in real.runtime.logs(id)]
    assert lines[-1] == b"over"
    assert set(lines[1:-3]) == {b"x" * 119}
    assert await real.runtime.written(id) < 64 << 20


async def test_a_cpu_limit_is_kept(real: World) -> None:
    if "cpu" not in real.runtime.abilities.limits:
        pytest.skip(real.runtime.abilities.missing["cpu"])
    loop = asyncio.get_running_loop()
    id = await real.python(f"{UNTIL.format(60)}\nprint('on', flush=True)\nwhile going(): pass", cpu=0.2)
    await real.printed(id, "on")
    first, begun = await real.runtime.usage(id), loop.time()
    assert first
    async with asyncio.timeout(PATIENCE):
        while (now := await real.runtime.usage(id)) is None or now.cpu_seconds < first.cpu_seconds + 0.3:
            await asyncio.sleep(0.01)
    assert (now.cpu_seconds - first.cpu_seconds) / (
        loop.time() - begun + 0.1
    ) < 0.4  # a period's share may be taken early


# ends told apart


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        ("exit 0", 0, "Completed"),
        ("exit 3", 3, "Error"),
        ("exit 137", 137, "Error"),  # which says so of itself is not out of memory
        ("sh -c 'kill -TERM $$'; exit $?", 143, "Error"),
        ("sh -c 'kill -ABRT $$'; exit $?", 134, "Error"),
    ],
)
async def test_ends_are_told_apart(real: World, program: str, code: int, reason: str) -> None:
    state = await real.end(await real.start("sh", "-c", program, memory=64 << 20))
    assert (state.exit_code, state.reason) == (code, reason)
    assert state.started <= state.finished


async def test_want_of_memory_is_not_a_crash(real: World) -> None:
    sleeper = await real.start("sleep", "1000", memory=64 << 20)
    hog = await real.python("x = bytearray(300 << 20); import time; time.sleep(1000)", memory=64 << 20)
    await real.runtime.signal(sleeper, 9)
    ends = [await real.end(id) for id in (sleeper, hog)]
    assert [(end.exit_code, end.reason) for end in ends] == [(137, "Error"), (137, "OOMKilled")]


async def test_who_ignores_sigterm_is_killed_when_its_grace_is_over(real: World) -> None:
    deaf = "import signal\nsignal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    id = await real.python(deaf)
    await real.printed(id, "up")
    begun = asyncio.get_running_loop().time()
    await real.runtime.stop(id, 1.0)
    took = asyncio.get_running_loop().time() - begun
    assert (real.state(id).exit_code, real.state(id).reason) == (137, "Error")
    assert 1.0 <= took < PATIENCE


# talking to what runs


async def said(running: Exec) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return b"".join([data async for _, data in running.output()])


async def test_exec_streams_ends_of_input_and_exit_codes(real: World) -> None:
    id = await real.start("sleep", "1000")
    program = ["sh", "-c", "cat; echo to stderr >&2; exit 9"]
    running = await real.runtime.exec(id, program, stdin=True)
    await running.write(b"one\n")
    await running.write(b"two\n")
    await running.close_stdin()
    streams: dict[str, bytes] = {}
    async with asyncio.timeout(PATIENCE):
        async for name, data in running.output():
            streams[name] = streams.get(name, b"") + data
        assert await running.wait() == 9
    assert streams == {"stdout": b"one\ntwo\n", "stderr": b"to stderr\n"}
    killed = await real.runtime.exec(id, ["sh", "-c", "kill -KILL $$"])
    assert await said(killed) == b""
    assert await killed.wait() == 137


async def test_exec_on_a_terminal_that_is_resized_and_ends_its_input(real: World) -> None:
    id = await real.start("sleep", "1000")
    running = await real.runtime.exec(
        id, ["sh", "-c", "test -t 0 && read x; stty size; cat; exit 5"], tty=True, stdin=True
    )
    running.resize(111, 44)
    await running.write(b"go\n")
    output, typed = b"", False
    async with asyncio.timeout(PATIENCE):
        async for _, data in running.output():
            output += data
            if b"44 111" in output and not typed:
                typed = True
                await running.close_stdin()
        assert await running.wait() == 5


# lines


async def test_logs_never_interleave_half_lines(real: World) -> None:
    program = (
        "import os, threading\n"
        "def write(fd, mark):\n"
        " for i in range(300):\n"
        "  line = mark * 400 + b' %d\\n' % i\n"
        "  for at in range(0, len(line), 37): os.write(fd, line[at:at + 37])\n"
        "threads = [threading.Thread(target=write, args=pair) for pair in PAIRS]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    pairs = {"stdout": (1, b"o"), "stderr": (2, b"e")}
    id = await real.python(program.replace("PAIRS", repr(list(pairs.values()))))

    async def follow() -> list[tuple[str, bytes]]:
        return [(line.stream, line.text) async for line in real.runtime.logs(id, follow=True)]

    async with asyncio.timeout(PATIENCE):
        seen = await asyncio.gather(follow(), follow())
    await real.end(id)
    seen.append([(line.stream, line.text) async for line in real.runtime.logs(id)])
    for lines in seen:
        for name, (_, mark) in pairs.items():
            assert [text for stream, text in lines if stream == name] == [mark * 400 + b" %d" % i for i in range(300)]
