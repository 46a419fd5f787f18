"""A cluster small enough to read: the verbs over dicts, informers fed at once, a kubelet that always succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from k8slab.api.errors import AlreadyExists, ApiError, Conflict, Forbidden, NotFound
from k8slab.api.objects import Key, Obj, copy, is_terminating, key_of, random_suffix
from k8slab.client.informer import LiveInformer
from k8slab.clock import VirtualClock
from k8slab.controllers.base import Controller

CLUSTER = {"Node", "Namespace", "PersistentVolume", "StorageClass"}
FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


class FakeClient:
    """Keeps the promises of `client/base.py` as simply as can be. `refuse` may turn a creation down."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.objects: dict[str, dict[Key, Obj]] = {}
        self.informers: dict[str, LiveInformer] = {}
        self.numbers = count(1)
        self.refuse: Callable[[Obj], ApiError | None] = lambda obj: None
        self.log: list[str] = []  # one line a write

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        try:
            return copy(self.objects[kind][Key(namespace, name)])
        except KeyError:
            raise NotFound.of("", kind, name) from None

    def create(self, obj: Obj) -> Obj:
        obj = copy(obj)
        meta = obj["metadata"]
        if refused := self.refuse(obj):
            raise refused
        home = self.objects.get("Namespace", {}).get(Key("", meta.get("namespace", "")))
        if home and is_terminating(home) and obj["kind"] != "Event":
            raise Forbidden("unable to create new content in namespace x because it is being terminated")
        if "name" not in meta:
            meta["name"] = meta["generateName"] + random_suffix()
        if key_of(obj) in self.objects.get(obj["kind"], {}):
            raise AlreadyExists.of("", obj["kind"], meta["name"])
        meta |= {"uid": f"uid-{next(self.numbers)}", "creationTimestamp": self.clock.timestamp(), "generation": 1}
        if obj["kind"] == "Pod":
            obj.setdefault("status", {"phase": "Pending"})
        return copy(self._put("added", None, obj))

    def update(self, obj: Obj, subresource: str = "") -> Obj:
        old, obj = self.get(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")), copy(obj)
        if obj["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise Conflict.of("", obj["kind"], obj["metadata"]["name"])
        if subresource == "status":
            obj = {**old, "status": obj["status"]}
        elif subresource == "finalize":
            obj = {**old, "spec": obj["spec"]}
        elif "status" in old:
            obj["status"] = old["status"]
        if not subresource and {**obj, "metadata": 0} != {**old, "metadata": 0}:
            obj["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if obj == old:
            return old
        return copy(self._put("modified", old, obj))

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: str = "") -> Obj:
        return self.update(merged(self.get(kind, name, namespace), patch), subresource)

    def delete(
        self, kind: str, name: str, namespace: str = "", *, grace: Any = None, propagation: Any = None, uid: str = ""
    ) -> None:
        old = self.get(kind, name, namespace)
        if uid and uid != old["metadata"]["uid"]:
            raise Conflict.of("", kind, name)
        obj = copy(old)
        if propagation in FINALIZERS:
            obj["metadata"].setdefault("finalizers", []).append(FINALIZERS[propagation])
        if kind == "Pod" and obj["spec"].get("nodeName") and grace != 0:
            obj["metadata"].setdefault("deletionGracePeriodSeconds", 30)
        obj["metadata"].setdefault("deletionTimestamp", self.clock.timestamp())
        if grace == 0:
            obj["metadata"]["deletionGracePeriodSeconds"] = 0
        if obj != old:
            self._put("modified", old, obj)

    def bind(self, namespace: str, pod: str, node: str, uid: str = "") -> None:
        self.patch("Pod", pod, namespace, {"spec": {"nodeName": node}})

    def informer(self, kind: str) -> LiveInformer:
        if kind not in self.informers:
            self.informers[kind] = LiveInformer(kind, self.objects.setdefault(kind, {}).values())
        return self.informers[kind]

    def _put(self, what: str, before: Obj | None, after: Obj) -> Obj:
        kind, key, meta = after["kind"], key_of(after), after["metadata"]
        meta["resourceVersion"] = str(next(self.numbers))
        held = (
            meta.get("finalizers")
            or meta.get("deletionGracePeriodSeconds")
            or (after.get("spec") or {}).get("finalizers")
        )
        gone = is_terminating(after) and not held
        self.log.append(f"{'deleted' if gone else what} {kind} {key.name}")
        if gone:
            del self.objects[kind][key]
        else:
            self.objects.setdefault(kind, {})[key] = after
        if kind in self.informers:
            self.informers[kind].feed(before, None if gone else after)
        return after


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class FakeKubelet:
    """Places every pod, makes it Running and Ready (unless its image is broken), and lets go of those that end."""

    def __init__(self, client: FakeClient, clock: VirtualClock) -> None:
        self.client, self.clock, self.nodes, self.dead = client, clock, ["node-1", "node-2", "node-3"], set[str]()
        self.numbers = count(1)
        client.informer("Pod").subscribe(self.changed)

    def changed(self, before: Obj | None, after: Obj | None) -> None:
        if after:
            asyncio.get_running_loop().call_soon(self.step, *key_of(after))

    def step(self, namespace: str, name: str) -> None:
        pod = self.client.informer("Pod").get(name, namespace)
        if pod is None or pod["spec"].get("nodeName") in self.dead:
            return
        if is_terminating(pod):
            self.client.delete("Pod", name, namespace, grace=0)
        elif not pod["spec"].get("nodeName"):
            self.client.bind(namespace, name, self.nodes[next(self.numbers) % len(self.nodes)])
        elif pod["status"]["phase"] == "Pending" and pod["spec"]["containers"][0]["image"] != "broken":
            now = self.clock.timestamp()
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": now}]
            address = f"127.64.0.{next(self.numbers)}"
            status = {"phase": "Running", "conditions": conditions, "podIP": address}
            self.client.patch("Pod", name, namespace, {"status": status}, "status")


class FakeWorker(FakeKubelet):
    """Lets every pod end after `lasts` seconds: well, or as `ends` says for its image."""

    def __init__(self, client: FakeClient, clock: VirtualClock, lasts: float = 10.0) -> None:
        super().__init__(client, clock)
        self.lasts = lasts
        self.ends: dict[str, int | None] = {"fails": 1, "runs": None}

    def step(self, namespace: str, name: str) -> None:
        pod = self.client.informer("Pod").get(name, namespace)
        if (
            pod
            and is_terminating(pod)
            and pod["status"]["phase"] == "Running"
            and pod["spec"]["nodeName"] not in self.dead
        ):
            self.client.patch("Pod", name, namespace, {"status": {"phase": "Failed"}}, "status")
        super().step(namespace, name)
        started = pod and pod["status"]["phase"] == "Pending" and pod["spec"].get("nodeName")
        if pod and started and not is_terminating(pod):
            self.clock.call_later(self.lasts, lambda: self.end(namespace, name))

    def end(self, namespace: str, name: str, code: int | None = None) -> None:
        pod = self.client.informer("Pod").get(name, namespace)
        if pod is None or pod["status"]["phase"] != "Running" or is_terminating(pod):
            return
        if code is None:
            code = self.ends.get(pod["spec"]["containers"][0]["image"], 0)
        if code is None:  # it runs for ever
            return
        ended = {"exitCode": code, "finishedAt": self.clock.timestamp()}
        conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": self.clock.timestamp()}]
        status = {"phase": "Failed" if code else "Succeeded", "conditions": conditions}
        status |= {"containerStatuses": [{"name": "c", "restartCount": 0, "state": {"terminated": ended}}]}
        self.client.patch("Pod", name, namespace, {"status": status}, "status")


class Cluster:
    """Everything a test holds."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.client = FakeClient(self.clock)
        self.tasks: list[asyncio.Task[None]] = []

    def run(self, *controllers: Controller[Any]) -> None:
        self.tasks += [asyncio.ensure_future(controller.run()) for controller in controllers]

    def kubelet(self) -> FakeKubelet:
        return FakeKubelet(self.client, self.clock)

    async def settle(self) -> None:
        """Let everybody work until nothing is written any more."""
        written = -1
        while written != len(self.client.log):
            written = len(self.client.log)
            await self.clock.settle()

    async def advance(self, seconds: float) -> None:
        await self.settle()
        await self.clock.advance(seconds)
        await self.settle()

    def all(self, kind: str, namespace: str = "") -> list[Obj]:
        return list(self.client.informer(kind).list(namespace))

    def events(self) -> list[str]:
        return [f"{e['type']} {e['reason']} {e['message']}" for e in self.all("Event")]


def template(image: str = "nginx:1.26", **labels: str) -> Obj:
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(replicas: int = 2, image: str = "nginx:1.26", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": template(image),
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            **spec,
        },
        "status": {},
    }


def replica_set(replicas: int = 2, name: str = "web-1", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec},
        "status": {"replicas": 0},
    }


def stateful_set(replicas: int = 3, image: str = "redis:7", name: str = "db", **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "generation": 1},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": template(image, app=name),
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 10,
            **spec,
        },
        "status": {"replicas": 0, "availableReplicas": 0},
    }


def daemon_set(image: str = "busybox:1.36", surge: int | str = 0, unavailable: int | str = 1, **spec: Any) -> Obj:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default", "uid": "uid-of-agent", "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": template(image, app="agent"),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "revisionHistoryLimit": 10,
            **spec,
        },
        "status": {},
    }


def job(name: str = "many", image: str = "ok", **spec: Any) -> Obj:
    made = template(image, **{"job-name": name})
    made["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "generation": 1},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "selector": {"matchLabels": {"job-name": name}},
            "template": made,
            **spec,
        },
        "status": {},
    }


def cron_job(schedule: str = "*/5 * * * *", image: str = "ok", **spec: Any) -> Obj:
    """Its Jobs are defaulted already, as nobody does it here."""
    of = job("x", image)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": "default", "generation": 1},
        "spec": {
            "schedule": schedule,
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"metadata": {"labels": {"from": "tick"}}, "spec": of["spec"]},
            **spec,
        },
        "status": {},
    }


def node(name: str = "node-1", taints: Iterable[Obj] = (), **labels: str) -> Obj:
    named = {"kubernetes.io/hostname": name} | labels
    spec = {"taints": list(taints)} if taints else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": named}, "spec": spec}


def pod(name: str = "p", node: str = "", ready: bool = False, **labels: str) -> Obj:
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default", "labels": labels or {"app": "web"}, "uid": f"uid-of-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"containers": [{"name": "c", "image": "nginx"}]} | ({"nodeName": node} if node else {}),
        "status": {"phase": "Running" if ready else "Pending", "conditions": conditions},
    }  # fmt: skip


def names(objects: Iterable[Obj]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]
