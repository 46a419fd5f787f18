"""What is in use stays until the use ends."""

from __future__ import annotations

from k8slab.api.objects import Obj
from k8slab.controllers.protection import ClaimProtectionController, VolumeProtectionController, claims_of
from tests.controllers.world import Cluster, pod


def held(kind: str, name: str, finalizer: str, **status: str) -> Obj:
    namespace = {"namespace": "default"} if kind == "PersistentVolumeClaim" else {}
    meta = {"name": name, "finalizers": [finalizer], **namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": {}, "status": status}


def user(name: str = "p", claim: str = "data") -> Obj:
    made = pod(name)
    made["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    return made


async def test_a_claim_waits_for_its_pods(cluster: Cluster) -> None:
    cluster.run(ClaimProtectionController(cluster.client, cluster.clock))
    cluster.client.create(held("PersistentVolumeClaim", "data", "kubernetes.io/pvc-protection"))
    cluster.client.create(user("a"))
    cluster.client.create(user("b"))
    cluster.client.delete("PersistentVolumeClaim", "data", "default")
    await cluster.settle()
    assert cluster.all("PersistentVolumeClaim")
    cluster.client.delete("Pod", "a", "default", grace=0)
    await cluster.settle()
    assert cluster.all("PersistentVolumeClaim")
    cluster.client.patch("Pod", "b", "default", {"status": {"phase": "Failed"}}, "status")
    await cluster.settle()
    assert cluster.all("PersistentVolumeClaim") == []


async def test_a_volume_waits_for_its_claim(cluster: Cluster) -> None:
    cluster.run(VolumeProtectionController(cluster.client, cluster.clock))
    cluster.client.create(held("PersistentVolume", "disk", "kubernetes.io/pv-protection"))
    cluster.client.patch("PersistentVolume", "disk", "", {"status": {"phase": "Bound"}}, "status")
    cluster.client.delete("PersistentVolume", "disk")
    await cluster.settle()
    assert cluster.all("PersistentVolume")
    cluster.client.patch("PersistentVolume", "disk", "", {"status": {"phase": "Released"}}, "status")
    await cluster.settle()
    assert cluster.all("PersistentVolume") == []


def test_an_ephemeral_volume_has_a_claim_of_its_own() -> None:
    made = user()
    made["spec"]["volumes"].append({"name": "scratch", "ephemeral": {}})
    assert claims_of(made) == ["data", "p-scratch"]
