"""The least of HTTP/1.1 over TLS: a hundred watchers and fifty writers must not cost more than the server they test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from k8slab.client import kubeconfig


class Server:
    """Where a lab answers, as its kubeconfig says."""

    def __init__(self, path: Path) -> None:
        cluster = kubeconfig.load(path)
        host, port = cluster.server.removeprefix("https://").split(":")
        self.host, self.port, self.context = host, int(port), cluster.ssl_context()
        self.head = f"Host: {host}\r\nAuthorization: {cluster.headers()['Authorization']}\r\n"

    async def connect(self, limit: int = 1 << 20) -> Connection:
        """A connection; `limit` bytes are read ahead of who reads it."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.context, limit=limit)
        return Connection(self, reader, writer)


class Connection:
    """One connection, kept alive; one request at a time."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self.reader, self.writer = server, reader, writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.writer.transport.abort()

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> None:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._server.head}"
            f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers

    async def answer(self) -> tuple[int, bytes]:
        code, headers = await self.head()
        if "content-length" in headers:
            return code, await self.reader.readexactly(int(headers["content-length"]))
        return code, b"".join([chunk async for chunk in self.chunks()])

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        self.send(method, path, body, content_type)
        return await self.answer()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces of a body that comes in chunks."""
        while size := int(await self.reader.readline(), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
