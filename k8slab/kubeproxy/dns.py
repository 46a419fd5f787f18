"""The cluster's DNS server: answers for `cluster.local` from `names.py`, and passes on what is not ours.

It listens on the cluster's DNS address (127.A.240.10 for a lab) on port 53, by UDP and TCP, if the kernel lets it; pods
find it in their resolv.conf. `server.py` starts it, and goes without where the port is kept for root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

from k8slab.kubeproxy import dnswire
from k8slab.kubeproxy.dnswire import (
    ANY,
    CNAME,
    NO_ERROR,
    NO_SUCH_NAME,
    SERVER_FAILURE,
    A,
    Malformed,
    Query,
    Record,
)
from k8slab.kubeproxy.names import DOMAIN, Names

log = logging.getLogger(__name__)

PORT = 53
PATIENCE = 2.0  # real seconds for each server of this machine that is asked
IDLE = 10.0  # real seconds a TCP client may be silent
CHAIN = 8  # names that lead to other names, at most


class DnsServer:
    """Serves between `start` and `stop`. `upstream` are the addresses that are asked what is not ours."""

    def __init__(self, names: Names, address: str, upstream: Sequence[str] = (), port: int = PORT) -> None:
        self._names, self.address, self.port, self._upstream = names, address, port, upstream
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError: PermissionError where only root may."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self.converse, self.address, self.port)
        try:
            self.port = self._tcp.sockets[0].getsockname()[1]
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), (self.address, self.port))
        except BaseException:
            self._tcp.close()
            raise

    async def stop(self) -> None:
        """Close everything."""
        if self._udp:
            self._udp.close()
        if self._tcp:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def received(self, message: bytes, client: tuple[str, int]) -> None:
        """A question by UDP."""
        task = asyncio.get_running_loop().create_task(self._reply(message, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, message: bytes, client: tuple[str, int]) -> None:
        answer = await self.respond(message)
        if self._udp and not self._udp.is_closing():
            self._udp.sendto(answer, client)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes by TCP, until the client is done."""
        with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            while True:
                async with asyncio.timeout(IDLE):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    message = await reader.readexactly(length)
                answer = await self.respond(message, tcp=True)
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    async def respond(self, message: bytes, *, tcp: bool = False) -> bytes:
        """The answer to a message."""
        try:
            query = dnswire.read(message)
        except Malformed:
            return dnswire.refusal(message, dnswire.FORMAT_ERROR)
        if self._names.is_ours(query.name):
            return await self._ours(query, 65535 if tcp else query.size)
        return await self._ask_others(message) or dnswire.answer(query, SERVER_FAILURE)

    async def _ours(self, query: Query, limit: int) -> bytes:
        records: list[Record] = []
        name = query.name
        for _ in range(CHAIN):
            found = self._names.look_up(name)
            records += [r for r in found.records if r.type in (query.type, CNAME) or query.type == ANY]
            alias = next((r.value for r in found.records if r.type == CNAME), "")
            if not alias or query.type == CNAME:
                break
            if not self._names.is_ours(alias):
                records += await self._outside(query, alias)
                break
            name = alias
        code = NO_ERROR if records or found.exists else NO_SUCH_NAME
        return dnswire.answer(query, code, records, DOMAIN, limit=limit)

    async def _outside(self, query: Query, alias: str) -> list[Record]:
        """The addresses behind an ExternalName: a pod's resolver wants them in the same answer."""
        if query.type not in (A, ANY):
            return []
        answer = await self._ask_others(dnswire.ask(query.id, alias, A))
        with contextlib.suppress(Malformed):
            return [Record(alias, A, address) for address in dnswire.addresses(answer or b"")]
        return []

    async def _ask_others(self, message: bytes) -> bytes | None:
        """What this machine's own servers say: the first that answers."""
        for address in self._upstream:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    return await _ask(address, message)
        return None


async def started(names: Names, address: str) -> DnsServer | None:
    """A server that answers at this address, or None where its port may not be opened."""
    server = DnsServer(names, address, upstream_servers())
    try:
        await server.start()
    except OSError as error:
        log.info("names are not served at %s:%d: %s", address, PORT, error)
        return None
    return server


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.received(data, addr)


async def _ask(address: str, message: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, PORT))
        await loop.sock_sendall(sock, message)
        while (answer := await loop.sock_recv(sock, 65535))[:2] != message[:2]:
            continue
        return answer


def resolver_of_machine(file: Path = Path("/etc/resolv.conf")) -> str:
    """What this machine's resolv.conf says; nothing if it has none."""
    try:
        return file.read_text()
    except OSError:
        return ""


def upstream_servers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The DNS servers this machine asks."""
    words = (line.split() for line in resolver_of_machine(file).splitlines())
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
