"""Larger clusters read less often (pkg/controller/ttl)."""

from __future__ import annotations

import pytest

from k8slab.api.objects import annotations_of
from k8slab.controllers.node_ttl import NOTE, STEPS, NodeTTLController, step
from tests.controllers.world import Cluster, node


@pytest.mark.parametrize(
    ("now", "nodes", "seconds"),
    [(0, 3, 0), (0, 100, 0), (0, 101, 15), (1, 90, 15), (1, 89, 0), (0, 5000, 300), (4, 1800, 300), (4, 3, 0)],
)
def test_steps_overlap(now: int, nodes: int, seconds: int) -> None:
    assert STEPS[step(now, nodes)][2] == seconds


async def test_it_is_noted_on_every_node_and_put_right(cluster: Cluster) -> None:
    cluster.run(NodeTTLController(cluster.client, cluster.clock))
    for name in ("a", "b"):
        cluster.client.create(node(name))
    await cluster.settle()
    assert [annotations_of(n)[NOTE] for n in cluster.all("Node")] == ["0", "0"]
    cluster.client.patch("Node", "a", "", {"metadata": {"annotations": {NOTE: "7"}}})
    await cluster.settle()
    assert annotations_of(cluster.client.get("Node", "a"))[NOTE] == "0"
