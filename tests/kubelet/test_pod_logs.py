"""`kubectl logs`: which container, which lines, and what is said when there are none."""

from __future__ import annotations

from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.errors import BadRequest, Invalid, NotFound
from k8slab.runtime.base import LogLine


async def world_with_lines(*texts: str) -> World:
    world = await World().start()
    uid = await world.run(pod())
    (state,) = world.runtime.containers(uid)
    begun = world.clock.time()
    world.runtime.output[state.id] = [LogLine(begun + i, "stdout", text.encode()) for i, text in enumerate(texts)]
    await world.after(len(texts))
    return world


async def read(world: World, pod: str = "web", container: str = "", **options: Any) -> bytes:
    pieces = await world.kubelets.logs("default", pod, container, **options)
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


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("nobody", {}, NotFound, 'pods "nobody" not found'),
        ("two", {}, BadRequest, r"a container name must be specified for pod two, choose one of: \[a b\]"),
        ("two", {"container": "c"}, BadRequest, "container c is not valid for pod two"),
        ("free", {}, BadRequest, "pod free does not have a host assigned"),
        ("stuck", {"tail_lines": -1}, Invalid, 'PodLogOptions "" is invalid: tailLines: Invalid value: -1: must be'),
        ("stuck", {"since_time": "x"}, BadRequest, 'sinceTime: "x" is not an RFC 3339 time'),
        ("stuck", {"since_time": "x", "since_seconds": 1}, Invalid, "at most one of"),
        ("stuck", {}, BadRequest, 'container "web" in pod "stuck" is waiting to start: image can\'t be pulled'),
    ],
)
async def test_what_cannot_be_read(name: str, options: dict[str, Any], error: type[Exception], words: str) -> None:
    world = await World().start()
    await world.run(pod("two", containers=[container("a"), container("b")]))
    await world.run(pod("free", node=""))
    await world.run(pod("stuck", containers=[container(image="web:nope")]))
    with pytest.raises(error, match=words):
        await read(world, pod=name, **options)
