"""The door to a journey: follow, apply, read the hops; in the API's own words when something is wrong with the question."""

import pytest
from starlette.testclient import TestClient

from k8slab.apiserver import app, private
from k8slab.trace import LONGEST, Tracer
from tests.apiserver.conftest import DEPLOYMENT, POD, TOKEN

WEB = {"kind": "Deployment", "namespace": "default", "name": "web"}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class Hooks:
    def __init__(self):
        self.tracer = Tracer()


@pytest.fixture
def http(verbs, nodes):
    hooks = Hooks()
    client = TestClient(app.build(verbs, TOKEN, nodes, [*private.routes(hooks)]), raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    client.headers["User-Agent"] = "kubectl/v1.32"
    yield client
    hooks.tracer.close()


@pytest.fixture
def followed(http):
    assert http.post("/k8slab/trace", json={"do": "follow", **WEB}).json() == {}
    return lambda **since: http.get("/k8slab/trace", params=WEB | since).json()


def test_an_apply_and_its_object_at_each_hop(http, followed):
    assert followed() == {"journey": 0, "hops": []}
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    hops = followed()["hops"]
    assert [hop["hop"] for hop in hops] == ["received", "read", "defaulted", "admitted", "validated", "stored"]
    first, read, defaulted, *_, stored = hops
    assert (first["method"], first["path"], first["agent"]) == ("POST", DEPLOYMENTS, "kubectl/v1.32")
    assert "type" not in read["object"]["spec"]["strategy"]
    assert defaulted["object"]["spec"]["strategy"]["type"] == "RollingUpdate"
    assert stored["object"]["metadata"]["resourceVersion"]
    assert 0 == hops[0]["at"] < hops[1]["at"] < hops[-1]["at"] < LONGEST * 1000


def test_what_was_sent_is_shown_as_it_was_sent_though_its_like_is_known(http):
    pods, about = "/api/v1/namespaces/default/pods", {"kind": "Pod", "namespace": "default", "name": "second"}
    http.post("/k8slab/trace", json={"do": "follow", **about})
    for name in ("first", "second"):
        assert http.post(pods, json=POD | {"metadata": {"name": name}}).status_code == 201
    read, defaulted = http.get("/k8slab/trace", params=about).json()["hops"][1:3]
    assert "restartPolicy" not in read["object"]["spec"]
    assert defaulted["object"]["spec"]["restartPolicy"] == "Always"


def test_a_change_says_what_was_there_before(http, followed):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    merge = {"Content-Type": "application/merge-patch+json"}
    http.patch(f"{DEPLOYMENTS}/web", json={"spec": {"replicas": 5}}, headers=merge)
    told = followed()
    read = told["hops"][1]
    assert told["journey"] == 2
    assert (read["before"]["spec"]["replicas"], read["object"]["spec"]["replicas"]) == (2, 5)
    http.patch(f"{DEPLOYMENTS}/web", json={"spec": {"replicas": 5}}, headers=merge)  # nothing changes
    assert followed()["journey"] == 2


def test_a_status_is_no_apply(http, followed):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    merge = {"Content-Type": "application/merge-patch+json"}
    http.patch(f"{DEPLOYMENTS}/web/status", json={"status": {"replicas": 1}}, headers=merge)
    assert followed()["journey"] == 1


def test_a_refusal_is_the_last_hop(http, followed):
    wrong = DEPLOYMENT | {"spec": DEPLOYMENT["spec"] | {"replicas": -1}}
    assert http.post(DEPLOYMENTS, json=wrong).status_code == 422
    *_, admitted, refused = followed()["hops"]
    assert (admitted["hop"], refused["hop"], refused["code"]) == ("admitted", "refused", 422)
    assert "spec.replicas: Invalid value: -1" in refused["message"]


def test_what_is_only_tried_is_no_journey(http, followed):
    http.post(DEPLOYMENTS, json=DEPLOYMENT, params={"dryRun": "All"})
    assert followed()["journey"] == 0


def test_only_the_news(http, followed):
    http.post(DEPLOYMENTS, json=DEPLOYMENT)
    assert [hop["hop"] for hop in followed(journey="1", since="5")["hops"]] == ["stored"]


@pytest.mark.parametrize(
    ("method", "asked", "code", "said"),
    [
        ("GET", {}, 400, "kind: a name is needed"),
        ("GET", WEB, 404, "nobody follows Deployment default/web here"),
        ("GET", WEB | {"since": "-1"}, 400, "journey, since: numbers are needed"),
        ("GET", WEB | {"journey": "9" * 20}, 400, "journey, since: numbers are needed"),
        ("POST", WEB, 400, "do: one of follow, leave is needed"),
        ("POST", {"do": "follow", "kind": "Pod"}, 400, "namespace: a name is needed"),
    ],
)
def test_what_is_wrong_with_a_question(http, method, asked, code, said):
    answer = http.request(method, "/k8slab/trace", **({"json": asked} if method == "POST" else {"params": asked}))
    assert (answer.status_code, answer.json()["code"]) == (code, code)
    assert said in answer.json()["message"]


def test_left_alone_nothing_is_written_down(http, followed):
    http.post("/k8slab/trace", json={"do": "leave", **WEB})
    assert followed()["reason"] == "NotFound"


def test_only_who_has_the_token_asks(http):
    assert http.get("/k8slab/trace", params=WEB, headers={"Authorization": "Bearer no"}).status_code == 401
