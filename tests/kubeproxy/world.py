"""Services, slices, and small TCP servers and clients on addresses of their own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from k8slab.api.objects import Obj
from k8slab.kubeproxy.balance import Backend
from tests.waiting import PATIENCE

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def address() -> str:
    """An address of this machine that nobody else uses: labs stay below 127.128."""
    return f"127.{random.randrange(128, 255)}.{random.randrange(256)}.{random.randrange(2, 255)}"


def service(ip: str, *ports: Obj, name: str = "web", uid: str = "1", **spec: object) -> Obj:
    meta = {"name": name, "namespace": "default", "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"clusterIP": ip, "ports": list(ports)} | spec,
    }


def slice_of(*backends: Backend, name: str = "web", port: str = "", **conditions: bool) -> Obj:
    """All in one slice: they share the port's number."""
    endpoints = [{"addresses": [b.address], "conditions": {"ready": True} | conditions} for b in backends]
    number = backends[0].port if backends else 80
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": port, "port": number, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


@asynccontextmanager
async def serving(
    handle: Callable[[Reader, Writer], Awaitable[None]], host: str = "", port: int = 0
) -> AsyncIterator[Backend]:
    """A TCP server; on its way out it drops whom it still serves."""
    writers: list[Writer] = []

    async def closing(reader: Reader, writer: Writer) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(closing, host or address(), port)
    try:
        yield Backend(*server.sockets[0].getsockname())
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def says(word: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(word)
        await writer.drain()

    return handle


async def ask(host: str, port: int) -> bytes:
    """One short conversation. Raises OSError when it is refused or broken off."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"?")
        return await reader.read()
    finally:
        writer.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.001)


def is_open(host: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0
