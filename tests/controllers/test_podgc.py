from __future__ import annotations

from k8slab.controllers.podgc import PodGarbageCollector, failed
from tests.controllers.world import Cluster, names, pod


async def test_pods_of_a_deleted_node_go_after_40_seconds(cluster: Cluster) -> None:
    cluster.run(PodGarbageCollector(cluster.client, cluster.clock))
    for name in ("node-1", "node-2"):
        cluster.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}})
    cluster.client.create(pod("lost", "node-1", ready=True))
    cluster.client.create(pod("safe", "node-2", ready=True))
    cluster.client.create(pod("unplaced"))
    await cluster.advance(60)
    cluster.client.delete("Node", "node-1")
    await cluster.advance(39)
    assert names(cluster.all("Pod")) == ["lost", "safe", "unplaced"]
    await cluster.advance(1)
    assert names(cluster.all("Pod")) == ["safe", "unplaced"]


async def test_a_node_that_comes_back_in_time_keeps_them(cluster: Cluster) -> None:
    cluster.run(PodGarbageCollector(cluster.client, cluster.clock))
    cluster.client.create(pod("p", "node-1", ready=True))  # there before the node is
    await cluster.advance(30)
    cluster.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "spec": {}})
    await cluster.advance(60)
    assert names(cluster.all("Pod")) == ["p"]


def test_the_last_word() -> None:
    status = failed(pod("p", "node-1", ready=True), "2026-01-01T00:00:00Z")
    assert status["phase"] == "Failed"
    assert status["conditions"][-1]["message"] == "PodGC: node no longer exists"
