"""All kubelets of the server process: who is told what, and what the rest of the server asks of them.

One subscription to pods and one to the runtime serve every node, so that five thousand of them cost no more than three.
`agent.py` is a single one; `streams.py` serves logs and exec; `server.py` starts this after the runtime was opened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

from k8slab.api.objects import Obj
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet.agent import Kubelet
from k8slab.kubelet.faults import Faults
from k8slab.kubelet.ground import pod_config
from k8slab.kubelet.launch import Recorder
from k8slab.kubelet.line import Line
from k8slab.kubelet.node import NodeConfig
from k8slab.kubelet.pressure import Pressure
from k8slab.kubelet.projection import origins
from k8slab.kubelet.resolver import NO_NAMES, Naming
from k8slab.kubelet.restarts import runs_on
from k8slab.kubelet.restoring import told
from k8slab.kubelet.streams import Streams
from k8slab.kubelet.view import all_containers
from k8slab.runtime.base import Runtime, RuntimeFailure

log = logging.getLogger(__name__)

SETTLED = 0.1  # real seconds names are waited for that change together
GOLDEN = 0.6180339887498949  # multiples of it, taken mod 1, fall evenly however many there are


class Kubelets:
    """The nodes. `recorder_for(node)` gives the Recorder of component `kubelet` on that host."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        recorder_for: Callable[[str], Recorder],
        folder: Path | None = None,
        disks: Path | None = None,
        naming: Naming = NO_NAMES,
    ) -> None:
        self._naming, self._renaming = naming, False
        self._client, self._runtime, self._clock, self._recorder_for = client, runtime, clock, recorder_for
        self._folder, self._disks = (folder, disks) if runtime.abilities.real else (None, None)
        self._nodes: dict[str, Kubelet] = {}
        self._lines: dict[str, Line] = {}  # of each node, to the API server
        self._pods: dict[str, str] = {}  # pod uid -> node, for what the runtime has to say
        self._images: list[str] = []
        self._looking: asyncio.Task[None] | None = None  # at memory and disk
        self._weighing: asyncio.Task[None] | None = None  # the images
        self._writing: asyncio.Task[None] | None = None  # names into files
        self.faults = Faults(clock, self._nodes, self._lines, partial(client.informer("Pod").by, "node"))
        self.streams = Streams(client, runtime, clock, self._answers)

    async def start(self, nodes: Iterable[NodeConfig], off: Collection[str] = ()) -> None:
        """Start a kubelet for each node, adopt the containers the runtime still has, remove those nobody knows.

        Nodes named in `off` have no power, from before the server was restarted.
        """
        self._images = await self._runtime.images()
        nodes = list(nodes)
        known = {pod["metadata"]["uid"] for pod in self._client.informer("Pod").list()}
        for uid in self._runtime.pods().keys() - known:
            log.info("pod %s has left the API while the server was away: removed", uid)
            await self._runtime.remove_pod(uid)
        if not self._runtime.abilities.real:
            self._restore({config.name: config for config in nodes}, off)
        for config in nodes:
            kubelet = self.add(config, on=config.name not in off)
            if not kubelet.on:
                await kubelet.stay_off()
        self._client.informer("Pod").subscribe(self._pod_changed)
        self._runtime.subscribe(self._container_changed)
        if self._folder is None:
            return
        for kind in ("ConfigMap", "Secret"):
            self._client.informer(kind).subscribe(self._content_changed)
        pressure = Pressure(self._runtime, self._clock, partial(self._client.informer("Pod").by, "node"), self._folder)
        self.faults.measure = pressure.disk
        self._weighing = asyncio.get_running_loop().create_task(self.images_changed())
        self._looking = asyncio.get_running_loop().create_task(pressure.run(self._nodes.values))

    def _restore(self, nodes: Mapping[str, NodeConfig], off: Collection[str]) -> None:
        for pod in self._client.informer("Pod").list():
            address, node = (pod.get("status") or {}).get("podIP"), nodes.get(pod["spec"].get("nodeName", ""))
            if address and node:
                states = told(pod, alive=node.name not in off)
                every = {container["name"]: runs_on(pod, container) for container in all_containers(pod)}
                self._runtime.restore(
                    pod_config(pod, node.name, node.cidr), address, [(state, every[state.name]) for state in states]
                )

    def add(self, config: NodeConfig, *, on: bool = True) -> Kubelet:
        """One node more."""
        line = self._lines[config.name] = Line(self._client, self._recorder_for(config.name), config.name)
        kubelet = Kubelet(
            line,
            self._runtime,
            self._clock,
            config,
            line,
            folder=self._folder,
            disks=self._disks,
            images=self._images,
            naming=self._naming,
        )
        phase = len(self._nodes) * GOLDEN % 1
        self._nodes[config.name] = kubelet
        if on:
            kubelet.start(phase)
        return kubelet

    async def images_changed(self) -> None:
        """There are other images on this machine: every node says so."""
        try:
            sizes = {info.name: info.size for info in await self._runtime.image_list()}
        except RuntimeFailure as failure:
            log.warning("the images cannot be listed: %s", failure)
            return
        self._images = [*sizes]
        for kubelet in self._nodes.values():
            kubelet.images_changed(sizes)

    @property
    def off(self) -> list[str]:
        """The nodes without power."""
        return [name for name, kubelet in self._nodes.items() if not kubelet.on]

    async def stop(self) -> None:
        """The server ends; containers are the runtime's to keep or to end."""
        self.faults.close()
        for task in (self._looking, self._weighing, self._writing):
            if task:
                task.cancel()
        await asyncio.gather(*(kubelet.stop() for kubelet in self._nodes.values()))

    async def power_off(self, node: str) -> None:
        """Pull a node's plug. Raises KeyError for a node there is not."""
        await self._nodes[node].power_off()

    async def power_on(self, node: str) -> None:
        """Switch it on again. Raises KeyError for a node there is not."""
        await self._nodes[node].power_on()

    def node_of(self, uid: str) -> str:
        """The node of a pod; empty for one that is on none."""
        return self._pods.get(uid, "")

    def names_changed(self) -> None:
        """Where names stand in files, write them anew, once for all the changes of a moment."""
        if self._naming.hosts and not self._renaming:
            self._renaming = True
            self._clock.call_later(SETTLED * self._clock.speed, self._begin_renaming)

    def _begin_renaming(self) -> None:
        self._renaming = False
        self._writing = asyncio.get_running_loop().create_task(self._rename())

    async def _rename(self) -> None:
        for pod in list(self._client.informer("Pod").list()):
            if pod["metadata"]["uid"] in self._pods:
                await self._runtime.rename(pod["metadata"]["uid"], self._naming.lines(pod))

    def _answers(self, node: str) -> bool:
        """Whether the API server reaches a node."""
        return node in self._nodes and self._nodes[node].on and not self._lines[node].cut

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        pod = after or before or {}
        node = pod["spec"].get("nodeName")
        if node is None or (kubelet := self._nodes.get(node)) is None:
            return
        uid = pod["metadata"]["uid"]
        if after is None:
            self._pods.pop(uid, None)
        elif uid not in self._pods:
            self._pods[uid] = node
        self._lines[node].deliver(before, after, kubelet.pod_changed)

    def _container_changed(self, uid: str) -> None:
        if node := self._pods.get(uid):
            self._nodes[node].wake(uid)

    def _content_changed(self, before: Obj | None, after: Obj | None) -> None:
        """A ConfigMap or Secret: tell the nodes of those pods that have files of it."""
        obj = after or before or {}
        if before is None:  # it came; whoever waits for it is trying again anyway
            return
        origin, namespace = (obj["kind"], obj["metadata"]["name"]), obj["metadata"].get("namespace", "")
        for pod in self._client.informer("Pod").list(namespace):
            uid = pod["metadata"]["uid"]
            if uid in self._pods and pod["spec"].get("volumes") and origin in origins(pod):
                self._nodes[self._pods[uid]].content_changed(uid)
