from __future__ import annotations

import pytest

from k8slab.api.objects import Obj, annotations_of, copy
from tests.controllers import storage

from .test_loop import THREE, scheduling
from .world import pod

TAIL = (
    " no new claims to deallocate, preemption: 0/3 nodes are available: "
    "3 Preemption is not helpful for scheduling."
)  # fmt: skip
HERE = {"required": {"nodeSelectorTerms": [{"matchFields": [
    {"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}]}}  # fmt: skip
LATER = storage.storage_class("later", volumeBindingMode="WaitForFirstConsumer")
BY_HAND = storage.storage_class("later", "kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")


def user(name: str = "p", claim: str = "data") -> Obj:
    return pod(name, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": claim}}])


def claim(**more: object) -> Obj:
    made = storage.claim(class_="later") | {"status": {"phase": more.pop("phase", "Pending")}}
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "1"} | more
    return made


def bound(made: Obj, volume: str = "pv-1") -> Obj:
    made = copy(made)
    made["spec"]["volumeName"] = volume
    made["metadata"]["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
    return made | {"status": {"phase": "Bound"}}


def volume(**spec: object) -> Obj:
    made = storage.volume(class_="later", **spec) | {"status": {"phase": "Available"}}
    made["metadata"]["resourceVersion"] = "1"
    return made


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([claim()], "pod has unbound immediate PersistentVolumeClaims"),  # there is no class `later`
        ([storage.storage_class("later"), claim()], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim(deletionTimestamp="2026-01-01T00:00:00Z")], 'persistentvolumeclaim "data" is being deleted'),
        (
            [bound(claim()) | {"status": {"phase": "Lost"}}],
            'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv-1"',
        ),
        (
            [bound(claim())],
            "3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        ),
        ([BY_HAND, claim()], "3 node(s) didn't find available persistent volumes to bind"),
    ],
)
async def test_why_not(objects: list[Obj], why: str) -> None:
    async with scheduling(*THREE, *objects, user()) as world:
        assert world.said("p") == [("FailedScheduling", f"0/3 nodes are available: {why}.{TAIL}")]


async def test_a_claim_that_comes_later() -> None:
    async with scheduling(*THREE, user()) as world:
        world.client.create(volume())
        world.client.create(bound(claim()))
        await world.clock.settle()
        assert world.client.node_of("p") == "node-1"


async def test_where_the_volume_can_be_reached() -> None:
    async with scheduling(*THREE, volume(nodeAffinity=HERE), bound(claim()), user()) as world:
        assert world.client.node_of("p") == "node-2"
        world.client.change("Node", "node-2", spec={"unschedulable": True})
        world.client.create(user("q"))
        await world.clock.settle()
        said = "0/3 nodes are available: 1 node(s) were unschedulable, "
        said += f"2 node(s) didn't match PersistentVolume's node affinity.{TAIL}"
        assert world.said("q") == [("FailedScheduling", said)]


async def test_a_volume_is_ordered_for_the_chosen_node() -> None:
    async with scheduling(*THREE, LATER, claim(), user()) as world:
        assert annotations_of(world.client.find("PersistentVolumeClaim", "data")) == {
            "volume.kubernetes.io/selected-node": "node-1"
        }
        assert world.client.node_of("p") == ""
        assert world.said("p") == []
        world.client.create(volume())
        done = bound(claim())
        world.client.change("PersistentVolumeClaim", "data", metadata=done["metadata"], spec=done["spec"])
        world.client.change("PersistentVolumeClaim", "data", status={"phase": "Bound"})
        await world.clock.settle()
        assert world.client.node_of("p") == "node-1"
        assert world.said("p") == [("Scheduled", "Successfully assigned default/p to node-1")]


async def test_a_volume_is_reserved_where_it_is() -> None:
    async with scheduling(*THREE, BY_HAND, claim(), volume(nodeAffinity=HERE), user()) as world:
        ref = world.client.find("PersistentVolume", "pv-1")["spec"]["claimRef"]
        assert (ref["namespace"], ref["name"], ref["uid"]) == ("default", "data", "u-1")
        assert world.client.node_of("p") == ""


async def test_for_one_pod_alone() -> None:
    alone = bound(claim())
    alone["spec"]["accessModes"] = ["ReadWriteOncePod"]
    first = user("first")
    async with scheduling(*THREE, volume(), alone, first) as world:
        world.client.create(user("second"))
        await world.clock.settle()
        said = "3 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode."
        ((_, message),) = world.said("second")
        assert message.startswith(f"0/3 nodes are available: {said}")
        world.client.delete("Pod", "first")
        await world.clock.settle()
        assert world.client.node_of("second")


async def test_the_claim_of_an_ephemeral_volume() -> None:
    template = {"spec": storage.claim()["spec"]}
    made = pod("p", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}])
    async with scheduling(*THREE, made) as world:
        why = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch".'
        assert world.said("p") == [("FailedScheduling", f"0/3 nodes are available: {why}{TAIL}")]
