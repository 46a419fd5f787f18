"""A small world for tests of runtimes: a pod, containers of it, and waiting for what is to come of them."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from k8slab.runtime.base import ContainerSpec, ContainerState, LogLine, PodConfig, Runtime
from k8slab.runtime.docker import DockerRuntime
from k8slab.runtime.engine import connect
from k8slab.runtime.local import LocalRuntime
from tests import engine as engines
from tests.waiting import PATIENCE

WEB = "k8slab/web:v1"
IMAGES = Path(__file__).parents[2] / "images"
ADDRESSES = (f"127.98.{os.getpid() % 250}.{number}" for number in itertools.count(2))  # of servers without a runtime
_numbers = itertools.count(1)
# Tests run side by side, and loopback is one for all: each process of tests has a range of its own.
SUBNET = f"127.{100 + os.getpid() % 120}.0.0/16"


BRIDGED = f"10.{100 + os.getpid() % 120}.0.0/16"  # the same for engines' networks


def cidr(node: int = 1) -> str:
    return SUBNET.replace(".0.0/16", f".{node}.0/24")


def pod(uid: str = "", node: int = 1) -> PodConfig:
    uid = uid or f"uid-{next(_numbers)}"
    return PodConfig(uid, f"pod-{uid}", "default", f"node-{node}", cidr(node), f"pod-{uid}")


def spec(uid: str, *command: str, image: str = WEB, **more: Any) -> ContainerSpec:
    return ContainerSpec(f"c-{os.getpid()}-{next(_numbers)}", uid, "main", image, command=command, **more)


@asynccontextmanager
async def local(state: Path, lab: str = "test", *, fenced: bool = True) -> AsyncIterator[LocalRuntime]:
    runtime = LocalRuntime(state, lab, SUBNET, fenced=fenced)
    await runtime.open()
    try:
        yield runtime
    finally:
        await runtime.close(leave_running=False)


@asynccontextmanager
async def docker(state: Path, host: str, lab: str = "test") -> AsyncIterator[DockerRuntime]:
    """A runtime on this engine. Give `SUBNET` another value first: an engine has no networks in 127.0.0.0/8."""
    found = await asyncio.to_thread(connect.ask, host)
    runtime = DockerRuntime(found, state, lab, SUBNET, engines.BASE)
    try:
        await runtime.open()
        yield runtime
    finally:
        await runtime.close(leave_running=False)


class World:
    """One pod of a runtime."""

    def __init__(self, runtime: Runtime, config: PodConfig, address: str) -> None:
        self.runtime = runtime
        self.pod = config
        self.address = address
        self.heard: list[str] = []
        self._news = asyncio.Event()
        runtime.subscribe(self._hear)

    @classmethod
    async def make(cls, runtime: Runtime) -> World:
        config = pod()
        return cls(runtime, config, await runtime.run_pod(config))

    def _hear(self, uid: str) -> None:
        self.heard.append(uid)
        self._news.set()

    async def start(self, *command: str, **more: Any) -> str:
        wanted = spec(self.pod.uid, *command, **more)
        await self.runtime.start(wanted)
        return wanted.id

    async def python(self, program: str, **more: Any) -> str:
        return await self.start("python", "-c", program, **more)

    @property
    def oom(self) -> str:
        """How the end for want of memory reads: there is an engine that cannot tell, and abilities say so."""
        return "Error" if "OOMKilled" in self.runtime.abilities.missing.get("memory", "") else "OOMKilled"

    def state(self, id: str) -> ContainerState:
        return next(state for state in self.runtime.containers(self.pod.uid) if state.id == id)

    async def until(self, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for the runtime to say that something has changed, until it is so."""
        async with asyncio.timeout(seconds):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def end(self, id: str, seconds: float = PATIENCE) -> ContainerState:
        await self.until(lambda: self.state(id).phase == "exited", seconds)
        return self.state(id)

    async def output(self, id: str) -> list[str]:
        await self.end(id)
        return [line.text.decode() async for line in self.runtime.logs(id)]

    async def printed(self, id: str, text: str, seconds: float = PATIENCE) -> LogLine:
        """The first line that has the text in it, as soon as it is printed."""
        async with asyncio.timeout(seconds):
            async for line in self.runtime.logs(id, follow=True):
                if text in line.text.decode():
                    return line
        raise AssertionError(f"{id} ended without printing {text!r}")

    async def run(self, *command: str, **more: Any) -> list[str]:
        """What a command prints, once it has ended."""
        return await self.output(await self.start(*command, **more))


@asynccontextmanager
async def image_process(
    image: str, greeting: bytes, *options: str, **env: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """An image's server as plain Python, with an address of its own, once it has said its greeting."""
    address = next(ADDRESSES)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *options, str(IMAGES / image / "server.py"), stdout=asyncio.subprocess.PIPE,
        env={"POD_IP": address, **env},
    )  # fmt: skip
    assert process.stdout
    assert greeting in await process.stdout.readline()
    try:
        yield address, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def get(address: str, path: str = "/", port: int = 8080) -> tuple[int, str]:
    """Status and body of an HTTP request."""
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


def alive(needle: str) -> list[int]:
    """The pids of processes with this in their command line or environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            seen = Path("/proc", name, "cmdline").read_bytes() + b"\0" + Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if needle.encode() in seen and int(name) != os.getpid():
            found.append(int(name))
    return found


PYTHON: Sequence[str] = (sys.executable,)
