"""Sees every state the pods of a namespace go through, as a controller would, and holds them to what was promised.

A Deployment being rolled out never has more than `replicas + maxSurge` pods that are not terminating, nor, unless
something was broken on purpose, fewer than `replicas - maxUnavailable` ready ones. A StatefulSet makes a pod when those
below it are ready, and takes one away when those above it are gone, or new and ready. A DaemonSet never has two pods on
one node, a Job never more than work in parallel. `test_invariants.py` says what is promised at the moment.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass

import httpx

from k8slab.api.objects import is_pod_ready
from k8slab.client.http import HttpClient, Unreachable
from tests.behaviour.cluster import Obj


@dataclass
class Promise:
    """Bounds of one Deployment's pods. `least` holds only while nothing is broken on purpose."""

    most: int
    least: int = 0


def number(pod: Obj) -> int:
    """Of a StatefulSet's pod."""
    return int(pod["metadata"]["name"].rpartition("-")[2])


class Lookout:
    """Watches until closed; `broken` lists what should never have been seen."""

    def __init__(self, api: HttpClient, namespace: str) -> None:
        self._api, self._path = api, f"/api/v1/namespaces/{namespace}/pods"
        self.promises: dict[str, Promise] = {}
        self.in_order: set[str] = set()  # StatefulSets that keep to it now
        self.one_a_node: set[str] = set()  # DaemonSets
        self.broken: list[str] = []
        self.seen = 0
        self._pods: dict[str, Obj] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                listed = self._api.request("GET", self._path)
                self._pods = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                self._follow(listed["metadata"]["resourceVersion"])
            except (
                Unreachable,
                httpx.TransportError,
                OSError,
                ValueError,
            ):  # the server was killed: look again when it is back
                self._closing.wait(0.05)

    def _follow(self, version: str) -> None:
        params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "5"}
        cluster = self._api.cluster
        with (
            httpx.Client(base_url=cluster.server, verify=cluster.ssl_context(), headers=cluster.headers()) as http,
            http.stream("GET", self._path, params=params, timeout=10) as answer,
        ):
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR" or self._closing.is_set():
                    return
                self._take(event["type"], event["object"])

    def _take(self, how: str, pod: Obj) -> None:
        before = self._pods.get(pod["metadata"]["uid"])
        if how == "DELETED":
            self._pods.pop(pod["metadata"]["uid"], None)
        else:
            self._pods[pod["metadata"]["uid"]] = pod
        self._check(pod, how)
        if pod["metadata"].get("labels", {}).get("app", "") in self.in_order:
            self._check_order(pod, before, how)

    def has_seen(self, pods: list[Obj]) -> bool:
        """Whether it knows just these pods, as they are: what it has to say about the past is said."""
        known = {uid: pod["metadata"]["resourceVersion"] for uid, pod in list(self._pods.items())}
        return known == {pod["metadata"]["uid"]: pod["metadata"]["resourceVersion"] for pod in pods}

    def _check(self, changed: Obj, how: str) -> None:
        self.seen += 1
        name = changed["metadata"].get("labels", {}).get("app", "")
        promise = self.promises.get(name)
        if promise is None and name not in self.one_a_node:
            return
        alive = [
            pod for pod in self._pods.values()
            if pod["metadata"].get("labels", {}).get("app") == name
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") not in ("Failed", "Succeeded")
        ]  # fmt: skip
        who = f"{name}, when {changed['metadata']['name']} was {how}"
        nodes = Counter(pod["spec"].get("nodeName") for pod in alive if pod["spec"].get("nodeName"))
        if name in self.one_a_node and max(nodes.values(), default=0) > 1:
            self.broken.append(f"{who}: {dict(nodes)}, and one a node is promised")
        if promise is None:
            return
        ready = sum(map(is_pod_ready, alive))
        if len(alive) > promise.most:
            self.broken.append(f"{who}: {len(alive)} pods, and {promise.most} are promised at most")
        if ready < promise.least:
            self.broken.append(f"{who}: {ready} pods ready, and {promise.least} are promised at least")

    def _check_order(self, changed: Obj, before: Obj | None, how: str) -> None:
        goes = "deletionTimestamp" in changed["metadata"] and how == "MODIFIED"
        went = before is not None and "deletionTimestamp" in before["metadata"]
        app, mine = changed["metadata"]["labels"]["app"], number(changed)
        others = {
            number(pod): pod for pod in self._pods.values() if pod["metadata"].get("labels", {}).get("app") == app
        }
        ready = {n for n, pod in others.items() if is_pod_ready(pod) and "deletionTimestamp" not in pod["metadata"]}
        if how == "ADDED" and not set(range(mine)) <= ready:
            self.broken.append(f"{app}-{mine} was made when only {sorted(ready)} were ready")
        if goes and not went and not {n for n in others if n > mine} <= ready:
            self.broken.append(f"{app}-{mine} was deleted when of {sorted(others)} only {sorted(ready)} were ready")
