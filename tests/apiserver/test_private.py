"""What only a lab can be asked, over HTTP: here, what its scheduler would decide about a pod."""

import pytest
from starlette.testclient import TestClient

from k8slab.api.kinds import KINDS
from k8slab.apiserver import app, private
from k8slab.apiserver.requests import MAX_BODY
from tests.apiserver.conftest import POD, TOKEN


class Hooks:
    """A lab that remembers what it was asked, and answers as `server.py` does, up to the scheduler."""

    def __init__(self, verbs):
        self.verbs, self.asked = verbs, []

    def what_if(self, pod):
        self.asked.append(self.verbs.would_be(KINDS["Pod"], pod, "default"))
        return {"node": "node-1"}


@pytest.fixture
def hooks(verbs):
    return Hooks(verbs)


@pytest.fixture
def http(verbs, nodes, hooks):
    client = TestClient(app.build(verbs, TOKEN, nodes, extra=private.routes(hooks)), raise_server_exceptions=False)
    client.headers |= {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return client


def test_what_if_is_asked_with_a_pod_as_it_would_be_stored(http, hooks, verbs):
    answer = http.post("/k8slab/explain", json=POD)
    assert (answer.status_code, answer.json()) == (200, {"node": "node-1"})
    (asked,) = hooks.asked
    assert (asked["spec"]["schedulerName"], asked["spec"]["priority"]) == ("default-scheduler", 0)
    assert verbs.list(KINDS["Pod"], "default") == []


def test_a_pod_that_is_there_may_be_asked_about(http, hooks):
    assert http.post("/api/v1/namespaces/default/pods", json=POD).status_code == 201
    live = http.get("/api/v1/namespaces/default/pods/web").json()
    assert http.post("/k8slab/explain", json=live).status_code == 200
    assert hooks.asked[0]["metadata"]["name"] == "web"


def changed(**spec):
    return POD | {"spec": POD["spec"] | spec}


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("[]", 400, "a Pod is an object, not list"),
        ("{", 400, "it is not JSON"),
        ({}, 422, "metadata.name: Required value"),
        ({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}}, 400, "Node"),
        (POD | {"metadata": {"generateName": "web-"}}, 422, "metadata.name: Required value"),
        (changed(nodeSelector=3), 400, "cannot be handled as a Pod"),
        (changed(wish=1), 400, 'unknown field "spec.wish"'),
        (changed(containers=[]), 422, "spec.containers"),
        (changed(priorityClassName="nobody"), 403, "no PriorityClass with name nobody was found"),
        (POD | {"metadata": {"name": "web", "namespace": "elsewhere"}}, 400, "namespace"),
        ("x" * (MAX_BODY + 1), 413, "too large"),
    ],
)
def test_what_is_no_pod_is_refused_with_a_reason(http, hooks, body, code, said):
    answer = http.post("/k8slab/explain", **({"content": body} if isinstance(body, str) else {"json": body}))
    assert (answer.status_code, answer.json()["kind"], hooks.asked) == (code, "Status", [])
    assert said in answer.json()["message"]


def test_only_who_has_the_token_may_ask(http, hooks):
    assert http.post("/k8slab/explain", json=POD, headers={"Authorization": "Bearer guess"}).status_code == 401
    assert hooks.asked == []
