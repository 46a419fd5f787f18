"""What a node answers when the API server comes with a client: exec, attach, connections, and its own pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.errors import ApiError, NotFound, ServiceUnavailable
from k8slab.api.objects import Obj
from k8slab.api.options import ExecOptions, LogOptions
from k8slab.runtime.base import Abilities, RuntimeFailure

ALL = ExecOptions(stdin=True, stdout=True, stderr=True, command=("sh", "-c", "true"))


async def running(**more: Any) -> tuple[World, Obj]:
    world = await World().start()
    await world.run(pod(containers=[container(**more)]))
    return world, world.client.get("Pod", "web", "default")


def asked(world: World, name: str, failure: str = "") -> list[Any]:
    """Have the runtime's exec or attach write down what it is asked."""
    calls: list[Any] = []

    async def answer(id: str, *args: Any, **options: Any) -> str:
        calls.append((world.runtime.states[id].name, *args, options))
        if failure:
            raise RuntimeFailure("RunContainerError", failure)
        return "held"

    setattr(world.runtime, name, answer)
    return calls


async def test_exec_goes_to_the_container_that_runs() -> None:
    world, web = await running()
    calls = asked(world, "exec")
    assert await world.kubelets.streams.exec(web, "web", ALL) == "held"
    assert calls == [("web", ("sh", "-c", "true"), {"tty": False, "stdin": True})]


async def test_a_command_that_cannot_start() -> None:
    world, web = await running()
    asked(world, "exec", failure='exec: "nope": executable file not found in $PATH')
    with pytest.raises(
        ApiError, match=r"Internal error occurred: error executing command.*executable file not found"
    ) as caught:
        await world.kubelets.streams.exec(web, "web", ALL)
    assert (caught.value.code, caught.value.reason) == (500, "InternalError")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, {"stdin": False, "once": False}),
        ({"stdin": True}, {"stdin": True, "once": False}),
        ({"stdin": True, "stdinOnce": True}, {"stdin": True, "once": True}),
        ({"stdin": True, "stdinOnce": True, "tty": True}, {"stdin": True, "once": False}),
    ],
)
async def test_attach_gives_stdin_as_the_container_says(spec: Obj, told: dict[str, bool]) -> None:
    world, web = await running(**spec)
    calls = asked(world, "attach")
    await world.kubelets.streams.attach(web, "web", ALL)
    assert calls == [("web", told)]


async def test_what_does_not_run_cannot_be_held() -> None:
    world, web = await running()
    world.runtime.end("web", 1)
    for hold in (world.kubelets.streams.exec, world.kubelets.streams.attach):
        with pytest.raises(ApiError, match=r'container not found \("side"\)'):
            await hold(web, "side", ALL)


Ask = Callable[[Any, Obj], Coroutine[Any, Any, Any]]


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda streams, web: streams.exec(web, "web", ALL), "exec/default/web/web"),
        (lambda streams, web: streams.attach(web, "web", ALL), "attach/default/web/web"),
        (lambda streams, web: streams.logs(web, "web", LogOptions()), "containerLogs/default/web/web"),
        (lambda streams, web: streams.connect(web, 80), "portForward/default/web"),
    ],
)
async def test_a_node_without_power_does_not_answer(ask: Ask, path: str) -> None:
    world, web = await running()
    await world.kubelets.power_off("node-1")
    with pytest.raises(ApiError, match="no route to host") as caught:
        await ask(world.kubelets.streams, web)
    host = web["status"]["hostIP"]
    assert caught.value.message.startswith(f'Get "https://{host}:10250/{path}": dial tcp')
    with pytest.raises(ServiceUnavailable):
        world.kubelets.streams.node("node-1", "/healthz")


async def test_connections() -> None:
    world, web = await running()
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world.runtime.addresses[web["metadata"]["uid"]] = "127.0.0.1"
    async with server:
        reader, writer = await world.kubelets.streams.connect(web, port)
        assert await reader.read() == b""
        writer.close()
    await server.wait_closed()
    with pytest.raises(ApiError, match=f"error forwarding port {port} to pod web, uid .*: connection refused"):
        await world.kubelets.streams.connect(web, port)
    world.runtime.abilities = Abilities(real=False, networked=False)
    with pytest.raises(ApiError, match="have no network"):
        await world.kubelets.streams.connect(web, port)
    with pytest.raises(ServiceUnavailable, match="have no network"):
        world.kubelets.streams.need_network()
    world.runtime.addresses.clear()
    with pytest.raises(ApiError, match="no sandbox"):
        await world.kubelets.streams.connect(web, port)


async def test_a_nodes_own_pages() -> None:
    world, _ = await running()
    streams = world.kubelets.streams
    assert streams.node("node-1", "/healthz")[1] == b"ok"
    for page in ("/pods", "/runningpods/"):
        pods = json.loads(streams.node("node-1", page)[1])
        assert (pods["kind"], [p["metadata"]["name"] for p in pods["items"]]) == ("PodList", ["web"])
    with pytest.raises(NotFound, match="404 page not found"):
        streams.node("node-1", "/nope")
