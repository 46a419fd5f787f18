"""The local runtime: a container is a Linux process tree, as strongly fenced as this machine allows (DESIGN §4).

It keeps files and addresses and decides; processes are held by the shim (`shimclient.py`, `shim/`), which goes on
when we end. The way of a start: `images.py` -> `sandbox.py` -> `cgroups.py` -> shim.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import k8slab
from k8slab.runtime import callers, isolation, logs, sandbox, usage
from k8slab.runtime.addresses import Addresses
from k8slab.runtime.base import (
    Abilities,
    ContainerSpec,
    ContainerState,
    Exec,
    LogLine,
    PodConfig,
    RuntimeFailure,
    Usage,
)
from k8slab.runtime.cgroups import Cgroups
from k8slab.runtime.disk import remove, size_of
from k8slab.runtime.execs import ShimAttach, ShimExec
from k8slab.runtime.images import Image
from k8slab.runtime.imagestore import ImageStore
from k8slab.runtime.imageverbs import ImageVerbs
from k8slab.runtime.network import SHARED, PodNetworks
from k8slab.runtime.shim.reap import kill_marked, marked
from k8slab.runtime.shimclient import ShimClient, ShimGone

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # of pods and containers: their ids name folders


LaidOut = Callable[[dict[str, Any]], None]  # told of the order when a container's root is there, before it runs


def ignored(order: dict[str, Any]) -> None:
    """Nobody needs to know."""


@dataclass
class Record:
    """A container, as this runtime remembers it."""

    state: ContainerState
    over: asyncio.Event
    meta: dict[str, Any]  # what the shim keeps for the next server


class LocalRuntime(ImageVerbs):
    """Keeps the promises of `base.Runtime` with processes of this machine.

    `state` is a folder that only this lab's user may enter; `subnet` the range its nodes' addresses come from;
    `library` where the images stay that the user builds (without it, they go with the lab). `fenced=False` goes
    without fences, as on a machine that has none; `own_networks=False` without those of pods.
    """

    name = "local"
    version = k8slab.__version__

    def __init__(
        self, state: Path, lab: str, subnet: str,
        *, library: Path | None = None, fenced: bool = True, own_networks: bool = True,
    ) -> None:  # fmt: skip
        self.state = state
        self.lab = lab
        self.subnet = IPv4Network(subnet)
        self.abilities = Abilities(real=True)
        self._store = ImageStore(state / "images", library=library)
        self._fenced, self._own_networks = fenced, fenced and own_networks
        self._isolation = isolation.unfenced("not tried yet")
        self._cgroups = Cgroups(lab, {})
        self._mark = hashlib.sha256(bytes(state)).hexdigest()[:8]  # of this lab, on this machine
        self._networks = PodNetworks(self._mark, self.subnet)
        self._addresses = Addresses()
        self._pods: dict[str, PodConfig] = {}
        self._records: dict[str, Record] = {}
        self._execs: dict[str, ShimExec] = {}
        self._changed: list[Callable[[str], None]] = []
        self._shim = ShimClient(self._heard, self._shim_died)
        self._starting_shim = asyncio.Lock()

    # the lab

    async def open(self) -> None:
        looking = asyncio.to_thread(self._look_around)
        self._pod_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in self._pod_root.glob("*/pod.json"):
            kept = json.loads(file.read_text())
            pod = PodConfig(**kept["pod"])
            self._pods[pod.uid] = pod
            self._addresses.keep(pod.uid, kept["address"])
        held = await self._shim.connect(self.state)
        if not held:
            self._sweep()
        await asyncio.gather(looking, self._need_shim())
        await asyncio.to_thread(self._networks.keep, self._addresses.all().values())
        for pod in self._pods.values() if not held else ():  # as after this machine's restart
            await self._connect(pod)
        await self._adopt(await self._shim.ask("list"))
        for folder in [*self._pod_root.glob("*/containers/*"), *self._pod_root.iterdir()]:
            if folder.name not in self._records and folder.name not in self._pods:  # half made, or half removed
                await asyncio.to_thread(remove, folder)

    def _look_around(self) -> None:
        self._isolation = isolation.probe() if self._fenced else isolation.unfenced("switched off")
        self._cgroups = Cgroups(f"{self.lab}-{self._mark}")
        shared = self._networks.open() if self._own_networks else f"{SHARED}; switched off"
        self.abilities = isolation.abilities(self._isolation, self._cgroups, shared)

    async def close(self, *, leave_running: bool) -> None:
        if not leave_running:
            if self._shim.connected:
                with contextlib.suppress(ShimGone):
                    await self._shim.ask("end")
            self._shim.close()
            self._sweep()
            self._cgroups.close()
            await asyncio.to_thread(self._networks.close)
            await asyncio.to_thread(remove, self._pod_root)
            for name in ("shim.sock", "shim.lock", "shim.log"):
                (self.state / name).unlink(missing_ok=True)
            self._store.clear()
        self._shim.close()

    async def _adopt(self, listed: list[dict[str, Any]]) -> None:
        for told in listed:
            pod = told["meta"].get("pod_uid")
            if pod in self._pods:
                self._remember(told)
            elif pod:  # its pod was being removed when the server died
                await self._shim.ask("signal", container=told["id"], number=signal.SIGKILL)
                await self._shim.ask("remove", container=told["id"])

    def _sweep(self) -> None:
        """Kill what a shim of this lab left behind that died by force."""
        ours = {folder.name for folder in self._pod_root.glob("*/containers/*")}
        for id in ours & set(marked()):
            kill_marked(id)

    async def _need_shim(self) -> None:
        async with self._starting_shim:
            if not self._shim.connected:
                await self._shim.start(self.state, self.lab)

    def _shim_died(self) -> None:
        """Its containers died with it; nobody knows how they would have ended."""
        self._sweep()
        for record in [record for record in self._records.values() if record.state.phase == "running"]:
            message = "The container could not be located: the process that held it has ended"
            end = {"exit_code": 137, "reason": "ContainerStatusUnknown", "message": message}
            self._ended(record, finished=record.state.started, **end)
        for running in self._execs.values():
            running.ended(137)
        self._execs.clear()

    # pods

    @property
    def _pod_root(self) -> Path:
        return self.state / "pods"

    def _pod_folder(self, uid: str) -> Path:
        if not SAFE.fullmatch(uid):
            raise RuntimeFailure("CreatePodSandboxError", f"{uid!r} cannot be a pod's uid: it names a folder here")
        return self._pod_root / uid

    async def run_pod(self, pod: PodConfig) -> str:
        folder = self._pod_folder(pod.uid)
        if not IPv4Network(pod.cidr).subnet_of(self.subnet):
            problem = f"node {pod.node} has the range {pod.cidr}, which is not in the lab's, {self.subnet}"
            raise RuntimeFailure("CreatePodSandboxError", problem)
        address = self._addresses.give(pod.uid, pod.cidr)
        if pod.uid not in self._pods:
            await self._connect(pod)
            sandbox.prepare_pod(folder, pod, address, own_network=bool(self._networks.namespace(address)))
            making = folder / "pod.json.new"
            making.write_text(json.dumps({"address": address, "pod": asdict(pod)}))
            making.rename(folder / "pod.json")
            self._pods[pod.uid] = pod
        return address

    async def _connect(self, pod: PodConfig) -> None:
        """Give it a network of its own, where there are any."""
        if self._networks.ready and not pod.host_network:
            await asyncio.to_thread(self._networks.attach, self._addresses.give(pod.uid, pod.cidr), pod.cidr)

    async def rename(self, uid: str, hosts: str) -> None:
        address = self._addresses.of(uid)
        if (pod := self._pods.get(uid)) and address:
            own = bool(self._networks.namespace(address))
            await asyncio.to_thread(sandbox.write_hosts, self._pod_folder(uid), pod, address, hosts, own_network=own)

    async def reach(self, address: str, port: int) -> tuple[str, int]:
        return address, port

    async def pod_at(self, client: tuple[str, int], server: tuple[str, int]) -> str | None:
        if self._networks.ready and (uid := self._addresses.owner(client[0])):
            return uid
        id = await asyncio.to_thread(callers.container_at, client, server)
        record = self._records.get(id) if id else None
        return record.state.pod_uid if record else None

    def restore(self, pod: PodConfig, address: str, containers: Iterable[tuple[ContainerState, bool]]) -> None:
        """Nothing to do: `open` has adopted what still runs."""

    async def remove_pod(self, uid: str) -> None:
        folder = self._pod_folder(uid)
        await asyncio.gather(*(self.remove(state.id) for state in self.containers(uid)))
        self._pods.pop(uid, None)
        await asyncio.to_thread(remove, folder)
        if self._networks.ready and (address := self._addresses.of(uid)):
            await asyncio.to_thread(self._networks.detach, address)
        self._addresses.free(uid)

    def pods(self) -> dict[str, str]:
        return self._addresses.all()

    # containers

    async def start(self, spec: ContainerSpec) -> None:
        if spec.id not in self._records:
            await self._start(spec)

    async def _start(self, spec: ContainerSpec, image: Image | None = None, laid_out: LaidOut = ignored) -> None:
        pod = self._pods.get(spec.pod_uid)
        if pod is None or not SAFE.fullmatch(spec.id):
            raise RuntimeFailure("CreateContainerError", f"container {spec.id}: its pod has no sandbox")
        image = image or self._store.get(spec.image)
        state = ContainerState(spec.id, pod.uid, spec.name, spec.attempt, "created", image_id=image.id)
        record = self._records[spec.id] = Record(state, asyncio.Event(), {})
        try:
            await asyncio.shield(asyncio.ensure_future(self._begin(spec, image, pod, record, laid_out)))
        except (RuntimeFailure, OSError) as failure:
            self._records.pop(spec.id, None)
            remove(self._folder(state))
            if isinstance(failure, RuntimeFailure):
                raise
            raise RuntimeFailure("CreateContainerError", str(failure)) from failure

    async def _begin(
        self, spec: ContainerSpec, image: Image, pod: PodConfig, record: Record, laid_out: LaidOut
    ) -> None:
        """Lay it out, have it started; the shim's event, which comes before its answer, makes it `running`."""
        place = sandbox.Place(self._folder(record.state), self._pod_folder(pod.uid))
        address = self._addresses.give(pod.uid, pod.cidr)
        counted = os.getuid() == 0 or "user" not in self._isolation.fences  # else RLIMIT_NPROC is enough
        kept = self._cgroups.limits if counted else self._cgroups.limits - {"pids"}
        asked = sandbox.order(spec, image, pod, address, place, self._isolation, kept)
        laid_out(asked)
        folders = self._cgroups.make(spec.id, spec.cpu, spec.memory, counted)
        meta = {"pod_uid": pod.uid, "name": spec.name, "attempt": spec.attempt, "image_id": image.id}
        meta |= {"stop_signal": spec.stop_signal or image.config.stop_signal, "cgroups": folders}
        meta |= {key: asked.get(key) for key in ("env", "cwd", "root", "walls", "filtered")}
        meta |= {"layers": [str(layer) for layer in image.layers], "network": self._networks.namespace(address)}
        record.meta = meta
        try:
            await self._need_shim()
            order = {**asked, "cgroups": folders, "network": meta["network"], "meta": meta}
            await self._shim.ask("start", container=order)
        except RuntimeFailure:
            self._cgroups.discard(folders)
            raise

    async def stop(self, id: str, grace: float) -> None:
        record = self._records.get(id)
        if record is None or record.over.is_set():
            return
        if grace > 0:
            number = signal.Signals[record.meta.get("stop_signal", "SIGTERM")]
            await self._shim.signal(id, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(record.over.wait(), grace)
        if not record.over.is_set():
            await self._shim.signal(id, signal.SIGKILL)
            await record.over.wait()

    async def signal(self, id: str, number: int) -> None:
        if id in self._records:
            await self._shim.signal(id, number)

    async def remove(self, id: str) -> None:
        record = self._records.get(id)
        if record is None:
            return
        await self.stop(id, 0)
        with contextlib.suppress(ShimGone):
            await self._shim.ask("remove", container=id)
        self._records.pop(id, None)
        await asyncio.to_thread(remove, self._folder(record.state))

    def containers(self, pod_uid: str) -> list[ContainerState]:
        return [record.state for record in self._records.values() if record.state.pod_uid == pod_uid]

    def _images_in_use(self) -> dict[str, str]:
        return {record.state.image_id: id for id, record in self._records.items() if not record.over.is_set()}

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._changed.append(changed)

    # what comes out of them

    async def logs(self, id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        record = self._records.get(id)
        if record is None:
            raise RuntimeFailure("NotFound", f"container {id} is gone, and its log with it")
        async for line in logs.read(self._folder(record.state) / "log", self._shim.growth(id) if follow else None):
            yield line

    async def exec(self, id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False) -> Exec:
        record = self._records.get(id)
        if record is None or record.over.is_set():
            raise RuntimeFailure("NotFound", f"container {id} is not running")
        running = ShimExec(tty=tty, stdin=stdin)
        self._execs[running.id] = running
        try:
            await running.start(self._shim, id, record.meta, command)
        except RuntimeFailure:
            del self._execs[running.id]
            raise
        return running

    async def attach(self, id: str, *, stdin: bool = False, once: bool = False) -> Exec:
        record = self._records.get(id)
        if record is None or record.over.is_set():
            raise RuntimeFailure("NotFound", f"container {id} is not running")

        async def over() -> int:
            await record.over.wait()
            return record.state.exit_code or 0

        held = ShimAttach(over)
        await held.start(self._shim, id, stdin=stdin, once=once)
        return held

    async def written(self, id: str) -> int:
        record = self._records.get(id)
        if record is None:
            return 0
        layers = [Path(layer) for layer in record.meta.get("layers", ())]
        sizes = await asyncio.to_thread(lambda: [size_of(path) for path in (self._folder(record.state), *layers)])
        return max(0, sizes[0] - sum(sizes[1:]))

    async def usage(self, id: str) -> Usage | None:
        record = self._records.get(id)
        if record is None or record.over.is_set() or record.state.pid is None:
            return None
        return usage.of_cgroups(record.meta.get("cgroups", ())) or usage.of_processes(record.state.pid)

    # what the shim tells

    def _folder(self, state: ContainerState) -> Path:
        return self._pod_folder(state.pod_uid) / "containers" / state.id

    def _remember(self, told: dict[str, Any]) -> None:
        """Adopt a container that an earlier server started."""
        meta = told["meta"]
        pod, image = meta["pod_uid"], meta["image_id"]
        state = ContainerState(told["id"], pod, meta["name"], meta["attempt"], "created", image_id=image)
        self._records[state.id] = Record(state, asyncio.Event(), meta)
        self._heard(told)

    def _heard(self, told: dict[str, Any]) -> None:
        """A container has started, or ended; or a command that was run in one."""
        if told["id"] in self._execs and told["exit_code"] is not None:
            self._execs.pop(told["id"]).ended(told["exit_code"])
        record = self._records.get(told["id"])
        if record is None or record.over.is_set():
            return
        record.state = replace(record.state, phase="running", pid=told["pid"], started=told["started"])
        code = told["exit_code"]
        if code is None:
            self._tell(record.state.pod_uid)
        else:
            reason = "Completed" if code == 0 else "OOMKilled" if told["oom"] and code == 137 else "Error"
            when, why = told["finished"], told.get("message", "")
            self._ended(record, exit_code=code, reason=reason, finished=when, message=why)

    def _ended(self, record: Record, **end: Any) -> None:
        record.state = replace(record.state, phase="exited", pid=None, **end)
        record.over.set()
        self._tell(record.state.pod_uid)

    def _tell(self, pod_uid: str) -> None:
        for changed in self._changed:
            changed(pod_uid)
