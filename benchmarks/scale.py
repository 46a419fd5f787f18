"""Simulated scale: how long until all pods that are asked for are Ready, and what a pod costs, in time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.lab import K8SLAB, Bench, timed, until
from k8slab.client.http import HttpClient

LOOK = 0.5  # s between two looks at a large cluster, which cost it something
FEW = 1000  # pods, whose cost each is compared with that of very many
Measured = tuple[str, float, float | None]  # what it is, how much, and what it should be at most


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


def simulated(nodes: int, pods: int) -> Iterator[Measured]:
    """A cluster of `nodes` from nothing, a Deployment of a few pods, and one of `pods`: times, memory, and cost."""
    with tempfile.TemporaryDirectory(prefix="k8slab-scale-") as folder:
        env = {**os.environ, "K8SLAB_STATE_DIR": folder, "K8SLAB_START_SECONDS": "300"}
        try:
            with timed() as took:
                up = [K8SLAB, "up", "--runtime", "simulated", "--nodes", str(nodes)]
                subprocess.run(up, env=env, check=True, capture_output=True)
            yield f"{nodes:,} nodes, simulated: up, s", took[0], None
            yield from _filled(Path(folder, "default"), f"{pods:,} pods on {nodes:,} nodes", pods)
        finally:
            subprocess.run([K8SLAB, "down"], env=env, capture_output=True)


def _filled(lab: Path, words: str, pods: int) -> Iterator[Measured]:
    server = psutil.Process(json.loads((lab / "server.json").read_text())["pid"])
    client = HttpClient.open(lab / "kubeconfig")
    _, few = _until_ready(client, server, "few", FEW)
    took, worked = _until_ready(client, server, "many", pods)
    yield f"{words}: all Ready, s", took, 120.0
    yield f"{words}: memory, MB", server.memory_info().rss / 1e6, 3000.0
    yield f"{words}: processor time a pod, ms", 1000 * worked / pods, None
    yield f"{words}: the same, over that of the first {FEW:,} pods", worked / pods * FEW / few, 1.5
    client.close()


def _until_ready(client: HttpClient, server: psutil.Process, name: str, pods: int) -> tuple[float, float]:
    """Seconds until so many pods are Ready, and what the server worked for it."""
    began, processor = time.perf_counter(), _processor(server)
    client.create(_deployment(name, pods))
    while (ready := _ready(client, name)) < pods:
        time.sleep(LOOK)
        if time.perf_counter() - began > 1800:
            raise TimeoutError(f"after half an hour {ready} of {pods} are Ready")
    return time.perf_counter() - began, _processor(server) - processor


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
