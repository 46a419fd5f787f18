from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj, annotations_of
from k8slab.controllers.ephemeral import EphemeralVolumeController
from k8slab.controllers.persistentvolume import PersistentVolumeController
from k8slab.controllers.protection import ClaimProtectionController, VolumeProtectionController
from k8slab.controllers.provisioner import LocalProvisioner
from tests.controllers.storage import claim, storage_class, volume
from tests.controllers.world import Cluster, pod

LOST = "Warning ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!"


class World:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.client = cluster, cluster.client
        self.removed: list[str] = []
        client, clock = cluster.client, cluster.clock
        cluster.run(
            PersistentVolumeController(client, clock),
            LocalProvisioner(client, clock, self.removed.append),
            ClaimProtectionController(client, clock),
            VolumeProtectionController(client, clock),
        )

    async def create(self, *objects: Obj) -> None:
        for obj in objects:
            self.client.create(obj)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(4):  # folders are removed in a thread
            await self.cluster.settle()

    async def delete(self, kind: str, name: str) -> None:
        self.client.delete(kind, name, "" if kind == "PersistentVolume" else "default")
        await self.settle()

    def claim(self, name: str = "data") -> Obj:
        return self.client.get("PersistentVolumeClaim", name, "default")

    def volume(self, name: str = "pv-1") -> Obj:
        return self.client.get("PersistentVolume", name)

    def phases(self) -> dict[str, str]:
        every = [*self.cluster.all("PersistentVolume"), *self.cluster.all("PersistentVolumeClaim")]
        return {obj["metadata"]["name"]: obj["status"]["phase"] for obj in every}


@pytest.fixture
def world(cluster: Cluster) -> World:
    return World(cluster)


async def test_a_claim_and_a_volume_find_each_other(world: World) -> None:
    await world.create(volume())
    assert world.phases() == {"pv-1": "Available"}
    await world.create(claim())
    assert world.phases() == {"pv-1": "Bound", "data": "Bound"}
    ours, uid = world.claim(), world.claim()["metadata"]["uid"]
    assert ours["spec"]["volumeName"] == "pv-1"
    assert ours["status"] == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    notes = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
    assert annotations_of(ours) == notes
    assert annotations_of(world.volume()) == {"pv.kubernetes.io/bound-by-controller": "yes"}
    ref = world.volume()["spec"]["claimRef"]
    assert (ref["kind"], ref["namespace"], ref["name"], ref["uid"]) == (
        "PersistentVolumeClaim", "default", "data", uid,
    )  # fmt: skip
    written = len(world.client.log)
    await world.cluster.advance(60)
    assert len(world.client.log) == written


async def test_a_claim_waits_until_a_volume_comes(world: World) -> None:
    await world.create(claim("big", "5Gi"), claim("small", "1Gi"))
    said = "Normal FailedBinding no persistent volumes available for this claim and no storage class is set"
    assert world.cluster.events() == [said, said]
    await world.create(volume(size="2Gi"))
    assert world.phases() == {"pv-1": "Bound", "big": "Pending", "small": "Bound"}
    await world.create(volume("pv-2", "5Gi"))
    assert world.phases()["big"] == "Bound"


async def test_two_claims_do_not_share_a_volume(world: World) -> None:
    await world.create(volume("pv-1"), claim("one"), claim("two"))
    assert sorted(world.phases().values()) == ["Bound", "Bound", "Pending"]


async def test_retain(world: World) -> None:
    await world.create(volume(), claim())
    await world.delete("PersistentVolumeClaim", "data")
    assert world.phases() == {"pv-1": "Released"}
    await world.create(claim())
    assert world.phases() == {"pv-1": "Released", "data": "Pending"}  # what it holds is another's
    world.client.patch("PersistentVolume", "pv-1", "", {"spec": {"claimRef": None}})
    await world.settle()
    assert world.phases() == {"pv-1": "Bound", "data": "Bound"}


async def test_made_for_the_claim_and_removed_with_it(world: World) -> None:
    await world.create(storage_class(), claim(class_="standard"))
    name = f"pvc-{world.claim()['metadata']['uid']}"
    assert world.phases() == {name: "Bound", "data": "Bound"}
    made = world.volume(name)
    assert made["spec"]["csi"] == {"driver": "local.k8slab.io", "volumeHandle": name}
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert annotations_of(made) == {"pv.kubernetes.io/provisioned-by": "local.k8slab.io"}
    assert annotations_of(world.claim())["volume.kubernetes.io/storage-provisioner"] == "local.k8slab.io"
    assert world.cluster.events() == [
        "Normal ExternalProvisioning Waiting for a volume to be created either by the external provisioner "
        "'local.k8slab.io' or manually by the system administrator. If volume creation is delayed, please verify that "
        "the provisioner is running and correctly registered.",
        'Normal Provisioning External provisioner is provisioning volume for claim "default/data"',
        f"Normal ProvisioningSucceeded Successfully provisioned volume {name}",
    ]
    await world.delete("PersistentVolumeClaim", "data")
    await world.settle()
    assert (world.phases(), world.removed) == ({}, [name])


async def test_a_claim_in_use_stays(world: World) -> None:
    await world.create(storage_class(), claim(class_="standard"))
    user = pod("p", "node-1")
    user["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await world.create(user)
    await world.delete("PersistentVolumeClaim", "data")
    assert world.claim()["metadata"]["deletionTimestamp"]
    world.client.delete("Pod", "p", "default", grace=0)
    await world.settle()
    await world.settle()
    assert (world.phases(), len(world.removed)) == ({}, 1)


@pytest.mark.parametrize(
    ("objects", "event"),
    [
        (
            [claim(class_="nope")],
            'Warning ProvisioningFailed storageclass.storage.k8s.io "nope" not found',
        ),
        (
            [storage_class(volumeBindingMode="WaitForFirstConsumer"), claim(class_="standard")],
            "Normal WaitForFirstConsumer waiting for first consumer to be created before binding",
        ),
        (
            [volume(claimRef={"namespace": "default", "name": "other"}), claim(volumeName="pv-1")],
            'Warning FailedBinding volume "pv-1" already bound to a different claim.',
        ),
        (
            [volume(), claim(size="2Gi", volumeName="pv-1")],
            'Warning VolumeMismatch Cannot bind to requested volume "pv-1": requested PV is too small',
        ),
        (
            [volume(class_="slow"), claim(volumeName="pv-1")],
            'Warning VolumeMismatch Cannot bind to requested volume "pv-1": storageClassName does not match',
        ),
        (
            [storage_class(), claim(class_="standard", selector={"matchLabels": {"a": "b"}})],
            'Warning ProvisioningFailed failed to provision volume with StorageClass "standard": '
            "claim Selector is not supported",
        ),
    ],
)
async def test_why_a_claim_waits(world: World, objects: list[Obj], event: str) -> None:
    await world.create(*objects)
    assert world.phases()["data"] == "Pending"
    assert event in world.cluster.events()


async def test_a_pod_has_been_given_a_node(world: World) -> None:
    await world.create(storage_class(volumeBindingMode="WaitForFirstConsumer"), claim(class_="standard"))
    chosen = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "node-1"}}}
    world.client.patch("PersistentVolumeClaim", "data", "default", chosen)
    await world.settle()
    assert world.phases()["data"] == "Bound"


async def test_reserved_by_name_from_either_side(world: World) -> None:
    await world.create(volume("a", "1Gi"), volume("b", "9Gi", claimRef={"namespace": "default", "name": "data"}))
    assert world.phases() == {"a": "Available", "b": "Available"}
    await world.create(claim())
    assert world.claim()["spec"]["volumeName"] == "b"
    assert "pv.kubernetes.io/bound-by-controller" not in annotations_of(world.volume("b"))
    await world.create(claim("exactly", volumeName="a"))
    assert world.phases() == {"a": "Bound", "b": "Bound", "data": "Bound", "exactly": "Bound"}


async def test_a_lost_volume(world: World) -> None:
    await world.create(volume(), claim())
    world.client.patch("PersistentVolume", "pv-1", "", {"metadata": {"finalizers": None}})
    await world.delete("PersistentVolume", "pv-1")
    assert world.phases() == {"data": "Lost"}
    assert world.claim()["status"] == {"phase": "Lost"}
    assert world.cluster.events().count(LOST) == 1


async def test_a_class_that_comes_late(world: World) -> None:
    await world.create(claim(class_="standard"))
    assert world.phases() == {"data": "Pending"}
    await world.create(storage_class())
    assert world.phases()["data"] == "Bound"


@pytest.mark.parametrize(
    ("spec", "event"),
    [
        ({"persistentVolumeReclaimPolicy": "Recycle"}, "Warning VolumeFailedRecycle No recycler plugin found"),
        (
            {"persistentVolumeReclaimPolicy": "Delete"},
            "Warning VolumeFailedDelete host_path deleter only supports /tmp",
        ),
    ],
)
async def test_what_nobody_can_reclaim(world: World, spec: dict[str, Any], event: str) -> None:
    await world.create(volume(**spec), claim())
    await world.delete("PersistentVolumeClaim", "data")
    assert world.phases() == {"pv-1": "Failed"}
    assert any(said.startswith(event) for said in world.cluster.events())
    written = len(world.client.log)
    await world.cluster.advance(60)
    assert len(world.client.log) == written


async def test_a_claim_from_before_there_was_a_default_class(world: World) -> None:
    await world.create(claim(class_=None), claim("never", class_=""))
    marked = storage_class()
    marked["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    await world.create(marked)
    assert world.claim()["spec"]["storageClassName"] == "standard"
    assert (world.phases()["data"], world.phases()["never"]) == ("Bound", "Pending")


async def test_the_claim_of_an_ephemeral_volume(world: World) -> None:
    cluster = world.cluster
    cluster.run(EphemeralVolumeController(cluster.client, cluster.clock))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": claim(class_="standard")["spec"]}
    one = pod("p", "node-1")
    one["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    await world.create(storage_class(), one)
    made = world.claim("p-scratch")
    assert (made["status"]["phase"], made["metadata"]["labels"]) == ("Bound", {"a": "b"})
    assert made["metadata"]["ownerReferences"][0]["name"] == "p"
    other = pod("q", "node-1")
    other["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    await world.create(claim("q-scratch"), other)
    said = 'PVC "default/q-scratch" was not created for the pod, so it cannot be used as ephemeral volume'
    assert f"Warning EphemeralVolumeFailed {said}" in cluster.events()
