"""The docker runtime beside the engine itself: how much longer a start takes than the engine's own two calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lab import Bench
from k8slab.runtime.base import ContainerSpec, PodConfig
from k8slab.runtime.docker import DockerRuntime
from k8slab.runtime.engine import connect, specs
from tests import engine as engines

SUBNET = "10.98.0.0/16"


@contextlib.contextmanager
def at_hand(folder: Path) -> Iterator[None]:
    """An engine while this lasts: the one there is, else the tests' own, where it may be started."""
    with contextlib.ExitStack() as held:
        try:
            connect.find()
        except connect.NoEngine:
            with contextlib.suppress(engines.Unavailable):
                given = {"DOCKER_HOST": held.enter_context(engines.shared(folder)), "K8SLAB_BASE_IMAGE": engines.BASE}
                held.callback(lambda: [os.environ.pop(name) for name in given])
                os.environ.update(given)
        yield


def ratios(bench: Bench) -> list[float]:
    """Ours by theirs, taken in turns, in the same pod. The image is K8SLAB_BASE_IMAGE."""
    try:
        engine = connect.find()
    except connect.NoEngine:
        return []
    return asyncio.run(_ratios(engine, bench.runs))


async def _ratios(engine: connect.Engine, runs: int) -> list[float]:
    image = os.environ.get("K8SLAB_BASE_IMAGE") or "python:3.12-slim"
    with tempfile.TemporaryDirectory() as folder:
        runtime = DockerRuntime(engine, Path(folder), "bench", SUBNET)
        await runtime.open()
        try:
            await runtime.run_pod(PodConfig("bench", "bench", "default", "node-1", "10.98.1.0/24", "bench"))
            await runtime.pull(image)
            return [await _ours(runtime, image, n) / await _theirs(runtime, image) for n in range(runs + 1)][1:]
        finally:
            await runtime.close(leave_running=False)


async def _ours(runtime: DockerRuntime, image: str, number: int) -> float:
    spec = ContainerSpec(f"bench-{number}", "bench", "main", image, command=["sleep", "1000"], cpu=1, memory=64 << 20)
    begun = time.perf_counter()
    await runtime.start(spec)
    took = time.perf_counter() - begun
    await runtime.remove(spec.id)
    return took


async def _theirs(runtime: DockerRuntime, image: str) -> float:
    """`create` and `start` of the same container, with the engine's SDK alone."""
    sandbox = runtime.sandboxes.get("bench")
    assert sandbox is not None
    spec = ContainerSpec("raw", "bench", "main", image, command=["sleep", "1000"], cpu=1, memory=64 << 20)
    ground = specs.Ground(runtime.lab, sandbox.pod, sandbox.address, sandbox.id, True)
    config = specs.container_config(spec, await runtime.store.get(image), ground)
    api = runtime.link.api

    def both() -> tuple[float, str]:
        begun = time.perf_counter()
        id = api.create_container_from_config(config)["Id"]
        api.start(id)
        return time.perf_counter() - begun, id

    took, id = await asyncio.to_thread(both)
    await runtime.link.do(lambda api: api.remove_container(id, force=True))
    return took
