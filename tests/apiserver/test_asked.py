"""What is asked and not kept, and kinds with two forms, over HTTP."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from k8slab.apiserver import app
from tests.apiserver.conftest import DEPLOYMENT, POD, TOKEN, FakeNodes

DEFAULT = "/api/v1/namespaces/default"
HPA1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
HPA2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
AUTOSCALER = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
        "maxReplicas": 5,
        "targetCPUUtilizationPercentage": 50,
    },
}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


# ---- two forms ------------------------------------------------------------------------------------------------------


def test_an_autoscaler_is_one_object_in_two_forms(http):
    made = http.post(HPA1, json=AUTOSCALER)
    assert (made.status_code, made.json()["apiVersion"]) == (201, "autoscaling/v1")
    two = http.get(f"{HPA2}/web").json()
    assert two["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    assert two["metadata"]["uid"] == made.json()["metadata"]["uid"]
    assert [o["spec"]["targetCPUUtilizationPercentage"] for o in http.get(HPA1).json()["items"]] == [50]


def test_a_patch_speaks_of_the_form_it_was_sent_to(http):
    http.post(HPA1, json=AUTOSCALER)
    merge = {"Content-Type": "application/merge-patch+json"}
    changed = http.patch(f"{HPA1}/web", json={"spec": {"targetCPUUtilizationPercentage": 70}}, headers=merge)
    assert changed.json()["spec"]["targetCPUUtilizationPercentage"] == 70
    assert http.get(f"{HPA2}/web").json()["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    replaced = http.put(f"{HPA1}/web", json=AUTOSCALER | {"spec": AUTOSCALER["spec"] | {"maxReplicas": 9}})
    assert (replaced.json()["spec"]["maxReplicas"], replaced.json()["apiVersion"]) == (9, "autoscaling/v1")


def test_the_other_form_is_refused_at_the_wrong_door(http):
    wrong = http.post(HPA1, json=AUTOSCALER | {"apiVersion": "autoscaling/v2"})
    assert wrong.status_code == 400
    assert "(autoscaling/v1, Kind=HorizontalPodAutoscaler)" in wrong.json()["message"]


def test_a_table_has_the_same_cells_in_both_forms(http):
    http.post(HPA1, json=AUTOSCALER)
    one, two = (http.get(path, headers=TABLE, params={"includeObject": "Object"}).json() for path in (HPA1, HPA2))
    assert one["rows"][0]["cells"] == two["rows"][0]["cells"]
    assert one["rows"][0]["cells"][:3] == ["web", "Deployment/web", "cpu: <unknown>/50%"]
    assert [t["rows"][0]["object"]["apiVersion"] for t in (one, two)] == ["autoscaling/v1", "autoscaling/v2"]


def test_a_watch_speaks_the_form_that_was_asked_for(http):
    http.post(HPA1, json=AUTOSCALER)
    with http.stream("GET", HPA1, params={"watch": "1", "timeoutSeconds": "1"}) as stream:
        first = json.loads(next(stream.iter_lines()))
    assert (first["type"], first["object"]["apiVersion"]) == ("ADDED", "autoscaling/v1")
    assert first["object"]["spec"]["targetCPUUtilizationPercentage"] == 50


def test_events_are_found_by_the_names_of_their_form(http):
    about = {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "default"}
    event = {
        "metadata": {"name": "e"},
        "involvedObject": about,
        "message": "hello",
        "reason": "Greeted",
        "type": "Normal",
    }
    assert http.post(f"{DEFAULT}/events", json=event).status_code == 201
    found = http.get(EVENTS, params={"fieldSelector": "regarding.name=web"}).json()
    assert [(e["note"], e["regarding"]["name"]) for e in found["items"]] == [("hello", "web")]
    assert http.get(EVENTS, params={"fieldSelector": "regarding.name=other"}).json()["items"] == []
    assert http.get(EVENTS, params={"fieldSelector": "involvedObject.name=web"}).status_code == 400


# ---- reviews and bindings -------------------------------------------------------------------------------------------


def test_everything_is_allowed(http):
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    spec = {"resourceAttributes": {"verb": "create", "resource": "deployments", "group": "apps"}}
    answer = http.post(path, json={"spec": spec})
    assert (answer.status_code, answer.json()["status"]) == (201, {"allowed": True})
    assert answer.json()["spec"] == spec
    assert "exactly one of" in http.post(path, json={"spec": {}}).json()["message"]
    assert http.get(path).status_code == 405


def test_the_rules_are_short(http):
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = http.post(path, json={"spec": {"namespace": "default"}}).json()["status"]
    assert status["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert http.post(path, json={"spec": {}}).status_code == 400


def test_a_binding_puts_a_pod_on_a_node(http):
    http.post(f"{DEFAULT}/pods", json=POD)
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
    assert http.post(f"{DEFAULT}/bindings", json=binding).status_code == 201
    assert http.get(f"{DEFAULT}/pods/web").json()["spec"]["nodeName"] == "node-1"
    assert http.post(f"{DEFAULT}/bindings", json=binding).status_code == 409


# ---- tokens ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def account(http):
    http.post(f"{DEFAULT}/serviceaccounts", json={"metadata": {"name": "robot"}})
    return f"{DEFAULT}/serviceaccounts/robot"


def as_holder(http, token):
    return http.get(f"{DEFAULT}", headers={"Authorization": f"Bearer {token}"}).status_code


def test_who_holds_a_token_is_let_in_until_it_ends(http, verbs, account):
    made = http.post(f"{account}/token", json={"spec": {"expirationSeconds": 600}})
    assert made.status_code == 201
    token = made.json()["status"]["token"]
    assert as_holder(http, token) == 200
    assert as_holder(http, token[:-2] + "AA") == 401
    verbs.clock._now += 601
    assert as_holder(http, token) == 401


def test_a_token_goes_with_its_account(http, account):
    token = http.post(f"{account}/token", json={"spec": {}}).json()["status"]["token"]
    http.delete(account)
    http.post(f"{DEFAULT}/serviceaccounts", json={"metadata": {"name": "robot"}})
    assert as_holder(http, token) == 401


def test_a_token_for_somebody_else_opens_nothing(http, account):
    made = http.post(f"{account}/token", json={"spec": {"audiences": ["vault"]}}).json()
    assert as_holder(http, made["status"]["token"]) == 401


@pytest.mark.parametrize("token", ["", "x", ".", "a.b.c", "é", "a." * 40])
def test_what_is_no_token(http, token):
    assert http.get(DEFAULT, headers={"Authorization": f"Bearer {token}".encode()}).status_code == 401


def test_what_a_token_request_may_not_say(http, account):
    short = http.post(f"{account}/token", json={"spec": {"expirationSeconds": 5}})
    assert short.status_code == 422
    assert "may not specify a duration less than 10 minutes" in short.json()["message"]
    assert http.post(f"{DEFAULT}/serviceaccounts/nobody/token", json={"spec": {}}).status_code == 404


# ---- metrics --------------------------------------------------------------------------------------------------------

NODES, PODS = "/apis/metrics.k8s.io/v1beta1/nodes", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"


class Measured:
    def nodes(self):
        return [{"metadata": {"name": "node-1", "labels": {"disk": "ssd"}}, "window": "10s",
                 "usage": {"cpu": "250m", "memory": "64Mi"}}]  # fmt: skip

    def pods(self, namespace):
        usage = [{"name": "a", "usage": {"cpu": "5m"}}, {"name": "b", "usage": {"cpu": "7m"}}]
        return [{"metadata": {"name": "web", "namespace": "default"}, "window": "10s", "containers": usage}]


def test_without_a_measurer_there_are_no_numbers(http):
    assert http.get(NODES).json() == {
        "kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": [],
    }  # fmt: skip
    missing = http.get(f"{PODS}/web")
    assert missing.json()["message"] == 'podmetrics.metrics.k8s.io "default/web" not found'
    assert http.post(NODES, json={}).status_code == 405


def test_what_is_measured_is_shown(verbs):
    client = TestClient(app.build(verbs, TOKEN, FakeNodes(), metrics=Measured()))
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    assert [o["usage"]["cpu"] for o in client.get(NODES).json()["items"]] == ["250m"]
    assert client.get(f"{NODES}/node-1").json()["kind"] == "NodeMetrics"
    assert client.get(NODES, params={"labelSelector": "disk=hdd"}).json()["items"] == []
    assert client.get(PODS, headers=TABLE).json()["rows"][0]["cells"] == ["web", "12m", "0", "10s"]


def test_scaling_works_for_every_kind_that_can(http):
    http.post("/apis/apps/v1/namespaces/default/deployments", json=DEPLOYMENT)
    stateful = DEPLOYMENT | {"kind": "StatefulSet", "spec": {**DEPLOYMENT["spec"], "serviceName": "web"}}
    for path, obj in (("statefulsets", stateful), ("deployments", DEPLOYMENT)):
        base = f"/apis/apps/v1/namespaces/default/{path}"
        http.post(base, json=obj)
        scale = http.get(f"{base}/web/scale").json()
        assert http.put(f"{base}/web/scale", json=scale | {"spec": {"replicas": 4}}).json()["spec"] == {"replicas": 4}
        assert http.get(f"{base}/web/scale", headers=TABLE).json()["rows"][0]["cells"][:3] == ["web", 4, 0]


@pytest.mark.parametrize(
    "path",
    [
        "/apis/rbac.authorization.k8s.io/v1/roles",
        "/apis/networking.k8s.io/v1/networkpolicies",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/admissionregistration.k8s.io/v1",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/api/v1/componentstatuses",
    ],
)
def test_what_is_left_out_is_not_found(http, path):
    answer = http.get(path)
    assert (answer.status_code, answer.json()["message"]) == (404, "the server could not find the requested resource")


def test_everybody_may_ask_who_they_are(http, account):
    reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    owner = http.post(reviews, json={}).json()
    assert owner["status"]["userInfo"] == {"username": "k8slab", "groups": ["system:masters", "system:authenticated"]}
    token = http.post(f"{account}/token", json={"spec": {}}).json()["status"]["token"]
    bot = http.post(reviews, json={}, headers={"Authorization": f"Bearer {token}"}).json()["status"]["userInfo"]
    *_, namespace, _, name = account.split("/")
    accounts = "system:serviceaccounts"
    assert bot["username"] == f"system:serviceaccount:{namespace}:{name}"
    assert bot["groups"] == [accounts, f"{accounts}:{namespace}", "system:authenticated"]
    assert bot["uid"] == http.get(account).json()["metadata"]["uid"]
