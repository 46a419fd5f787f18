"""A small world for a kubelet: a dict for an API, a scripted runtime, virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from k8slab.api.errors import AlreadyExists, Conflict, NotFound
from k8slab.api.objects import Key, Obj, copy, key_of
from k8slab.client.informer import LiveInformer
from k8slab.clock import VirtualClock, to_timestamp
from k8slab.kubelet.kubelets import Kubelets
from k8slab.kubelet.node import NodeConfig
from k8slab.runtime.base import Abilities, ContainerSpec, ContainerState, ImageInfo, LogLine, PodConfig, RuntimeFailure


class FakeClient:
    """Objects in a dict; informers are fed inside each write."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.objects: dict[tuple[str, Key], Obj] = {}
        self.statuses: list[Obj] = []
        self._informers: dict[str, LiveInformer] = {}
        self._count = itertools.count(1)

    def informer(self, kind: str) -> LiveInformer:
        if kind not in self._informers:
            self._informers[kind] = LiveInformer(kind, [o for (k, _), o in self.objects.items() if k == kind])
        return self._informers[kind]

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        try:
            return copy(self.objects[kind, Key(namespace, name)])
        except KeyError:
            raise NotFound.of("", kind.lower() + "s", name) from None

    def create(self, obj: Obj) -> Obj:
        if (obj["kind"], key_of(obj)) in self.objects:
            raise AlreadyExists.of("", obj["kind"], obj["metadata"]["name"])
        obj = copy(obj)
        meta = obj["metadata"]
        meta.setdefault("uid", f"uid-{next(self._count)}")
        meta["creationTimestamp"] = self.clock.timestamp()
        return self._put(obj)

    def update(self, obj: Obj, subresource: str = "") -> Obj:
        old = self.get(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
        given = obj["metadata"].get("resourceVersion")
        if given and given != old["metadata"]["resourceVersion"]:
            raise Conflict.of("", obj["kind"], obj["metadata"]["name"])
        if subresource == "status":
            if obj["kind"] == "Pod":
                self.statuses.append(copy(obj["status"]))
            return self._put({**old, "status": copy(obj["status"])})
        return self._put(copy(obj))

    def delete(
        self, kind: str, name: str, namespace: str = "", *, grace: int | None = None, uid: str = "", **_: Any
    ) -> None:
        old = self.get(kind, name, namespace)
        if uid and old["metadata"]["uid"] != uid:
            raise Conflict.of("", kind, name)
        if kind == "Pod" and grace != 0 and old["spec"].get("nodeName"):
            seconds = grace if grace is not None else old["spec"].get("terminationGracePeriodSeconds", 30)
            old["metadata"]["deletionTimestamp"] = to_timestamp(self.clock.time() + seconds)
            old["metadata"]["deletionGracePeriodSeconds"] = seconds
            self._put(old)
            return
        del self.objects[kind, Key(namespace, name)]
        self.informer(kind).feed(old, None)

    def _put(self, obj: Obj) -> Obj:
        key = (obj["kind"], key_of(obj))
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(next(self._count))}
        before = self.objects.get(key)
        self.objects[key] = obj
        self.informer(obj["kind"]).feed(before, obj)
        return copy(obj)


class FakeExec:
    """A command in a container: it takes its time, says something, ends."""

    def __init__(self, clock: VirtualClock, seconds: float, code: int, said: str) -> None:
        self.clock, self.seconds, self.code, self.said, self.killed = clock, seconds, code, said, False

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        await self.clock.sleep(self.seconds)
        yield "stdout", self.said.encode()

    async def wait(self) -> int:
        return self.code

    def close(self) -> None:
        self.killed = True


class FakeRuntime:
    """Containers that do as they are told."""

    name, version = "fake", "1.0"

    def __init__(self, clock: VirtualClock, *, real: bool = True) -> None:
        self.clock = clock
        self.abilities = Abilities(real=real)
        self.known_images = {"web:v1", "web:v2"}
        self.specs: list[ContainerSpec] = []
        self.calls: list[str] = []
        self.states: dict[str, ContainerState] = {}
        self.addresses: dict[str, str] = {}
        self.output: dict[str, list[LogLine]] = {}
        self.exit_codes: dict[str, int] = {}  # container name -> it ends so at once
        self.stubborn = False  # ignores SIGTERM
        self.answers: dict[str, tuple[float, int, str]] = {}  # command -> its seconds, exit code, output
        self.pulling: list[str] = []  # what is told while an image comes
        self.refuses = ""  # commands cannot be run, for this reason
        self._changed: list[Callable[[str], None]] = []

    async def images(self) -> list[str]:
        return []

    async def image_list(self) -> list[ImageInfo]:
        return []

    async def pull(self, image: str, hear: Callable[[str], None] | None = None) -> str:
        self.calls.append(f"pull {image}")
        for said in self.pulling:
            assert hear
            hear(said)
        if image not in self.known_images:
            raise RuntimeFailure("ErrImagePull", f"there is no image {image}; there are web:v1, web:v2")
        return f"id-of-{image}"

    async def run_pod(self, pod: PodConfig) -> str:
        return self.addresses.setdefault(pod.uid, f"127.64.1.{len(self.addresses) + 2}")

    async def reach(self, address: str, port: int) -> tuple[str, int]:
        return address, port

    async def remove_pod(self, uid: str) -> None:
        self.calls.append(f"remove_pod {uid}")
        self.addresses.pop(uid, None)
        self.states = {id: s for id, s in self.states.items() if s.pod_uid != uid}

    def pods(self) -> dict[str, str]:
        return dict(self.addresses)

    async def exec(self, id: str, command: Sequence[str]) -> FakeExec:
        self.calls.append(f"exec {' '.join(command)} in {self.states[id].name}")
        return FakeExec(self.clock, *self.answers.get(" ".join(command), (0, 0, "")))

    async def start(self, spec: ContainerSpec) -> None:
        self.specs.append(spec)
        if self.refuses:
            raise RuntimeFailure("RunContainerError", self.refuses)
        await asyncio.sleep(0)
        image = f"id-of-{spec.image}"
        state = ContainerState(
            spec.id, spec.pod_uid, spec.name, spec.attempt, "running", 1, self.clock.time(), image_id=image
        )
        self.set(state)
        if spec.name in self.exit_codes:
            self.end(spec.name, self.exit_codes[spec.name])

    async def stop(self, id: str, grace: float) -> None:
        self.calls.append(f"stop {self.states[id].name} {grace:g}")
        if self.stubborn:
            await self.clock.sleep(grace)
        if id in self.states and self.states[id].phase == "running":
            self._end(self.states[id], 137 if self.stubborn else 0)

    async def signal(self, id: str, number: int) -> None:
        self._end(self.states[id], 128 + number)

    async def remove(self, id: str) -> None:
        del self.states[id]

    def containers(self, pod_uid: str) -> list[ContainerState]:
        return [s for s in self.states.values() if s.pod_uid == pod_uid]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._changed.append(changed)

    async def logs(self, id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        for line in self.output.get(id, []):
            yield line

    def set(self, state: ContainerState) -> None:
        self.states[state.id] = state
        for changed in self._changed:
            changed(state.pod_uid)

    def end(self, name: str, code: int) -> None:
        """The running container of this name ends."""
        self._end(next(s for s in self.states.values() if s.name == name and s.phase == "running"), code)

    def _end(self, state: ContainerState, code: int) -> None:
        self.set(replace(state, phase="exited", exit_code=code, finished=self.clock.time(), pid=None))

    def starts(self, name: str = "web") -> list[int]:
        """The attempts this container was started with."""
        return [spec.attempt for spec in self.specs if spec.name == name]


class Events:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self.about: list[Obj] = []

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        self.said.append((type, reason, message))
        self.about.append(obj)

    def reasons(self, *but: str) -> list[str]:
        return [reason for _, reason, _ in self.said if reason not in but]

    def messages(self, reason: str) -> list[str]:
        return [message for _, r, message in self.said if r == reason]


class World:
    """One node, unless told otherwise."""

    def __init__(self, *, real: bool = True, nodes: Sequence[str] = ("node-1",), folder: Any = None) -> None:
        self.clock = VirtualClock()
        self.client = FakeClient(self.clock)
        self.runtime = FakeRuntime(self.clock, real=real)
        self.events = Events()
        self.node_names = nodes
        self.folder = folder
        self.kubelets = self._kubelets()

    def _kubelets(self) -> Kubelets:
        disks = self.folder / "disks" if self.folder else None
        return Kubelets(self.client, self.runtime, self.clock, lambda node: self.events, self.folder, disks)  # type: ignore[arg-type]

    async def start(self) -> World:
        configs = [NodeConfig(name, f"127.64.{i + 1}.0/24") for i, name in enumerate(self.node_names)]
        await self.kubelets.start(configs)
        await self.clock.settle()
        self.events.said.clear()
        return self

    async def restart(self) -> None:
        """The server dies and comes back; containers, and the API's objects, stay."""
        await self.kubelets.stop()
        self.client._informers.clear()
        self.runtime._changed.clear()
        self.kubelets = self._kubelets()
        await self.start()

    async def run(self, pod: Obj) -> str:
        """Create the pod, bound to the node; its uid."""
        uid = self.client.create(pod)["metadata"]["uid"]
        await self.clock.settle()
        return str(uid)

    async def after(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        await self.clock.settle()

    def pod(self, name: str = "web") -> Obj:
        return self.client.get("Pod", name, "default")

    def has(self, name: str = "web") -> bool:
        return self.client.informer("Pod").get(name, "default") is not None

    def container(self, name: str = "web") -> Obj:
        status = self.pod()["status"]
        every = [*status.get("initContainerStatuses", []), *status["containerStatuses"]]
        return next(c for c in every if c["name"] == name)


def pod(name: str = "web", *, node: str = "node-1", containers: list[Obj] | None = None, **spec: Any) -> Obj:
    """A pod as the API server stores it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": containers or [container()],
            **spec,
        },
        "status": {
            "phase": "Pending",
            "qosClass": "BestEffort",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        },
    }


def container(name: str = "web", image: str = "web:v1", **fields: Any) -> Obj:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **fields}
