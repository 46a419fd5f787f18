"""All kubelets of the server process: who is told what, and what the rest of the server asks of them.

One subscription to pods and one to the runtime serve every node, so that five thousand of them cost no more than three.
`agent.py` is a single one; `streams.py` reads logs; `server.py` starts this after the runtime was opened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from k8slab.api.objects import Obj
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet.agent import Kubelet
from k8slab.kubelet.launch import Recorder
from k8slab.kubelet.line import CutOff, Line
from k8slab.kubelet.node import NodeConfig
from k8slab.kubelet.streams import LogOptions, Streams
from k8slab.runtime.base import Runtime

log = logging.getLogger(__name__)

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
    ) -> None:
        self._client, self._runtime, self._clock, self._recorder_for = client, runtime, clock, recorder_for
        self._folder, self._disks = (folder, disks) if runtime.abilities.real else (None, None)
        self._nodes: dict[str, Kubelet] = {}
        self._lines: dict[str, Line] = {}  # of each node, to the API server
        self._pods: dict[str, str] = {}  # pod uid -> node, for what the runtime has to say
        self._images: list[str] = []
        self._streams = Streams(client, runtime, clock)

    async def start(self, nodes: Iterable[NodeConfig]) -> None:
        """Start a kubelet for each node, adopt the containers the runtime still has, remove those nobody knows."""
        self._images = await self._runtime.images()
        known = {pod["metadata"]["uid"] for pod in self._client.informer("Pod").list()}
        for uid in self._runtime.pods().keys() - known:
            log.info("pod %s has left the API while the server was away: removed", uid)
            await self._runtime.remove_pod(uid)
        for config in nodes:
            self.add(config)
        self._client.informer("Pod").subscribe(self._pod_changed)
        self._runtime.subscribe(self._container_changed)

    def add(self, config: NodeConfig) -> Kubelet:
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
        )
        phase = len(self._nodes) * GOLDEN % 1
        self._nodes[config.name] = kubelet
        kubelet.start(phase)
        return kubelet

    async def stop(self) -> None:
        """The server ends; containers are the runtime's to keep or to end."""
        await asyncio.gather(*(kubelet.stop() for kubelet in self._nodes.values()))

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        since_time: str | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """A container's output as `kubectl logs` gets it; what is wrong is raised before the first byte."""
        options = LogOptions(follow, previous, timestamps, tail_lines, limit_bytes, since_seconds, since_time)
        return await self._streams.logs(namespace, pod, container, options)

    async def power_off(self, node: str) -> None:
        """Pull a node's plug. Raises KeyError for a node there is not."""
        await self._nodes[node].power_off()

    async def power_on(self, node: str) -> None:
        """Switch it on again. Raises KeyError for a node there is not."""
        await self._nodes[node].power_on()

    def freeze(self, node: str, on: bool) -> None:
        """Hold a node's heartbeat, or let it beat again at once. Raises KeyError for a node there is not."""
        self._lines[node].held = on
        if not on:
            self._nodes[node].report()

    def partition(self, node: str, on: bool) -> None:
        """Cut a node off from the API server, or join it again. Raises KeyError for a node there is not."""
        line, kubelet = self._lines[node], self._nodes[node]
        if on:
            line.break_off()
        elif line.cut:
            line.join(kubelet.pod_changed)
            kubelet.look_around()
            kubelet.report()

    def fill_disk(self, node: str, on: bool, *, at_once: bool = False) -> None:
        """Let a node believe that its disk is full, or not any more. Raises KeyError for a node there is not."""
        self._nodes[node].fill_disk(on, at_once=at_once)

    async def mend(self) -> None:
        """Undo every fault of every node."""
        for name, kubelet in self._nodes.items():
            self.partition(name, False)
            self.freeze(name, False)
            self.fill_disk(name, False, at_once=True)
            await kubelet.power_on()

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
