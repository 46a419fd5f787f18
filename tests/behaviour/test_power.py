"""A node loses its power in a lab twenty times as fast: in real seconds, what `test_timings.py` has in virtual ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from k8slab.api.objects import condition, is_pod_ready
from tests.behaviour.cluster import Cluster, running
from tests.behaviour.test_rolling_update import web
from tests.waiting import until

SPEED = 20
LATE = 3.0  # real seconds a loaded machine may take


@pytest.mark.slow
def test_pods_are_replaced_when_they_should_be(tmp_path: Path) -> None:
    with running(tmp_path, runtime="local", speed=SPEED) as cluster:
        made = web(6)
        cluster.api.create(made | {"metadata": {"name": "web", "namespace": "default"}})
        until(lambda: len(ready(cluster)) == 6, "six pods are ready")
        begun = time.monotonic()
        cluster.power("node-2", False)
        lost = [pod["metadata"]["name"] for pod in pods(cluster) if pod["spec"]["nodeName"] == "node-2"]
        assert lost
        until(lambda: of_node(cluster) == "Unknown", "the node is silent")
        silent = time.monotonic() - begun
        assert 40 / SPEED - 0.1 <= silent <= 50 / SPEED + LATE  # its last heartbeat was up to ten seconds ago
        assert sorted(pod["metadata"]["name"] for pod in pods(cluster) if "deletionTimestamp" in pod["metadata"]) == []
        until(lambda: len(ready(cluster)) == 6, "they are replaced", patience=60)
        replaced = time.monotonic() - begun
        assert 300 / SPEED - 0.1 <= replaced - silent <= 300 / SPEED + LATE
        gone = [pod["metadata"]["name"] for pod in pods(cluster) if "deletionTimestamp" in pod["metadata"]]
        assert sorted(gone) == sorted(lost)  # Terminating, until somebody can say that they have ended
        cluster.power("node-2", True)
        until(lambda: len(pods(cluster)) == 6 == len(ready(cluster)), "the node is back, and the lost ones are gone")
        until(lambda: of_node(cluster) == "True", "and ready")


def of_node(cluster: Cluster) -> str:
    return str((condition(cluster.api.get("Node", "node-2"), "Ready") or {})["status"])


def pods(cluster: Cluster) -> list[dict]:
    return cluster.api.list("Pod", "default")


def ready(cluster: Cluster) -> list[str]:
    """The pods that are, and stay."""
    return [
        p["metadata"]["name"] for p in pods(cluster) if is_pod_ready(p) and "deletionTimestamp" not in p["metadata"]
    ]
