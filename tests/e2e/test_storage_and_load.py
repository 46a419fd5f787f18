"""Storage that outlives its pods, and replicas that follow a real load."""

from __future__ import annotations

import json
import re
import urllib.request
from functools import partial

import pytest

from tests.e2e.conftest import World
from tests.waiting import fetch, until

CLAIM = {
    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}  # fmt: skip


def pod(name, node, script, *volumes):
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    container = {"name": "c", "image": "k8slab/web:v1", "command": ["sh", "-c", script], "volumeMounts": mounts}
    spec = {"restartPolicy": "Never", "nodeName": node, "containers": [container], "volumes": list(volumes)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def apply(world, tmp_path, *objects):
    file = tmp_path / "objects.yaml"
    file.write_text("\n---\n".join(map(json.dumps, objects)))
    world.kubectl("apply", "-f", str(file))


def output(world, name):
    """What a pod has said, once it has ended."""
    until(lambda: world.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}") in ("Succeeded", "Failed"))
    return world.kubectl("logs", name)


def test_a_claims_data_outlives_its_pod_and_goes_with_the_claim(world, tmp_path):
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    disk = {"name": "disk", "hostPath": {"path": "/var/disk"}}
    apply(world, tmp_path, CLAIM)
    until(lambda: world.objects("pvc")[0]["status"]["phase"] == "Bound")
    apply(
        world, tmp_path, pod("one", "node-1", "echo kept > /data/x; echo here > /disk/y; ls /data /disk", claim, disk)
    )
    assert output(world, "one").split() == ["/data:", "x", "/disk:", "y"]
    world.kubectl("delete", "pod", "one", "--now")
    apply(world, tmp_path, pod("two", "node-2", "cat /data/x; ls /disk", claim, disk))
    assert output(world, "two") == "kept\n"  # the volume is there from every node, a node's disk on that node only
    apply(world, tmp_path, pod("three", "node-1", "cat /disk/y", disk))
    assert output(world, "three") == "here\n"
    volumes = world.state / "default" / "disks" / "volumes"
    assert [path.name for path in volumes.glob("*/*")] == ["x"]
    world.kubectl("delete", "pvc", "data", "--wait=false")
    world.kubectl("delete", "pod", "two", "--now")
    until(lambda: world.objects("pv") == [] and list(volumes.iterdir()) == [])


def deployment(cpu):
    container = {"name": "web", "image": "k8slab/web:v1", "resources": {"requests": {"cpu": cpu}}}
    container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_load_takes_three_replicas_to_five_and_seven_and_back(tmp_path):
    """At ten times the speed: up within seconds, down after the five minutes of stabilisation, which are 30 s here.

    What one request costs is measured first, so that the load asks for as much CPU as is meant: at 50% of 100m a pod,
    Kubernetes' formula makes five pods of 225m and seven of 325m.
    """
    soon = partial(until, patience=120)  # whoever else runs here takes from the CPU that is measured
    world = World(tmp_path / "state")
    world.k8slab("up", "--speed", "10")
    try:
        apply(world, tmp_path, deployment("100m"))
        world.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
        until(lambda: len(world.ready("app=web")) == 3)
        env = "--env=TARGET=http://$(WEB_SERVICE_HOST):$(WEB_SERVICE_PORT)/burn?ms=5"
        world.kubectl("run", "load", "--image=k8slab/load", env, "--env=RATE=0")
        (load,) = until(lambda: world.ready("run=load"))
        url = f"http://{load['status']['podIP']}:8080"
        until(lambda: fetch(f"{url}/healthz"))
        rate(url, 20)
        soon(lambda: used(world, 3) > 80, "20 requests a second of 5 ms are seen")
        cost = steady(world, 3) / 20
        rate(url, 225 / cost)
        soon(lambda: abs(steady(world, 3) - 225) < 12, "the load asks for 225m")
        world.kubectl("autoscale", "deployment", "web", "--min=3", "--max=10", "--cpu-percent=50")
        soon(lambda: replicas(world) == 5, "225m at 50% of 100m are five pods")
        soon(lambda: abs(steady(world, 5) - 225) < 25, "the five share it")
        rate(url, 325 / cost)
        soon(lambda: replicas(world) == 7, "325m are seven")
        soon(lambda: abs(steady(world, 7) - 325) < 35, "the seven share it")
        assert replicas(world) == 7
        rate(url, 0)
        world.kubectl("wait", "deployment/web", "--for=jsonpath={.spec.replicas}=3", "--timeout=115s")
        sizes = [int(size) for size in re.findall(r"New size: (\d+)", world.kubectl("describe", "hpa", "web"))]
        assert [size for size in sizes if size in (5, 7)][:2] == [5, 7]
        assert sizes[-1] == 3
        assert max(sizes) <= 8  # what was measured half before and half after a change may ask for another meanwhile
    finally:
        world.k8slab("down", "--all")


def used(world, pods):
    """Thousandths of a core that so many pods use together; 0 until all are measured."""
    lines = world.kubectl("top", "pods", "-l", "app=web", "--no-headers", check=False).splitlines()
    lines = [line.split() for line in lines if line.startswith("web-")]
    return sum(int(cpu.removesuffix("m")) for _, cpu, _ in lines) if len(lines) == pods else 0


def steady(world, pods):
    """The same, as soon as two measurements in a row agree."""
    seen = [used(world, pods)]

    def agree():
        if (now := used(world, pods)) != seen[-1]:
            seen.append(now)
        return len(seen) > 2 and min(seen[-2:]) > 0.9 * max(seen[-2:]) > 0 and seen[-1]

    return until(agree, f"{pods} pods use the same for a while: {seen}")


def rate(url, per_second):
    urllib.request.urlopen(f"{url}/rate?rate={per_second}", data=b"", timeout=5).close()


def replicas(world):
    return int(world.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"))
