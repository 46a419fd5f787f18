"""`lab.journey` on a running lab: real requests, real processes, real times."""

from __future__ import annotations

import psutil
import pytest

import k8slab
from k8slab import launch
from k8slab.settings import LabError, Settings
from tests.waiting import until

TEMPLATE = """
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "k8slab/web:v1", readinessProbe: {httpGet: {path: /ready, port: 8080}}}]}
"""
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2" + TEMPLATE
STATEFUL_SET = DEPLOYMENT.replace("Deployment", "StatefulSet")
DAEMON_SET = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\nspec:" + TEMPLATE
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: "k8slab/web:v1"}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: web}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: "k8slab/web:v1"}]}}}
"""
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
APISERVER = ["read", "defaulted", "admitted", "validated", "stored"]
NODE = ["decided", "bound", "planned", "creating", "sandbox", "pulled", "started"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    settings = Settings.read({}, name="journey", runtime="local", state_dir=str(tmp_path_factory.mktemp("journey")))
    launch.start(settings)
    yield settings
    launch.stop(settings)


@pytest.fixture
def lab(running, monkeypatch):
    monkeypatch.setenv("K8SLAB_STATE_DIR", running.state_dir)
    lab = k8slab.Lab("journey")
    yield lab
    lab.reset()
    lab.close()


@pytest.fixture
def journey(lab):
    """Apply a manifest and follow it until this station."""
    views = []

    def shown(manifest, last="ready"):
        views.append(lab.journey(manifest))
        return until(lambda: stops if last in (stops := views[-1]._picture["stops"]) else None)

    yield shown
    for view in views:
        view.close()


def test_a_deployment_from_the_door_to_its_process(lab, journey):
    stops = journey(DEPLOYMENT + SERVICE, "served")
    made = ["looked-Deployment", "made-ReplicaSet", "looked-ReplicaSet", "made-Pod"]
    assert [*stops][:16] == [*APISERVER, *made, *NODE]
    assert {"ready", "listed", "served"} <= {*stops}
    pid = int(stops["started"]["say"].split("process ")[1].split()[0])
    assert psutil.pid_exists(pid)
    times = [stop["at"] for stop in stops.values()]
    assert times == sorted(times)
    assert all(stop["took"] >= 0 for stop in stops.values())
    assert any("nodeName: node-" in text for _, text, *_ in stops["bound"]["lines"])


@pytest.mark.parametrize(
    ("manifest", "made"),
    [
        (STATEFUL_SET, ["looked-StatefulSet", "made-Pod"]),
        (DAEMON_SET, ["looked-DaemonSet", "made-Pod"]),
        (JOB, ["looked-Job", "made-Pod"]),
        (POD, []),
    ],
    ids=["StatefulSet", "DaemonSet", "Job", "Pod"],
)
def test_other_wishes(journey, manifest, made):
    assert [*journey(manifest)][: 5 + len(made) + len(NODE)] == [*APISERVER, *made, *NODE]


def test_a_change_is_a_journey_of_its_own(lab, journey):
    journey(DEPLOYMENT)
    lab.wait("deployment/web")
    view = lab.journey("deployment/web")
    lab.apply(DEPLOYMENT.replace("web:v1", "web:v2"))
    stops = until(lambda: now if "ready" in (now := view._picture["stops"]) and "web:v2" in str(now["ready"]) else None)
    changed = [text.strip() for mark, text, *_ in stops["read"]["lines"] if mark == "~"]
    assert [text.removeprefix("- ") for text in changed] == ["image: k8slab/web:v2"]
    assert stops["made-ReplicaSet"]["title"] == "A ReplicaSet is made"
    lab.kubectl("scale deployment web --replicas=3")
    stops = until(lambda: now if "resized" in str((now := view._picture["stops"]).get("made-ReplicaSet")) else None)
    assert stops["made-ReplicaSet"]["title"] == "The ReplicaSet is resized"


def test_a_mistake_is_seen_where_it_was_found(lab, journey):
    view = lab.journey("deployment/web")
    with pytest.raises(LabError):
        lab.apply(DEPLOYMENT.replace("replicas: 2", "replicas: -2"))
    drawn = until(lambda: now if "refused" in (now := view._picture)["stops"] else None)
    assert [*drawn["stops"]] == ["read", "defaulted", "admitted", "refused"]
    assert "Invalid value: -2" in drawn["say"]
    view.close()
    assert lab.hops("Deployment", "web") is None
