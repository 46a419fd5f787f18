"""Small makers of pods and nodes, and a client that keeps them in dicts."""

from __future__ import annotations

import itertools
from typing import Any

from k8slab.api.errors import NotFound
from k8slab.api.objects import Key, Obj, copy, key_of
from k8slab.client.informer import LiveInformer
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.podinfo import PodInfo

numbers = itertools.count(1)


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Obj:
    labels = {"kubernetes.io/hostname": name} | more.pop("labels", {})
    status = {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": more,
        "status": status,
    }


Words = dict[str, str]


def pod(
    name: str = "p", requests: Words | None = None, owner: str = "", labels: Words | None = None, **spec: Any
) -> Obj:
    meta: Obj = {"name": name, "namespace": "default", "uid": f"uid-{next(numbers)}", "labels": labels or {}}
    if owner:
        meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    container: Obj = {"name": "c", "image": "nginx", "resources": {"requests": requests or {}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [container]} | spec,
        "status": {},
    }


def on(node_name: str, **what: Any) -> Obj:
    return pod(f"on-{next(numbers)}", nodeName=node_name, **what)


def cache_of(*objects: Obj) -> Cache:
    cache = Cache()
    for obj in objects:
        if obj["kind"] == "Node":
            cache.set_node(obj["metadata"]["name"], obj)
        else:
            cache.set_pod(obj["metadata"]["uid"], "", obj)
    return cache


def info(**what: Any) -> PodInfo:
    return PodInfo(pod(**what))


class FakeClient:
    """As much of a `Client` as a scheduler needs; every write is heard at once."""

    def __init__(self, *objects: Obj) -> None:
        self.informers: dict[str, LiveInformer] = {}
        self.bound: list[tuple[str, str]] = []
        for obj in objects:
            self.create(obj)

    def informer(self, kind: str) -> LiveInformer:
        return self.informers.setdefault(kind, LiveInformer(kind))

    def create(self, obj: Obj) -> Obj:
        self.informer(obj["kind"]).feed(None, obj)
        return obj

    def change(self, kind: str, name: str, **parts: Any) -> None:
        """Merge into spec, status or metadata: change("Node", "n", spec={…})."""
        before = self.find(kind, name)
        after = copy(before)
        for part, value in parts.items():
            after[part] |= value
        self.informers[kind].feed(before, after)

    def find(self, kind: str, name: str) -> Obj:
        found = self.informers[kind].get(name, "" if kind in ("Node", "PersistentVolume") else "default")
        if found is None:
            raise NotFound.of("", kind.lower() + "s", name)
        return found

    def delete(self, kind: str, name: str, namespace: str = "", **_: Any) -> None:
        self.informers[kind].feed(self.find(kind, name), None)

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: str = "") -> Obj:
        self.change(kind, name, **patch)
        return self.find(kind, name)

    def bind(self, namespace: str, pod: str, node: str, uid: str = "") -> None:
        self.change("Pod", pod, spec={"nodeName": node})
        self.bound.append((pod, node))

    def node_of(self, name: str) -> str:
        return str(self.find("Pod", name)["spec"].get("nodeName", ""))


class FakeRecorder:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.events: list[tuple[Key, str, str, str]] = []

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        self.events.append((key_of(obj), type, reason, message))


class FakeSeriesRecorder:
    """Remembers what the scheduler said."""

    def __init__(self) -> None:
        self.events: list[tuple[Key, str, str, str]] = []

    def event(self, obj: Obj, type: str, reason: str, action: str, message: str, related: Obj | None = None) -> None:
        self.events.append((key_of(obj), type, reason, message))
