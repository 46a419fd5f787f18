"""What the docker runtime does beyond the common promises: streams, limits, files, adoption, an engine that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from k8slab.runtime.base import Mount, RuntimeFailure
from k8slab.runtime.docker import DockerRuntime
from k8slab.runtime.engine import specs
from tests import engine as engines
from tests import registry
from tests.requirements import ENGINES, FIXTURE
from tests.runtime import world as worlds
from tests.runtime.world import World, docker, get, spec
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.engine]


@pytest.fixture(params=ENGINES)
def engine_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(FIXTURE[request.param]))


@pytest.fixture
async def world(engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(worlds, "SUBNET", worlds.BRIDGED)
    async with docker(tmp_path / "lab", engine_url) as runtime:
        yield await World.make(runtime)


def of(world: World) -> DockerRuntime:
    assert isinstance(world.runtime, DockerRuntime)
    return world.runtime


async def everything(runtime: DockerRuntime) -> tuple[list[Any], list[Any], list[Any]]:
    wanted = {"label": f"{specs.LAB}={runtime.lab}"}
    return await runtime.link.do(
        lambda api: (
            api.containers(all=True, filters=wanted),
            api.networks(names=[runtime.sandboxes.network]),
            api.volumes(filters=wanted)["Volumes"] or [],
        )
    )


async def test_a_pods_containers_share_its_network_and_names(world: World) -> None:
    await world.start("python", "-m", "http.server", "8080")
    ask = "import urllib.request as u, time\nfor _ in range(100):\n try: print(u.urlopen('http://localhost:8080').status); break\n except OSError: time.sleep(.05)"
    assert await world.run("python", "-c", ask) == ["200"]
    assert (await get(world.address))[0] == 200
    assert await world.run("hostname") == [world.pod.hostname]
    assert f"{world.address}\t{world.pod.hostname}" in await world.run("cat", "/etc/hosts")
    await world.runtime.rename(world.pod.uid, "9.9.9.9\tnine\n")
    assert "9.9.9.9\tnine" in await world.run("cat", "/etc/hosts")


async def test_env_workdir_user_volumes_and_a_read_only_root(world: World, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)
    command = ("sh", "-c", "echo $A $POD_IP; pwd; id -u; echo x > /data/y")
    more: dict[str, Any] = {"env": {"A": "b"}, "workdir": "/data", "user": 1234, "read_only": True}
    said = await world.run(*command, mounts=[Mount(str(tmp_path / "data"), "/data")], **more)
    assert said == [f"b {world.address}", "/data", "1234"]
    assert await world.run("sh", "-c", "touch /srv/no 2>&1 | grep -ci read-only", read_only=True) == ["1"]
    assert (tmp_path / "data" / "y").read_text() == "x\n"


async def test_exit_codes_signals_and_oom_are_told_apart(world: World) -> None:
    assert (await world.end(await world.start("sh", "-c", "exit 3"))).exit_code == 3
    id = await world.python(
        "import signal, time; signal.signal(15, lambda *_: exit(9)); print('up', flush=True); time.sleep(99)"
    )
    await world.printed(id, "up")
    await world.runtime.stop(id, 10)
    assert (world.state(id).exit_code, world.state(id).reason) == (9, "Error")
    hog = "import signal, os\nx = []\nwhile True: x.append(bytes([1]) * (1 << 20))"
    state = await world.end(await world.python(hog, memory=32 << 20))
    assert (state.exit_code, state.reason) == (137, world.oom)


async def test_who_ignores_sigterm_is_killed_after_its_grace(world: World) -> None:
    id = await world.python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    )
    await world.printed(id, "up")
    await world.runtime.stop(id, 0.3)
    assert (world.state(id).exit_code, world.state(id).reason) == (137, "Error")


async def test_logs_keep_streams_apart_and_lines_whole(world: World) -> None:
    program = "import os\nfor i in range(200):\n os.write(1, b'o' * 500); os.write(2, b'e' * 700); os.write(1, b'o' * 500 + b'\\n'); os.write(2, b'e' * 300 + b'\\n')\nos.write(1, b'x' * 100000 + b'\\n')"
    id = await world.python(program)
    state = await world.end(id)
    lines = [line async for line in world.runtime.logs(id)]
    said = {name: [line.text for line in lines if line.stream == name] for name in ("stdout", "stderr")}
    assert said == {"stdout": [b"o" * 1000] * 200 + [b"x" * 100000], "stderr": [b"e" * 1000] * 200}
    assert all(state.started - 1 < line.time < state.finished + 1 for line in lines)


async def test_exec_has_streams_stdin_and_an_exit_code(world: World) -> None:
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["sh", "-c", "cat; echo err >&2; exit 7"], stdin=True)
    await running.write(b"hello\n")
    await running.close_stdin()
    said: dict[str, bytes] = {}
    async for stream, data in running.output():
        said[stream] = said.get(stream, b"") + data
    assert said == {"stdout": b"hello\n", "stderr": b"err\n"}
    assert await running.wait() == 7
    with pytest.raises(RuntimeFailure, match='exec: "nope": executable file not found'):
        await world.runtime.exec(id, ["nope"])


async def test_exec_with_a_terminal(world: World) -> None:
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["sh"], tty=True, stdin=True)
    running.resize(77, 33)
    await running.write(b"until [ \"$(stty size)\" = '33 77' ]; do :; done; tty; exit 4\n")
    said = b"".join([data async for _, data in running.output()])
    assert b"/dev/pts/" in said
    assert await running.wait() == 4


async def test_an_exec_nobody_wants_is_killed(world: World) -> None:
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["sleep", "4321"])
    running.close()
    async with asyncio.timeout(PATIENCE):
        assert await running.wait() == 137


async def test_attach_types_into_a_container_and_once_ends_its_input(world: World) -> None:
    id = await world.start("cat", stdin=True, stdin_once=True)
    held = await world.runtime.attach(id, stdin=True, once=True)
    await held.write(b"typed\n")
    assert await anext(aiter(held.output())) == ("stdout", b"typed\n")
    await held.close_stdin()
    assert (await world.end(id)).exit_code == 0
    assert await held.wait() == 0


async def test_usage_and_what_is_written(world: World) -> None:
    id = await world.python(
        "x = bytes(range(256)) * 40000; open('/f', 'wb').write(x)\nprint('ok', flush=True)\nwhile True: pass"
    )
    await world.printed(id, "ok")
    first = await world.runtime.usage(id)
    assert first is not None
    assert first.memory > 5 << 20
    async with asyncio.timeout(PATIENCE):
        while (now := await world.runtime.usage(id)) is None or now.cpu_seconds <= first.cpu_seconds:
            await asyncio.sleep(0)
    assert await world.runtime.written(id) >= 256 * 40000


async def test_a_later_server_adopts_what_runs_and_hears_how_it_ended(world: World) -> None:
    first = of(world)
    running = await world.start("sleep", "1000")
    ends = await world.start("python", "-c", "import time; time.sleep(0.2); exit(5)")
    await first.close(leave_running=True)
    again = DockerRuntime(first.link.engine, first.state, "test", worlds.SUBNET, engines.BASE)
    await again.open()
    try:
        assert again.pods() == {world.pod.uid: world.address}
        theirs = World(again, world.pod, world.address)
        assert theirs.state(running).phase == "running"
        assert (await theirs.end(ends)).exit_code == 5
        assert await again.run_pod(world.pod) == world.address
    finally:
        await again.close(leave_running=False)


async def test_nothing_is_left(world: World) -> None:
    runtime = of(world)
    await world.start("sleep", "1000")
    link = DockerRuntime(runtime.link.engine, runtime.state, "test", worlds.SUBNET)
    try:
        assert len((await everything(link))[0]) == 2
        await runtime.close(leave_running=False)
        assert await everything(link) == ([], [], [])
        assert not (runtime.state / "etc").exists()
    finally:
        link.link.close()


async def test_a_pause_container_that_is_killed_comes_back_and_its_pod_starts_anew(world: World) -> None:
    id = await world.start("sleep", "1000")
    runtime = of(world)
    sandbox = runtime.sandboxes.get(world.pod.uid)
    assert sandbox is not None
    await runtime.link.do(lambda api: api.kill(sandbox.id))
    assert (await world.end(id)).exit_code == 137
    await world.start("python", "-m", "http.server", "8080")
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                assert (await get(world.address))[0] == 200
                break


async def test_what_an_outsider_removes_has_ended(world: World) -> None:
    id = await world.start("sleep", "1000")
    runtime = of(world)
    await runtime.link.do(lambda api: api.remove_container(runtime._records[id].engine_id, force=True))
    assert (await world.end(id)).exit_code == 137


async def test_build_list_save_remove_and_load(world: World, tmp_path: Path) -> None:
    runtime, name = of(world), f"shop-{tmp_path.name.lower().replace('_', '-')}:v1"
    (tmp_path / "Dockerfile").write_text(
        'ARG BASE\nFROM ${BASE}\nARG COLOUR=red\nENV COLOUR=${COLOUR}\nCMD ["sh", "-c", "echo $COLOUR"]\n'
    )
    lines = [line async for line in runtime.build(name, tmp_path, {"COLOUR": "green"})]
    assert any("FROM" in line for line in lines)
    await world.runtime.start(wanted := spec(world.pod.uid, image=name))
    assert await world.output(wanted.id) == ["green"]
    await runtime.remove(wanted.id)
    assert name in [info.name for info in await runtime.image_list()]
    await runtime.save_images([name], tmp_path / "shop.tar")
    assert tarfile.is_tarfile(tmp_path / "shop.tar")
    await runtime.remove_image(name)
    assert name not in await runtime.images()
    with pytest.raises(RuntimeFailure, match="there is no image"):
        await runtime.remove_image(name)
    assert await runtime.load_images(tmp_path / "shop.tar") == [name]
    await runtime.remove_image(name)


async def test_what_cannot_be_built_says_where(world: World, tmp_path: Path) -> None:
    runtime = of(world)
    with pytest.raises(RuntimeFailure, match="has no Dockerfile") as caught:
        _ = [line async for line in runtime.build("x:1", tmp_path, {})]
    assert caught.value.reason == "BuildFailed"
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN exit 3\n")
    with pytest.raises(RuntimeFailure, match="RUN exit 3"):
        _ = [line async for line in runtime.build("x:1", tmp_path, {})]
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.load_images(tmp_path / "Dockerfile")
    assert caught.value.reason == "LoadFailed"


async def test_the_gateway_serves_addresses_and_reaches_pods(world: World) -> None:
    runtime = of(world)
    relay, service = runtime.relay, worlds.SUBNET.replace(".0.0/16", ".240.7")
    relay.start()
    listener = relay.bind(service, 80)
    listener.listen(1)
    heard = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(listener.fileno(), lambda: heard.set_result(listener.accept()))
    id = await world.python(
        f"import socket, time\nfor _ in range(200):\n try: s = socket.create_connection(('{service}', 80), 5); break\n except OSError: time.sleep(.05)\ns.sendall(b'ping'); print(s.recv(9).decode())"
    )
    async with asyncio.timeout(PATIENCE):
        client, address = await heard
        asyncio.get_running_loop().remove_reader(listener.fileno())
        assert address[0] == world.address
        loop = asyncio.get_running_loop()
        client.setblocking(False)
        assert await loop.sock_recv(client, 9) == b"ping"
        await loop.sock_sendall(client, b"pong")
        client.close()
    assert await world.output(id) == ["pong"]
    listener.close()
    await world.python("import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080)")
    relay.direct = False  # as behind a virtual machine
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                place = await runtime.reach(world.address, 8080)
                break
    assert place[0] == "127.0.0.1"
    assert (await get(place[0], port=place[1]))[0] == 200
    with pytest.raises(ConnectionRefusedError):
        await runtime.reach(world.address, 8081)


@pytest.mark.slow
async def test_an_engine_that_stops_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """Its containers end with it (exit codes kept), pods keep their addresses, and new containers start."""
    if not engine.startswith(f"unix://{engines.ROOT}"):
        pytest.skip("only an engine of our own is stopped")
    monkeypatch.setattr(worlds, "SUBNET", "10.99.0.0/16")
    folder = Path(tempfile.mkdtemp(prefix="k8slab-engine-", dir="/tmp"))  # paths of sockets are short
    running = engines.daemon(folder)
    host = f"unix://{folder}/docker.sock"
    try:
        await asyncio.to_thread(engines.wait_for, host, folder)
        await asyncio.to_thread(engines.load_base, host)
        async with docker(tmp_path / "lab", host) as runtime:
            world = await World.make(runtime)
            id = await world.start("sleep", "1000")
            await asyncio.to_thread(engines.end, running)
            with pytest.raises(RuntimeFailure, match="engine does not answer"):
                await runtime.start(spec(world.pod.uid, "sleep", "1"))
            assert len(runtime.containers(world.pod.uid)) == 1
            running = engines.daemon(folder)
            state = await world.end(id, 60)
            assert state.exit_code in (137, 255)
            async with asyncio.timeout(PATIENCE):
                while (sandbox := runtime.sandboxes.get(world.pod.uid)) is None or not sandbox.running:
                    await asyncio.sleep(0)
            assert await runtime.run_pod(world.pod) == world.address
            assert await world.run("hostname") == [world.pod.hostname]
    finally:
        running.send_signal(signal.SIGTERM)
        await asyncio.to_thread(running.wait)
        engines.remove(folder)


@pytest.mark.parametrize("engine_url", ["docker"], indirect=True)  # Podman asks for TLS on loopback as well
async def test_any_image_of_a_registry_is_pulled_and_how_far_is_told(
    engine_url: str, world: World, tmp_path: Path
) -> None:
    with registry.running(tmp_path) as place:
        name = f"{place}/nginx:1.27"
        await asyncio.to_thread(push, engine_url, name)
        assert name not in await world.runtime.images()
        heard: list[str] = []
        id = await world.runtime.pull(name, heard.append)
        assert id == await world.runtime.pull(name)
        assert name in await world.runtime.images()
        assert await world.run("cat", "/big", image=name) == ["served"]
        assert re.fullmatch(r"[\d.]+ of [\d.]+\+? MB downloaded, \d of \d layers unpacked", heard[0])
        with pytest.raises(RuntimeFailure, match=r"failed to pull image .*not found") as caught:
            await world.runtime.pull(f"{place}/nginx:1.28")
        assert caught.value.reason == "ErrImagePull"
        await world.runtime.remove_pod(world.pod.uid)
        await world.runtime.remove_image(name)
    with pytest.raises(RuntimeFailure, match="failed to pull image"):
        await world.runtime.pull(name)


def push(engine: str, name: str) -> None:
    """Into its registry, with a layer that this engine has nowhere else; the engine then forgets it."""
    docker = ["docker", "-H", engine]
    text = f"FROM {engines.BASE}\nRUN head -c 60000000 /dev/urandom > /random; echo served > /big\n"
    subprocess.run([*docker, "build", "-q", "-t", name, "-"], input=text.encode(), check=True, capture_output=True)
    for words in (["push", "-q", name], ["image", "rm", name]):
        subprocess.run([*docker, *words], check=True, capture_output=True)
