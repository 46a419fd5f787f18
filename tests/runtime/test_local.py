"""What only processes can show: exit codes, signals, output, fences, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from k8slab.runtime import isolation
from k8slab.runtime.base import Mount, RuntimeFailure
from k8slab.runtime.local import LocalRuntime
from tests.runtime.world import WEB, World, alive, get, local, spec
from tests.waiting import PATIENCE


@pytest.fixture(params=["local", "bare"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "local" and not isolation.probe().bubblewrap:
        pytest.skip(str(isolation.probe().missing))
    async with local(tmp_path / "lab", fenced=request.param == "local") as runtime:
        yield await World.make(runtime)


def fenced(world: World) -> bool:
    return "mount" in world.runtime.abilities.fences


@pytest.mark.parametrize(
    ("program", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", 139), ("exit 255", 255)],
)
async def test_exit_codes_pass_through(world: World, program: str, code: int) -> None:
    # $$ of the container's first process would be 1, which the kernel protects from its own signals: so, a child.
    state = await world.end(await world.start("sh", "-c", f"sh -c '{program}'; exit $?"))
    assert state.exit_code == code
    assert state.reason == ("Completed" if code == 0 else "Error")


@pytest.mark.parametrize("command", [("nope",), ("./nope",), ("/no/such/program",)])
async def test_a_command_that_is_not_there_cannot_be_started(world: World, command: tuple[str, ...]) -> None:
    with pytest.raises(RuntimeFailure, match="nope|no/such") as caught:
        await world.start(*command)
    assert caught.value.reason == "RunContainerError"
    assert world.runtime.containers(world.pod.uid) == []


async def test_the_first_process_gets_the_signal(world: World) -> None:
    program = "import signal,sys; signal.signal(15, lambda *_: sys.exit(3)); print('up', flush=True); signal.pause()"
    id = await world.python(program)
    await world.printed(id, "up")
    await world.runtime.stop(id, 20)
    assert world.state(id).exit_code == 3


async def test_who_ignores_sigterm_is_killed_after_the_grace(world: World) -> None:
    program = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    id = await world.python(program)
    await world.printed(id, "up")
    before = asyncio.get_running_loop().time()
    await world.runtime.stop(id, 0.3)
    took = asyncio.get_running_loop().time() - before
    assert world.state(id).exit_code == 137
    assert 0.3 <= took < PATIENCE


async def test_output_is_kept_by_stream_line_and_order(world: World) -> None:
    program = (
        "import os\n"
        "for i in range(50): os.write(1, b'out %d\\n' % i); os.write(2, b'err ha'); os.write(2, b'lf %d\\n' % i)\n"
        "os.write(1, b'x' * 100_000 + b'\\n'); os.write(1, b'no end')"
    )
    id = await world.python(program)
    await world.end(id)
    lines = [line async for line in world.runtime.logs(id)]
    out = [line.text for line in lines if line.stream == "stdout"]
    assert out == [b"out %d" % i for i in range(50)] + [b"x" * 100_000, b"no end"]
    assert [line.text for line in lines if line.stream == "stderr"] == [b"err half %d" % i for i in range(50)]
    assert [line.time for line in lines if line.stream == "stdout"] == sorted(
        line.time for line in lines if line.stream == "stdout"
    )


async def test_a_flood_fills_neither_disk_nor_lab(world: World, tmp_path: Path) -> None:
    flood = await world.start("sh", "-c", "exec yes 0123456789012345678901234567890123456789")
    logs = next((tmp_path / "lab").glob(f"pods/*/containers/{flood}"))
    async with asyncio.timeout(PATIENCE):
        while not (logs / "log.1").exists():
            assert await world.run("echo", "still here") == ["still here"]
    await world.runtime.stop(flood, 0)
    assert sum(file.stat().st_size for file in logs.glob("log*")) < 25 << 20
    lines = [line.text async for line in world.runtime.logs(flood)]
    assert set(lines[:-1]) == {b"0123456789012345678901234567890123456789"}


async def test_containers_and_exit_codes_survive_the_server(world: World, tmp_path: Path) -> None:
    runs = await world.start("sh", "-c", "echo up; sleep 1000")
    ends = await world.start("sh", "-c", "read x < /dev/null; sleep 0.3; exit 5")
    was = world.state(runs)
    old = world.runtime
    assert isinstance(old, LocalRuntime)
    old._shim.close()  # as when the server is killed: nobody says good-bye
    new = LocalRuntime(tmp_path / "lab", "test", str(old.subnet), fenced=fenced(world))
    after = World(new, world.pod, world.address)
    await new.open()
    try:
        assert new.pods() == {world.pod.uid: world.address}
        assert after.state(runs) == was
        assert (await after.end(ends)).exit_code == 5
        assert await new.run_pod(world.pod) == world.address
        await new.start(spec(world.pod.uid, "true"))
        await new.signal(runs, 9)
        assert (await after.end(runs)).exit_code == 137
        assert [line.text async for line in new.logs(runs)] == [b"up"]
    finally:
        await new.close(leave_running=False)


async def test_when_the_shim_is_killed_its_containers_are_gone_and_the_lab_goes_on(world: World) -> None:
    id = await world.start("sh", "-c", "setsid sleep 1000 & sleep 1000")
    (shim,) = [
        pid for pid in alive("runtime/shim") if str(world.runtime.state) in " ".join(psutil.Process(pid).cmdline())
    ]  # type: ignore[attr-defined]
    os.kill(shim, 9)
    state = await world.end(id)
    assert (state.exit_code, state.reason) == (137, "ContainerStatusUnknown")
    assert await world.run("echo", "again") == ["again"]
    async with asyncio.timeout(PATIENCE):
        while alive(f"K8SLAB_CONTAINER={id}"):
            await asyncio.sleep(0)


async def test_all_of_a_container_ends_with_its_first_process(world: World) -> None:
    away = "import os,time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(1000)\n os._exit(0)"
    id = await world.python(away + "\nos.wait(); print('up', flush=True); time.sleep(1000)")
    await world.printed(id, "up")
    assert len(alive(f"K8SLAB_CONTAINER={id}")) >= 2
    await world.runtime.signal(id, 9)
    await world.end(id)
    async with asyncio.timeout(PATIENCE):
        while alive(f"K8SLAB_CONTAINER={id}"):
            await asyncio.sleep(0)


async def test_fifty_lives_leave_nothing(world: World, tmp_path: Path) -> None:
    shim = next(
        psutil.Process(pid) for pid in alive("runtime/shim") if str(tmp_path) in " ".join(psutil.Process(pid).cmdline())
    )

    async def life() -> None:
        id = await world.start("true")
        await world.end(id)
        await world.runtime.remove(id)

    await life()
    before = shim.num_fds(), psutil.Process().num_fds(), len(list((tmp_path / "lab").rglob("*")))
    await asyncio.gather(*(life() for _ in range(50)))
    assert (shim.num_fds(), psutil.Process().num_fds(), len(list((tmp_path / "lab").rglob("*")))) == before
    assert shim.children() == []


async def test_opening_removes_what_was_half_made(world: World, tmp_path: Path) -> None:
    id = await world.start("sleep", "1000")
    pods = tmp_path / "lab" / "pods"
    half = [pods / "half" / "etc", pods / world.pod.uid / "containers" / "half" / "root"]
    for folder in half:
        folder.mkdir(parents=True)
    (half[1] / "closed").mkdir(mode=0)
    await world.runtime.close(leave_running=True)
    await world.runtime.open()
    assert not any(folder.parent.exists() for folder in half)
    assert world.state(id).phase == "running"
    assert await world.run("echo", "hi") == ["hi"]


async def test_closing_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    async with local(tmp_path / "lab") as runtime:
        world = await World.make(runtime)
        id = await world.start("sleep", "1000")
    assert list((tmp_path / "lab").iterdir()) == []
    assert alive(f"K8SLAB_CONTAINER={id}") == []
    assert alive(str(tmp_path)) == []


async def test_the_environment_is_scrubbed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    lines = dict(line.split("=", 1) for line in await world.run("env", env={"GREETING": "hello"}))
    assert lines["GREETING"] == "hello"
    assert lines["POD_IP"] == world.address
    assert lines["HOSTNAME"] == world.pod.hostname
    assert lines["NODE_NAME"] == "node-1"
    allowed = {
        "PATH", "HOME", "LANG", "HOSTNAME", "POD_IP", "NODE_NAME", "K8SLAB_CONTAINER", "GREETING", "PWD", "TMPDIR",
        "VERSION", "COLOUR", "FAULT", "SHLVL", "_",
    }  # fmt: skip
    assert set(lines) <= allowed


async def test_no_privilege_is_left_and_none_to_be_had(world: World) -> None:
    status = dict(line.split(":\t", 1) for line in await world.run("cat", "/proc/self/status") if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    limits = await world.run("sh", "-c", "ulimit -c; ulimit -f")
    assert limits[0] == "0"
    assert limits[1] != "unlimited"


async def test_fences_keep_the_machine_out_of_view(tmp_path: Path) -> None:
    if not {"mount", "pid", "uts"} <= isolation.probe().fences:
        pytest.skip(str(isolation.probe().missing))
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "token").write_text("secret")
    async with local(tmp_path / "lab") as runtime:
        world = await World.make(runtime)
        seen = await world.run(
            "sh", "-c", f"cat {tmp_path}/lab/token; ls {Path.home()} /home; hostname; ls /proc | grep -c ^[0-9]"
        )
        assert "secret" not in seen
        assert world.pod.hostname in seen
        assert int(seen[-1]) <= 4
        lines = await world.run("sh", "-c", "touch /usr/x || echo refused; echo mine > /tmp/x && cat /tmp/x /etc/hosts")
        assert "refused" in lines
        assert "mine" in lines
        assert f"{world.address}\t{world.pod.hostname}" in lines
        assert not Path("/tmp/x").exists() or Path("/tmp/x").read_text() != "mine\n"


async def test_volumes_are_seen(world: World, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in").write_text("hello")
    mounts = [Mount(str(tmp_path / "data"), "/data"), Mount(str(tmp_path / "data" / "in"), "/etc/app/settings", True)]
    program = "import sys; print(open(sys.argv[1]).read()); open(sys.argv[2] + '/out', 'w').write('back')"
    id = await world.start("python", "-c", program, "/etc/app/settings", "/data", mounts=mounts)
    assert await world.output(id) == ["hello"]
    assert (tmp_path / "data" / "out").read_text() == "back"


async def test_a_command_sees_the_volumes_of_the_container_it_is_run_in(world: World, tmp_path: Path) -> None:
    (tmp_path / "times").write_text("noon")
    id = await world.start("sleep", "1000", mounts=[Mount(str(tmp_path), "/notes")])
    running = await world.runtime.exec(id, ["cat", "/notes/times"])
    assert b"".join([data async for _, data in running.output()]) == b"noon"


async def test_ps_tells_whose_a_process_is(world: World) -> None:
    program = "import sys, time; print('up', sys.argv, flush=True); time.sleep(1000)"
    id = await world.start("python", "-c", program, "its words")
    assert (await world.printed(id, "up")).text == b"up ['-c', 'its words']"
    process = psutil.Process(world.state(id).pid)
    if fenced(world):
        assert process.parent().cmdline()[0] == f"k8slab-container:{world.pod.namespace}/{world.pod.name}/main"
    else:
        assert Path(f"/proc/{process.pid}/comm").read_text().startswith(f"k8s:{world.pod.name[:5]}")


async def test_a_memory_hog_is_killed_and_told_so(world: World) -> None:
    id = await world.python("x = bytearray(400 << 20); import time; time.sleep(1000)", memory=64 << 20)
    state = await world.end(id)
    assert (state.exit_code, state.reason) == (137, "OOMKilled")


async def test_a_fork_bomb_is_contained(world: World) -> None:
    if "pids" not in world.runtime.abilities.limits:
        pytest.skip(world.runtime.abilities.missing["pids"])
    bomb = "import os,time\ntry:\n for _ in range(600):\n  if os.fork() == 0: time.sleep(60)\nexcept OSError: print('no more', flush=True)\ntime.sleep(1000)"
    id = await world.python(bomb)
    async with asyncio.timeout(PATIENCE):
        async for line in world.runtime.logs(id, follow=True):
            if line.text == b"no more":  # the kernel allows no more; where it does not count, it is killed for it
                break
    assert await world.run("echo", "still here") == ["still here"]
    await world.runtime.stop(id, 0)
    assert world.state(id).exit_code == 137
    assert alive(f"K8SLAB_CONTAINER={id}") == []


async def test_two_pods_listen_on_the_same_port_each_on_its_own_address(world: World) -> None:
    other = await World.make(world.runtime)
    for one in (world, other):
        id = await one.start()
        await one.printed(id, "answers at")
    for one in (world, other):
        status, body = await get(one.address)
        assert status == 200
        assert f"pod: {one.pod.name}" in body
        assert "version: v1" in body


async def test_usage_is_of_the_container(world: World) -> None:
    id = await world.python("x = b'x' * (50 << 20)\nprint('up', flush=True)\nwhile True: pass")
    await world.printed(id, "up")
    async with asyncio.timeout(PATIENCE):
        while True:
            used = await world.runtime.usage(id)
            assert used
            if used.cpu_seconds > 0.1:
                break
    assert 50 << 20 <= used.memory < 120 << 20


@pytest.mark.parametrize("tty", [False, True])
async def test_exec_runs_inside(world: World, tty: bool) -> None:
    id = await world.start("sleep", "1000", env={"GREETING": "hello"})
    running = await world.runtime.exec(id, ["sh", "-c", "read x; echo $GREETING $x; exit 4"], tty=tty, stdin=True)
    await running.write(b"you\n")
    if not tty:
        await running.close_stdin()
    async with asyncio.timeout(PATIENCE):
        said = b"".join([data async for _, data in running.output()])
        assert await running.wait() == 4
    assert b"hello you" in said
    with pytest.raises(RuntimeFailure, match="nope"):
        await world.runtime.exec(id, ["nope"])


async def test_exec_has_a_terminal_of_a_size_and_can_be_killed(world: World) -> None:
    id = await world.start("sleep", "1000")
    sized = await world.runtime.exec(id, ["sh", "-c", "read x; stty size"], tty=True, stdin=True)
    sized.resize(99, 33)
    await sized.write(b"\n")
    async with asyncio.timeout(PATIENCE):
        assert b"33 99" in b"".join([data async for _, data in sized.output()])
        endless = await world.runtime.exec(id, ["sleep", "1000"])
        endless.close()
        assert await endless.wait() == 137
    assert world.state(id).phase == "running"


async def test_one_shim_holds_the_lab_small_and_named(world: World, tmp_path: Path) -> None:
    await world.start("sleep", "1000", image=WEB)
    shims = [pid for pid in alive("runtime/shim") if str(tmp_path) in " ".join(psutil.Process(pid).cmdline())]
    assert len(shims) == 1
    shim = psutil.Process(shims[0])
    assert shim.name() == "k8slab-shim"
    assert shim.cmdline()[-1] == "test"
    assert shim.memory_info().rss < 14 << 20
    assert (tmp_path / "lab" / "shim.sock").stat().st_mode & 0o777 == 0o600


async def test_a_long_state_folder_is_no_obstacle(tmp_path: Path) -> None:
    async with local(tmp_path / ("x" * 120) / "lab") as runtime:
        assert await (await World.make(runtime)).run("echo", "hi") == ["hi"]
