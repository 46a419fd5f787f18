"""What a write may ask for, what it must not, and the words of the refusals."""

from __future__ import annotations

import json

import pytest

from k8slab.apiserver import verbs as module
from tests.apiserver.conftest import DEPLOYMENT, POD
from tests.apiserver.test_app import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    STRATEGIC,
    config,
    refused,
)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "l"},
    "spec": {"holderIdentity": "a"},
}
WEB, CM = DEPLOYMENTS + "/web", CONFIGMAPS + "/c"
STRICT = "?fieldValidation=Strict"


# ---- PUT ------------------------------------------------------------------------------------------------------------


def test_put_creates_only_what_kubernetes_lets_it(http):
    refused(http.put(CM, json=config()), 404, "NotFound")
    made = http.put(LEASES + "/l", json=LEASE)
    assert (made.status_code, made.json()["metadata"]["uid"] != "") == (201, True)
    refused(http.put(LEASES + "/other", json=LEASE), 400, "BadRequest")


def test_a_lease_is_not_changed_unseen(http):
    http.post(LEASES, json=LEASE)
    assert refused(http.put(LEASES + "/l", json=LEASE), 422, "Invalid") == (
        'leases.coordination.k8s.io "l" is invalid: '
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    )
    assert http.patch(LEASES + "/l", json={"spec": {"holderIdentity": "b"}}, headers=MERGE).status_code == 200


def test_put_needs_the_name(http):
    http.post(CONFIGMAPS, json=config())
    body = config()
    del body["metadata"]["name"]
    message = refused(http.put(CM, json=body), 400, "BadRequest")
    assert message == "the name of the object (c based on URL) was undeterminable: name must be provided"


@pytest.mark.parametrize(
    ("meta", "code", "text"),
    [
        ({"uid": "other"}, 409, "Precondition failed: UID in precondition: other, UID in object meta: "),
        ({"deletionTimestamp": "2030-01-01T00:00:00Z"}, 422, "metadata.deletionTimestamp: Invalid value"),
        ({"creationTimestamp": "2030-01-01T00:00:00Z", "generation": 9, "selfLink": "x"}, 200, ""),
        ({"resourceVersion": "999"}, 409, "the object has been modified"),
    ],
)
def test_what_metadata_stays_as_it_is(http, meta, code, text):
    made = http.post(CONFIGMAPS, json=config()).json()
    answer = http.put(CM, json={**config(), "metadata": {"name": "c", **meta}})
    assert answer.status_code == code
    assert text in answer.text
    now = http.get(CM).json()["metadata"]
    assert (now["creationTimestamp"], now["uid"]) == (made["metadata"]["creationTimestamp"], made["metadata"]["uid"])


def test_status_takes_annotations_along_and_a_deployment_keeps_its_labels(http):
    made = http.post(DEPLOYMENTS, json=DEPLOYMENT).json()
    made["metadata"] |= {"annotations": {"a": "b"}, "labels": {"x": "y"}}
    made["status"] = {"replicas": 1}
    seen = http.put(WEB + "/status", json=made).json()
    assert (seen["metadata"]["annotations"], seen["metadata"].get("labels")) == ({"a": "b"}, None)


# ---- PATCH ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [MERGE, STRATEGIC])
def test_a_patch_of_what_is_not_there(http, headers):
    refused(http.patch(CM, json={"data": {}}, headers=headers), 404, "NotFound")


def test_a_patch_may_name_the_revision_it_is_for(http):
    version = http.post(CONFIGMAPS, json=config()).json()["metadata"]["resourceVersion"]
    wish = {"metadata": {"resourceVersion": version}, "data": {"a": "2"}}
    assert http.patch(CM, json=wish, headers=MERGE).status_code == 200
    refused(http.patch(CM, json=wish, headers=MERGE), 409, "Conflict")
    assert http.patch(CM, json={"data": {"a": "3"}}, headers=MERGE).status_code == 200


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"replicas": "two"}, 'map[spec:map[replicas:two]]": unrecognized type: int32'),
        ({"replicas": 1.5}, 'map[spec:map[replicas:1.5]]": cannot convert float64 to int32'),
        ({"paused": 1}, 'map[spec:map[paused:1]]": unrecognized type: bool'),
        ({"strategy": "x"}, 'map[spec:map[strategy:x]]": cannot restore struct from: string'),
        ({"template": {"spec": {"dnsPolicy": 1}}}, 'map[spec:map[template:map[spec:map[dnsPolicy:1]]]]": '
         "cannot convert int64 to v1.DNSPolicy"),
        ({"template": {"metadata": {"labels": "x"}}}, 'map[spec:map[template:map[metadata:map[labels:x]]]]": '
         "cannot restore map from string"),
    ],
)  # fmt: skip
def test_a_strategic_patch_of_the_wrong_type(http, spec, why):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    said = refused(http.patch(WEB, json={"spec": spec}, headers=STRATEGIC), 422, "Invalid")
    assert said == f' "" is invalid: patch: Invalid value: "{why}'


def test_a_merge_patch_of_the_wrong_type_quotes_the_outcome(http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    answer = http.patch(WEB, json={"spec": {"replicas": "two"}}, headers=MERGE)
    said = refused(answer, 422, "Invalid")
    assert said.startswith(' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"apps/v1\\"')
    assert said.endswith(
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    )
    assert answer.json()["details"]["causes"][0]["field"] == "patch"


@pytest.mark.parametrize(
    ("headers", "text", "found"),
    [
        (STRATEGIC, '{"spec":{"b":1,"a":1}}', 'unknown field "spec.a", unknown field "spec.b"'),
        (MERGE, '{"spec":{"b":1,"a":1}}', 'unknown field "spec.b", unknown field "spec.a"'),
        (STRATEGIC, '{"spec":{"replicas":1,"replicas":2}}', 'duplicate field "spec.replicas"'),
        (MERGE, '{"spec":{"paused":true,"paused":true,"x":1}}',
         'duplicate field "spec.paused", unknown field "spec.x"'),
        (JSON_PATCH, '[{"op":"add","path":"/spec/x","value":1}]', 'unknown field "spec.x"'),
        (JSON_PATCH, '[{"op":"x","op":"add","path":"/spec/paused","value":true}]',
         'json patch duplicate field "[0].op"'),
    ],
)  # fmt: skip
def test_unknown_and_doubled_fields_of_patches(http, headers, text, found):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    said = refused(http.patch(WEB + STRICT, content=text, headers=headers), 422, "Invalid")
    assert said.endswith(f'": strict decoding error: {found}')
    warned = http.patch(WEB, content=text, headers=headers)
    assert warned.status_code == 200
    assert warned.headers["Warning"].count("299 - ") == found.count("field")
    assert "Warning" not in http.patch(WEB + "?fieldValidation=Ignore", content=text, headers=headers).headers


@pytest.mark.parametrize("form", ["application/json", "text/plain", "", "application/apply-patch+cbor"])
def test_other_forms_of_patches(http, form):
    http.post(CONFIGMAPS, json=config())
    said = refused(http.patch(CM, content="{}", headers={"Content-Type": form}), 415, "UnsupportedMediaType")
    assert "application/apply-patch+yaml" in said


# ---- POST -----------------------------------------------------------------------------------------------------------


def test_a_new_object_has_no_revision(http):
    answer = http.post(CONFIGMAPS, json=config(resourceVersion="1"))
    assert (answer.status_code, answer.json()["message"]) == (
        400, "resourceVersion should not be set on objects to be created",
    )  # fmt: skip


def test_when_no_name_can_be_found(http, monkeypatch):
    monkeypatch.setattr(module, "random_suffix", lambda: "xxxxx")
    body = config()
    body["metadata"] = {"generateName": "c-"}
    assert http.post(CONFIGMAPS, json=body).status_code == 201
    answer = http.post(CONFIGMAPS, json=body)
    assert refused(answer, 409, "AlreadyExists") == (
        'configmaps "c-xxxxx" already exists, the server was not able to generate a unique name for the object'
    )
    assert answer.json()["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("method", "kind"), [("post", "CreateOptions"), ("put", "UpdateOptions"), ("patch", "PatchOptions")]
)
def test_options_are_checked_for_every_write(http, method, kind):
    http.post(CONFIGMAPS, json=config("d"))
    path = CONFIGMAPS + ("" if method == "post" else "/d")
    query = "?dryRun=Some&fieldValidation=Maybe"
    said = refused(
        http.request(method, path + query, json={}, headers=MERGE if method == "patch" else {}), 422, "Invalid"
    )
    assert said == (
        f'{kind}.meta.k8s.io "" is invalid: [dryRun: Unsupported value: ["Some"]: supported values: "All", '
        'fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"]'
    )


# ---- DELETE ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("orphan", "finalizers"), [(True, ["orphan"]), (False, None)])
def test_orphan_dependents_is_the_old_word(http, verbs, orphan, finalizers):
    http.post(DEPLOYMENTS, json={**DEPLOYMENT, "metadata": {"name": "web", "finalizers": ["a/b"]}})
    http.request("DELETE", WEB, json={"orphanDependents": orphan})
    left = http.get(WEB).json()["metadata"]["finalizers"]
    assert left == ["a/b", *(finalizers or [])]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"orphanDependents": True, "propagationPolicy": "Orphan"}, 'propagationPolicy: Invalid value: "Orphan": '
         "orphanDependents and deletionPropagation cannot be both set"),
        ({"propagationPolicy": "Later"}, 'propagationPolicy: Unsupported value: "Later": supported values: '
         '"Background", "Foreground", "Orphan", "nil"'),
        ({"dryRun": ["Some"]}, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    ],
)  # fmt: skip
def test_delete_options_that_cannot_be(http, options, said):
    http.post(CONFIGMAPS, json=config())
    message = refused(http.request("DELETE", CM, json=options), 422, "Invalid")
    assert message == f'DeleteOptions.meta.k8s.io "" is invalid: {said}'
    assert http.get(CM).status_code == 200


@pytest.mark.parametrize("body", [{"preconditions": []}, {"gracePeriodSeconds": "x"}, {"dryRun": "All"}, [1], "x"])
def test_broken_delete_options(http, body):
    http.post(CONFIGMAPS, json=config())
    refused(http.request("DELETE", CM, json=body), 400, "BadRequest")
    assert http.get(CM).status_code == 200


def test_deleting_a_collection_by_rules_of_one(http):
    for name in "abc":
        http.post(CONFIGMAPS, json=config(name, labels={"l": "1" if name < "c" else "2"}))
    query = {"labelSelector": "l=1"}
    tried = http.request("DELETE", CONFIGMAPS, params={**query, "dryRun": "All"}).json()
    assert ([item["metadata"]["name"] for item in tried["items"]], tried["kind"]) == (["a", "b"], "ConfigMapList")
    uid = http.get(CONFIGMAPS + "/a").json()["metadata"]["uid"]
    refused(
        http.request("DELETE", CONFIGMAPS, params=query, json={"preconditions": {"uid": uid[::-1]}}), 409, "Conflict"
    )
    http.request("DELETE", CONFIGMAPS, params=query)
    assert [
        item["metadata"]["name"] for item in http.get(CONFIGMAPS, params={"labelSelector": "l"}).json()["items"]
    ] == ["c"]
    refused(http.request("DELETE", "/api/v1/configmaps"), 405, "MethodNotAllowed")


def test_grace_zero_means_zero(http, verbs):
    http.post(PODS, json=POD)
    verbs.bind("default", "web", {"target": {"name": "n"}})
    first = http.request("DELETE", PODS + "/web", content=json.dumps({"gracePeriodSeconds": 7})).json()
    assert first["metadata"]["deletionGracePeriodSeconds"] == 7
    http.request("DELETE", PODS + "/web", json={"gracePeriodSeconds": 0})
    refused(http.get(PODS + "/web"), 404, "NotFound")
