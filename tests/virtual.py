"""A whole cluster in virtual time: API server, controllers, scheduler and nodes, as `server.py` puts them together.

Containers are records of the simulated runtime; an hour of the cluster's life takes milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj
from k8slab.apiserver.bootstrap import bootstrap
from k8slab.apiserver.verbs import Verbs
from k8slab.client.event_series import SeriesRecorder
from k8slab.client.events import Recorder
from k8slab.client.local import LocalClient
from k8slab.clock import VirtualClock
from k8slab.controllers.garbage import GarbageCollector
from k8slab.controllers.manager import CONTROLLERS
from k8slab.kubelet.kubelets import Kubelets
from k8slab.kubelet.node import NodeConfig
from k8slab.runtime.simulated import SimulatedRuntime
from k8slab.scheduler.loop import Scheduler
from k8slab.store.memory import MemoryStore


class VirtualLab:
    """What the tests of a cluster's behaviour hold."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.verbs = Verbs(MemoryStore(), self.clock, "10.96.0.0/16")
        self.client = LocalClient(self.verbs)
        self.runtime = SimulatedRuntime(self.clock)
        bootstrap(self.verbs, "127.0.0.1", 6443)
        self.scheduler = Scheduler(
            self.client, self.clock, SeriesRecorder(self.client, self.clock, "default-scheduler")
        )
        self.kubelets = Kubelets(
            self.client, self.runtime, self.clock, lambda node: Recorder(self.client, self.clock, "kubelet", node)
        )

    async def start(self, nodes: list[NodeConfig]) -> list[asyncio.Task[None]]:
        garbage = GarbageCollector(self.client, self.clock, list(KINDS))
        parts = [garbage.run(), *(make(self.client, self.clock).run() for make in CONTROLLERS)]
        tasks = [asyncio.create_task(part) for part in (*parts, self.scheduler.run())]
        await self.kubelets.start(nodes)
        await self.settle()
        return tasks

    async def settle(self) -> None:
        await self.clock.settle(400)

    async def after(self, seconds: float) -> None:
        """Let so many seconds pass."""
        await self.clock.advance(seconds)
        await self.settle()

    def deployment(self, name: str, replicas: int, **spec: Any) -> Obj:
        """Create one."""
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container()], **spec}}
        wish = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
        return self.client.create({"apiVersion": "apps/v1", "kind": "Deployment", **meta(name), "spec": wish})

    def pod(self, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
        """Create one."""
        made: Obj = {"apiVersion": "v1", "kind": "Pod", **meta(name), "spec": {"containers": [container()], **spec}}
        made["metadata"]["labels"] = labels or {}
        return self.client.create(made)

    def find(self, kind: str, name: str) -> Obj | None:
        return self.client.informer(kind).get(name, "" if kind == "Node" else "default")

    def pods(self, **labels: str) -> list[Obj]:
        """Those with these labels, by name."""
        found = self.client.informer("Pod").list("default")
        mine = [pod for pod in found if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
        return sorted(mine, key=lambda pod: str(pod["metadata"]["name"]))

    def events(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Reason and message of what was said about it, in the order it was first said."""
        about = [e for e in self.client.informer("Event").list() if e["involvedObject"]["kind"] == kind]
        mine = [event for event in about if event["involvedObject"]["name"] == name]
        mine.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["reason"], event["message"]) for event in mine]


def meta(name: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "default"}}


def container(cpu: str = "") -> Obj:
    return {"name": "c", "image": "nginx"} | ({"resources": {"requests": {"cpu": cpu}}} if cpu else {})


@asynccontextmanager
async def virtual_lab(nodes: int = 3, **config: Any) -> AsyncIterator[VirtualLab]:
    lab = VirtualLab()
    tasks = await lab.start([NodeConfig(f"node-{n}", f"10.244.{n}.0/24", **config) for n in range(1, nodes + 1)])
    await lab.after(11)  # every node has beaten once, and is ready
    try:
        yield lab
    finally:
        await lab.kubelets.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
