"""The server on its socket: what slow, silent and vanished clients cost, which is little, and how long."""

from __future__ import annotations

import asyncio
import json

import pytest

from benchmarks.wire import Server
from k8slab import pki
from k8slab.api.kinds import KINDS
from k8slab.apiserver import app, serve
from k8slab.clock import Clock
from k8slab.settings import Settings
from tests.apiserver.conftest import FakeNodes
from tests.waiting import PATIENCE

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def server(verbs, tmp_path):
    """The API of `verbs`, over HTTPS."""
    folder = Settings.read({}, state_dir=str(tmp_path)).folder.make()
    made = pki.credentials(folder, Clock().time())
    listener = serve.listen(0)
    folder.kubeconfig.write_text(pki.kubeconfig("k8slab", listener.getsockname()[1], made))
    http = serve.HttpServer(
        app.build(verbs, made.token, FakeNodes()), listener, made.certificate, made.key, Clock()
    )  # fmt: skip
    await http.start()
    yield Server(folder.kubeconfig)
    await http.stop()
    listener.close()


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def config(name, size=1):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "x" * size}}


@pytest.mark.parametrize("reads", [True, False])
async def test_a_watcher_that_vanishes_is_freed(server, verbs, reads):
    watches = verbs.store._watches.setdefault("configmaps", set())
    connection = await server.connect(limit=1024)
    connection.send("GET", f"{CONFIGMAPS}?watch=1")
    assert (await connection.head())[0] == 200
    await until(lambda: len(watches) == 1)
    if not reads:  # and more is waiting than sockets hold
        for number in range(100):
            verbs.create(KINDS["ConfigMap"], config(f"c{number}", 200_000), "default")
            await asyncio.sleep(0)
    connection.close()
    await until(lambda: not watches)


async def test_a_slow_body_blocks_nobody(server, verbs):
    before = verbs.store.revision
    slow = await server.connect()
    slow.writer.write(f"POST {CONFIGMAPS} HTTP/1.1\r\n{server.head}Content-Length: 1000\r\n\r\n{{".encode())
    async with await server.connect() as other:
        for _ in range(20):
            slow.writer.write(b" ")
            code, _ = await other.request("GET", CONFIGMAPS)
            assert code == 200
    slow.close()
    assert verbs.store.revision == before


async def test_a_body_without_end_is_refused_while_it_comes(server, verbs):
    before = verbs.store.revision
    async with await server.connect() as connection:
        head = f"POST {CONFIGMAPS} HTTP/1.1\r\n{server.head}Transfer-Encoding: chunked\r\n\r\n"
        connection.writer.write(head.encode())
        answer = asyncio.ensure_future(connection.answer())
        while not answer.done():
            connection.writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await connection.writer.drain()
            await asyncio.sleep(0)
        code, body = answer.result()
    assert (code, json.loads(body)["reason"]) == (413, "RequestEntityTooLarge")
    assert verbs.store.revision == before


@pytest.mark.parametrize("said", [b"", b"GET /api HTTP/1.1\r\nHost: x\r\n"])
async def test_who_connects_and_says_nothing_whole_is_hung_up_on(server, monkeypatch, said):
    monkeypatch.setattr(serve, "HEAD_SECONDS", 0.05)
    connection = await server.connect()
    connection.writer.write(said)
    async with asyncio.timeout(PATIENCE):
        assert await connection.reader.read() == b""


async def test_bytes_that_are_no_request(server):
    for said in (
        b"\0\xff" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        async with await server.connect() as connection, asyncio.timeout(PATIENCE):
            connection.writer.write(said)
            assert not (await connection.reader.read()).startswith(b"HTTP/1.1 5")
    async with await server.connect() as connection:
        assert (await connection.request("GET", "/api"))[0] == 200
