from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from k8slab.kubeproxy import dns, dnswire
from k8slab.kubeproxy.dns import DnsServer, upstream_servers
from k8slab.kubeproxy.dnswire import A, Malformed, Record
from tests.waiting import PATIENCE

from .test_names import cluster
from .world import address, service

WEB = "web.default.svc.cluster.local"


def test_a_question_is_read() -> None:
    query = dnswire.read(dnswire.ask(7, "Web.Default", A))
    assert (query.id, query.name, query.type, query.recursive, query.size) == (7, "web.default", A, True, 512)
    opt = struct.pack("!BHHIH", 0, dnswire.OPT, 4096, 0, 0)
    asked = bytearray(dnswire.ask(7, "web", A) + opt)
    asked[11] = 1
    query = dnswire.read(bytes(asked))
    assert (query.edns, query.size) == (True, 1232)


@pytest.mark.parametrize(
    "message",
    [b"", b"\0" * 11, b"\0" * 12, dnswire.ask(1, "web", A)[:-1], dnswire.ask(1, "web", A)[:14],
     dnswire.answer(dnswire.read(dnswire.ask(1, "web", A)), 0), b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"],
)  # fmt: skip
def test_what_is_no_question(message: bytes) -> None:
    with pytest.raises(Malformed):
        dnswire.read(message)


def test_an_answer_is_written() -> None:
    query = dnswire.read(dnswire.ask(7, WEB, A))
    message = dnswire.answer(query, 0, [Record(WEB, A, "127.64.240.7")])
    assert dnswire.addresses(message) == ["127.64.240.7"]
    many = [Record(WEB, A, f"127.64.1.{n}") for n in range(1, 101)]
    cut = dnswire.answer(query, 0, many, limit=512)
    assert len(cut) < 512
    assert cut[2] & 0x02
    assert dnswire.addresses(dnswire.answer(query, 0, many)) == [record.value for record in many]


@asynccontextmanager
async def serving(*upstream: str) -> AsyncIterator[DnsServer]:
    names, client = cluster()
    client.put(service("", name="inner", type="ExternalName", externalName=WEB))
    server = DnsServer(names, address(), upstream, port=0)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def by_udp(server: DnsServer, name: str, type_: int = A) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((server.address, server.port))
        await loop.sock_sendall(sock, dnswire.ask(42, name, type_))
        async with asyncio.timeout(PATIENCE):
            return await loop.sock_recv(sock, 4096)


def code(message: bytes) -> int:
    return message[3] & 15


async def test_by_udp_and_by_tcp() -> None:
    async with serving() as server:
        message = await by_udp(server, WEB)
        assert (message[:2], code(message), dnswire.addresses(message)) == (b"\0\x2a", 0, ["127.64.240.7"])
        reader, writer = await asyncio.open_connection(server.address, server.port)
        for name in (WEB, "db-1.db.default.svc.cluster.local"):
            asked = dnswire.ask(1, name, A)
            writer.write(len(asked).to_bytes(2, "big") + asked)
            length = int.from_bytes(await reader.readexactly(2), "big")
            answered = dnswire.addresses(await reader.readexactly(length))
            assert answered in (["127.64.240.7"], ["127.64.2.2"])
        writer.close()


async def test_no_name_no_record_and_nonsense() -> None:
    async with serving() as server:
        assert code(await by_udp(server, "nobody.default.svc.cluster.local")) == dnswire.NO_SUCH_NAME
        none = await by_udp(server, WEB, 28)  # AAAA
        assert (code(none), none[6:10]) == (0, b"\0\0\0\1")  # no answer, but who says so
        assert code(await server.respond(b"\0\1nonsense")) == dnswire.FORMAT_ERROR


async def test_an_alias_within_the_cluster_is_followed() -> None:
    async with serving() as server:
        assert dnswire.addresses(await by_udp(server, "inner.default.svc.cluster.local")) == ["127.64.240.7"]


class Elsewhere(asyncio.DatagramProtocol):
    """A DNS server that knows one address, whatever is asked."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dnswire.read(data)
        self.transport.sendto(dnswire.answer(query, 0, [Record(query.name, A, "192.0.2.1")]), addr)


async def test_what_is_not_ours_is_asked_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Elsewhere, ("127.0.0.1", 0))
    monkeypatch.setattr(dns, "PORT", transport.get_extra_info("sockname")[1])
    monkeypatch.setattr(dns, "PATIENCE", 0.2)
    async with serving("127.0.0.1") as server:
        assert dnswire.addresses(await by_udp(server, "example.org")) == ["192.0.2.1"]
        assert dnswire.addresses(await by_udp(server, "out.default.svc.cluster.local")) == ["192.0.2.1"]
    transport.close()
    async with serving("127.0.0.1") as server:  # nobody there
        assert code(await by_udp(server, "example.org")) == dnswire.SERVER_FAILURE


def test_which_servers_this_machine_asks(tmp_path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# a\nnameserver 10.0.0.1\nsearch x\nnameserver 10.0.0.2\nnameserver\n")
    assert upstream_servers(file) == ["10.0.0.1", "10.0.0.2"]
    assert upstream_servers(tmp_path / "none") == []
