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


# ---- one cell a rule: the kind, the column, the object, what is shown ------------------------------------------------

NOW = 1767225600.0  # 2026-01-01
AN_HOUR_AGO, A_MINUTE_AGO = "2025-12-31T23:00:00Z", "2025-12-31T23:59:00Z"


def job(*conditions, spec=None, **status):
    conditions = [{"type": type_, "status": "True"} for type_ in conditions]
    return {
        "metadata": {"name": "j"},
        "spec": spec or {"completions": 4},
        "status": {"conditions": conditions, **status},
    }


def hpa(*targets, seen=()):
    metrics = [{"type": "Resource", "resource": {"name": name, "target": target}} for name, target in targets]
    current = [{"type": "Resource", "resource": {"name": "x", "current": value}} for value in seen]
    return {"metadata": {"name": "h"}, "spec": {"metrics": metrics}, "status": {"currentMetrics": current}}


def external(target, **current):
    metric = {"type": "External", "external": {"target": target}}
    seen = {"type": "External", "external": {"current": current}}
    return {"spec": {"metrics": [metric]}, "status": {"currentMetrics": [seen] if current else []}}


def ingress(*hosts):
    return {"spec": {"rules": [{"host": host} if host else {} for host in hosts]}}


QUOTA = {"status": {"hard": {"pods": "3", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "2", "cpu": "500m"}}}
BOUND = {"spec": {"volumeName": "v"}, "status": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"]}}
DEFAULT_CLASS = {"name": "std", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}


@pytest.mark.parametrize(
    ("kind", "column", "obj", "shown"),
    [
        ("Job", "Status", job("Complete", "SuccessCriteriaMet"), "Complete"),
        ("Job", "Status", job("FailureTarget"), "FailureTarget"),
        ("Job", "Status", job("FailureTarget", "Failed"), "Failed"),
        ("Job", "Status", job("Suspended"), "Suspended"),
        ("Job", "Status", job(), "Running"),
        ("Job", "Status", {**job("Suspended"), "metadata": {"deletionTimestamp": AN_HOUR_AGO}}, "Terminating"),
        ("Job", "Completions", job(succeeded=1), "1/4"),
        ("Job", "Completions", job(spec={"parallelism": 3}, succeeded=1), "1/1 of 3"),
        ("Job", "Completions", job(spec={"parallelism": 1}), "0/1"),
        ("Job", "Duration", job(), ""),
        ("Job", "Duration", job(startTime=A_MINUTE_AGO), "60s"),
        ("Job", "Duration", job(startTime=AN_HOUR_AGO, completionTime=A_MINUTE_AGO), "59m"),
        ("CronJob", "Suspend", {"spec": {"suspend": False}}, "False"),
        ("CronJob", "Last Schedule", {"spec": {}, "status": {"lastScheduleTime": A_MINUTE_AGO}}, "60s"),
        ("CronJob", "Last Schedule", {"spec": {}}, "<none>"),
        ("CronJob", "Active", {"spec": {}, "status": {"active": [{}, {}]}}, 2),
        ("HorizontalPodAutoscaler", "Targets", hpa(), "<none>"),
        ("HorizontalPodAutoscaler", "Targets", hpa(("cpu", {"averageUtilization": 50}), seen=[{"averageUtilization": 7}]),
         "cpu: 7%/50%"),
        ("HorizontalPodAutoscaler", "Targets", hpa(("memory", {"averageValue": "64Mi"})), "memory: <unknown>/64Mi"),
        ("HorizontalPodAutoscaler", "Targets", hpa(*[(name, {"averageUtilization": 1}) for name in "abc"]),
         "a: <unknown>/1%, b: <unknown>/1% + 1 more..."),
        ("HorizontalPodAutoscaler", "Targets", external({"averageValue": "5"}, averageValue="3"), "3/5 (avg)"),
        ("HorizontalPodAutoscaler", "Targets", external({"value": "5"}), "<unknown>/5"),
        ("HorizontalPodAutoscaler", "MinPods", {"spec": {}}, "<unset>"),
        ("PodDisruptionBudget", "Max Unavailable", {"spec": {"minAvailable": 1}}, "N/A"),
        ("Ingress", "Hosts", ingress("", ""), "*"),
        ("Ingress", "Hosts", ingress("a", "b", "c"), "a,b,c"),
        ("Ingress", "Hosts", ingress("a", "b", "c", "", "e"), "a,b,c + 2 more..."),
        ("Ingress", "Ports", {"spec": {"tls": [{}]}}, "80, 443"),
        ("IngressClass", "Parameters", {"spec": {"parameters": {"apiGroup": "k.io", "kind": "P", "name": "n"}}}, "P.k.io/n"),
        ("ResourceQuota", "Request", QUOTA, "cpu: 500m/1, pods: 2/3"),
        ("ResourceQuota", "Limit", QUOTA, "limits.cpu: 0/2"),
        ("PersistentVolumeClaim", "Capacity", BOUND, "1Gi"),
        ("PersistentVolumeClaim", "Access Modes", BOUND, "RWX"),
        ("PersistentVolumeClaim", "Capacity", {"spec": {}}, ""),
        ("PersistentVolume", "Claim", {"spec": {"claimRef": {"namespace": "a", "name": "b"}}}, "a/b"),
        ("StorageClass", "Name", {"metadata": DEFAULT_CLASS}, "std (default)"),
        ("Secret", "Data", {"data": {"a": "", "b": ""}}, 2),
    ],
)  # fmt: skip
def test_cells(kind, column, obj, shown):
    cell = next(c for c in COLUMNS[kind] if c.name == column).cell
    assert cell({"metadata": {"name": "x"}, **obj}, NOW) == shown


def test_a_revision_names_its_controller():
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": True}
    cell = COLUMNS["ControllerRevision"][1].cell
    assert cell({"metadata": {"ownerReferences": [owner]}}, NOW) == "statefulset.apps/db"
    assert cell({"metadata": {}}, NOW) == "<none>"
