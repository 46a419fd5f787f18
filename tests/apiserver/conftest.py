"""An API server over a store in memory, asked without a network."""

from __future__ import annotations

import asyncio

import pytest
from starlette.testclient import TestClient

from k8slab.api.errors import ApiError, NotFound, ServiceUnavailable
from k8slab.apiserver import app
from k8slab.apiserver.bootstrap import bootstrap
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import VirtualClock
from k8slab.store.memory import MemoryStore

TOKEN = "letmein"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}


class FakeProcess:
    """Says hello, repeats what it is told until its stdin ends, and ends with a code."""

    def __init__(self, code=0, log=None):
        self.code, self.log, self._typed = code, log if log is not None else [], asyncio.Queue()

    async def write(self, data):
        self._typed.put_nowait(data)

    async def close_stdin(self):
        self._typed.put_nowait(None)

    def resize(self, columns, rows):
        self.log.append(("resize", columns, rows))
        self._typed.put_nowait(b"")

    async def output(self):
        yield "stdout", b"hello"
        yield "stderr", b"oops"
        while (data := await self._typed.get()) is not None:
            yield "stdout", b"got " + data

    async def wait(self):
        return self.code

    def close(self):
        self.log.append(("closed",))


class FakeNodes:
    """Kubelets without containers: what was asked of them is written down."""

    def __init__(self):
        self.asked, self.said, self.code, self.refusal, self.port = [], [], 0, None, 0

    async def logs(self, pod, container, options):
        async def lines():
            yield b"one\n"
            yield b"two\n"

        self.asked.append(("logs", container, options))
        return lines()

    async def exec(self, pod, container, options):
        self.asked.append(("exec", container, options))
        if self.refusal:
            raise self.refusal
        return FakeProcess(self.code, self.said)

    async def attach(self, pod, container, options):
        self.asked.append(("attach", container, options))
        return FakeProcess(self.code, self.said)

    async def connect(self, pod, port):
        if not self.port:
            raise ApiError(f"error forwarding port {port}: connection refused")
        return await asyncio.open_connection("127.0.0.1", self.port)

    def need_network(self):
        if not self.port:
            raise ServiceUnavailable("pods have no network")

    def node(self, name, path):
        if path != "/healthz":
            raise NotFound("404 page not found", {})
        return "text/plain", b"ok"


@pytest.fixture
def verbs():
    verbs = Verbs(MemoryStore(), VirtualClock(), "10.96.0.0/24")
    bootstrap(verbs, "127.0.0.1", 6443)
    return verbs


@pytest.fixture
def nodes():
    return FakeNodes()


@pytest.fixture
def http(verbs, nodes):
    client = TestClient(app.build(verbs, TOKEN, nodes), raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client
