"""Simulated scale: how long until all pods that are asked for are Ready, and what a pod costs, in time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.lab import K8SLAB, Bench, timed, until
from k8slab.client.http import HttpClient

LOOK = 0.5  # s between two looks at a large cluster, which cost it something


def to_300(bench: Bench) -> list[float]:
    """A Deployment of three, scaled to three hundred on the same three nodes."""
    name = "scale"
    bench.k8slab("up", "--name", name, "--runtime", "simulated")
    client = HttpClient.open(f"{bench.env['K8SLAB_STATE_DIR']}/{name}/kubeconfig")
    client.create(_deployment("many", 3))
    until(lambda: _ready(client, "many") == 3)
    spent = []
    for _ in range(bench.runs):
        with timed() as took:
            client.patch("Deployment", "many", "default", {"spec": {"replicas": 300}})
            until(lambda: _ready(client, "many") == 300)
        spent += took
        client.patch("Deployment", "many", "default", {"spec": {"replicas": 3}})
        until(lambda: _ready(client, "many") == 3 and len(client.list("Pod", "default")) == 3)
    client.close()
    return spent


def simulated(nodes: int, pods: int) -> None:
    """Print how long `nodes` take to come up and `pods` of one Deployment to be Ready, in processor time too."""
    with tempfile.TemporaryDirectory(prefix="k8slab-scale-") as folder:
        env = {**os.environ, "K8SLAB_STATE_DIR": folder, "K8SLAB_START_SECONDS": "300"}
        try:
            began = time.perf_counter()
            up = [K8SLAB, "up", "--runtime", "simulated", "--nodes", str(nodes)]
            subprocess.run(up, env=env, check=True, capture_output=True)
            _report(Path(folder, "default"), began, nodes, pods)
        finally:
            subprocess.run([K8SLAB, "down"], env=env, capture_output=True)


def _report(lab: Path, began: float, nodes: int, pods: int) -> None:
    server = psutil.Process(json.loads((lab / "server.json").read_text())["pid"])
    client = HttpClient.open(lab / "kubeconfig")
    print(f"{nodes} nodes: up in {time.perf_counter() - began:.1f} s, {server.memory_info().rss / 1e6:.0f} MB")
    began, processor = time.perf_counter(), _processor(server)
    client.create(_deployment("many", pods))
    while (ready := _ready(client, "many")) < pods:
        time.sleep(LOOK)
        if time.perf_counter() - began > 1800:
            raise TimeoutError(f"after half an hour {ready} of {pods} are Ready")
    took, worked = time.perf_counter() - began, _processor(server) - processor
    print(f"{pods} pods Ready: {took:.1f} s, {worked:.1f} s of processor time, {1000 * worked / pods:.2f} ms a pod, "
          f"{server.memory_info().rss / 1e6:.0f} MB")  # fmt: skip
    client.close()


def _processor(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def _ready(client: HttpClient, name: str) -> int:
    return int((client.get("Deployment", name, "default").get("status") or {}).get("readyReplicas", 0))


def _deployment(name: str, replicas: int) -> dict[str, object]:
    labels = {"app": name}
    container = {"name": "web", "image": "k8slab/web:v1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
