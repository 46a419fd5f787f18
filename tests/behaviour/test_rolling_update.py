"""A roll out that nobody notices: ten replicas replaced under 500 requests a second, and none of these fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.behaviour.cluster import Cluster, Namespace, running
from tests.waiting import until

RATE, REPLICAS = 500, 10
CLIENT = Path(__file__).with_name("steady_load.py")


def web(replicas: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    box = {"name": "web", "image": "k8slab/web:v1", "ports": [{"containerPort": 8080}], "readinessProbe": probe}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [box]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def rolled_out(space: Namespace) -> bool:
    found = space.get("Deployment", "web")
    status = found["status"]
    counted = [status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return counted == [REPLICAS] * 3 and status["observedGeneration"] == found["metadata"]["generation"]


def roll(cluster: Cluster, rate: int) -> dict[str, Any]:
    """Update ten replicas under this load; what the client has to say."""
    space = Namespace(cluster)
    space.create(web(REPLICAS))
    spec = {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": 8080}]}
    service = space.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    until(lambda: rolled_out(space))
    line = [sys.executable, str(CLIENT), service["spec"]["clusterIP"], "8080", str(rate)]
    load = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert load.stdout
    assert load.stdin
    try:
        assert load.stdout.readline() == "warm\n"  # a second of it has been sent
        image = {"containers": [{"name": "web", "image": "k8slab/web:v2"}]}
        space.patch("Deployment", "web", {"spec": {"template": {"spec": image}}}, form="strategic")
        until(lambda: rolled_out(space), "all ten are v2")
        until(lambda: len(space.list("Pod")) == REPLICAS, "the old ones are gone")
        said, _ = load.communicate("stop\n", timeout=60)
    finally:
        load.kill()
    told = dict(pair.split("=") for pair in said.split())
    return {key: float(value) for key, value in told.items()}


@pytest.mark.slow
def test_no_request_fails(tmp_path: Path) -> None:
    with running(tmp_path, runtime="local") as cluster:
        told = roll(cluster, RATE)
    print(told)
    assert told["failed"] == 0
    assert told["v2"] > 0 < told["v1"]
    assert told["rate"] > 0.8 * RATE  # the machine kept up: else nothing was shown
