"""What a board costs its notebook's kernel while 200 pods change: the processor time of its two threads."""

from __future__ import annotations

import json
import time

import psutil

from benchmarks.lab import Bench, until
from k8slab.client.http import HttpClient
from k8slab.widgets.board import Board

PODS, CHANGES, SECONDS = 200, 10, 5.0  # changes a second


class OneLab:
    """As much of a lab as a board needs."""

    name, speed, abilities = "board", 1.0, {"runtime": "simulated", "real": False, "crash": True, "power": True}

    def __init__(self, api: HttpClient) -> None:
        self.api = api


def cost(bench: Bench) -> list[float]:
    """Percent of a core, over five seconds each. Fails when an update is lost."""
    bench.k8slab("up", "--name", "board", "--runtime", "simulated")
    path = f"{bench.env['K8SLAB_STATE_DIR']}/board/kubeconfig"
    hand, api = HttpClient.open(path), HttpClient.open(path)
    template = {
        "metadata": {"labels": {"app": "many"}},
        "spec": {"containers": [{"name": "c", "image": "k8slab/web:v1"}]},
    }
    spec = {"replicas": PODS, "selector": {"matchLabels": {"app": "many"}}, "template": template}
    hand.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}, "spec": spec})
    until(lambda: sum(_ready(pod) for pod in hand.list("Pod", "default")) == PODS)
    board = Board(OneLab(api))
    board.send = json.dumps  # as the notebook's own channel would write it
    spent = [_measured(board, api, hand) for _ in range(bench.runs)]
    board.close()
    for client in (hand, api):
        client.close()
    return spent


def _measured(board: Board, api: HttpClient, hand: HttpClient) -> float:
    threads = {board._publisher.native_id, *(follow._thread.native_id for follow in api._follows)}
    pods = [pod["metadata"]["name"] for pod in hand.list("Pod", "default")]
    began, used = time.monotonic(), _used(threads)
    last = ""
    for turn in range(int(CHANGES * SECONDS)):
        last = pods[turn % len(pods)]
        mark = {"metadata": {"annotations": {"changed": str(time.monotonic())}}}
        hand.patch("Pod", last, "default", mark)
        time.sleep(max(0.0, began + (turn + 1) / CHANGES - time.monotonic()))
    took, cost = time.monotonic() - began, _used(threads) - used
    now = {pod["metadata"]["uid"]: pod["metadata"]["resourceVersion"] for pod in hand.list("Pod", "default")}
    until(lambda: {uid: tile["revision"] for uid, tile in board._picture["pods"].items()} == now)
    return 100 * cost / took


def _used(threads: set[int | None]) -> float:
    return sum(t.user_time + t.system_time for t in psutil.Process().threads() if t.id in threads)


def _ready(pod: dict[str, object]) -> bool:
    status = pod.get("status") or {}
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])  # type: ignore[attr-defined]
