"""Server-side apply and managedFields as a client meets them."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.apiserver.conftest import DEPLOYMENT
from tests.apiserver.test_app import CONFIGMAPS, DEPLOYMENTS, JSON_PATCH, MERGE, config, refused

APPLY = {"Content-Type": "application/apply-patch+yaml"}
CM = CONFIGMAPS + "/c"
WEB = DEPLOYMENTS + "/web"


@pytest.fixture
def apply(http):
    def send(obj, manager="me", path=CM, **query):
        body = obj if isinstance(obj, str) else json.dumps(obj)
        params = {"fieldManager": manager, **query}
        return http.patch(path, content=body, headers=APPLY, params={k: v for k, v in params.items() if v})

    return send


def owners(obj):
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in obj["metadata"]["managedFields"]
    }


# ---- apply ----------------------------------------------------------------------------------------------------------


def test_apply_creates_then_changes(apply, http):
    made = apply(config())
    assert made.status_code == 201
    assert owners(made.json()) == {("me", "Apply", ""): {"f:data": {"f:a": {}}}}
    again = apply({**config(), "data": {"b": "2"}})
    assert (again.status_code, again.json()["data"]) == (200, {"b": "2"})
    assert http.get(CM).json() == again.json()


def test_apply_again_writes_nothing(apply):
    first = apply(config()).json()
    assert apply(config()).json() == first


def test_yaml_and_defaults(apply):
    made = apply("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports: [{port: 80}]\n",
                 path="/api/v1/namespaces/default/services/s").json()  # fmt: skip
    assert (made["spec"]["type"], made["spec"]["ports"][0]["protocol"]) == ("ClusterIP", "TCP")
    assert owners(made) == {
        ("me", "Apply", ""): {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}
    }


def test_apply_wants_a_manager(apply):
    message = refused(apply(config(), manager=""), 422, "Invalid")
    assert (
        message == 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


def test_a_conflict_and_force(apply):
    apply(config())
    answer = apply({**config(), "data": {"a": "2"}}, "you")
    assert refused(answer, 409, "Conflict") == 'Apply failed with 1 conflict: conflict with "me": .data.a'
    causes = answer.json()["details"]["causes"]
    assert causes == [{"reason": "FieldManagerConflict", "message": 'conflict with "me"', "field": ".data.a"}]
    forced = apply({**config(), "data": {"a": "2"}}, "you", force="true").json()
    assert (forced["data"], set(owners(forced))) == ({"a": "2"}, {("you", "Apply", "")})


def test_a_dry_run_of_apply_leaves_nothing(apply, http):
    assert apply(config(), dryRun="All").status_code == 201
    refused(http.get(CM), 404, "NotFound")
    apply(config())
    assert apply({**config(), "data": {"a": "9"}}, dryRun="All").json()["data"] == {"a": "9"}
    assert http.get(CM).json()["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("change", "query", "code", "reason", "message"),
    [
        ({"kind": "Secret"}, {}, 400, "BadRequest", "invalid object type: /v1, Kind=Secret"),
        ({"apiVersion": "v2"}, {}, 400, "BadRequest", "invalid object type: /v2, Kind=ConfigMap"),
        ({"metadata": {"name": "c", "managedFields": []}}, {}, 400, "BadRequest", "metadata.managedFields must be nil"),
        ({"metadata": {}}, {}, 400, "BadRequest",
         "the name of the object (c based on URL) was undeterminable: name must be provided"),
        ({"metadata": {"name": "d"}}, {}, 400, "BadRequest",
         "the name of the object (d) does not match the name on the URL (c)"),
        ({"metadata": {"name": "c", "namespace": "other"}}, {}, 400, "BadRequest",
         "the namespace of the provided object does not match the namespace sent on the request"),
        ({"metadata": {"name": "c", "uid": "u"}}, {}, 409, "Conflict",
         'Operation cannot be fulfilled on configmaps "c": uid mismatch: '
         "the provided object specified uid u, and no existing object was found"),
        ({}, {"manager": "m" * 129}, 422, "Invalid",
         'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'),
        ({}, {"manager": "a\nb"}, 422, "Invalid", None),
        ({}, {"fieldValidation": "Maybe"}, 422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: fieldValidation: '
         'Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"'),
    ],
)  # fmt: skip
def test_what_cannot_be_applied(apply, http, change, query, code, reason, message):
    said = refused(apply({**config(), **change}, **query), code, reason)
    assert message in (None, said)
    refused(http.get(CM), 404, "NotFound")


def test_an_unknown_field_cannot_be_applied(apply):
    answer = apply({**config(), "dada": 1})
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .dada: field not declared in schema"
    )
    assert "reason" not in answer.json()


@pytest.mark.parametrize("body", ["{", "[1]", "- a", "\x00", "a: b: c", "null", ""])
def test_what_is_no_configuration(apply, body):
    assert refused(apply(body), 400, "BadRequest").startswith(("error decoding YAML: ", "invalid object type"))


def test_doubled_fields_of_a_configuration(apply):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: x\n  a: y\n"
    said = 'error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key "a" already set in map'
    assert refused(apply(text, fieldValidation="Strict"), 400, "BadRequest") == f"error strict decoding YAML: {said}"
    assert 'key \\"a\\" already set' in apply(text).headers["Warning"]
    assert "Warning" not in apply(text, fieldValidation="Ignore").headers


def test_status_and_scale_are_doors_of_their_own(apply, http):
    http.post(DEPLOYMENTS, json=DEPLOYMENT, params={"fieldManager": "maker"})
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"replicas": 5}}
    told = apply(status, path=WEB + "/status")
    assert (told.status_code, told.json()["status"]["replicas"]) == (200, 5)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    assert 'conflict with "maker" using apps/v1: .spec.replicas' in refused(
        apply(scale, path=WEB + "/scale"), 409, "Conflict"
    )
    assert apply(scale, path=WEB + "/scale", force="true").json()["spec"]["replicas"] == 4
    seen = http.get(WEB).json()
    found = owners(seen)
    assert (seen["spec"]["replicas"], seen["metadata"]["generation"]) == (4, 2)
    assert found["me", "Apply", "status"] == {"f:status": {"f:replicas": {}}}
    assert found["me", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in found["maker", "Update", ""]["f:spec"]
    for door in ("/status", "/scale"):
        refused(apply(scale, path=DEPLOYMENTS + "/nobody" + door), 404 if door == "/scale" else 400,
                "NotFound" if door == "/scale" else "BadRequest")  # fmt: skip


def test_the_parts_inside_leave_no_trace(apply, verbs):
    from k8slab.client.local import LocalClient

    apply(config())
    inside = LocalClient(verbs)
    inside.patch("ConfigMap", "c", "default", {"data": {"b": "2"}})
    seen = inside.get("ConfigMap", "c", "default")
    inside.update({**seen, "metadata": {**seen["metadata"], "managedFields": []}, "data": {"a": "1", "c": "3"}})
    after = inside.get("ConfigMap", "c", "default")
    assert owners(after) == {("me", "Apply", ""): {"f:data": {"f:a": {}}}}
    assert after["data"] == {"a": "1", "c": "3"}


# ---- other writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "agent", "manager"),
    [({"fieldManager": "given"}, "x/1", "given"), ({}, "kubectl/v1.32 (linux)", "kubectl"), ({}, "", "unknown"),
     ({}, "a" * 200, "a" * 128)],
)  # fmt: skip
def test_every_write_has_a_name(http, query, agent, manager):
    made = http.post(CONFIGMAPS, json=config(), params=query, headers={"User-Agent": agent}).json()
    assert owners(made) == {(manager, "Update", ""): {"f:data": {".": {}, "f:a": {}}}}


def test_put_and_patch_take_over_what_they_change(http):
    made = http.post(CONFIGMAPS, json=config(), params={"fieldManager": "one"}).json()
    made.pop("metadata")
    http.put(CM, json={**made, "metadata": {"name": "c", "labels": {"x": "y"}}}, params={"fieldManager": "two"})
    seen = http.patch(CM, json={"data": {"a": "2"}}, headers=MERGE, params={"fieldManager": "three"}).json()
    assert owners(seen) == {
        ("one", "Update", ""): {"f:data": {}},
        ("two", "Update", ""): {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}},
        ("three", "Update", ""): {"f:data": {"f:a": {}}},
    }


@pytest.mark.parametrize("value", [[], [{}]])
def test_managed_fields_can_be_reset(http, value):
    http.post(CONFIGMAPS, json=config())
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": value}]
    assert "managedFields" not in http.patch(CM, json=patch, headers=JSON_PATCH).json()["metadata"]
    made = http.post(CONFIGMAPS, json=config("d")).json()
    made["metadata"]["managedFields"] = value
    assert "managedFields" not in http.put(CONFIGMAPS + "/d", json=made).json()["metadata"]


def test_force_is_for_apply_alone(http):
    http.post(CONFIGMAPS, json=config())
    message = refused(http.patch(CM + "?force=true", json={}, headers=MERGE), 422, "Invalid")
    assert (
        message == 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    )


# Names are ASCII: they come back in Warning headers, as UTF-8 like Kubernetes', which the test's client does not take.
NAMES = st.text('abc./ "', max_size=3)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(
    ["metadata", "metadata.labels", "metadata.ownerReferences", "metadata.finalizers", "metadata.managedFields", "spec",
     "spec.replicas", "spec.selector", "spec.template", "spec.template.spec.containers", "spec.template.spec.volumes",
     "spec.template.spec.nodeSelector", "status", "status.conditions", "kind"]
)  # fmt: skip


def planted(obj, place, junk):
    """A copy with junk in a place."""
    made = json.loads(json.dumps(obj))
    *way, last = place.split(".")
    at = made
    for step in way:
        at = at.setdefault(step, {})
    at[last] = junk
    return made


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLACES, JUNK, st.sampled_from(["", "/status", "/scale"]), st.booleans())
def test_junk_is_never_our_crash_and_never_a_half_write(http, verbs, place, junk, door, applies):
    if not verbs.store.list("deployments.apps"):
        http.post(DEPLOYMENTS, json=DEPLOYMENT)
    before = verbs.store.revision
    body = planted(DEPLOYMENT, place, junk)
    if applies:
        answer = http.patch(WEB + door + "?fieldManager=me&force=1", content=json.dumps(body), headers=APPLY)
    else:
        answer = http.put(WEB + door, json=body)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert verbs.store.revision == before
    else:
        assert http.get(WEB).json()["metadata"].get("managedFields") != []


def test_both_forms_of_an_autoscaler_are_applied(apply, http):
    v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    wish = {
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50},
    }  # fmt: skip
    made = apply(wish, path=v1)
    assert (made.status_code, made.json()["apiVersion"], made.json()["spec"]["maxReplicas"]) == (
        201,
        "autoscaling/v1",
        3,
    )
    assert apply(wish, path=v1).json() == made.json()
    seen = http.get(v1.replace("/v1/", "/v2/")).json()
    assert seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    newer = {**wish, "apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": target, "maxReplicas": 9}}
    refused(apply(newer, "you", path=v1.replace("/v1/", "/v2/")), 409, "Conflict")
    assert apply(newer, path=v1.replace("/v1/", "/v2/")).json()["spec"]["maxReplicas"] == 9
