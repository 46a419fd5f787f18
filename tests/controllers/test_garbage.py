from __future__ import annotations

from typing import Any

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj
from k8slab.controllers.garbage import GarbageCollector
from tests.controllers.world import Cluster, names


def thing(kind: str, name: str, *owners: Obj, block: bool = True, namespace: str = "default") -> Obj:
    meta: dict[str, Any] = {"name": name} | ({"namespace": namespace} if namespace else {})
    if owners:
        meta["ownerReferences"] = [
            {
                "apiVersion": o.get("apiVersion", "apps/v1"), "kind": o["kind"],
                "name": o["metadata"]["name"], "uid": o["metadata"]["uid"],
                "controller": o is owners[0], "blockOwnerDeletion": block,
            }
            for o in owners
        ]  # fmt: skip
    version = KINDS[kind].api_version if kind in KINDS else "example.com/v1"
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {}}


async def start(cluster: Cluster) -> None:
    cluster.run(
        GarbageCollector(cluster.client, cluster.clock, ["Deployment", "ReplicaSet", "Pod", "Node", "ConfigMap"])
    )
    await cluster.settle()


async def family(cluster: Cluster) -> tuple[Obj, Obj, Obj]:
    await start(cluster)
    top = cluster.client.create(thing("Deployment", "web"))
    middle = cluster.client.create(thing("ReplicaSet", "web-1", top))
    bottom = cluster.client.create(thing("Pod", "web-1-x", middle))
    await cluster.settle()
    return top, middle, bottom


def deleted(cluster: Cluster) -> list[str]:
    return [line.split()[1] for line in cluster.client.log if line.startswith("deleted")]


async def test_background_goes_from_the_top_down(cluster: Cluster) -> None:
    await family(cluster)
    cluster.client.delete("Deployment", "web", "default", propagation="Background")
    await cluster.settle()
    assert deleted(cluster) == ["Deployment", "ReplicaSet", "Pod"]


async def test_foreground_goes_from_the_bottom_up(cluster: Cluster) -> None:
    await family(cluster)
    cluster.client.delete("Deployment", "web", "default", propagation="Foreground")
    await cluster.settle()
    assert deleted(cluster) == ["Pod", "ReplicaSet", "Deployment"]


async def test_foreground_waits_only_for_those_that_block(cluster: Cluster) -> None:
    await start(cluster)
    top = cluster.client.create(thing("Deployment", "web"))
    held = thing("ReplicaSet", "web-1", top, block=False)
    held["metadata"]["finalizers"] = ["somebody.example/holds"]
    cluster.client.create(held)
    cluster.client.delete("Deployment", "web", "default", propagation="Foreground")
    await cluster.settle()
    assert deleted(cluster) == ["Deployment"]
    assert cluster.all("ReplicaSet")[0]["metadata"]["deletionTimestamp"]


async def test_orphans_stay_and_forget(cluster: Cluster) -> None:
    await family(cluster)
    cluster.client.delete("Deployment", "web", "default", propagation="Orphan")
    await cluster.settle()
    assert deleted(cluster) == ["Deployment"]
    assert "ownerReferences" not in cluster.all("ReplicaSet")[0]["metadata"]
    assert names(cluster.all("Pod")) == ["web-1-x"]


async def test_of_two_owners_one_is_enough(cluster: Cluster) -> None:
    await start(cluster)
    one = cluster.client.create(thing("Deployment", "one"))
    two = cluster.client.create(thing("Deployment", "two"))
    cluster.client.create(thing("ConfigMap", "shared", one, two))
    cluster.client.delete("Deployment", "one", "default", propagation="Background")
    await cluster.settle()
    assert [r["name"] for r in cluster.all("ConfigMap")[0]["metadata"]["ownerReferences"]] == ["two"]
    cluster.client.delete("Deployment", "two", "default", propagation="Background")
    await cluster.settle()
    assert cluster.all("ConfigMap") == []


async def test_an_owner_of_the_same_name_is_not_the_same(cluster: Cluster) -> None:
    await start(cluster)
    former = cluster.client.create(thing("Deployment", "web"))
    cluster.client.delete("Deployment", "web", "default")
    cluster.client.create(thing("Deployment", "web"))
    cluster.client.create(thing("ReplicaSet", "web-1", former))
    await cluster.settle()
    assert cluster.all("ReplicaSet") == []


async def test_cluster_scoped_owners_and_foreign_namespaces(cluster: Cluster) -> None:
    await start(cluster)
    node = cluster.client.create(thing("Node", "node-1", namespace=""))
    other = cluster.client.create(thing("Deployment", "web", namespace="other"))
    cluster.client.create(thing("ConfigMap", "of-node", node))
    cluster.client.create(thing("ConfigMap", "of-stranger", other))
    await cluster.settle()
    assert names(cluster.all("ConfigMap")) == ["of-node"]
    cluster.client.delete("Node", "node-1")
    await cluster.settle()
    assert cluster.all("ConfigMap") == []


async def test_unknown_kinds_are_trusted(cluster: Cluster) -> None:
    await start(cluster)
    unknown = {"kind": "Widget", "metadata": {"name": "w", "uid": "u"}}
    cluster.client.create(thing("ConfigMap", "kept", unknown))
    await cluster.settle()
    assert names(cluster.all("ConfigMap")) == ["kept"]


async def test_what_was_left_behind_is_found_at_the_start(cluster: Cluster) -> None:
    gone = {"kind": "Deployment", "metadata": {"name": "web", "uid": "gone"}}
    cluster.client.create(thing("ReplicaSet", "web-1", gone))
    await start(cluster)
    assert cluster.all("ReplicaSet") == []


async def test_a_circle_does_not_block(cluster: Cluster) -> None:
    await start(cluster)
    pods = [cluster.client.create(thing("Pod", name)) for name in ("a", "b", "c")]
    for child, parent in ((0, 2), (1, 0), (2, 1)):
        patch = {"metadata": {"ownerReferences": thing("Pod", "x", pods[parent])["metadata"]["ownerReferences"]}}
        cluster.client.patch("Pod", "abc"[child], "default", patch)
    cluster.client.delete("Pod", "a", "default", propagation="Foreground")
    await cluster.settle()
    assert cluster.all("Pod") == []


async def test_owners_of_kinds_that_are_not_ours_are_taken_to_be_there(cluster: Cluster) -> None:
    await start(cluster)
    stranger = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "u"}}
    namesake = {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": {"name": "w", "uid": "v"}}
    cluster.client.create(thing("Pod", "one", stranger))
    cluster.client.create(thing("Pod", "two", namesake))
    await cluster.settle()
    cluster.client.delete("Pod", "one", "default", grace=0)
    await cluster.settle()
    assert names(cluster.all("Pod")) == ["two"]
