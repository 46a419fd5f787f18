"""`kubectl logs`: which container, which lines, and what is said when there are none."""

from __future__ import annotations

from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.errors import BadRequest
from k8slab.api.options import LogOptions
from k8slab.runtime.base import LogLine


async def world_with_lines(*texts: str) -> World:
    world = await World().start()
    uid = await world.run(pod())
    (state,) = world.runtime.containers(uid)
    begun = world.clock.time()
    world.runtime.output[state.id] = [LogLine(begun + i, "stdout", text.encode()) for i, text in enumerate(texts)]
    await world.after(len(texts))
    return world


async def read(world: World, pod: str = "web", container: str = "web", **options: Any) -> bytes:
    found = world.client.get("Pod", pod, "default")
    pieces = await world.kubelets.streams.logs(found, container, LogOptions(**options))
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, b"one\ntwo\nthree\n"),
        ({"follow": True}, b"one\ntwo\nthree\n"),
        ({"follow": True, "limit_bytes": 5}, b"one\nt"),
        ({"limit_bytes": 99}, b"one\ntwo\nthree\n"),
        ({"tail_lines": 1}, b"three\n"),
        ({"tail_lines": 0}, b""),
        ({"tail_lines": 9}, b"one\ntwo\nthree\n"),
        ({"since_seconds": 2}, b"two\nthree\n"),
        ({"since_time": "2026-01-01T00:00:02Z"}, b"three\n"),
        ({"limit_bytes": 5}, b"one\nt"),
        ({"timestamps": True, "tail_lines": 1}, b"2026-01-01T00:00:02.000000000Z three\n"),
        ({"since_seconds": 2, "tail_lines": 1}, b"three\n"),
    ],
)
async def test_which_lines(options: dict[str, Any], text: bytes) -> None:
    world = await world_with_lines("one", "two", "three")
    assert await read(world, **options) == text


async def test_previous() -> None:
    world = await world_with_lines("before")
    with pytest.raises(BadRequest, match='previous terminated container "web" in pod "web" not found'):
        await read(world, previous=True)
    world.runtime.end("web", 1)
    await world.clock.settle()
    assert await read(world, previous=True) == b"before\n"
    assert await read(world) == b""


async def test_a_crashed_container_can_still_be_read() -> None:
    world = await world_with_lines("last words")
    world.runtime.known_images.clear()
    world.runtime.end("web", 1)
    await world.clock.settle()
    assert await read(world) == b"last words\n"


async def test_one_stream_alone() -> None:
    world = await World().start()
    uid = await world.run(pod())
    (state,) = world.runtime.containers(uid)
    now = world.clock.time()
    world.runtime.output[state.id] = [LogLine(now, "stdout", b"out"), LogLine(now, "stderr", b"err")]
    assert await read(world, stream="Stderr") == b"err\n"
    assert await read(world, stream="Stdout") == b"out\n"
    assert await read(world) == b"out\nerr\n"


async def test_a_container_that_has_not_begun_has_no_log() -> None:
    world = await World().start()
    await world.run(pod("stuck", containers=[container(image="web:nope")]))
    with pytest.raises(BadRequest, match='container "web" in pod "stuck" is waiting to start: image can\'t be pulled'):
        await read(world, pod="stuck")
