"""A pretended lab for checks and lessons: objects in a list, read as a Lab would, and a memory of what it was told."""

from __future__ import annotations

from k8slab.api.objects import labels_of
from k8slab.api.selectors import parse_label_selector
from k8slab.lab import Lab
from k8slab.lab.services import Answer
from k8slab.lab.views import Object, Pods


def pod(
    name="web-7d5bc-a",
    *,
    app="web",
    owner="web-7d5bc",
    ready=True,
    restarts=0,
    image="k8slab/web:v1",
    leaving=False,
    running=True,
):
    meta = {"name": name, "namespace": "default", "uid": name, "labels": {"app": app}}
    if name.startswith("web-"):
        meta["generateName"] = "web-7d5bc-"
    if owner:
        meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    if leaving:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container = {
        "name": "web",
        "ready": ready,
        "restartCount": restarts,
        "state": {"running": {}} if running else {"terminated": {}},
    }
    status = {"phase": "Running", "podIP": "127.64.1.2", "containerStatuses": [container]}
    status["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
    spec = {"nodeName": "node-1", "containers": [{"name": "web", "image": image}]}
    return {"kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def deployment(name="web", replicas=3):
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
    return {"kind": "Deployment", "metadata": {"name": name, "uid": name}, "spec": spec, "status": {}}


def web(count, **more):
    return [pod(f"web-7d5bc-{n}", **more) for n in range(count)]


class FakeLab(Lab):
    """What a lesson and its checks need of a Lab; nothing is started."""

    def __init__(self, *objects):
        self.objects, self.told = list(objects), []
        self.namespace, self.api = "default", self
        self.name, self.context, self.abilities = "fake", None, {"runtime": "local", "fences": [], "all_fences": []}

    def read(self, what):
        kind, _, name = what.partition("/")
        found = (o for o in self.objects if o["kind"].lower() == kind and o["metadata"]["name"] == name)
        obj = next(found, None)
        return None if obj is None else Object(obj)

    def pods(self, selector=None):
        wanted = parse_label_selector(selector) if selector else None
        pods = [o for o in self.objects if o["kind"] == "Pod"]
        return Pods(p for p in pods if wanted is None or wanted.matches(labels_of(p)))

    def list(self, kind, namespace="", selector=""):
        wanted = parse_label_selector(selector)
        return [o for o in self.objects if o["kind"] == kind and wanted.matches(labels_of(o))]

    def get(self, url, **asked):
        return Answer(200, "", {})

    def kubectl(self, command):
        self.told.append(command)
        return ""

    def crash(self, pod, container=""):
        self.told.append(f"crash {pod.name}")

    def wait(self, what, timeout=60.0):
        self.told.append(f"wait {what}")
        return 0.1

    def reset(self):
        self.told.append("reset")
        self.objects.clear()
