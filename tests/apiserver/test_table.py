"""Every cell of `kubectl get` is a pure function of the object; here are the ones with a rule in them."""

from __future__ import annotations

import pytest

from k8slab.apiserver.cells import human_duration, limited
from k8slab.apiserver.pod_columns import pod_ready, pod_restarts, pod_status
from k8slab.apiserver.table import COLUMNS, table


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (-0.4, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (130, "2m10s"), (599, "9m59s"), (600, "10m"),
        (3 * 3600 - 1, "179m"), (3 * 3600, "3h"), (3 * 3600 + 61, "3h1m"), (8 * 3600, "8h"), (47 * 3600, "47h"),
        (48 * 3600, "2d"), (49 * 3600, "2d1h"), (8 * 86400, "8d"), (729 * 86400, "729d"), (730 * 86400, "2y"),
        (735 * 86400, "2y5d"), (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds, shown):
    assert human_duration(seconds) == shown


def pod(statuses=(), *, phase="Running", init=(), inits=(), deleted=False, reason="", conditions=(), names="a"):
    meta = {"name": "web", **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {})}
    spec = {"containers": [{"name": n} for n in names], "initContainers": list(inits)}
    status = {
        "phase": phase,
        "containerStatuses": list(statuses),
        "initContainerStatuses": list(init),
        "conditions": list(conditions),
    }
    return {"metadata": meta, "spec": spec, "status": {**status, **({"reason": reason} if reason else {})}}


RUNNING = {"name": "a", "ready": True, "restartCount": 0, "state": {"running": {}}}
UNREADY = {**RUNNING, "ready": False}
CREATING = {"name": "a", "ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}
LOOPING = {"name": "a", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
           "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}}}  # fmt: skip
DONE = {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
KILLED = {"name": "a", "state": {"terminated": {"exitCode": 137, "signal": 9}}}
ODD = {"name": "a", "state": {"terminated": {"exitCode": 3}}}
READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (pod(phase="Pending"), "Pending"),
        (pod([CREATING], phase="Pending"), "ContainerCreating"),
        (pod([RUNNING]), "Running"),
        (pod([LOOPING]), "CrashLoopBackOff"),
        (pod([DONE], phase="Succeeded"), "Completed"),
        (pod([KILLED], phase="Failed"), "Signal:9"),
        (pod([ODD], phase="Failed"), "ExitCode:3"),
        (pod([RUNNING, {**DONE, "name": "b"}], names="ab", conditions=[READY]), "Running"),
        (pod([RUNNING, {**DONE, "name": "b"}], names="ab"), "NotReady"),
        (pod([RUNNING], deleted=True), "Terminating"),
        (pod([DONE], phase="Succeeded", deleted=True), "Completed"),
        (pod([RUNNING], deleted=True, reason="NodeLost"), "Unknown"),
        (pod(phase="Failed", reason="Evicted"), "Evicted"),
        (pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]), "SchedulingGated"),
        (pod(phase="Pending", inits=[{"name": "i"}, {"name": "j"}], init=[{**DONE, "name": "i"}, {"name": "j", "state": {"running": {}}}]), "Init:1/2"),
        (pod(phase="Pending", inits=[{"name": "i"}], init=[{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]), "Init:Error"),
        (pod(phase="Pending", inits=[{"name": "i"}], init=[{**LOOPING, "name": "i"}]), "Init:CrashLoopBackOff"),
    ],
)  # fmt: skip
def test_one_word_for_a_pod(given, word):
    assert pod_status(given) == word


def test_ready_counts_containers_and_sidecars():
    assert pod_ready(pod([RUNNING, {**UNREADY, "name": "b"}], names="ab")) == "1/2"
    sidecar = {"name": "s", "restartPolicy": "Always"}
    status = {"name": "s", "ready": True, "started": True, "state": {"running": {}}}
    assert pod_ready(pod([RUNNING], inits=[sidecar], init=[status])) == "2/2"


def test_restarts_say_when():
    assert pod_restarts(pod([RUNNING]), str) == "0"
    assert pod_restarts(pod([LOOPING]), lambda at: "5s") == "4 (5s ago)"


def test_endpoints_show_three_and_count_the_rest():
    assert limited("abcde") == "a,b,c + 2 more..."
    assert limited([]) == "<none>"
    cell = next(c for c in COLUMNS["Endpoints"] if c.name == "Endpoints").cell
    subset = {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 5)], "ports": [{"port": 80}]}
    assert cell({"subsets": [subset]}, 0) == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more..."


def test_a_row_carries_what_was_asked_for():
    config = {"metadata": {"name": "c", "creationTimestamp": "2026-01-01T00:00:00Z"}, "data": {"a": "1"}}
    row = table("ConfigMap", [config], 1767225610, meta={})["rows"][0]
    assert row["cells"] == ["c", 1, "10s"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert table("ConfigMap", [config], 0, meta={}, include="Object")["rows"][0]["object"] == config
    assert "object" not in table("ConfigMap", [config], 0, meta={}, include="None")["rows"][0]
