from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from k8slab.api.objects import Obj, annotations_of, copy
from k8slab.clock import Clock
from k8slab.kubeproxy import openings
from k8slab.kubeproxy.balance import Backend
from k8slab.kubeproxy.proxy import REAL_PORTS, Proxy

from ..scheduler.world import FakeClient, FakeRecorder
from ..scheduler.world import node as bare_node
from .world import address, ask, is_open, says, service, serving, slice_of, until


class World:
    def __init__(self, *objects: Obj, **options: Any) -> None:
        self.client, self.recorder = FakeClient(*objects), FakeRecorder()
        self.proxy = Proxy(self.client, Clock(1000), self.recorder, **options)  # type: ignore[arg-type]

    def replace(self, obj: Obj) -> None:
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        informer = self.client.informers[obj["kind"]]
        informer.feed(informer.get(name, namespace), obj)

    def said(self, reason: str) -> list[str]:
        return [message for _, _, why, message in self.recorder.events if why == reason]

    def real_ports(self) -> dict[str, int]:
        return json.loads(annotations_of(self.client.find("Service", "web")).get(REAL_PORTS, "{}"))


@asynccontextmanager
async def proxying(*objects: Obj, **options: Any) -> AsyncIterator[World]:
    world = World(*objects, **options)
    task = asyncio.create_task(world.proxy.run())
    await asyncio.sleep(0)
    yield world
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not world.proxy.connections


def node(name: str, ip: str) -> Obj:
    made = bare_node(name)
    made["status"]["addresses"] = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}]
    return made


def root_only(host: str, port: int) -> socket.socket:
    if 0 < port < 1024:
        raise PermissionError(errno.EACCES, "Permission denied")
    return openings.bind(host, port)


async def test_a_service_is_reached_and_follows_its_endpoints() -> None:
    ip = address()
    async with serving(says(b"a")) as a, serving(says(b"b"), port=a.port) as b, proxying() as world:
        world.client.create(service(ip, {"port": 7080}))
        await asyncio.sleep(0.001)
        assert not is_open(ip, 7080)
        world.client.create(slice_of(a, b))
        await until(lambda: is_open(ip, 7080))
        assert {await ask(ip, 7080) for _ in range(2)} == {b"a", b"b"}
        world.replace(slice_of(b))
        await asyncio.sleep(0.001)
        assert {await ask(ip, 7080) for _ in range(3)} == {b"b"}
        world.replace(slice_of())
        await until(lambda: not is_open(ip, 7080))
        world.replace(slice_of(a))
        await until(lambda: is_open(ip, 7080))
        world.client.delete("Service", "web")
        await until(lambda: not is_open(ip, 7080))
    assert world.recorder.events == []


async def test_nothing_stays_open_when_it_ends() -> None:
    ip = address()
    async with serving(says(b"a")) as a:
        async with proxying(service(ip, {"port": 7080}), slice_of(a)):
            await until(lambda: is_open(ip, 7080))
            reader, _ = await asyncio.open_connection(ip, 7080)
        assert not is_open(ip, 7080)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        openings.bind(ip, 7080).close()


async def test_a_node_port_is_open_on_every_node_there_is() -> None:
    first, second = address(), address()
    ported = service(address(), {"port": 7080, "nodePort": 30080}, type="NodePort")
    async with serving(says(b"a")) as a, proxying(node("node-1", first), ported, slice_of(a)) as world:
        await until(lambda: is_open(first, 30080))
        world.client.create(node("node-2", second))
        await until(lambda: is_open(second, 30080))
        assert await ask(second, 30080) == b"a"
        world.client.delete("Node", "node-2")
        await until(lambda: not is_open(second, 30080))
        changed = copy(world.client.find("Service", "web"))
        del changed["spec"]["ports"][0]["nodePort"]
        world.replace(changed)
        await until(lambda: not is_open(first, 30080))


async def test_a_port_kept_for_root_is_served_elsewhere_and_it_is_said() -> None:
    ip = address()
    async with proxying(service(ip, {"port": 80}), bind=root_only) as world:
        await until(world.real_ports)
        assert world.real_ports() == {"80": 18080}
        (said,) = world.said("PortRemapped")
        assert f"served on {ip}:18080" in said
        assert 'lab.get("http://web")' in said
        async with serving(says(b"a")) as a:
            world.client.create(slice_of(a))
            await until(lambda: is_open(ip, 18080))
            assert await ask(ip, 18080) == b"a"
            assert not is_open(ip, 80)
        changed = copy(world.client.find("Service", "web"))
        changed["spec"]["ports"] = [{"port": 7080}]
        world.replace(changed)
        await until(
            lambda: REAL_PORTS not in {k for k, v in annotations_of(world.client.find("Service", "web")).items() if v}
        )


async def test_a_new_server_serves_on_the_ports_the_old_one_told_the_pods() -> None:
    ip, given = address(), service(address(), {"port": 80})
    given["spec"]["clusterIP"] = ip
    given["metadata"]["annotations"] = {REAL_PORTS: '{"80": 19999}'}
    async with serving(says(b"a")) as a, proxying(given, slice_of(a), bind=root_only) as world:
        await until(lambda: is_open(ip, 19999))
        assert world.real_ports() == {"80": 19999}


async def test_the_next_port_is_found_when_the_usual_stand_in_is_taken_or_spoilt() -> None:
    ip = address()
    given = service(ip, {"port": 80}, {"name": "alt", "port": 18080})
    given["metadata"]["annotations"] = {REAL_PORTS: "spoilt"}
    async with proxying(given, bind=root_only) as world:
        await until(lambda: world.said("PortRemapped"))
        assert world.real_ports()["80"] not in (0, 80, 18080)


async def test_a_port_in_use_is_reported_once_and_taken_when_free() -> None:
    ip = address()
    taken = openings.bind(ip, 7080)
    taken.listen()
    async with serving(says(b"a")) as a, proxying(service(ip, {"port": 7080}), slice_of(a)) as world:
        await until(lambda: world.said("PortAllocationFailed"))
        await asyncio.sleep(0.02)  # lesson time runs a thousand times faster: four tries
        (said,) = world.said("PortAllocationFailed")
        assert f"{ip}:7080 is in use" in said
        assert "ss -ltnp" in said
        taken.close()
        await until(lambda: is_open(ip, 7080))
        assert await ask(ip, 7080) == b"a"


async def test_udp_is_named_once_and_tcp_beside_it_served() -> None:
    ip = address()
    mixed = service(ip, {"name": "t", "port": 7080}, {"name": "u", "port": 7053, "protocol": "UDP"})
    async with serving(says(b"a")) as a, proxying(mixed, slice_of(a, port="t")) as world:
        await until(lambda: is_open(ip, 7080))
        world.replace(slice_of(port="t"))
        await until(lambda: not is_open(ip, 7080))
        assert world.said("ProtocolNotServed") == ["Only TCP is served here: 7053/UDP can be seen, but not reached."]


async def test_addresses_that_are_fiction_open_nothing_and_say_nothing() -> None:
    objects = service("10.96.0.7", {"port": 80, "nodePort": 30080}), slice_of(Backend("10.244.1.2", 80))

    def never(host: str, port: int) -> socket.socket:
        raise AssertionError(f"{host}:{port} was to be opened")

    async with proxying(node("node-1", "192.168.0.1"), *objects, bind=never) as world:
        world.client.create(service("10.96.0.8", {"port": 53, "protocol": "UDP"}, name="dns"))
        await asyncio.sleep(0.002)
        assert world.recorder.events == []
        assert world.real_ports() == {}


async def test_no_request_fails_while_pods_are_replaced() -> None:
    ip, port = address(), 8080
    done, failed = 0, []
    async with proxying(service(ip, {"port": 7080})) as world, contextlib.AsyncExitStack() as first:
        old = [await first.enter_async_context(serving(says(b"old"), port=port)) for _ in range(2)]
        world.client.create(slice_of(*old))
        await until(lambda: is_open(ip, 7080))

        async def visit() -> None:
            nonlocal done
            while done < 600:
                try:
                    assert await ask(ip, 7080) in (b"old", b"new")
                except OSError as error:
                    failed.append(error)
                done += 1

        visitors = [asyncio.create_task(visit()) for _ in range(4)]
        await until(lambda: done > 100)
        async with serving(says(b"new"), port=port) as one, serving(says(b"new"), port=port) as two:
            world.replace(slice_of(*old, one, two))
            await until(lambda: done > 200)
            world.replace(slice_of(one, two))
            await asyncio.gather(*visitors)
        assert failed == []
