"""An API server over a store in memory, asked without a network."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

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


class NoNodes:
    """Streams of a cluster whose nodes are all off."""

    async def logs(self, namespace, pod, container, query):
        async def lines():
            yield b"one\n"
            yield b"two\n"

        return lines()


@pytest.fixture
def verbs():
    verbs = Verbs(MemoryStore(), VirtualClock(), "10.96.0.0/24")
    bootstrap(verbs, "127.0.0.1", 6443)
    return verbs


@pytest.fixture
def http(verbs):
    client = TestClient(app.build(verbs, TOKEN, NoNodes()), raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client
