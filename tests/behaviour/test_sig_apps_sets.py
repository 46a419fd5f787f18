"""The rest of Kubernetes' conformance tests of sig-apps, mirrored: StatefulSets, DaemonSets, Jobs, budgets.

The docstring of each is the name of its original. Where a process has to fail or to answer, it is a real one.
`tests/controllers/test_cronjob.py` and `test_job.py` have those whose point is a moment or an index.
"""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import ApiError
from k8slab.api.objects import controller_of
from tests.behaviour.cluster import FOREVER, Namespace, Obj, box, is_ready, pod
from tests.behaviour.test_sig_apps import template, watch
from tests.waiting import until

LABELS = {"foo": "bar"}


def made(kind: str, name: str, **spec: Any) -> Obj:
    group = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec}


def stateful(name: str, replicas: int, box: Obj | None = None, **spec: Any) -> Obj:
    of = template("web:v1", **LABELS)
    if box:
        of["spec"] = {"containers": [box], "terminationGracePeriodSeconds": 10}
    selector = {"matchLabels": LABELS}
    return made("StatefulSet", name, replicas=replicas, serviceName="test", selector=selector, template=of, **spec)


def at_rest(space: Namespace, replicas: int) -> Obj:
    """The StatefulSet `ss`, when all of it is there, ready and of one version."""

    def there() -> Obj | None:
        found = space.get("StatefulSet", "ss")
        status = found["status"]
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        counted = [status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")]
        pods = [p for p in space.list("Pod") if is_ready(p)]
        return found if seen and counted == [replicas] * 3 and len(pods) == replicas else None

    return until(there, f"{replicas} pods of one version")


def image_of(space: Namespace, name: str) -> str:
    found = space.find("Pod", name)
    return str(found["spec"]["containers"][0]["image"]) if found and is_ready(found) else ""


def update(space: Namespace, kind: str, image: str, name: str = "ss") -> None:
    containers = {"containers": [{"name": "c", "image": image}]}
    space.patch(kind, name, {"spec": {"template": {"spec": containers}}}, form="strategic")


def test_predictable_order(real: Namespace) -> None:
    """StatefulSet Scaling should happen in predictable order and halt if any stateful pod is unhealthy"""
    probe = {"exec": {"command": ["test", "-f", "/tmp/well"]}, "periodSeconds": 1, "failureThreshold": 1}
    web = box("c", "touch /tmp/well; " + FOREVER, readinessProbe=probe)
    came: list[str] = []
    went: list[str] = []

    def look(pods: list[Obj]) -> None:
        for one in sorted(pods, key=lambda p: int(p["metadata"]["resourceVersion"])):
            name, going = one["metadata"]["name"], "deletionTimestamp" in one["metadata"]
            seen = went if going else came
            if name not in seen:
                seen.append(name)

    seen = watch(real, "Pod", look)
    real.create(stateful("ss", 1, web))
    at_rest(real, 1)
    real.exec("ss-0", "rm", "/tmp/well")
    until(lambda: not is_ready(real.get("Pod", "ss-0")), "its first pod is unwell")
    real.patch("StatefulSet", "ss", {"spec": {"replicas": 3}})
    until(lambda: real.get("StatefulSet", "ss")["status"]["observedGeneration"] == 2, "the wish is known")
    assert [p["metadata"]["name"] for p in real.list("Pod")] == ["ss-0"]  # and nothing follows from it yet
    real.exec("ss-0", "touch", "/tmp/well")
    at_rest(real, 3)
    for name in ("ss-0", "ss-1", "ss-2"):
        real.exec(name, "rm", "/tmp/well")
    until(lambda: not any(map(is_ready, real.list("Pod"))), "all are unwell")
    real.patch("StatefulSet", "ss", {"spec": {"replicas": 0}})
    until(lambda: real.get("StatefulSet", "ss")["status"]["observedGeneration"] == 3)
    assert len(real.list("Pod")) == 3
    for name in ("ss-2", "ss-1"):  # nobody waits for the last: it is the first that is unwell, and may go as it is
        real.exec(name, "touch", "/tmp/well")
    until(lambda: not real.list("Pod"), "all are gone")
    seen.close()
    assert came == ["ss-0", "ss-1", "ss-2"]
    assert went == ["ss-2", "ss-1", "ss-0"]


def test_rolling_updates(recorded: Namespace) -> None:
    """StatefulSet should perform rolling updates and roll backs of template modifications"""
    recorded.create(stateful("ss", 3))
    first = at_rest(recorded, 3)["status"]["currentRevision"]
    update(recorded, "StatefulSet", "web:v2")
    until(lambda: [image_of(recorded, f"ss-{n}") for n in range(3)] == ["web:v2"] * 3)
    second = at_rest(recorded, 3)["status"]
    assert second["currentRevision"] == second["updateRevision"] != first
    update(recorded, "StatefulSet", "web:v1")
    until(lambda: [image_of(recorded, f"ss-{n}") for n in range(3)] == ["web:v1"] * 3)
    assert at_rest(recorded, 3)["status"]["currentRevision"] == first  # no new one: it is the old one again


def test_canaries(recorded: Namespace) -> None:
    """StatefulSet should perform canary updates and phased rolling updates of template modifications"""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}
    recorded.create(stateful("ss", 3, updateStrategy=rolling))
    at_rest(recorded, 3)
    update(recorded, "StatefulSet", "web:v2")
    until(lambda: recorded.get("StatefulSet", "ss")["status"]["observedGeneration"] == 2)
    assert [image_of(recorded, f"ss-{n}") for n in range(3)] == ["web:v1"] * 3
    for partition, images in (
        (2, ["web:v1", "web:v1", "web:v2"]),
        (1, ["web:v1", "web:v2", "web:v2"]),
        (0, ["web:v2"] * 3),
    ):
        here = {"rollingUpdate": {"partition": partition}}
        recorded.patch("StatefulSet", "ss", {"spec": {"updateStrategy": here}})
        until(lambda images=images: [image_of(recorded, f"ss-{n}") for n in range(3)] == images, str(images))  # type: ignore[misc]
        recorded.delete("Pod", f"ss-{partition}")  # made anew, a pod is of the version its number asks for
        until(lambda images=images: [image_of(recorded, f"ss-{n}") for n in range(3)] == images)  # type: ignore[misc]
    at_rest(recorded, 3)


def test_a_pod_that_failed_on_its_node(real: Namespace) -> None:
    """StatefulSet Should recreate evicted statefulset"""
    port = {"ports": [{"containerPort": 21017, "hostPort": 21017}]}
    taken = box("c", FOREVER) | port
    real.create(pod("first", containers=[taken], nodeName="node-1"))
    real.ready("first")
    web = stateful("ss", 1, taken)
    web["spec"]["template"]["spec"]["nodeName"] = "node-1"
    uids: set[str] = set()
    seen = watch(
        real, "Pod", lambda pods: uids.update(p["metadata"]["uid"] for p in pods if p["metadata"]["name"] == "ss-0")
    )
    real.create(web)
    until(lambda: len(uids) >= 2, "the port is taken: the pod fails, is deleted and made again")
    real.delete("Pod", "first", grace=0)
    real.ready("ss-0")
    seen.close()


def test_simple_daemon(recorded: Namespace) -> None:
    """Daemon set should run and stop simple daemon"""
    recorded.create(made("DaemonSet", "ss", selector={"matchLabels": LABELS}, template=template("web:v1", **LABELS)))
    everywhere = ["node-1", "node-2", "node-3"]

    def on() -> list[str]:
        return sorted(p["spec"]["nodeName"] for p in recorded.list("Pod") if is_ready(p))

    until(lambda: on() == everywhere, "one on each node")
    name = recorded.list("Pod")[0]["metadata"]["name"]
    recorded.delete("Pod", name)
    until(lambda: on() == everywhere and not recorded.find("Pod", name), "it is revived")
    recorded.delete("DaemonSet", "ss")
    until(lambda: not recorded.list("Pod"), "none is left")


def job(name: str, script: str, **spec: Any) -> Obj:
    of = {"spec": {"restartPolicy": "OnFailure", "containers": [box("c", script)], "terminationGracePeriodSeconds": 1}}
    return made("Job", name, template=of, **spec)


def test_locally_restarted(real: Namespace) -> None:
    """Job should run a job to completion when tasks sometimes fail and are locally restarted"""
    mounted = {"name": "data", "mountPath": "/data"}
    once = job("fails", "test -e /data/foo || { touch /data/foo; exit 1; }", parallelism=2, completions=4)
    spec = once["spec"]["template"]["spec"]
    spec["containers"][0]["volumeMounts"], spec["volumes"] = [mounted], [{"name": "data", "emptyDir": {}}]
    real.create(once)
    until(lambda: real.get("Job", "fails")["status"].get("succeeded") == 4, "all four come to their end")
    pods = real.list("Pod")
    assert [p["status"]["phase"] for p in pods] == ["Succeeded"] * 4
    assert [p["status"]["containerStatuses"][0]["restartCount"] for p in pods] == [1] * 4


def test_orphans(real: Namespace) -> None:
    """Job should adopt matching orphans and release non-matching pods"""
    real.create(job("adopt", FOREVER, parallelism=2, completions=2))
    until(lambda: len([p for p in real.list("Pod") if is_ready(p)]) == 2)
    name = real.list("Pod")[0]["metadata"]["name"]
    real.patch("Pod", name, {"metadata": {"ownerReferences": None}})
    until(lambda: (controller_of(real.get("Pod", name)) or {}).get("name") == "adopt", "it is adopted")
    gone = dict.fromkeys(real.get("Pod", name)["metadata"]["labels"])
    real.patch("Pod", name, {"metadata": {"labels": gone}})
    until(lambda: controller_of(real.get("Pod", name)) is None, "it is released")


def test_delete_a_job(real: Namespace) -> None:
    """Job should delete a job"""
    real.create(job("foo", FOREVER, parallelism=2, completions=2))
    until(lambda: len([p for p in real.list("Pod") if is_ready(p)]) == 2)
    real.delete("Job", "foo", propagation="Foreground")
    real.gone("Job", "foo")
    assert real.list("Pod") == []


@pytest.fixture
def guarded(recorded: Namespace) -> Namespace:
    """Three pods, and a budget that wants all of them."""
    recorded.create(
        made("ReplicaSet", "rs", replicas=3, selector={"matchLabels": LABELS}, template=template("web:v1", **LABELS))
    )
    budget = {"minAvailable": 3, "selector": {"matchLabels": LABELS}}
    recorded.create(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "foo"}, "spec": budget}
    )
    return recorded


def evict(space: Namespace, name: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space.name}}
    space.api.post(f"/api/v1/namespaces/{space.name}/pods/{name}/eviction", eviction)


def test_a_budget_blocks(guarded: Namespace) -> None:
    """DisruptionController should block an eviction until the PDB is updated to allow it"""
    until(lambda: guarded.get("PodDisruptionBudget", "foo")["status"].get("currentHealthy") == 3)
    name = guarded.list("Pod")[0]["metadata"]["name"]
    with pytest.raises(ApiError, match="Cannot evict pod as it would violate the pod's disruption budget"):
        evict(guarded, name)
    guarded.patch("PodDisruptionBudget", "foo", {"spec": {"minAvailable": 2}})
    until(lambda: guarded.get("PodDisruptionBudget", "foo")["status"]["disruptionsAllowed"] == 1)
    evict(guarded, name)
    guarded.gone("Pod", name)


def test_status_of_a_budget(guarded: Namespace) -> None:
    """DisruptionController should observe PodDisruptionBudget status updated"""
    until(lambda: guarded.get("PodDisruptionBudget", "foo")["status"].get("currentHealthy") == 3)
    status = guarded.get("PodDisruptionBudget", "foo")["status"]
    counted = {"disruptionsAllowed": 0, "desiredHealthy": 3, "expectedPods": 3, "observedGeneration": 1}
    assert counted.items() <= status.items()
