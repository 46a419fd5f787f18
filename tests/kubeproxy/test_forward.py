from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from k8slab.clock import Clock
from k8slab.kubeproxy.balance import Backend, Balancer, Caller
from k8slab.kubeproxy.forward import Connection, Door, Identify, nobody
from k8slab.kubeproxy.openings import bind

from .world import Reader, Writer, address, ask, is_open, says, serving, until


class Entrance:
    def __init__(self, backends: tuple[Backend, ...], identify: Identify = nobody) -> None:
        self.balancer = Balancer(start=0)
        self.balancer.backends = backends
        self.members: set[Connection] = set()
        sock = bind(address(), 0)
        self.at: tuple[str, int] = sock.getsockname()
        self.door = Door(sock, self.balancer, Clock(), self.members, identify)


@asynccontextmanager
async def entrance(*backends: Backend, identify: Identify = nobody) -> AsyncIterator[Entrance]:
    made = Entrance(backends, identify)
    try:
        yield made
    finally:
        made.door.close()
        for connection in list(made.members):
            connection.reset()


async def test_requests_take_turns_and_leave_nothing_behind() -> None:
    async with serving(says(b"a")) as a, serving(says(b"b")) as b, entrance(a, b) as way:
        answers = Counter([await ask(*way.at) for _ in range(10)])
        assert answers == {b"a": 5, b"b": 5}
        await until(lambda: not way.members)


async def test_a_refusal_is_not_the_clients_business() -> None:
    nobody = Backend(address(), 9)
    async with serving(says(b"a")) as a, entrance(nobody, a) as way:
        assert [await ask(*way.at) for _ in range(4)] == [b"a"] * 4


async def test_without_anybody_the_connection_ends_at_once() -> None:
    async with entrance(Backend(address(), 9)) as way:
        with pytest.raises(ConnectionResetError):
            await ask(*way.at)


async def test_one_side_may_finish_while_the_other_still_speaks() -> None:
    async def count(reader: Reader, writer: Writer) -> None:
        said = await reader.read()  # until the client's end of data
        writer.write(str(len(said)).encode())
        await writer.drain()

    async with serving(count) as a, entrance(a) as way:
        reader, writer = await asyncio.open_connection(*way.at)
        writer.write(b"x" * 300_000)
        writer.write_eof()
        assert await reader.read() == b"300000"
        writer.close()
        await until(lambda: not way.members)


async def test_who_does_not_read_slows_down_who_writes() -> None:
    size, sent = 20_000_000, 0

    async def pour(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        writer.transport.set_write_buffer_limits(high=0)
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with serving(pour) as a, entrance(a) as way:
        reader, writer = await asyncio.open_connection(*way.at, limit=1024)
        await until(lambda: any(c.back.pending for c in way.members))
        for _ in range(100):
            await asyncio.sleep(0)
        assert sent < size
        got = 0
        while data := await reader.read(1 << 16):
            got += len(data)
        assert got == size
        writer.close()
        await until(lambda: not way.members)


async def test_a_reset_stays_a_reset() -> None:
    async def crash(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with serving(crash) as a, entrance(a) as way:
        with pytest.raises(ConnectionResetError):
            await ask(*way.at)
        await until(lambda: not way.members)


async def test_a_client_that_leaves_is_noticed_by_the_pod() -> None:
    gone = asyncio.Event()

    async def wait(reader: Reader, writer: Writer) -> None:
        await reader.read()
        gone.set()

    async with serving(wait) as a, entrance(a) as way:
        _, writer = await asyncio.open_connection(*way.at)
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)
        await until(lambda: not way.members)


async def test_a_closed_door_refuses_and_conversations_go_on() -> None:
    async with serving(says(b"a")) as a, entrance(a) as way:
        reader, writer = await asyncio.open_connection(*way.at)
        await until(lambda: way.members)
        way.door.close()
        assert not is_open(*way.at)
        writer.write(b"?")
        assert await reader.read() == b"a"
        writer.close()


async def test_a_pod_that_leaves_finishes_its_conversations() -> None:
    async with serving(says(b"old")) as old, serving(says(b"new")) as new, entrance(old) as way:
        reader, writer = await asyncio.open_connection(*way.at)
        await until(lambda: way.members)
        way.balancer.backends = (new,)
        assert await ask(*way.at) == b"new"
        writer.write(b"?")
        assert await reader.read() == b"old"
        writer.close()


async def test_where_it_matters_the_caller_is_told_apart() -> None:
    """Two clients with one address: each keeps its own pod."""
    callers = iter([Caller("pod-1", "n"), Caller("pod-2", "n")] * 3)

    async def identify(client: tuple[str, int], peer: tuple[str, int]) -> Caller | None:
        assert client[0] == "127.0.0.1"
        return next(callers)

    async with serving(says(b"a")) as a, serving(says(b"b")) as b, entrance(a, b, identify=identify) as way:
        assert way.at[0] != "127.0.0.1"
        way.balancer.sticky = 3600.0
        assert [await ask(*way.at) for _ in range(6)] == [b"a", b"b"] * 3


async def test_slow_answers_are_late_each_time_and_whole() -> None:
    async def echo(reader: Reader, writer: Writer) -> None:
        while data := await reader.read(100):
            writer.write(data * 100_000)
            await writer.drain()

    async with serving(echo) as a, entrance(a) as way:
        way.balancer.delay = 0.5
        reader, writer = await asyncio.open_connection(*way.at)
        clock = Clock()
        for _ in range(2):
            begun = clock.monotonic()
            writer.write(b"x")
            assert len(await reader.readexactly(100_000)) == 100_000
            assert clock.monotonic() - begun >= 0.5
        way.balancer.delay = 0.0
        begun = clock.monotonic()
        writer.write(b"x")
        await reader.readexactly(100_000)
        assert clock.monotonic() - begun < 0.5
        way.balancer.delay = 30.0
        writer.write(b"x")
        await until(lambda: all(connection._holding for connection in way.members))
        writer.close()
