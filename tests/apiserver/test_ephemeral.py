"""`pods/ephemeralcontainers`: added while the pod runs, and never changed again."""

from __future__ import annotations

import pytest

from tests.apiserver.conftest import POD

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


@pytest.fixture(autouse=True)
def pod(http):
    http.post(PODS, json=POD).raise_for_status()


def debug(http, **container):
    patch = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "i"} | container]}}
    return http.patch(f"{PODS}/web/ephemeralcontainers", json=patch, headers=STRATEGIC)


def test_one_is_added_with_its_defaults_and_nothing_else(http):
    before = http.get(f"{PODS}/web/ephemeralcontainers").json()
    patch = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"ephemeralContainers": [{"name": "dbg", "image": "i", "stdin": True}]},
    }
    after = http.patch(f"{PODS}/web/ephemeralcontainers", json=patch, headers=STRATEGIC).json()
    (added,) = after["spec"].pop("ephemeralContainers")
    assert (added["name"], added["stdin"], added["terminationMessagePath"]) == ("dbg", True, "/dev/termination-log")
    assert after["spec"] == before["spec"]
    assert "labels" not in after["metadata"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert debug(http, name="two").status_code == 200
    assert [c["name"] for c in http.get(f"{PODS}/web").json()["spec"]["ephemeralContainers"]] == ["dbg", "two"]


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"name": "c"}, 'spec.ephemeralContainers[0].name: Duplicate value: "c"'),
        ({"name": "No"}, "spec.ephemeralContainers[0].name: Invalid value"),
        ({"image": ""}, "spec.ephemeralContainers[0].image: Required value"),
        ({"targetContainerName": "x"}, 'spec.ephemeralContainers[0].targetContainerName: Not found: "x"'),
        (
            {"ports": [{"containerPort": 1}]},
            "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        ),
        ({"resources": {"limits": {"cpu": "1"}}}, "spec.ephemeralContainers[0].resources: Forbidden"),
        ({"livenessProbe": {"tcpSocket": {"port": 1}}}, "spec.ephemeralContainers[0].livenessProbe: Forbidden"),
    ],
)
def test_what_may_not_be_added(http, container, words):
    answer = debug(http, **container)
    assert answer.status_code == 422, answer.json()
    assert words in answer.json()["message"]


def test_what_is_there_stays(http):
    debug(http)
    assert 'existing ephemeral containers "dbg" may not be changed' in debug(http, image="j").json()["message"]
    pod = http.get(f"{PODS}/web").json()
    pod["spec"]["ephemeralContainers"] = [{"name": "other", "image": "i"}]
    answer = http.put(f"{PODS}/web/ephemeralcontainers", json=pod)
    assert 'existing ephemeral containers "dbg" may not be removed' in answer.json()["message"]
    assert "pod updates may not change fields" in http.put(f"{PODS}/web", json=pod).json()["message"]


def test_only_through_their_own_door(http):
    spec = {**POD["spec"], "ephemeralContainers": [{"name": "dbg", "image": "i"}]}
    answer = http.post(PODS, json={**POD, "metadata": {"name": "x"}, "spec": spec})
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in answer.json()["message"]
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}},
    }  # fmt: skip
    answer = http.post("/apis/apps/v1/namespaces/default/deployments", json=deployment)
    assert "ephemeral containers not allowed in pod template" in answer.json()["message"]
