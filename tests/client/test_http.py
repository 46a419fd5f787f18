"""The client over the wire, against a real server."""

import json
import os
import signal
import threading
from dataclasses import replace

import pytest

from k8slab import launch
from k8slab.api.errors import AlreadyExists, ApiError, Conflict, Invalid, NotFound, Unauthorized
from k8slab.client.http import HttpClient, Unreachable
from k8slab.settings import LabError, Settings


def config_map(name, namespace="", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


@pytest.fixture
def seen():
    return Seen()


class Seen:
    """What a follower was told, and waiting for it."""

    def __init__(self):
        self.now = {}
        self.calls = 0
        self._told = threading.Condition()

    def __call__(self, snapshot):
        with self._told:
            own = {
                "ConfigMap": [o for o in snapshot.get("ConfigMap", []) if o["metadata"]["name"] != "kube-root-ca.crt"]
            }
            self.now, self.calls = {**snapshot, **(own if "ConfigMap" in snapshot else {})}, self.calls + 1
            self._told.notify_all()

    def until(self, holds):
        with self._told:
            assert self._told.wait_for(lambda: self.calls and holds(self.now), 10), self.now

    def names(self, kind="ConfigMap"):
        """Without what every namespace has."""
        return {obj["metadata"]["name"] for obj in self.now[kind]} - {"kube-root-ca.crt"}


def test_create_get_update_patch_delete(api, namespace):
    made = api.create(config_map("a", namespace, k="1"))
    assert api.get("ConfigMap", "a", namespace) == made
    api.update({**made, "data": {"k": "2"}})
    assert api.patch("configmaps", "a", namespace, {"data": {"l": "3"}})["data"] == {"k": "2", "l": "3"}
    patch = [{"op": "remove", "path": "/data/k"}]
    assert api.patch("cm", "a", namespace, patch, form="json")["data"] == {"l": "3"}
    api.delete("ConfigMap", "a", namespace)
    assert api.find("ConfigMap", "a", namespace) is None


def test_errors_come_back_as_they_were(api, namespace):
    made = api.create(config_map("a", namespace))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        api.create(config_map("a", namespace))
    with pytest.raises(NotFound, match='configmaps "b" not found'):
        api.get("ConfigMap", "b", namespace)
    api.patch("ConfigMap", "a", namespace, {"data": {"k": "v"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        api.update(made)
    with pytest.raises(Invalid, match="metadata.name"):
        api.create(config_map("Not_A_Name", namespace))


def test_list_by_selector_carries_kind(api, namespace):
    for name, colour in (("a", "blue"), ("b", "green")):
        obj = config_map(name, namespace)
        obj["metadata"]["labels"] = {"colour": colour}
        api.create(obj)
    found = api.list("ConfigMap", namespace, "colour=green")
    assert [(obj["kind"], obj["apiVersion"], obj["metadata"]["name"]) for obj in found] == [("ConfigMap", "v1", "b")]
    assert len(api.list("ConfigMap", namespace, fields="metadata.name=a")) == 1


@pytest.mark.parametrize("word", ["Deployment", "deployments", "deploy", "deployment", "deployments.apps"])
def test_a_kind_has_many_names(api, word):
    assert api.resources.find(word).path("x", "web") == "/apis/apps/v1/namespaces/x/deployments/web"


def test_an_unknown_kind_is_named(api):
    with pytest.raises(LabError, match=r"no kind 'gizmos'\. `kubectl api-resources`"):
        api.resources.find("gizmos")
    with pytest.raises(LabError, match="no kind 'Deployment' in apps/v1beta1"):
        api.resources.find("Deployment", "apps/v1beta1")


@pytest.mark.parametrize("obj", [{}, {"kind": "Pod", "metadata": {}}, {"apiVersion": "v1", "kind": "Pod"}, "text"])
def test_an_object_that_is_none(api, obj):
    with pytest.raises(LabError, match="needs"):
        api.create(obj)


def test_apply_creates_configures_and_leaves_alone(api, namespace):
    wish = config_map("a", namespace, k="1", l="1")
    assert api.apply(wish) == "created"
    assert api.apply(wish) == "unchanged"
    assert api.apply({**wish, "data": {"k": "2"}}) == "configured"
    assert api.get("ConfigMap", "a", namespace)["data"] == {"k": "2"}


def test_a_wrong_token_is_refused(kubeconfig):
    client = HttpClient.open(kubeconfig)
    stranger = HttpClient(replace(client.cluster, user={"token": "guessed"}))
    with pytest.raises(Unauthorized):
        stranger.list("Pod", "default")
    client.close()
    stranger.close()


def test_a_server_that_is_not_there(kubeconfig):
    client = HttpClient.open(kubeconfig)
    lost = HttpClient(replace(client.cluster, server="https://127.0.0.1:1", files=()))
    with pytest.raises(Unreachable, match=r"https://127\.0\.0\.1:1 does not answer .*`k8slab up`"):
        lost.list("Pod")
    client.close()


def test_logs_of_no_pod(api, namespace):
    with pytest.raises(NotFound):
        api.logs("nope", namespace)


def test_post_to_the_lab_names_what_is_missing(api):
    with pytest.raises(ApiError, match="pod: a name is needed"):
        api.post("/k8slab/crash", {"namespace": "default"})
    with pytest.raises(NotFound, match='nodes "nope" not found'):
        api.post("/k8slab/power", {"node": "nope", "on": True})


def test_follow_tells_all_there_is_after_each_change(api, namespace, seen):
    api.create(config_map("a", namespace))
    follow = api.follow(("ConfigMap", "Pod"), seen, namespace)
    seen.until(lambda now: seen.names() == {"a"} and not now["Pod"])
    kept = seen.now["ConfigMap"][0]
    api.create(config_map("b", namespace))
    seen.until(lambda _: seen.names() == {"a", "b"})
    assert any(obj is kept for obj in seen.now["ConfigMap"])  # what did not change stays the same object
    api.delete("ConfigMap", "a", namespace)
    seen.until(lambda _: seen.names() == {"b"})
    follow()
    calls = seen.calls
    api.create(config_map("c", namespace))
    assert seen.calls == calls
    assert follow.closed
    follow.close()


def test_a_follower_that_raises_goes_on(api, namespace):
    calls = []
    done = threading.Event()

    def changed(snapshot):
        calls.append(snapshot)
        if any(obj["metadata"]["name"] == "a" for obj in snapshot["ConfigMap"]):
            done.set()
        raise RuntimeError("a view's mistake")

    follow = api.follow(("ConfigMap",), changed, namespace)
    api.create(config_map("a", namespace))
    assert done.wait(10)
    follow.close()


def test_follow_closes_from_within(api, namespace):
    closed = threading.Event()

    def changed(_):
        if "follow" in box:
            box["follow"].close()
            closed.set()

    box = {}
    box["follow"] = api.follow(("ConfigMap",), changed, namespace)
    api.create(config_map("a", namespace))
    assert closed.wait(10)


def test_server_restart_is_survived_quietly(state, seen):
    settings = Settings.read(name="again", runtime="simulated")
    launch.start(settings)
    client = HttpClient.open(settings.folder.kubeconfig)
    follow = client.follow(("ConfigMap",), seen, "default")
    seen.until(lambda _: seen.names() == set())
    _kill(settings)
    launch.start(settings)
    client.create(config_map("a", "default"))
    seen.until(lambda _: seen.names() == {"a"})
    assert follow.problem == ""
    client.close()


def test_a_server_that_stays_away_is_told_of(state, seen, monkeypatch):
    monkeypatch.setattr("k8slab.client.follow.QUIET", 0.2)
    settings = Settings.read(name="away", runtime="simulated")
    launch.start(settings)
    client = HttpClient.open(settings.folder.kubeconfig)
    follow = client.follow(("ConfigMap",), seen, "default")
    seen.until(lambda _: seen.names() == set())
    _kill(settings)
    seen.until(lambda _: follow.problem)
    launch.start(settings)
    seen.until(lambda _: not follow.problem)
    client.close()


def test_a_server_on_another_port_is_found_again(state, seen):
    settings = Settings.read(name="moved", runtime="simulated")
    launch.start(settings)
    client = HttpClient.open(settings.folder.kubeconfig)
    client.follow(("ConfigMap",), seen, "default")
    seen.until(lambda _: seen.names() == set())
    _kill(settings)
    kept = json.loads(settings.folder.lab.read_text())
    settings.folder.lab.write_text(json.dumps({**kept, "port": 0}))  # as if another program had its port by now
    launch.start(settings)
    before = client.cluster.server
    client.create(config_map("a", "default"))
    assert client.cluster.server != before
    seen.until(lambda _: seen.names() == {"a"})
    client.close()


def _kill(settings):
    pid = launch.running(settings.folder)["pid"]
    os.kill(pid, signal.SIGKILL)
    while launch.running(settings.folder):
        pass
