"""A pretended cluster for widget tests: objects as an API server would give them, and an `Api` that follows them."""

from __future__ import annotations

import itertools
import queue
from typing import Any

from k8slab.clock import to_timestamp

revisions = itertools.count(1)
START = 1_767_225_600.0


def node(name="node-1", ready="True", cordoned=False, since=START, zone="a", cpu="4", memory="8Gi"):
    spec = {"podCIDR": f"127.64.{name[-1]}.0/24"} | ({"unschedulable": True} if cordoned else {})
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": to_timestamp(since)}
    labels = {"topology.kubernetes.io/zone": zone}
    status = {"allocatable": {"cpu": cpu, "memory": memory}, "conditions": [condition]}
    return thing("Node", name, spec, status, labels=labels, namespace="")


def deployment(name="web", replicas=3, image="k8slab/web:v1", **more):
    template = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return thing("Deployment", name, {"replicas": replicas, "template": template}, {}, **more)


def replica_set(name="web-7d5bc", replicas=3, owner=None, revision="1", **more):
    labels = {"pod-template-hash": name.rpartition("-")[2]}
    made = thing("ReplicaSet", name, {"replicas": replicas}, {}, labels=labels, owner=owner, **more)
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": revision}
    return made


def pod(name="web-7d5bc-x2j5h", node="node-1", state="ready", owner=None, image="k8slab/web:v1", **more):
    """A pod in one of: pending, unplaced, starting, notready, ready, crashing, noimage, failed, done."""
    restarts, requests = more.pop("restarts", 0), more.pop("requests", None)
    container = {"name": "c", "image": image} | ({"resources": {"requests": requests}} if requests else {})
    spec = {"containers": [container]} | ({"nodeName": node} if node and state not in ("pending", "unplaced") else {})
    labels = {"pod-template-hash": owner["metadata"]["name"].rpartition("-")[2]} if owner else {}
    return thing("Pod", name, spec, pod_status(state, restarts), labels=labels, owner=owner, **more)


def pod_status(state: str, restarts: int = 0) -> dict[str, Any]:
    at = to_timestamp(START)
    ended = {"exitCode": 1, "reason": "Error", "finishedAt": at, "message": "no DATABASE_URL"}
    container: dict[str, Any] = {"name": "c", "ready": state == "ready", "restartCount": restarts}
    container["state"] = {
        "crashing": {"waiting": {"reason": "CrashLoopBackOff"}},
        "noimage": {"waiting": {"reason": "ImagePullBackOff", "message": "there is no image web:v9"}},
        "starting": {"waiting": {"reason": "ContainerCreating"}},
        "failed": {"terminated": ended},
        "done": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": at}},
    }.get(state, {"running": {"startedAt": at}})
    if state == "crashing" or restarts:
        container["lastState"] = {"terminated": ended}
    phase = {"done": "Succeeded", "failed": "Failed", "ready": "Running", "notready": "Running", "crashing": "Running"}
    conditions = [{"type": "Ready", "status": "True" if state == "ready" else "False", "lastTransitionTime": at}]
    if state == "unplaced":
        why = "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable. preemption: 0/3 nodes"
        conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}]
    if state in ("pending", "unplaced"):
        return {"phase": "Pending", "conditions": conditions}
    placed = {"podIP": "127.64.1.9", "conditions": conditions, "containerStatuses": [container]}
    return {"phase": phase.get(state, "Pending"), **placed}


def thing(
    kind, name, spec, status, *, labels=None, owner=None, namespace="default", at=START, uid=""
) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "uid": uid or f"{kind}/{name}", "creationTimestamp": to_timestamp(at)}
    meta["resourceVersion"] = str(next(revisions))
    meta |= {"namespace": namespace} if namespace else {}
    meta |= {"labels": labels} if labels else {}
    if owner:
        ref = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        meta["ownerReferences"] = [ref | {"controller": True}]
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec, "status": status}


def leaving(obj, grace=30, at=START, speed=10.0):
    """The object, once somebody asked for its deletion at `at`."""
    asked = {"deletionTimestamp": to_timestamp(at + grace / speed), "deletionGracePeriodSeconds": grace}
    asked["resourceVersion"] = str(next(revisions))
    return {**obj, "metadata": {**obj["metadata"], **asked}}


def snapshot(*objects):
    kinds: dict[str, list[Any]] = {kind: [] for kind in ("Node", "Pod", "ReplicaSet", "Deployment", "Event")}
    for obj in objects:
        kinds.setdefault(obj["kind"], []).append(obj)
    return kinds


def shop(pods=3, nodes=3):
    """Deployment web with its ReplicaSet and ready pods, spread over nodes."""
    web = deployment(replicas=pods)
    rs = replica_set(owner=web, replicas=pods)
    names = [f"web-7d5bc-{number:05d}" for number in range(pods)]
    made = [pod(name, f"node-{i % nodes + 1}", owner=rs, at=START + i) for i, name in enumerate(names)]
    return [*(node(f"node-{n + 1}") for n in range(nodes)), web, rs, *made]


def service(name="web", selector=None, port=80, address="127.64.250.9", **more):
    """A Service that selects app=NAME, and the slice of the pods it sends requests to."""
    ports = [{"port": port, "targetPort": 8080}]
    return thing(
        "Service", name, {"clusterIP": address, "ports": ports, "selector": selector or {"app": name}} | more, {}
    )


def endpoints(*ready, name="web", waiting=()):
    """The EndpointSlice of a Service with these pods, those that are ready and those that are not."""
    found = thing("EndpointSlice", f"{name}-1", {}, {}, labels={"kubernetes.io/service-name": name})
    found["endpoints"] = [
        {
            "addresses": ["127.64.1.9"],
            "conditions": {"ready": ok},
            "targetRef": {"kind": "Pod", "name": each["metadata"]["name"], "uid": each["metadata"]["uid"]},
        }
        for each, ok in [*((one, True) for one in ready), *((one, False) for one in waiting)]
    ]
    return found


def mixed(now=START):
    """Every state at once, on nodes of which one is off."""
    web = deployment(replicas=3)
    rs = replica_set(owner=web)
    nodes = [node(f"node-{n}", zone="abc"[n - 1]) for n in (1, 2)]
    nodes.append(node("node-3", ready="Unknown", since=now - 5, zone="c"))
    states = ["ready", "notready", "starting", "crashing", "noimage", "done", "unplaced", "ready"]
    pods = [
        pod(f"web-7d5bc-{state[:4]}{n}", f"node-{n % 2 + 1}", state, owner=rs, restarts=n // 4)
        for n, state in enumerate(states)
    ]
    gone = leaving(pod("web-7d5bc-leaves", owner=rs), 30, now)
    cart = deployment("cart", 2, "k8slab/cart:v3", namespace="shop", at=START + 9)
    carts = replica_set("cart-6f8d9", 2, cart, namespace="shop")
    behind = [
        pod(f"cart-6f8d9-{n}xk2", f"node-{n}", owner=carts, image="k8slab/cart:v3", namespace="shop") for n in (1, 2)
    ]
    ends = endpoints(pods[0], pods[7], waiting=[pods[1]])
    lost = pod("web-7d5bc-lost1", "node-3", owner=rs)
    return [*nodes, web, rs, cart, carts, service(), ends, *pods, gone, lost, *behind]


class Following:
    """What `FakeApi.follow` gives."""

    problem = ""

    def __init__(self, stop):
        self._stop = stop

    def __call__(self):
        self._stop()


class FakeProcess:
    """A process on a terminal that says what was typed to it, and what a test has it say."""

    def __init__(self):
        self.ended, self._out = "", queue.SimpleQueue()
        self.say("/app $ ")

    def say(self, text):
        self._out.put(text.encode())

    def read(self):
        return self._out.get()

    def write(self, data):
        self.say(f"you typed {data.decode()!r}\r\n")

    def resize(self, size):
        self.size = size

    def close(self):
        self._out.put(b"")


class FakeApi:
    """An API that remembers what it was asked, and tells followers what a test gives it."""

    def __init__(self, *objects):
        self.now = snapshot(*objects)
        self.calls: list[tuple[Any, ...]] = []
        self.followers: list[Any] = []
        self.refuse: Exception | None = None

    def follow(self, kinds, on_change):
        self.followers.append(on_change)
        on_change(self.now)
        return Following(lambda: self.followers.remove(on_change) if on_change in self.followers else None)

    def becomes(self, *objects):
        self.now = snapshot(*objects)
        for tell in list(self.followers):
            tell(self.now)

    def find(self, kind, name, namespace=""):
        return next((obj for obj in self.now.get(kind, ()) if obj["metadata"]["name"] == name), None)

    def list(self, kind, namespace="", selector=""):
        return list(self.now.get(kind, ()))

    def all(self):
        """Every object there is now."""
        return [obj for objects in self.now.values() for obj in objects]

    def delete(self, kind, name, namespace=""):
        self._called("delete", kind, name, namespace)

    def patch(self, kind, name, namespace, patch, subresource=""):
        self._called("patch", kind, name, namespace, patch)

    def post(self, path, body):
        self._called("post", path, body)

    def execute(self, name, namespace, command, container=""):
        self._called("execute", name, namespace, tuple(command))
        self.process = FakeProcess()
        return self.process

    def logs(self, name, namespace="", *, tail=None, previous=False):
        self._called("logs", name, namespace, previous)
        return f"log of {name}\n<b>not markup</b>"

    def _called(self, *call):
        if self.refuse:
            raise self.refuse
        self.calls.append(call)


class FakeLab:
    """What a board needs of a lab."""

    def __init__(self, *objects, name="shop", speed=10.0, **abilities):
        self.name, self.speed, self.objects, self.api = name, speed, objects, FakeApi(*objects)
        self.namespace, self.context = "default", None
        fences = {"fences": ["session", "folder", "environment", "limits"], "missing": {"cgroup": "not writable here"}}
        all_fences = ["session", "folder", "environment", "limits", "pid", "mount", "cgroup"]
        known = {"runtime": "local", "version": "1.36", "all_fences": all_fences, "crash": True, "power": True}
        self.context, self.namespace = None, "default"
        self.abilities = {**known, **fences, **abilities}

    def turn_loops(self, do, kind, name):
        """A lab with one loop that waits, that of the object; a turn writes a number."""
        self.api._called("loop", do, kind, name)
        self.held = {"hold": True, "release": False}.get(do, getattr(self, "held", False))
        wrote = [{"verb": "changed", "kind": "ReplicaSet", "name": "web-7d5bc", "was": 3, "now": 4}]
        waiting = [{"kind": "Deployment", "namespace": "default", "name": "web"}] if self.held and do != "turn" else []
        return {"held": self.held, "waiting": waiting, "wrote": wrote if do == "turn" else []}

    def shell_environment(self):
        return {"KUBECONFIG": "/the/kubeconfig"}
