"""A network of its own for each pod, where the machine allows it: reached as before, and shared by its containers."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from k8slab.runtime import network
from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.local import LocalRuntime
from k8slab.runtime.network import NAMESPACES, PodNetworks
from tests.runtime.world import SUBNET, World, get, local

SAY = "import socket,sys\nwith socket.create_server((sys.argv[1], 80)) as s:\n print('up', flush=True)\n while True:\n  c, who = s.accept(); c.sendall(who[0].encode()); c.close()"
ASK = "import socket,sys\ntry: print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).recv(99).decode())\nexcept OSError as e: print('no')"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with local(tmp_path / "lab") as runtime:
        if "net" not in runtime.abilities.fences:
            pytest.skip(runtime.abilities.missing["net"])
        yield await World.make(runtime)


async def greeting(address: str, port: int = 80) -> str:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 5)
    said = (await reader.read()).decode()
    writer.close()
    return said


async def test_everybody_reaches_a_pod_and_a_pod_everybody(world: World) -> None:
    runtime, other = world.runtime, await World.make(world.runtime)
    server = await world.python(SAY.replace("sys.argv[1]", repr("0.0.0.0")))
    await world.printed(server, "up")
    node = world.address.rsplit(".", 1)[0] + ".1"
    assert await greeting(world.address) == node
    assert await other.run("python", "-c", ASK, world.address, "80") == [other.address]

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who, peer = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        writer.write((await runtime.pod_at(who, peer) or "nobody").encode())
        writer.close()

    service = SUBNET.replace("0.0/16", "240.9")
    async with await asyncio.start_server(answer, service, 0) as here:
        port = here.sockets[0].getsockname()[1]
        assert await other.run("python", "-c", ASK, service, str(port)) == [other.pod.uid]


async def test_localhost_is_the_pods_and_shared_by_its_containers(world: World) -> None:
    server = await world.start("python", "-c", SAY, "127.0.0.1")
    await world.printed(server, "up")
    assert await world.run("python", "-c", ASK, "localhost", "80") == ["127.0.0.1"]
    own = await world.start("python", "-c", SAY, world.address)
    await world.printed(own, "up")
    running = await world.runtime.exec(own, ["python", "-c", ASK, "127.0.0.1", "80"])
    assert b"".join([data async for _, data in running.output()]).strip() == b"127.0.0.1"
    other = await World.make(world.runtime)
    async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0) as here:  # this machine's
        port = here.sockets[0].getsockname()[1]
        assert await other.run("python", "-c", ASK, "127.0.0.1", str(port)) == ["no"]


async def test_only_its_own_interfaces_are_seen(world: World) -> None:
    seen = await world.run("python", "-c", "import socket; print(sorted(name for _, name in socket.if_nameindex()))")
    assert "eth0" in seen[0]
    assert "k8s" not in seen[0]


async def test_networks_survive_the_server_and_go_with_their_pod(world: World, tmp_path: Path) -> None:
    id = await world.start()
    await world.printed(id, "answers at")
    old = world.runtime
    assert isinstance(old, LocalRuntime)
    path = old._networks.namespace(world.address)
    stale = PodNetworks(old._mark, old.subnet)
    stale.attach(SUBNET.replace("0.0/16", "1.250"), SUBNET.replace("0.0/16", "1.0/24"))
    await old.close(leave_running=True)
    new = LocalRuntime(tmp_path / "lab", "test", SUBNET)
    await new.open()
    try:
        assert [name.name for name in NAMESPACES.glob(f"k8slab-{old._mark}-*")] == [Path(path).name]
        assert (await get(world.address))[0] == 200
        await new.remove_pod(world.pod.uid)
        assert not Path(path).exists()
    finally:
        await new.close(leave_running=False)
    assert not Path("/sys/class/net", f"k8s{old._mark}").exists()


def test_where_it_cannot_be_had_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = PodNetworks("none", IPv4Network(SUBNET))
    monkeypatch.setattr(network.os, "geteuid", lambda: 1000)
    assert networks.open().endswith("needs root")
    monkeypatch.setattr(network.os, "geteuid", lambda: 0)
    monkeypatch.setattr(network.shutil, "which", lambda name: None)
    assert "apt install iproute2" in networks.open()
    monkeypatch.setattr(network.shutil, "which", lambda name: name)

    def refuses(*lines: str, namespace: str = "") -> None:
        raise subprocess.CalledProcessError(2, "ip", stderr="RTNETLINK answers: Operation not permitted\n")

    monkeypatch.setattr(network, "ip", refuses)
    assert networks.open().endswith("refuses a network for each: RTNETLINK answers: Operation not permitted")
    assert networks.namespace("127.1.2.3") == ""
    with pytest.raises(RuntimeFailure, match="Operation not permitted"):
        networks.attach("127.1.2.3", "127.1.2.0/24")
