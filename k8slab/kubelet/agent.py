"""One kubelet: registers its Node, keeps its Lease fresh, and looks after the pods that are bound to it.

`kubelets.py` holds one for each node and tells it what changed; `workers.py` does the work on pods; `node.py` says what
a node looks like. A kubelet without work costs two timers.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from k8slab.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, condition_is
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet.disks import Disks
from k8slab.kubelet.launch import Launcher, Place, Recorder
from k8slab.kubelet.node import (
    ENOUGH_EVENTS,
    LEASES,
    PRESSURE_OF,
    RENEW,
    REPORT,
    SHORT_EVENTS,
    TRANSITION,
    NodeConfig,
    new_lease,
    new_node,
    node_images,
    node_status,
)
from k8slab.kubelet.notes import Refusal
from k8slab.kubelet.resolver import NO_NAMES, Naming
from k8slab.kubelet.workers import PodWorkers
from k8slab.runtime.base import Runtime

log = logging.getLogger(__name__)

SIGKILL = 9
NODE_EVENTS = (
    ("NodeHasSufficientMemory", "Node {name} status is now: NodeHasSufficientMemory"),
    ("NodeHasNoDiskPressure", "Node {name} status is now: NodeHasNoDiskPressure"),
    ("NodeHasSufficientPID", "Node {name} status is now: NodeHasSufficientPID"),
    ("NodeReady", "Node {name} status is now: NodeReady"),
)


class Kubelet:
    """A node. `folder` is where its pods' volumes are kept, `disks` where those are that outlive pods; both are None
    when the runtime's containers are only records."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        config: NodeConfig,
        recorder: Recorder,
        *,
        folder: Path | None = None,
        disks: Path | None = None,
        images: Iterable[str] = (),
        naming: Naming = NO_NAMES,
    ) -> None:
        self.config, self.on = config, False
        self._client, self._runtime, self._clock, self._recorder = client, runtime, clock, recorder
        place = Place(config.name, config.address, config.capacity, naming)
        launcher = Launcher(client, runtime, clock, recorder, place, images)
        self._pods = PodWorkers(client, runtime, clock, launcher, config.cidr, folder, Disks(disks, config.name))
        self._launcher = launcher
        self._sizes: Mapping[str, int] = {}  # of images
        self._boot = str(uuid.uuid4())
        self._lease: Obj | None = None
        self._reported = 0.0
        self._beat: Callable[[], None] = lambda: None
        self._left: set[str] = set()  # the pods that were here when the power went
        self._pressed: dict[str, float] = {}  # condition type -> when it was last seen to be short
        self._killing: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------------------------------- the node

    def start(self, phase: float = 0.0) -> None:
        """Register, beat, look at the pods already bound here; `phase` (0 to 1) spreads the beats of many nodes."""
        self.on = True
        self._event("Normal", "Starting", "Starting kubelet.")
        node = self._register()
        if not condition_is(node, "Ready"):
            for reason, message in NODE_EVENTS:
                self._event("Normal", reason, message.format(name=self.config.name))
        self._tend(node, report=True)
        self._beat = self._clock.call_later(RENEW * (1 - phase), self._heartbeat)
        for pod in self._client.informer("Pod").by("node", self.config.name):
            self._pods.pod_changed(None, pod)

    def images_changed(self, sizes: Mapping[str, int]) -> None:
        """These images there are on this machine now, of so many bytes: the next heartbeat says so."""
        self._sizes = sizes
        self._launcher.refresh(sizes)

    async def stop(self) -> None:
        """The server ends: let go of everything, touch no container."""
        self.on = False
        self._beat()
        await self._pods.close()

    async def stay_off(self) -> None:
        """The server comes back, and the power was off before: it still is, and nothing runs here."""
        self._left = {pod["metadata"]["uid"] for pod in self._client.informer("Pod").by("node", self.config.name)}
        await asyncio.gather(*(self._kill(uid) for uid in self._left))

    async def power_off(self) -> None:
        """Pull the plug: the heartbeat stops, every container dies at once, and nobody hears of it."""
        if not self.on:
            return
        self._left = set(self._pods.uids)
        await self.stop()
        await asyncio.gather(*(self._kill(uid) for uid in self._left))

    async def power_on(self) -> None:
        """Boot: what was deleted meanwhile is cleaned up, what is still bound here starts again.

        A node that is on only sees to it that the API knows it: somebody may have deleted the Node.
        """
        if self.on:
            self.report()
            return
        bound = {pod["metadata"]["uid"] for pod in self._client.informer("Pod").by("node", self.config.name)}
        left, self._left = self._left, set()
        for uid in left - bound:
            await self._runtime.remove_pod(uid)
        self._boot = str(uuid.uuid4())
        self.start()
        said = f"Node {self.config.name} has been rebooted, boot id: {self._boot}"
        self._event("Warning", "Rebooted", said)

    def report(self) -> None:
        """Say now how the node is; register it if the API does not know it."""
        if self.on:
            self._tend(self._register(), report=True)

    def look_around(self) -> None:
        """Look at every pod again, and tell what has not been told."""
        for uid in self._pods.uids:
            self._pods.wake(uid)

    def pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """A pod that is (or was) bound here came, changed or went."""
        if self.on:
            self._pods.pod_changed(before, after)

    def evict(self, pod: Obj, refusal: Refusal) -> None:
        """This pod has to go, for the node's sake or its own fault."""
        if self.on and self._pods.refuse(pod["metadata"]["uid"], refusal):
            self._recorder.event(pod, "Warning", refusal.reason, refusal.message)

    def under_pressure(self, resource: str) -> None:
        """Memory or ephemeral-storage is short: shown until it has not been for five minutes."""
        self._event("Warning", "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        condition, before = PRESSURE_OF[resource], set(self._pressed)
        self._pressed[condition] = self._clock.time()
        if condition not in before:
            self._pressure_changed(SHORT_EVENTS[condition])
        self._clock.call_later(TRANSITION, lambda: self._relieve(condition))

    def _relieve(self, condition: str) -> None:
        if self.on and condition in self._pressed and self._clock.since(self._pressed[condition]) >= TRANSITION - 0.5:
            self.relieve(condition)

    def relieve(self, condition: str) -> None:
        """It is not short of it any more."""
        if self._pressed.pop(condition, None) is not None:
            self._pressure_changed(ENOUGH_EVENTS[condition])

    def _pressure_changed(self, reason: str) -> None:
        self._event("Normal", reason, f"Node {self.config.name} status is now: {reason}")
        self._pods.pressed = frozenset(self._pressed)
        if node := self._client.informer("Node").get(self.config.name):
            self._tend(node, report=True)

    def content_changed(self, uid: str) -> None:
        """What a pod here has files of has changed."""
        if self.on:
            self._pods.content_changed(uid)

    def wake(self, uid: str) -> None:
        """A container of this pod started or ended."""
        if self.on:
            self._pods.wake(uid)
        elif uid in self._left:  # it was just being started when the power went
            task = asyncio.get_running_loop().create_task(self._kill(uid))
            self._killing.add(task)
            task.add_done_callback(self._killing.discard)

    async def _kill(self, uid: str) -> None:
        running = [state.id for state in self._runtime.containers(uid) if state.phase == "running"]
        await asyncio.gather(*(self._runtime.signal(id, SIGKILL) for id in running))

    # --------------------------------------------------------------------------------------- heartbeat

    def _heartbeat(self) -> None:
        self._beat = self._clock.call_later(RENEW, self._heartbeat)
        node = self._client.informer("Node").get(self.config.name)
        if node is None:  # deleted: like a real kubelet, this one does not come back before it is started again
            return
        due = self._clock.since(self._reported) >= REPORT or self._has_new_images(node)
        self._tend(node, report=due or not condition_is(node, "Ready"))

    def _has_new_images(self, node: Obj) -> bool:
        return ((node.get("status") or {}).get("images") or []) != node_images(self._launcher.images, self._sizes)

    def _tend(self, node: Obj, *, report: bool) -> None:
        try:
            if report:
                self._report(node)
            self._renew(node)
        except ApiError as error:
            log.warning("node %s: heartbeat not written: %s", self.config.name, error)

    def _register(self) -> Obj:
        try:
            return self._client.create(new_node(self.config))
        except AlreadyExists:
            return self._client.get("Node", self.config.name)

    def _report(self, node: Obj) -> None:
        runtime = f"{self._runtime.name}://{self._runtime.version}"
        now = self._clock.timestamp()
        images = node_images(self._launcher.images, self._sizes)
        status = node_status(self.config, node, runtime, self._boot, now, self._pressed, images)
        meta = {key: value for key, value in node["metadata"].items() if key != "resourceVersion"}
        self._client.update({**node, "metadata": meta, "status": status}, "status")
        self._reported = self._clock.time()

    def _renew(self, node: Obj) -> None:
        now = self._clock.micro_timestamp()
        lease = self._lease or self._find_lease()
        if lease is None:
            self._lease = self._client.create(new_lease(self.config, node, now))
            return
        try:
            self._lease = self._client.update({**lease, "spec": {**lease["spec"], "renewTime": now}})
        except (Conflict, NotFound):
            self._lease = None  # somebody changed or took it: the next beat reads it again

    def _find_lease(self) -> Obj | None:
        try:
            return self._client.get("Lease", self.config.name, LEASES)
        except NotFound:
            return None

    def _event(self, type_: str, reason: str, message: str) -> None:
        # A kubelet does not know its Node's uid when it starts: it uses the name (pkg/kubelet, nodeRef).
        about = {"kind": "Node", "apiVersion": "v1", "name": self.config.name, "uid": self.config.name}
        self._recorder.event(about, "Warning" if type_ == "Warning" else "Normal", reason, message)
