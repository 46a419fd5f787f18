"""Requests meant to hurt: refused in the client's own words, quickly, and nothing has changed."""

from __future__ import annotations

import json
import time

import pytest

from k8slab.apiserver import bodies
from k8slab.apiserver.requests import MAX_BODY
from k8slab.apiserver.verbs import LARGEST
from tests.apiserver.conftest import DEPLOYMENT

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
SOON = 10.0  # s; each takes far less than one on an idle machine, and for ever without its limit


@pytest.fixture
def refused(http, verbs):
    """Ask, and see that it is refused with one of these codes, soon, and without a trace in the store."""

    def ask(method, path, codes=(400, 413, 422), **request):
        before, began = verbs.store.revision, time.monotonic()
        response = http.request(method, path, **request)
        assert time.monotonic() - began < SOON
        assert response.status_code in codes, (response.status_code, response.text[:300])
        assert response.json()["kind"] == "Status"
        assert verbs.store.revision == before
        return response.json()["message"]

    return ask


@pytest.fixture
def base(http):
    made = {"metadata": {"name": "base"}, "data": {"a": "x"}}
    assert http.post(CONFIGMAPS, json=made).status_code == 201
    assert http.post(DEPLOYMENTS, json=DEPLOYMENT).status_code == 201
    return CONFIGMAPS + "/base"


def nested(depth, key="data"):
    return b'{"%b":' % key.encode() * depth + b"1" + b"}" * depth


def bomb(width, height):
    """Lists of aliases of lists of aliases: width to the power of height."""
    lines = ["a0: &a0 [" + ",".join("x" * width) + "]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * width)}]" for i in range(1, height)]
    return "\n".join(lines).encode()


def merges(width, height):
    lines = ["a0: &a0 {k0: v}"]
    lines += [f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * width)}], k{i}: v}}" for i in range(1, height)]
    return "\n".join(lines).encode()


# ---- depth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [120, 400, 990, 10_000, 100_000])
@pytest.mark.parametrize("shape", ["json", "list", "yaml flow", "yaml block", "patch", "strategic", "value", "delete"])
def test_deep_nesting(refused, base, depth, shape):
    deep = nested(depth)
    asked = {
        "json": ("POST", CONFIGMAPS, deep, JSON),
        "list": ("POST", CONFIGMAPS, b"[" * depth + b"]" * depth, JSON),
        "yaml flow": ("POST", CONFIGMAPS, b"{a: " * depth + b"1" + b"}" * depth, YAML),
        "yaml block": ("POST", CONFIGMAPS, b"- " * depth + b"1", YAML),
        "patch": ("PATCH", base, deep, MERGE),
        "strategic": ("PATCH", base, deep, STRATEGIC),
        "value": ("PATCH", base, b'[{"op":"add","path":"/x","value":%b}]' % deep, JSON_PATCH),
        "delete": ("DELETE", base, deep, JSON),
    }
    method, path, content, headers = asked[shape]
    assert "nested more than 100 levels deep" in refused(method, path, content=content, headers=headers)


def test_depth_in_protobuf_comes_in_raw_json(refused, base):
    """FieldsV1 carries JSON inside the binary form."""

    def varint(number):
        return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)

    def message(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    fields = message(7, message(1, nested(300, "f:a")))
    meta = message(1, message(1, b"deep") + message(17, fields))
    unknown = message(1, message(1, b"v1") + message(2, b"ConfigMap")) + message(2, meta)
    said = refused(
        "POST", CONFIGMAPS, content=b"k8s\0" + unknown, headers={"Content-Type": "application/vnd.kubernetes.protobuf"}
    )
    assert "levels deep" in said or "JSON" in said


def test_what_is_as_deep_as_allowed_can_be_read_back(http):
    deep: dict = {}
    for _ in range(bodies.MAX_DEPTH - 6):
        deep = {"f:a": deep}
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": deep}
    made = http.post(CONFIGMAPS, json={"metadata": {"name": "deep", "managedFields": [entry]}})
    assert made.status_code < 500
    assert http.get(CONFIGMAPS).status_code == 200
    assert http.get(CONFIGMAPS, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).status_code == 200


# ---- small texts that become large things ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [bomb(9, 9), bomb(2, 40), merges(9, 11), b"a: [" + b"1," * 1_400_000 + b"1]", b"? " * 1_400_000, b"[a: " * 700_000,
     b"".join(b"k%d:\n" % i for i in range(300_000)), b"&a {b: *a}", b"metadata: &m {name: x, labels: *m}"],
    ids=["aliases", "doubling", "merge keys", "items", "question marks", "flow", "keys", "itself", "itself below"],
)  # fmt: skip
def test_yaml_bombs(refused, text):
    said = refused("POST", CONFIGMAPS, content=text, headers=YAML)
    assert "nodes, aliases followed" in said or "levels deep" in said or "contains itself" in said


def test_yaml_aliases_of_a_reasonable_size_are_followed(http):
    text = b"metadata: {name: anchored, labels: &l {app: web}, annotations: *l}\ndata: {<<: *l, day: 2001-01-01}"
    made = http.post(CONFIGMAPS, content=text, headers=YAML).json()
    assert (made["metadata"]["annotations"], made["data"]) == ({"app": "web"}, {"app": "web", "day": "2001-01-01"})


@pytest.mark.parametrize(
    "text",
    [b"!!python/object/apply:os.system ['true']", b"\xff\xfe", b"a: \x00", b"%YAML 9.9\n---\na: b", b"a\n---\nb",
     b"? [a]\n: b", b"=", b"<<: 1", b"*nobody", b"a: !!binary '*'", b"!!set {a, b}", b"a: !!timestamp x", b"{a: b"],
)  # fmt: skip
def test_yaml_that_is_none_of_ours(refused, text):
    refused("POST", CONFIGMAPS, content=text, headers=YAML)


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "/data/a", "value": "x" * 1000}]
        + [{"op": "copy", "from": "/data", "path": f"/data/k{i}"} for i in range(60)],
        [{"op": "add", "path": "/x", "value": ["x"]}] + [{"op": "copy", "from": "/x", "path": "/x/-"}] * 60,
        [{"op": "add", "path": "/data/a", "value": "x" * 1_000_000}]
        + [{"op": "copy", "from": "/data/a", "path": f"/data/k{i}"} for i in range(9000)],
        [{"op": "add", "path": "/x", "value": {"a": {}}}]
        + [{"op": "copy", "from": "/x", "path": "/x" + "/a" * i} for i in range(1, 1000)],
        [{"op": "test", "path": "/data/a", "value": "x"}] * 10_001,
        [{"op": "add", "path": "/x", "value": {}}]
        + [{"op": "add", "path": "/x" + "/a" * i, "value": {}} for i in range(1, 1200)],
    ],
    ids=["doubling", "doubling list", "many large", "deeper", "too many", "depth by depth"],
)
def test_json_patch_bombs(refused, base, operations):
    refused("PATCH", base, content=json.dumps(operations), headers=JSON_PATCH)


@pytest.mark.parametrize(
    "operations",
    [[1], {"op": "add"}, [{}], [{"op": "add"}], [{"op": "nope", "path": "/a"}], [{"op": ["add"], "path": "/a"}],
     [{"op": "add", "path": 1}], [{"op": "add", "path": "a", "value": 1}], [{"op": "remove", "path": ""}],
     [{"op": "replace", "path": "", "value": None}], [{"op": "replace", "path": "/metadata", "value": []}],
     [{"op": "copy", "path": "/a"}], [{"op": "copy", "from": 1, "path": "/a"}], [{"op": "move", "path": "/a"}],
     [{"op": "move", "from": "/data", "path": "/data/a"}], [{"op": "add", "path": "/data/~2", "value": "1"}],
     [{"op": "add", "path": "/data/a/0", "value": 1}], [{"op": "test", "path": "/nope", "value": 1}],
     [{"op": "replace", "path": "/kind", "value": "Pod"}], [{"op": "add", "path": "/metadata/labels", "value": "x"}]],
    ids=json.dumps,
)  # fmt: skip
def test_broken_json_patches(refused, base, operations):
    refused("PATCH", base, codes=(400, 409, 422), content=json.dumps(operations), headers=JSON_PATCH)


BROKEN = [
    {"metadata": 1}, {"metadata": {"name": "other"}}, {"metadata": {"labels": 1}}, {"data": []}, {"data": {"b": 1}},
    {"metadata": {"$patch": "zzz"}}, {"$retainKeys": 1}, {"metadata": {"$setElementOrder/finalizers": 1, "finalizers": ["a/b"]}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}, {"metadata": {"ownerReferences": [1]}},
    {"metadata": {"ownerReferences": [{"uid": {}}]}}, {"metadata": {"finalizers": [[]]}}, {"kind": "Pod"},
    {"metadata": {"resourceVersion": "zz"}}, {"metadata": {"uid": "zz"}},
]  # fmt: skip


@pytest.mark.parametrize("wish", BROKEN, ids=json.dumps)
def test_broken_strategic_patches(refused, base, wish):
    refused("PATCH", base, codes=(400, 409, 422), content=json.dumps(wish), headers=STRATEGIC)


@pytest.mark.parametrize("wish", [*BROKEN[:5], "x", 1, None, []], ids=json.dumps)
def test_broken_merge_patches(refused, base, wish):
    refused("PATCH", base, codes=(400, 409, 422), content=json.dumps(wish), headers=MERGE)


@pytest.mark.parametrize("form", [MERGE, STRATEGIC], ids=["merge", "strategic"])
def test_patches_with_very_long_lists_take_no_longer_than_they_are(http, base, form):
    """Merging by key was quadratic: two minutes for this one."""
    env = [{"name": f"a{i}"} for i in range(30_000)]
    wish = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i", "env": env}]}}}}
    order = {"$setElementOrder/env": env} if form is STRATEGIC else {}
    wish["spec"]["template"]["spec"]["containers"][0] |= order
    began = time.monotonic()
    assert http.patch(DEPLOYMENTS + "/web", json=wish, headers=form).status_code == 200
    assert time.monotonic() - began < SOON


# ---- size --------------------------------------------------------------------------------------------------------------


def test_a_body_in_chunks_says_no_length_and_is_counted(refused):
    def endless():
        yield b'{"metadata":{"name":"x"},"data":{"a":"'
        for _ in range(MAX_BODY // 1000 + 100):
            yield b"x" * 1000

    said = refused("POST", CONFIGMAPS, codes=(413,), content=endless(), headers=JSON)
    assert said == "Request entity too large: limit is 3145728"


def test_an_object_larger_than_a_store_takes(refused, http, base):
    """etcd takes 1.5 MiB; patches must not grow an object beyond what could be sent at once either."""
    said = refused("POST", CONFIGMAPS, codes=(413,), json={"metadata": {"name": "x"}, "data": {"a": "x" * LARGEST}})
    assert said == "Request entity too large: limit is 1572864"
    notes = {"metadata": {"managedFields": None}, "binaryData": {"a": "A" * 1_600_000}}
    refused("PATCH", base, codes=(413, 422), json=notes, headers=MERGE)


def test_more_node_ports_than_there_are(refused):
    ports = [{"name": f"p{i}", "port": i + 1} for i in range(3000)]
    said = refused("POST", SERVICES, json={"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}})
    assert "no node port is free" in said


# ---- text, types, paths, queries, headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"1", b'"x"', b"[]", b"{", b"\xff", b'{"metadata":[]}', b'{"metadata":{"name":"a\\u0000b"}}',
     b'{"metadata":{"name":"\\ud800"}}', b'{"metadata":{"name":"a","generation":1e400}}', b'{"kind":1}',
     b'{"metadata":{"name":"a","ownerReferences":[null]}}', b'{"metadata":{"name":"a","finalizers":[null]}}',
     b'{"metadata":{"name":"a","creationTimestamp":"x"}}', b'\xef\xbb\xbf{"metadata":{"name":"bom"}}',
     b'{"metadata":{"name":"x"}} {}', b'{"metadata":{"name":"a"},"data":{"a":"\xff"}}', b"\0" * 1000,
     b'{"metadata":{"name":"' + b"n" * 300 + b'"}}', '{"metadata":{"name":"é"}}'.encode()],
)  # fmt: skip
def test_bodies_that_are_no_object(refused, body):
    refused("POST", CONFIGMAPS, content=body, headers=JSON)


@pytest.mark.parametrize(
    "body",
    [b"", b"k8s\0", b"k8s\0\n", b"k8s\0\x0a\xff\xff\xff\xff\x0f", b"k8s\0" + b"\xff" * 100, b"k8s\0\x12\x05hello",
     b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x04\x0a\x02\x0a\x05", b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12"
     + b"\x80" * 10 + b"\x01"],
)  # fmt: skip
def test_broken_protobuf(refused, body):
    refused("POST", CONFIGMAPS, content=body, headers={"Content-Type": "application/vnd.kubernetes.protobuf"})


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonjson/x", "\xff", "multipart/form-data"])
def test_wrong_content_types(refused, base, content_type):
    headers = {"Content-Type": content_type.encode("latin-1")}
    refused("POST", CONFIGMAPS, codes=(400, 415), content=b'{"metadata":{"name":"x"}}', headers=headers)
    refused("PATCH", base, codes=(400, 415), content=b'{"data":{"b":"x"}}', headers=headers)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/default/configmaps/%2e%2e", "/api/v1/namespaces/%2e%2e/configmaps/base",
     "/api/v1/namespaces/default/configmaps/%2e%2e%2fsecrets", "/api/v1/namespaces//configmaps", "/api/v1//configmaps",
     "/api/v1/namespaces//configmaps/base", "//api/v1/configmaps/base", "/apis//", "/apis/apps//deployments",
     "/api/v1/namespaces/default/configmaps/base%0a", "/api/v1/namespaces/default/configmaps/%00",
     "/api/v1/namespaces/default/configmaps/%0a", "/api/v1/namespaces/default/configmaps/base%2fstatus%2fx",
     "/api/v1/namespaces/default/configmaps/%ff", "/api/v1/namespaces/default/configmaps/%F0%9F%98%80",
     "/api/v1/namespaces/default/configmaps/" + "a" * 5000, "/api/v1/namespaces/" + "a" * 5000 + "/configmaps/base",
     "/api/v1/watch/pods", "/k8slab/%2e%2e/api", "/openapi/v3/%2e%2e/x",
     "/openapi/v3/" + "a/" * 1000, "/apis/apps/v1/namespaces/default/deployments/web/scale/x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_path_tricks(http, verbs, base, path, method):
    before = verbs.store.revision
    sent = {"content": b'{"metadata":{}}', "headers": JSON} if method in ("POST", "PUT", "PATCH") else {}
    response = http.request(method, path, **sent)
    assert 400 <= response.status_code < 500, response.text
    assert verbs.store.revision == before


@pytest.mark.parametrize("path", ["/api/", "/apis/", "/apis/apps/", "/apis/apps/v1/", "/api/v1/"])
def test_discovery_with_a_slash_at_the_end(http, path):
    assert http.get(path).json() == http.get(path.rstrip("/")).json()


QUERIES = [
    "limit=x", "limit=99999999999999999999999", "limit=1&continue=zz", "limit=1&continue=e30", "limit=1&continue=%FF",
    "limit=1&continue=" + "a" * 10_000, "labelSelector=a+in+(", "labelSelector=" + "(" * 5000, "fieldSelector=a",
    "fieldSelector=%5C", "resourceVersion=x", "resourceVersion=-1", "resourceVersion=%C2%B2", "resourceVersion=%D9%A1",
    "resourceVersion=" + "9" * 5000, "watch=1&timeoutSeconds=x", "watch=1&resourceVersion=%C2%B2",
    "watch=1&timeoutSeconds=" + "9" * 5000, "watch=1&resourceVersion=" + "9" * 30, "resourceVersionMatch=zz",
    "watch=1&timeoutSeconds=" + "9" * 30,
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_query_junk_in_lists(refused, query):
    refused("GET", f"{CONFIGMAPS}?{query}", codes=(400, 410, 422))


@pytest.mark.parametrize(
    "query", ["labelSelector=" + "a," * 3000, "fieldSelector=" + "metadata.name=a," * 3000, "a=" * 2000, "%=1&&==",
              "limit=1" + "&limit=1" * 2000, "limit=-1", "watch=1&timeoutSeconds=-1", "pretty=%00"]
)  # fmt: skip
def test_query_junk_that_harms_nobody(http, query):
    began = time.monotonic()
    assert http.get(f"{CONFIGMAPS}?{query}").status_code < 500
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("query", ["dryRun=zz", "fieldValidation=zz", "fieldManager=%00", "fieldManager=" + "x" * 1000])
def test_query_junk_in_writes(refused, base, query):
    refused("POST", f"{CONFIGMAPS}?{query}", json={"metadata": {"name": "x"}})
    refused("PUT", f"{base}?{query}", json={"metadata": {"name": "base"}, "data": {"a": "y"}})
    refused("PATCH", f"{base}?{query}", json={"data": {"a": "y"}}, headers=MERGE)


@pytest.mark.parametrize("query", ["gracePeriodSeconds=x", "propagationPolicy=zz", "dryRun=zz"])
def test_query_junk_in_deletes(refused, base, query):
    refused("DELETE", f"{base}?{query}")
    refused("DELETE", f"{CONFIGMAPS}?{query}")


@pytest.mark.parametrize(
    "header",
    [{"Accept": "x" * 9000}, {"Accept": "\xff"}, {"Accept": "application/json;as=Table;g=meta.k8s.io;v=zz"},
     {"Host": "\xff"}, {"Host": "a b"}, {"Host": "[::"}, {"If-None-Match": "*"}, {"Content-Length": "-1"},
     {"User-Agent": "\xff" * 300}, {"Content-Encoding": "gzip"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("path", [CONFIGMAPS, "/api", "/apis", "/openapi/v3"])
def test_header_tricks(http, header, path):
    assert http.get(path, headers={k: v.encode("latin-1") for k, v in header.items()}).status_code < 500


def test_the_token_is_not_guessed_by_tricks(http, verbs):
    for header in (
        "Bearer",
        "Bearer ",
        "bearer letmei",
        "Basic letmein",
        "Bearer letmein,letmein",
        "\xff",
        "Bearer \xff",
    ):
        response = http.get("/api", headers={"Authorization": header.encode("latin-1")})
        assert response.status_code == 401, header


# ---- what may not be deleted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_cluster_s_own_namespaces_stay(refused, name):
    said = refused("DELETE", f"/api/v1/namespaces/{name}", codes=(403,))
    assert said == f'namespaces "{name}" is forbidden: this namespace may not be deleted'
