"""Probes against real sockets of this machine, in virtual time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.kubelet.actions import Target, port_number
from k8slab.kubelet.probes import Answer, Count, check
from k8slab.runtime.simulated import SimulatedRuntime


@asynccontextmanager
async def http_server(answer: Callable[[], int], seen: list[bytes] | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request)
        writer.write(f"HTTP/1.1 {answer()} Word\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never happened")


def ask(probe: Obj, world: World | None = None) -> Awaitable[Answer]:
    ports = {"ports": [{"name": "http", "containerPort": 8080}]}
    runtime: Any = world.runtime if world else SimulatedRuntime(Clock())
    return check(probe, Target(runtime, "id", container(**ports), "127.0.0.1"))


async def test_http() -> None:
    seen: list[bytes] = []
    async with http_server(lambda: 200, seen) as port:
        header = {"name": "X-Color", "value": "teal"}
        assert (await ask({"httpGet": {"port": port, "path": "/ready?x=1", "httpHeaders": [header]}})).ok
    assert seen[0].startswith(b"GET /ready?x=1 HTTP/1.1\r\n")
    assert b"User-Agent: kube-probe/1.36" in seen[0]
    assert b"X-Color: teal" in seen[0]


@pytest.mark.parametrize(("code", "ok"), [(200, True), (302, True), (399, True), (400, False), (503, False)])
async def test_http_codes(code: int, ok: bool) -> None:
    async with http_server(lambda: code) as port:
        answer = await ask({"httpGet": {"port": port}})
    assert answer.ok is ok
    assert ok or answer.words == f"HTTP probe failed with statuscode: {code}"


async def test_nobody_there() -> None:
    async with http_server(lambda: 200) as port:
        pass
    answer = await ask({"httpGet": {"port": port, "path": "/healthz"}})
    where = f"127.0.0.1:{port}"
    assert answer == (False, f'Get "http://{where}/healthz": dial tcp {where}: connect: connection refused')
    assert (await ask({"tcpSocket": {"port": port}})).words == f"dial tcp {where}: connect: connection refused"


async def test_a_server_that_does_not_answer() -> None:
    stop = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await ask({"httpGet": {"port": port}, "timeoutSeconds": 0.05})
        assert (await ask({"tcpSocket": {"port": port}})).ok
        stop.set()
    assert "context deadline exceeded" in answer.words


async def test_exec() -> None:
    class Running:
        async def output(self) -> AsyncIterator[tuple[str, bytes]]:
            yield "stderr", b"no such file"

        async def wait(self) -> int:
            return 1

    async def run(id: str, command: list[str]) -> Running:
        return Running()

    world = World()
    world.runtime.exec = run  # type: ignore[attr-defined]
    assert await ask({"exec": {"command": ["cat", "/tmp/ok"]}}, world) == (False, "no such file")


def test_a_port_may_have_a_name() -> None:
    named = container(ports=[{"name": "http", "containerPort": 8080}])
    assert [port_number(port, named) for port in (80, "81", "http")] == [80, 81, 8080]


async def test_what_cannot_be_asked_is_no_answer() -> None:
    said = 'strconv.Atoi: parsing "none": invalid syntax'
    assert await ask({"httpGet": {"port": "none"}}) == (None, said)
    with_grpc = await ask({"grpc": {"port": 80}})
    assert with_grpc.ok is None or "connect" in with_grpc.words  # where grpcio is installed, nobody listens there
    assert (await ask({})).ok is None


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (b"\x08\x01", True, "SERVING"),
        (b"\x08\x02", False, 'service unhealthy (responded with "NOT_SERVING")'),
        (b"", False, 'service unhealthy (responded with "UNKNOWN")'),
    ],
)
async def test_grpc(monkeypatch: pytest.MonkeyPatch, answer: bytes, ok: bool, words: str) -> None:
    asked: list[tuple[str, bytes]] = []

    class Channel:
        def __init__(self, address: str) -> None:
            self.address = address

        async def __aenter__(self) -> Channel:
            return self

        async def __aexit__(self, *error: object) -> None: ...

        def unary_unary(self, method: str) -> Any:
            async def call(request: bytes) -> bytes:
                asked.append((self.address + method, request))
                return answer

            return call

    monkeypatch.setitem(sys.modules, "grpc", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "grpc.aio", SimpleNamespace(insecure_channel=Channel))
    assert await ask({"grpc": {"port": 5000, "service": "cart"}}) == (ok, words)
    assert asked == [("127.0.0.1:5000/grpc.health.v1.Health/Check", b"\x0a\x04cart")]


def test_counting() -> None:
    count, probe = Count(False), {"successThreshold": 2, "failureThreshold": 3}
    answers = [True, False, True, True, False, False, True, False, False, False]
    results = [(count.add(ok, probe), count.result)[1] for ok in answers]
    assert results == [False, False, False, True, True, True, True, True, True, False]


async def test_readiness_decides_who_is_ready() -> None:
    code = 503
    async with http_server(lambda: code) as port:
        world = await World().start()
        probe = {"httpGet": {"port": port, "host": "127.0.0.1"}, "periodSeconds": 1, "failureThreshold": 2}
        await world.run(pod(containers=[container(readinessProbe=probe)]))
        assert world.container()["ready"] is False
        code = 200
        await _pass(world, lambda: world.container()["ready"])
        code = 500
        await _pass(world, lambda: not world.container()["ready"])
    said = world.events.messages("Unhealthy")
    assert said[-1] == "Readiness probe failed: HTTP probe failed with statuscode: 500"
    assert world.runtime.starts() == [0]


async def test_liveness_restarts() -> None:
    async with http_server(lambda: 500) as port:
        world = await World().start()
        probe = {"httpGet": {"port": port, "host": "127.0.0.1"}, "periodSeconds": 1, "failureThreshold": 3}
        await world.run(pod(containers=[container(livenessProbe=probe)]))
        await _pass(world, lambda: world.runtime.starts() == [0, 1])
    said = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    assert world.events.messages("Unhealthy")[:3] == [said] * 3
    assert world.events.messages("Killing") == ["Container web failed liveness probe, will be restarted"]
    await world.kubelets.stop()


async def test_startup_comes_before_the_others() -> None:
    code = 500
    async with http_server(lambda: code) as port:
        action = {"httpGet": {"port": port, "host": "127.0.0.1"}, "periodSeconds": 1}
        probed = container(
            startupProbe={**action, "failureThreshold": 100}, readinessProbe=action, livenessProbe=action
        )
        world = await World().start()
        await world.run(pod(containers=[probed]))
        await _pass(world, lambda: len(world.events.messages("Unhealthy")) >= 3)
        assert {message.split()[0] for message in world.events.messages("Unhealthy")} == {"Startup"}
        assert world.container()["started"] is False
        code = 200
        await _pass(world, lambda: world.container()["ready"])
        assert world.container()["started"] is True
    await world.kubelets.stop()


async def test_no_probe_outlives_its_container() -> None:
    world = await World().start()
    probe = {"tcpSocket": {"port": 1, "host": "127.0.0.1"}}
    await world.run(pod(containers=[container(readinessProbe=probe)]))
    world.client.delete("Pod", "web", "default")
    await until(lambda: not world.has())
    asked = len(world.events.said)
    await world.after(60)
    assert len(world.events.said) == asked


async def test_records_are_ready_without_being_asked() -> None:
    world = await World(real=False).start()
    probes = {"readinessProbe": {"tcpSocket": {"port": 1}}, "startupProbe": {"tcpSocket": {"port": 1}}}
    await world.run(pod(containers=[container(**probes)]))
    assert world.container()["ready"] is True


async def _pass(world: World, condition: Callable[[], bool]) -> None:
    """Let time pass a little at a time, and the sockets do their work in between."""

    def there() -> bool:
        return condition()

    for _ in range(500):
        if there():
            return
        await world.after(0.1)
        await asyncio.sleep(0.002)
    raise AssertionError("it never happened")
