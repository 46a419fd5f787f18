"""The API as a client meets it: status codes, reasons, forms, and what a mistake gets."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.apiserver.conftest import DEPLOYMENT, POD

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def config(name="c", **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}, "data": {"a": "1"}}


def refused(response, code, reason):
    body = response.json()
    assert (response.status_code, body["kind"], body["status"], body["reason"]) == (
        code,
        "Status",
        "Failure",
        reason,
    ), body
    return body["message"]


# ---- the door ------------------------------------------------------------------------------------------------------


def test_without_the_token_nothing_but_health_and_version(http):
    del http.headers["Authorization"]
    assert http.get("/version").json()["gitVersion"].startswith("v1.36")
    assert http.get("/readyz").text == "ok"
    for path in ("/api", "/apis", PODS, "/openapi/v3"):
        refused(http.get(path), 401, "Unauthorized")
    refused(http.get("/api", headers={"Authorization": "Bearer wrong"}), 401, "Unauthorized")


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/api/v2", "/apis/nobody/v1", "/api/v1/widgets", "/apis/apps/v1/namespaces/default/pods",
     "/api/v1/pods/web", "/api/v1/namespaces/default/nodes", PODS + "/web/nope", PODS + "/a/b/c/d", PODS + "/%2e%2e"],
)  # fmt: skip
def test_paths_that_lead_nowhere(http, path):
    refused(http.get(path), 404, "NotFound")


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1"])
def test_discovery_answers_with_a_slash_at_the_end(http, path):
    assert http.get(path + "/", follow_redirects=False).json() == http.get(path).json()


def test_a_body_too_large(http):
    refused(http.post(CONFIGMAPS, content=b'{"a":"' + b"x" * (3 << 20) + b'"}'), 413, "RequestEntityTooLarge")


# ---- create, read, update, delete ------------------------------------------------------------------------------------


def test_create_and_read_back(http):
    made = http.post(DEPLOYMENTS, json=DEPLOYMENT)
    assert made.status_code == 201
    meta = made.json()["metadata"]
    assert (meta["namespace"], meta["generation"]) == ("default", 1)
    assert meta["uid"]
    assert meta["creationTimestamp"]
    assert http.get(DEPLOYMENTS + "/web").json() == made.json()
    assert "already exists" in refused(http.post(DEPLOYMENTS, json=DEPLOYMENT), 409, "AlreadyExists")


def test_create_in_a_namespace_that_is_not_there(http):
    message = refused(http.post("/api/v1/namespaces/nowhere/configmaps", json=config()), 404, "NotFound")
    assert message == 'namespaces "nowhere" not found'


def test_generated_names_differ(http):
    body = config()
    body["metadata"] = {"generateName": "c-"}
    names = {http.post(CONFIGMAPS, json=body).json()["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("c-") and len(name) == 7 for name in names)


def test_a_dry_run_leaves_nothing(http):
    assert http.post(CONFIGMAPS + "?dryRun=All", json=config()).status_code == 201
    refused(http.get(CONFIGMAPS + "/c"), 404, "NotFound")
    http.post(CONFIGMAPS, json=config())
    assert http.delete(CONFIGMAPS + "/c?dryRun=All").status_code == 200
    assert http.get(CONFIGMAPS + "/c").status_code == 200
    refused(http.post(CONFIGMAPS + "?dryRun=All", json=config()), 409, "AlreadyExists")


def test_a_stale_put_conflicts(http):
    first = http.post(CONFIGMAPS, json=config()).json()
    assert http.put(CONFIGMAPS + "/c", json={**first, "data": {"a": "2"}}).status_code == 200
    message = refused(http.put(CONFIGMAPS + "/c", json={**first, "data": {"a": "3"}}), 409, "Conflict")
    assert message.startswith('Operation cannot be fulfilled on configmaps "c": the object has been modified')


def test_an_update_without_change_writes_nothing(http):
    first = http.post(CONFIGMAPS, json=config()).json()
    assert (
        http.put(CONFIGMAPS + "/c", json=first).json()["metadata"]["resourceVersion"]
        == first["metadata"]["resourceVersion"]
    )


def test_the_main_door_keeps_status_and_the_status_door_keeps_spec(http):
    made = http.post(DEPLOYMENTS, json=DEPLOYMENT).json()
    wish = {**made, "status": {"replicas": 7}, "spec": {**made["spec"], "replicas": 5}}
    assert http.put(DEPLOYMENTS + "/web", json=wish).json()["status"] == {}
    wish["metadata"].pop("resourceVersion")
    seen = http.put(DEPLOYMENTS + "/web/status", json={**wish, "spec": {**made["spec"], "replicas": 9}}).json()
    assert (seen["status"]["replicas"], seen["spec"]["replicas"]) == (7, 5)


def test_generation_counts_wishes(http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    patch = lambda body, path="": http.patch(DEPLOYMENTS + "/web" + path, json=body, headers=MERGE).json()
    assert patch({"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    assert patch({"status": {"replicas": 1}}, "/status")["metadata"]["generation"] == 1
    assert patch({"spec": {"replicas": 3}})["metadata"]["generation"] == 2


def test_three_kinds_of_patch(http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "new"}]}}}}
    strategic = http.patch(DEPLOYMENTS + "/web", json=image, headers=STRATEGIC).json()
    assert strategic["spec"]["template"]["spec"]["containers"][0]["image"] == "new"
    merged = http.patch(DEPLOYMENTS + "/web", json={"spec": {"replicas": 4}}, headers=MERGE).json()
    assert merged["spec"]["replicas"] == 4
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 6}]
    assert http.patch(DEPLOYMENTS + "/web", json=operations, headers=JSON_PATCH).json()["spec"]["replicas"] == 6
    refused(
        http.patch(DEPLOYMENTS + "/web", content=b"{}", headers={"Content-Type": "text/plain"}),
        415,
        "UnsupportedMediaType",
    )


def test_scale(http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    scale = http.get(DEPLOYMENTS + "/web/scale").json()
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "app=web")
    http.patch(DEPLOYMENTS + "/web/scale", json={"spec": {"replicas": 5}}, headers=MERGE)
    assert http.get(DEPLOYMENTS + "/web").json()["spec"]["replicas"] == 5
    stale = {**scale, "spec": {"replicas": 1}}
    refused(http.put(DEPLOYMENTS + "/web/scale", json=stale), 409, "Conflict")


# ---- deletion --------------------------------------------------------------------------------------------------------


def test_a_pod_on_a_node_gets_its_grace(http):
    http.post(PODS, json=POD)
    assert http.post(PODS + "/web/binding", json={"target": {"name": "node-1"}}).status_code == 201
    marked = http.delete(PODS + "/web").json()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    shorter = http.request("DELETE", PODS + "/web", json={"gracePeriodSeconds": 5}).json()
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    http.request("DELETE", PODS + "/web", json={"gracePeriodSeconds": 0})
    refused(http.get(PODS + "/web"), 404, "NotFound")


def test_a_pod_on_no_node_goes_at_once(http):
    http.post(PODS, json=POD)
    assert http.delete(PODS + "/web").status_code == 200
    refused(http.get(PODS + "/web"), 404, "NotFound")


def test_finalizers_hold_until_the_last_is_gone(http):
    http.post(CONFIGMAPS, json=config(finalizers=["example.com/hold"]))
    assert http.delete(CONFIGMAPS + "/c").json()["metadata"]["deletionTimestamp"]
    assert http.get(CONFIGMAPS + "/c").status_code == 200
    http.patch(CONFIGMAPS + "/c", json={"metadata": {"finalizers": None}}, headers=MERGE)
    refused(http.get(CONFIGMAPS + "/c"), 404, "NotFound")


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_propagation_is_asked_for_by_a_finalizer(http, policy, finalizer):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    marked = http.request("DELETE", DEPLOYMENTS + "/web", json={"propagationPolicy": policy}).json()
    assert marked["metadata"]["finalizers"] == [finalizer]


def test_preconditions(http):
    http.post(CONFIGMAPS, json=config())
    wrong = {"preconditions": {"uid": "somebody-else"}}
    assert "the UID in the precondition (somebody-else) does not match" in refused(
        http.request("DELETE", CONFIGMAPS + "/c", json=wrong), 409, "Conflict"
    )
    refused(http.request("DELETE", CONFIGMAPS + "/c", json={"propagationPolicy": "Sideways"}), 422, "Invalid")


def test_a_namespace_is_held_until_it_is_empty(http):
    http.post("/api/v1/namespaces", json={"metadata": {"name": "team"}})
    made = http.get("/api/v1/namespaces/team").json()
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert http.delete("/api/v1/namespaces/team").json()["status"]["phase"] == "Terminating"
    message = refused(http.post("/api/v1/namespaces/team/configmaps", json=config()), 403, "Forbidden")
    assert "because it is being terminated" in message
    ended = http.get("/api/v1/namespaces/team").json() | {"spec": {"finalizers": []}}
    http.put("/api/v1/namespaces/team/finalize", json=ended)
    refused(http.get("/api/v1/namespaces/team"), 404, "NotFound")


def test_deletecollection_takes_what_the_selector_means(http):
    for name, tier in (("a", "front"), ("b", "back")):
        http.post(CONFIGMAPS, json=config(name, labels={"tier": tier}))
    http.delete(CONFIGMAPS + "?labelSelector=tier=front")
    assert [c["metadata"]["name"] for c in http.get(CONFIGMAPS).json()["items"]] == ["b"]
    refused(http.delete("/api/v1/namespaces"), 405, "MethodNotAllowed")


# ---- lists, tables, watches ------------------------------------------------------------------------------------------


def test_lists_in_chunks(http):
    for n in range(5):
        http.post(CONFIGMAPS, json=config(f"c{n}"))
    names, token, sizes = [], "", []
    while True:
        body = http.get(CONFIGMAPS, params={"limit": 2, "continue": token}).json()
        names += [c["metadata"]["name"] for c in body["items"]]
        sizes.append(body["metadata"].get("remainingItemCount"))
        token = body["metadata"].get("continue", "")
        if not token:
            break
    assert names == [f"c{n}" for n in range(5)]
    assert sizes == [3, 1, None]
    refused(http.get(CONFIGMAPS, params={"limit": 2, "continue": "rubbish"}), 400, "BadRequest")


def test_selectors(http):
    for name, env in (("a", "dev"), ("b", "prod")):
        http.post(PODS, json={**POD, "metadata": {"name": name, "labels": {"env": env}}})
    names = lambda **params: [p["metadata"]["name"] for p in http.get(PODS, params=params).json()["items"]]
    assert names(labelSelector="env in (dev,test)") == ["a"]
    assert names(labelSelector="env!=dev") == ["b"]
    assert names(fieldSelector="metadata.name=b,status.phase=Pending") == ["b"]
    message = refused(http.get(PODS, params={"labelSelector": "a in (x"}), 400, "BadRequest")
    assert message == "unable to parse requirement: found '', expected: ',' or ')'"
    assert "field label not supported: spec.nope" in refused(
        http.get(PODS, params={"fieldSelector": "spec.nope=1"}), 400, "BadRequest"
    )


def test_a_table(http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    body = http.get(DEPLOYMENTS, headers=TABLE).json()
    assert body["kind"] == "Table"
    assert body["rows"][0]["cells"][:5] == ["web", "0/2", 0, 0, "0s"]
    assert http.get(DEPLOYMENTS + "/web", headers=TABLE).json()["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


# ---- mistakes --------------------------------------------------------------------------------------------------------


def test_unknown_fields(http):
    typo = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replica": 2}}
    strict = http.post(DEPLOYMENTS + "?fieldValidation=Strict", json=typo)
    assert refused(strict, 400, "BadRequest") == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.replica"'
    )
    warned = http.post(DEPLOYMENTS + "?fieldValidation=Warn", json=typo)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.replica\\""'
    assert "replica" not in warned.json()["spec"]


def test_a_wrong_type(http):
    wrong = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": "three"}}
    assert refused(http.post(DEPLOYMENTS, json=wrong), 400, "BadRequest").endswith(
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    )


def test_the_wrong_kind_for_the_path(http):
    assert "does not match" in refused(http.post(CONFIGMAPS, json=POD), 400, "BadRequest")
    other = config(namespace="kube-system")
    assert "namespace of the provided object does not match" in refused(
        http.post(CONFIGMAPS, json=other), 400, "BadRequest"
    )


def test_several_things_wrong_are_all_told(http):
    wrong = {**POD, "metadata": {"name": "Bad_Name"}, "spec": {"containers": []}}
    message = refused(http.post(PODS, json=wrong), 422, "Invalid")
    assert message.startswith(
        'Pod "Bad_Name" is invalid: [metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123'
    )
    assert message.endswith("spec.containers: Required value]")


BODIES = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
            ["metadata", "name", "spec", "containers", "image", "ports", "labels", "data", "$patch", "finalizers", "op", "path"]
        ), inner, max_size=4), max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip
DOORS = st.sampled_from([
    ("POST", PODS, "application/json"), ("POST", DEPLOYMENTS, "application/yaml"), ("POST", SERVICES, "application/json"),
    ("PUT", CONFIGMAPS + "/c", "application/json"), ("PATCH", DEPLOYMENTS + "/web", "application/merge-patch+json"),
    ("PATCH", DEPLOYMENTS + "/web", "application/strategic-merge-patch+json"), ("POST", "/api/v1/nodes", "application/json"),
    ("PATCH", DEPLOYMENTS + "/web", "application/json-patch+json"), ("DELETE", CONFIGMAPS + "/nobody", "application/json"),
    ("PATCH", DEPLOYMENTS + "/web/scale", "application/merge-patch+json"), ("POST", "/api/v1/namespaces", "application/json"),
    ("POST", CONFIGMAPS, "application/vnd.kubernetes.protobuf"), ("PUT", DEPLOYMENTS + "/web/status", "application/json"),
])  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOORS, BODIES)
def test_rubbish_is_never_our_crash_and_never_a_half_write(http, verbs, door, body):
    if not verbs.store.list("deployments.apps"):
        http.post(DEPLOYMENTS, json=DEPLOYMENT)
        http.post(CONFIGMAPS, json=config())
    before = verbs.store.revision
    method, path, content = door
    response = http.request(method, path, content=body, headers={"Content-Type": content})
    assert response.status_code < 500, (door, body, response.text)
    if response.status_code >= 400:
        assert response.json()["kind"] == "Status"
        assert verbs.store.revision == before
