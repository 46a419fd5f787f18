"""The gateway: a program that runs in a container of the lab's network and lends the lab's server its place there.

It answers at the addresses of Services and nodes (it takes any address in its own network namespace), where a server
outside could not, and hands every connection to that server, which does the balancing. The server always calls first,
on a port that is published on this machine's loopback, so that no firewall and no virtual machine stands between. The
other way round it connects to pods for a server that does not reach their addresses (Docker Desktop).

`relay.py` is the server's side. This file is given to `python3 -c` in the base image and needs nothing but Python 3.9.
A caller's first line is JSON: the token, and what it wants:
    table    lines follow, each a list of [address, port]: listen there, and nowhere else; all ends with the connection
    wait     to be joined with the next client; a head of HEAD bytes says who that is, and where it came
    ping     to hear "ok"
    connect  to be joined with `to`; a line says "ok" or why not
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from typing import Any

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PORT = 10249
HEAD = 128
DNS = 53  # also by UDP: a question becomes a connection with one message, as DNS over TCP has it
LATE = 5.0  # seconds a client waits for the server to take it
RESET = struct.pack("ii", 1, 0)

waiting: asyncio.Queue[Streams]  # the server's connections that wait for a client
listening: dict[Any, list[Any]] = {}  # (address, port) -> what to close


async def main() -> None:
    """Serve until killed."""
    global waiting
    waiting = asyncio.Queue()
    server = await asyncio.start_server(called, "0.0.0.0", PORT)
    async with server:
        await server.serve_forever()


async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A call of the lab's server."""
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
        asked = json.loads(await reader.readline())
        if asked.get("token") == os.environ["TOKEN"]:
            if asked["do"] == "table":
                await table(reader, writer)
            elif asked["do"] == "ping":
                writer.write(b"ok\n")
            elif asked["do"] == "connect":
                await connect(asked["to"], reader, writer)
                return
            else:
                waiting.put_nowait((reader, writer))
                return
    writer.close()


async def table(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Listen where the lines say, each the whole truth."""
    try:
        while line := await reader.readline():
            wanted = {(address, port) for address, port in json.loads(line)}
            for place in set(listening) - wanted:
                for each in listening.pop(place):
                    each.close()
            for place in wanted - set(listening):
                await listen(place)
            writer.write(b"ok\n")
    finally:
        for each in [each for every in listening.values() for each in every]:
            each.close()
        listening.clear()


async def listen(place: tuple[str, int]) -> None:
    """Take the address, and listen."""
    take(place[0])
    opened: list[Any] = []
    listening[place] = opened
    with contextlib.suppress(OSError):
        opened.append(await asyncio.start_server(lambda r, w: arrived(place, r, w), *place, backlog=1024))
        if place[1] == DNS:
            made, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Questions(place), place)
            opened.append(made)


def take(address: str) -> None:
    """Have the kernel take this address for ours: a route of type local (rtnetlink(7)), which needs CAP_NET_ADMIN."""
    attribute = struct.pack("=HH4s", 8, 1, socket.inet_aton(address))  # RTA_DST
    device = struct.pack("=HHI", 8, 4, socket.if_nametoindex("lo"))  # RTA_OIF
    # family, prefix length, -, -, table local, by the kernel's own protocol, scope host, type local
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 255, 2, 254, 2, 0) + attribute + device
    head = struct.pack("=IHHII", 16 + len(body), 24, 0x0405, 1, 0)  # RTM_NEWROUTE: request, acknowledge, create
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(head + body)
        kernel.recv(4096)


async def arrived(place: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A client of a Service: the server gets it."""
    theirs = await taken(writer.get_extra_info("peername")[:2], place)
    if theirs is None:
        broken(writer)
    else:
        await join((reader, writer), theirs)


async def taken(client: Any, place: Any) -> Streams | None:
    """One of the server's connections, told who comes; None if it has none to spare."""
    end = asyncio.get_running_loop().time() + LATE
    with contextlib.suppress(asyncio.TimeoutError):
        while True:
            left = end - asyncio.get_running_loop().time()
            reader, writer = await asyncio.wait_for(waiting.get(), left)
            if not reader.at_eof() and not writer.is_closing():
                writer.write(json.dumps({"client": client, "at": place}).ljust(HEAD).encode())
                return reader, writer
    return None


async def connect(to: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server wants to reach a pod."""
    try:
        there = await asyncio.wait_for(asyncio.open_connection(*to), LATE)
    except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 (two things, before Python 3.11)
        code = getattr(error, "errno", None) or 110
        writer.write(f"{code}\n".encode())
        writer.close()
        return
    writer.write(b"ok\n")
    await join((reader, writer), there)


async def join(one: Streams, other: Streams) -> None:
    """Carry bytes both ways until both sides are done."""
    await asyncio.gather(carry(one[0], other[1]), carry(other[0], one[1]))
    for _, writer in (one, other):
        writer.close()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way. An end is passed on; a reset stays a reset."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):
        broken(writer)


def broken(writer: asyncio.StreamWriter) -> None:
    """Break it off, so that the other side sees that it did not end well."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


class Questions(asyncio.DatagramProtocol):
    """DNS by UDP."""

    def __init__(self, place: Any) -> None:
        self.place = place
        self.tasks: set[Any] = set()

    def connection_made(self, transport: Any) -> None:
        """Ready to answer."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A question."""
        task = asyncio.ensure_future(self.answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, data: bytes, client: Any) -> None:
        """Ask the server."""
        theirs = await taken(client, self.place)
        if theirs is None:
            return
        reader, writer = theirs
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            writer.write(len(data).to_bytes(2, "big") + data)
            size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), LATE), "big")
            answer = await reader.readexactly(size)
            limit = 1232 if len(data) > 512 or data[11:12] != b"\0" else 512  # with EDNS a client takes more
            if size > limit:
                answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:limit]  # cut short: ask by TCP
            self.transport.sendto(answer, client)
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
