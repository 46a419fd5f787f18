"""Objects grown at random from our own OpenAPI documents, bent here and there, sent to every path they name.

Whatever comes: an answer below 500; after a refusal the store is as it was; and at the end everything can be listed.
"""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from k8slab.apiserver import app, openapi
from k8slab.apiserver.bootstrap import bootstrap
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import VirtualClock
from k8slab.store.memory import MemoryStore
from tests.apiserver.conftest import DEPLOYMENT, POD, TOKEN, FakeNodes

BODIES = ("post", "put", "patch")
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
NAMES = ("web", "base", "x", "default", "node-1", "new", "a" * 254, "Ü", "web-0")
TEXTS = (
    "", "a", "web", "app", "x" * 70, "-1", "0", "1", "50%", "200%", "1Gi", "-5m", "1e9999", "9" * 400, "None", "10.96.0.7",
    "1.2.3.4.5", "TCP", "Always", "ClusterIP", "NodePort", "IfNotPresent", "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z",
    "ü\0\n", "${HOME}", "*/5 * * * *", "61 * * * *", "kubernetes.io/x", "/", "a/b/c", "../..", "True", "NoSchedule", "Ready",
    "apps/v1", "v1", "Deployment", "In", "Exists", "RollingUpdate", "ReadWriteOnce", "cpu", "default", "node-1", "YWI=", "=",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 80, 65535, 65536, 2**31, -(2**63), 2**63, 2**64, 10**30, 1.5, 1e308)
JUNK = (None, True, [], {}, [None], {"": None}, [[]], {"a": {"a": []}}, "junk", 7, 0.5)
QUERIES = ("", "dryRun=All", "fieldValidation=Strict", "fieldManager=fuzz&force=true", "fieldManager=fuzz", "limit=1",
           "labelSelector=app", "fieldSelector=metadata.name=web", "propagationPolicy=Foreground", "gracePeriodSeconds=0",
           "resourceVersion=0", "resourceVersion=1&resourceVersionMatch=Exact", "limit=1&continue=zz")  # fmt: skip


class World:
    """A server with a few objects in it, and what its documents say may be asked of it."""

    def __init__(self) -> None:
        self.verbs = Verbs(MemoryStore(), VirtualClock(), "10.96.0.0/24")
        bootstrap(self.verbs, "127.0.0.1", 6443)
        self.http = TestClient(app.build(self.verbs, TOKEN, FakeNodes()), raise_server_exceptions=False)
        self.http.headers["Authorization"] = f"Bearer {TOKEN}"
        self.junk = 0.0  # how much of an object is bent
        self.operations: list[tuple[str, str, dict | None]] = []
        self.schemas: dict[str, dict] = {}
        for group in openapi.v3_index()["paths"]:
            document = json.loads(openapi.v3(group))
            self.schemas |= document.get("components", {}).get("schemas", {})
            for path, methods in document["paths"].items():
                if "/watch/" not in path:
                    self._add(path, methods)
        for path, body in (
            ("/apis/apps/v1/namespaces/default/deployments", DEPLOYMENT),
            ("/api/v1/namespaces/default/pods", POD),
            ("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "base"}}),
            ("/api/v1/nodes", {"metadata": {"name": "node-1"}}),
        ):
            assert self.http.post(path, json=body).status_code == 201

    def _add(self, path: str, methods: dict) -> None:
        for method, operation in methods.items():
            if method in ("get", "delete", *BODIES):
                contents = (operation.get("requestBody") or {}).get("content") or {}
                self.operations.append((method, path, next(iter(contents.values()), {}).get("schema")))

    # ---- growing an object -------------------------------------------------------------------------------------

    def value(self, rng: random.Random, schema: dict, depth: int = 0):
        if rng.random() < self.junk:
            return rng.choice(JUNK)
        for name in ("allOf", "oneOf", "anyOf"):
            if schema.get(name):
                return self.value(rng, rng.choice(schema[name]), depth)
        if "$ref" in schema:
            return self.value(rng, self.schemas[schema["$ref"].rpartition("/")[2]], depth)
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self.object(rng, schema, depth)
        if kind == "array":
            return [self.value(rng, schema.get("items") or {}, depth + 1) for _ in range(rng.choice((0, 1, 1, 2)))]
        if kind in ("integer", "number"):
            return rng.choice(NUMBERS)
        if kind == "boolean":
            return rng.choice((True, False))
        if schema.get("enum"):
            return rng.choice(schema["enum"])
        if schema.get("format") == "date-time" or (depth > 0 and rng.random() < 0.6):
            return rng.choice(("2026-01-01T00:00:00Z",) if schema.get("format") == "date-time" else ("web", "a", "1"))
        return rng.choice(TEXTS) if kind == "string" else rng.choice((*TEXTS, *NUMBERS))

    def object(self, rng: random.Random, schema: dict, depth: int) -> dict:
        grown, required = {}, schema.get("required") or ()
        for name, below in (schema.get("properties") or {}).items():
            wanted = 0.93 if name in (*required, "metadata", "spec") else 0.25 / (1 + depth)
            if rng.random() < wanted and depth < 9:
                grown[name] = self.value(rng, below, depth + 1)
        if more := schema.get("additionalProperties"):
            grown |= {rng.choice(TEXTS): self.value(rng, more, depth + 1) for _ in range(rng.choice((0, 1, 2)))}
        return grown

    def body(self, rng: random.Random, schema: dict | None, path: str, kind: str) -> bytes:
        grown = self.value(rng, schema or {})
        if isinstance(grown, dict) and rng.random() < 0.9:
            for field in ("apiVersion", "kind"):
                grown.pop(field, None)
            meta = grown.get("metadata")
            if isinstance(meta, dict):
                for field in ("namespace", "uid", "resourceVersion", "selfLink"):
                    if rng.random() < 0.9:
                        meta.pop(field, None)
                meta["name"] = rng.choice(NAMES[:6]) if "{name}" not in path else "web"
        if kind == "json-patch+json":
            operations = [{"op": rng.choice(("add", "remove", "replace", "move", "copy", "test")),
                           "path": rng.choice(self.pointers(grown)), "from": rng.choice(self.pointers(grown)),
                           "value": self.value(rng, {})} for _ in range(rng.choice((1, 2, 4)))]  # fmt: skip
            grown = operations
        text = json.dumps(grown).encode()
        if rng.random() < 0.02:
            cut = rng.randrange(len(text) + 1)
            text = text[:cut] + bytes([rng.randrange(256)]) + text[cut:]
        return text

    def pointers(self, grown) -> list[str]:
        found = [
            "",
            "/metadata",
            "/spec",
            "/metadata/labels",
            "/metadata/labels/app",
            "/spec/replicas",
            "/metadata/name",
            "/-",
        ]
        for prefix, below in (("", grown), ("/spec", grown.get("spec") if isinstance(grown, dict) else None)):
            found += [f"{prefix}/{name}" for name in below] if isinstance(below, dict) else []
        return found

    # ---- asking ------------------------------------------------------------------------------------------------

    def ask(self, rng: random.Random) -> None:
        self.junk = rng.choice((0.0, 0.002, 0.03))
        method, path, schema = rng.choice(self.operations)
        where = path.replace("{namespace}", rng.choice(("default", "default", "default", "nowhere")))
        where = where.replace("{name}", rng.choice(NAMES[:5])).replace("{path}", "a/b")
        query, headers, content = rng.choice(QUERIES), {}, None
        if method in BODIES:
            form = rng.choice(PATCHES) if method == "patch" else rng.choice(("json", "json", "json", "yaml"))
            headers["Content-Type"] = f"application/{form}"
            if method == "patch":
                schema = next((s for m, p, s in self.operations if p == path and m == "put"), schema)
            content = self.body(rng, schema, path, form)
        if method == "get" and rng.random() < 0.3:
            headers["Accept"] = "application/json;as=Table;v=v1;g=meta.k8s.io"
        before = self.verbs.store.revision
        response = self.http.request(method, f"{where}?{query}", content=content, headers=headers)
        told = f"{method} {where}?{query} {headers}\n{content!r}\n{response.status_code} {response.text[:500]}"
        proxied = "/proxy" in where and response.status_code == 503  # there is nobody behind the proxy
        assert response.status_code < 500 or proxied, told
        if response.status_code >= 400:
            assert self.verbs.store.revision == before, told
        if query == "dryRun=All" and method != "delete":
            assert self.verbs.store.revision == before, told

    def all_can_be_listed(self) -> None:
        for method, path, _ in self.operations:
            if method == "get" and "{" not in path:
                for headers in ({}, {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}):
                    response = self.http.get(path, headers=headers)
                    assert response.status_code in (200, 404, 405), f"{path}: {response.text[:500]}"


@pytest.fixture(scope="module")
def world():
    return World()


def run(world: World, seed: int, requests: int) -> None:
    rng = random.Random(seed)
    for _ in range(requests):
        world.ask(rng)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_random_breaks_the_server(world, seed):
    run(world, seed, 25)
    if seed % 10 == 0:
        world.all_can_be_listed()


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(st.integers(0, 2**32))
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_random_breaks_the_server_in_many_tries(world, seed):
    run(world, seed, 40)
    if seed % 20 == 0:
        world.all_can_be_listed()
