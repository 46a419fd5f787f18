"""Kubernetes' own conformance tests of sig-apps (and of nodes, which need no process), mirrored.

The docstring of each is the name of its original. Containers are records here, and time goes twenty times as fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from k8slab.api.objects import condition
from tests.behaviour.cluster import Namespace, Obj, is_ready, pod
from tests.waiting import until

REVISION = "deployment.kubernetes.io/revision"


def template(image: str, **labels: str) -> Obj:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(name: str, replicas: int, image: str = "web:v1", **spec: Any) -> Obj:
    selector = {"matchLabels": {"name": name}}
    spec = {"replicas": replicas, "selector": selector, "template": template(image, name=name), **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": spec,
    }


def replica_set(name: str, replicas: int, /, **labels: str) -> Obj:
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template("web:v1", **labels)}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


def complete(space: Namespace, name: str, replicas: int) -> Obj:
    """Wait until the whole Deployment is updated, available, and nothing of the old is left."""

    def there() -> Obj | None:
        found = space.get("Deployment", name)
        status, wanted = found.get("status") or {}, {"replicas": replicas} if replicas else {}
        parts = {k: status[k] for k in ("replicas", "updatedReplicas", "availableReplicas") if k in status}
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        full = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas) if wanted else parts
        return found if seen and parts == full and len(space.list("Pod", f"name={name}")) == replicas else None

    return until(there, f"{name} has {replicas} new replicas and no old one")


def set_image(space: Namespace, name: str, image: str) -> None:
    containers = {"containers": [{"name": "c", "image": image}]}
    space.patch("Deployment", name, {"spec": {"template": {"spec": containers}}}, form="strategic")


def revisions(space: Namespace, name: str) -> dict[str, Obj]:
    sets = space.list("ReplicaSet", f"name={name}")
    return {one["metadata"]["annotations"][REVISION]: one for one in sets}


def watch(space: Namespace, kind: str, what: Callable[[list[Obj]], None]) -> Any:
    """Look at every state of a kind as it comes, not only when asked."""
    return space.api.follow([kind], lambda seen: what(list(seen[kind])), namespace=space.name)


def test_deployment_scale(recorded: Namespace) -> None:
    """Deployment should have a working scale subresource"""
    recorded.create(deployment("web", 1))
    complete(recorded, "web", 1)
    scale = recorded.api.request("GET", f"/apis/apps/v1/namespaces/{recorded.name}/deployments/web/scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    assert scale["status"]["selector"] == "name=web"
    scale["spec"]["replicas"] = 2
    path = f"/apis/apps/v1/namespaces/{recorded.name}/deployments/web/scale"
    assert recorded.api.request("PUT", path, body=scale)["spec"]["replicas"] == 2
    complete(recorded, "web", 2)
    recorded.patch("Deployment", "web", {"spec": {"replicas": 4}}, "scale")
    assert complete(recorded, "web", 4)["spec"]["replicas"] == 4


def test_recreate(recorded: Namespace) -> None:
    """RecreateDeployment should delete old pods and create new ones"""
    recorded.create(deployment("web", 3, strategy={"type": "Recreate"}))
    complete(recorded, "web", 3)
    mixed: list[set[str]] = []

    def look(pods: list[Obj]) -> None:
        images = {p["spec"]["containers"][0]["image"] for p in pods if "deletionTimestamp" not in p["metadata"]}
        if len(images) > 1:
            mixed.append(images)

    seen = watch(recorded, "Pod", look)
    set_image(recorded, "web", "web:v2")
    complete(recorded, "web", 3)
    seen.close()
    assert mixed == []


def test_rolling_update(recorded: Namespace) -> None:
    """RollingUpdateDeployment should delete old pods and create new ones"""
    old = replica_set("old", 1, name="web") | {
        "metadata": {"name": "old", "annotations": {REVISION: "3546343826724305832"}}
    }
    old["metadata"]["labels"] = {"name": "web"}
    recorded.create(old)
    until(lambda: len([p for p in recorded.list("Pod", "name=web") if is_ready(p)]) == 1)
    recorded.create(deployment("web", 1, "web:v2"))
    complete(recorded, "web", 1)
    found = revisions(recorded, "web")
    assert list(found) == ["3546343826724305832", "3546343826724305833"]  # adopted, and the next
    assert found["3546343826724305832"]["spec"]["replicas"] == 0
    assert found["3546343826724305833"]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:v2"


def test_old_replica_sets(recorded: Namespace) -> None:
    """deployment should delete old replica sets"""
    recorded.create(deployment("web", 1, revisionHistoryLimit=0))
    complete(recorded, "web", 1)
    set_image(recorded, "web", "web:v2")
    complete(recorded, "web", 1)
    until(lambda: list(revisions(recorded, "web")) == ["2"], "the old ReplicaSet is deleted")


def test_proportional_scaling(recorded: Namespace) -> None:
    """deployment should support proportional scaling"""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    recorded.create(deployment("web", 10, strategy=strategy))
    complete(recorded, "web", 10)
    set_image(recorded, "web", "web:does-not-exist")

    def sizes() -> list[int]:
        return [one["spec"]["replicas"] for _, one in sorted(revisions(recorded, "web").items())]

    until(lambda: sizes() == [8, 5], "the roll out is stuck half way")
    recorded.patch("Deployment", "web", {"spec": {"replicas": 30}})
    until(lambda: sizes() == [20, 13], "both grow in proportion")


def test_rollover(recorded: Namespace) -> None:
    """deployment should support rollover"""
    recorded.create(deployment("web", 1, "web:does-not-exist", minReadySeconds=10))
    until(lambda: len(revisions(recorded, "web")) == 1)
    set_image(recorded, "web", "web:v2")
    complete(recorded, "web", 1)
    sizes = {revision: one["spec"]["replicas"] for revision, one in revisions(recorded, "web").items()}
    assert sizes == {"1": 0, "2": 1}


def test_lifecycle_of_a_deployment(recorded: Namespace) -> None:
    """Deployment should run the lifecycle of a Deployment"""
    recorded.create(deployment("web", 2))
    complete(recorded, "web", 2)
    patch = {"metadata": {"labels": {"test": "patched"}}, "spec": {"replicas": 1}}
    assert recorded.patch("Deployment", "web", patch, form="strategic")["metadata"]["labels"]["test"] == "patched"
    complete(recorded, "web", 1)
    assert [d["metadata"]["name"] for d in recorded.api.list("Deployment", selector="test=patched")] == ["web"]
    changed = recorded.get("Deployment", "web")
    changed["spec"]["replicas"] = 3
    recorded.api.update(changed)
    complete(recorded, "web", 3)
    status = recorded.api.request("GET", f"/apis/apps/v1/namespaces/{recorded.name}/deployments/web/status")
    assert status["status"]["readyReplicas"] == 3
    recorded.api.request(
        "DELETE", f"/apis/apps/v1/namespaces/{recorded.name}/deployments", params={"labelSelector": "name=web"}
    )
    recorded.gone("Deployment", "web")
    until(lambda: recorded.list("Pod") == [] and recorded.list("ReplicaSet") == [], "its dependents go, too")


def test_deployment_status(recorded: Namespace) -> None:
    """Deployment should validate Deployment Status endpoints"""
    recorded.create(deployment("web", 1))
    complete(recorded, "web", 1)
    told = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    status = recorded.get("Deployment", "web")
    status["status"]["conditions"].append(told)
    answer = recorded.api.update(status, "status")
    assert condition(answer, "StatusUpdate")["reason"] == "E2E"  # type: ignore[index]
    patched = recorded.patch("Deployment", "web", {"status": {"conditions": [{**told, "type": "Patched"}]}}, "status")
    assert condition(patched, "Patched")
    until(lambda: condition(recorded.get("Deployment", "web"), "Patched") is not None)


def test_adoption_and_release(recorded: Namespace) -> None:
    """ReplicaSet should adopt matching pods on creation and release no longer matching pods"""
    recorded.create(pod("orphan", labels={"name": "adopt"}))
    recorded.create(replica_set("adopts", 1, name="adopt"))

    def owner() -> str:
        owners = recorded.get("Pod", "orphan")["metadata"].get("ownerReferences") or [{"name": ""}]
        return str(owners[0]["name"])

    until(lambda: owner() == "adopts", "the orphan is adopted")
    recorded.patch("Pod", "orphan", {"metadata": {"labels": {"name": "not-matching-name"}}})
    until(lambda: owner() == "", "the pod is released")
    until(lambda: len(recorded.list("Pod", "name=adopt")) == 1, "and replaced")


def test_replica_set_scale(recorded: Namespace) -> None:
    """Replicaset should have a working scale subresource"""
    recorded.create(replica_set("rs", 1, app="rs"))
    recorded.patch("ReplicaSet", "rs", {"spec": {"replicas": 2}}, "scale")
    until(lambda: recorded.get("ReplicaSet", "rs")["status"].get("readyReplicas") == 2)
    recorded.patch("ReplicaSet", "rs", {"spec": {"replicas": 4}}, "scale")
    until(lambda: recorded.get("ReplicaSet", "rs")["status"].get("readyReplicas") == 4)


# ---- nodes --------------------------------------------------------------------------------------------------------


def test_removing_a_taint_cancels_eviction(recorded: Namespace) -> None:
    """NoExecuteTaintManager Single Pod removing taint cancels eviction"""
    taint = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal", "effect": "NoExecute"}
    tolerance = {**taint, "operator": "Equal", "tolerationSeconds": 60}  # three seconds of ours
    for name, spec in (("stays", {"tolerations": [tolerance]}), ("goes", {})):
        recorded.create(pod(name, nodeName="node-3", **spec))
        recorded.ready(name)
    recorded.api.patch("Node", "node-3", "", {"spec": {"taints": [taint]}})
    recorded.gone("Pod", "goes")
    recorded.api.patch("Node", "node-3", "", {"spec": {"taints": None}})
    until(lambda: recorded.events("stays", "TaintManagerEviction"), "it is said that the eviction is cancelled")
    assert "Cancelling deletion of Pod" in recorded.events("stays", "TaintManagerEviction")[0]["message"]
    until(lambda: not recorded.api.get("Node", "node-3")["spec"].get("taints"))
    time.sleep(3.2)  # the 60 seconds, over which nothing must happen
    assert "deletionTimestamp" not in recorded.get("Pod", "stays")["metadata"]


def test_lifecycle_of_a_node(recorded: Namespace) -> None:
    """Node Lifecycle should run through the lifecycle of a node"""
    name = f"e2e-fake-node-{recorded.name}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"fake": recorded.name}}}
    made = recorded.api.create({**node, "spec": {"unschedulable": True}, "status": {"phase": "Running"}})
    assert made["metadata"]["name"] == name
    recorded.api.patch("Node", name, "", {"metadata": {"labels": {"e2e": "patched"}}}, form="strategic")
    assert len(recorded.api.list("Node", selector="e2e=patched")) == 1
    told = recorded.api.get("Node", name)
    told["metadata"]["labels"]["e2e"] = "updated"
    told["metadata"].pop("resourceVersion")
    assert recorded.api.update(told)["metadata"]["labels"]["e2e"] == "updated"
    mine = {"type": "E2E", "status": "True", "reason": "Set", "message": "by a test"}
    recorded.api.patch("Node", name, "", {"status": {"conditions": [mine]}}, "status", form="strategic")
    assert condition(recorded.api.get("Node", name), "E2E")
    recorded.api.request("DELETE", "/api/v1/nodes", params={"labelSelector": f"fake={recorded.name}"})
    until(lambda: recorded.api.find("Node", name) is None)


def test_lease_api(recorded: Namespace) -> None:
    """Lease lease API should be available"""
    spec = {
        "holderIdentity": "holder", "leaseDurationSeconds": 30, "leaseTransitions": 0,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:05.000000Z",
    }  # fmt: skip
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lease"}, "spec": spec}
    assert recorded.create(lease)["spec"] == spec
    read = recorded.get("Lease", "lease")
    read["spec"] |= {"holderIdentity": "holder2", "leaseTransitions": 1}
    assert recorded.api.update(read)["spec"]["holderIdentity"] == "holder2"
    patched = recorded.patch("Lease", "lease", {"spec": {"leaseDurationSeconds": 50}}, form="strategic")
    assert patched["spec"]["leaseDurationSeconds"] == 50
    labelled = {**lease, "metadata": {"name": "lease2", "labels": {"removed": "yes"}}}
    recorded.create(labelled)
    assert len(recorded.list("Lease")) == 2
    path = f"/apis/coordination.k8s.io/v1/namespaces/{recorded.name}/leases"
    recorded.api.request("DELETE", path, params={"labelSelector": "removed=yes"})
    assert [one["metadata"]["name"] for one in recorded.list("Lease")] == ["lease"]
    recorded.delete("Lease", "lease")
    assert recorded.list("Lease") == []
