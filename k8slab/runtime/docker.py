"""The docker runtime: a container is one of Docker Engine's, or of whatever speaks its API (DESIGN §4).

What is known of containers is kept in memory, so that a kubelet is answered at once; the engine's events say what to
look at again (`engine/watch.py`). `engine/sandboxes.py` keeps the pods, `engine/specs.py` knows the engine's words,
`engine/relay.py` brings Services into the pods' network.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from k8slab.clock import Clock
from k8slab.runtime.base import (
    FENCES,
    Abilities,
    ContainerSpec,
    ContainerState,
    Exec,
    ImageInfo,
    LogLine,
    PodConfig,
    RuntimeFailure,
    Usage,
)
from k8slab.runtime.engine import logs, specs
from k8slab.runtime.engine.connect import Engine
from k8slab.runtime.engine.images import EngineImages
from k8slab.runtime.engine.link import Link, Missing, Refused
from k8slab.runtime.engine.relay import Relay
from k8slab.runtime.engine.sandboxes import Sandboxes, gone
from k8slab.runtime.engine.streams import EngineAttach, EngineExec
from k8slab.runtime.engine.watch import Watch
from k8slab.runtime.sandbox import refuse_root

RANK = {"created": 0, "running": 1, "exited": 2}  # a container only goes forward
LOOK_AGAIN = 2.0  # real seconds to wait for the engine's word that a container has ended, before asking
BLIND = "kept, but Podman does not see why one was killed with control groups of version 1: Error, 137; not OOMKilled"
UNKNOWN = "The container could not be located: the engine does not have it any more"


@dataclass
class Record:
    """A container, as this runtime remembers it."""

    state: ContainerState
    engine_id: str = ""
    tty: bool = False
    stop_signal: str = "SIGTERM"
    over: asyncio.Event = field(default_factory=asyncio.Event)


class DockerRuntime:
    """Keeps the promises of `base.Runtime` with an engine's containers.

    `state` is a folder that the engine sees, too: files of pods lie there. `lab` and that folder tell this lab's
    containers from others'; `subnet` is the lab network's; `base` the image that built-in images are built upon.
    """

    name = "docker"

    def __init__(self, engine: Engine, state: Path, lab: str, subnet: str, base: str = "") -> None:
        self.lab = f"{lab}-{hashlib.sha256(bytes(state)).hexdigest()[:8]}"
        self.state, self.version = state, engine.version
        self.abilities = Abilities(True, frozenset(FENCES) - {"user"}, frozenset({"cpu", "memory", "pids"}), True)
        self.link = Link(engine)
        self.store = EngineImages(self.link, base)
        self.sandboxes = Sandboxes(self.link, self.lab, subnet, state / "etc")
        gateway = str(IPv4Network(subnet).network_address + 2)
        self.relay = Relay(self.link, self.lab, self.sandboxes.network, gateway, lambda: self.pull(self.store.base))
        self._watch = Watch(self.link, self.lab, self._happened, self._look)
        self._records: dict[str, Record] = {}
        self._changed: list[Callable[[str], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # ---- the lab

    async def open(self) -> None:
        await self.sandboxes.open()
        await self._watch.start()
        self.abilities = await self._abilities()

    async def _abilities(self) -> Abilities:
        told = await self.link.do(lambda api: api.info())
        rootless = any("rootless" in option for option in told.get("SecurityOptions") or ())
        remapped = any("userns" in option for option in told.get("SecurityOptions") or ())
        fences = frozenset(FENCES) if rootless or remapped else frozenset(FENCES) - {"user"}
        missing = {} if "user" in fences else {"user": "root in a container is root of the engine's machine, in fences"}
        kept = {"cpu": told.get("CpuCfsQuota"), "memory": told.get("MemoryLimit"), "pids": told.get("PidsLimit", True)}
        missing |= {limit: f"{self.link.engine.name} cannot limit it here" for limit, is_ in kept.items() if not is_}
        if "Podman" in self.link.engine.name and told.get("CgroupVersion") == "1":
            missing.setdefault("memory", BLIND)
        return Abilities(True, fences, frozenset(limit for limit, is_ in kept.items() if is_), True, missing)

    async def close(self, *, leave_running: bool) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(self._watch.close(), self.relay.close())
        for task in self._tasks:
            task.cancel()
        if not leave_running:
            listed = await self._listed()
            for pauses in (False, True):  # last: Podman keeps a container that others have joined
                each_of = [each["Id"] for each in listed if (each["Labels"].get(specs.KIND) == "sandbox") is pauses]
                await asyncio.gather(*(gone(self.link, id) for id in each_of))
            await self.sandboxes.close()
            self._records.clear()
            await asyncio.to_thread(shutil.rmtree, self.state / "etc", ignore_errors=True)
        self.link.close()

    async def _listed(self) -> list[dict[str, Any]]:
        wanted = {"label": f"{specs.LAB}={self.lab}"}
        return [dict(each) for each in await self.link.do(lambda api: api.containers(all=True, filters=wanted))]

    # ---- what is: heard and compared

    def _happened(self, engine_id: str, what: str) -> None:
        sandbox = self.sandboxes.by_id(engine_id)
        if sandbox and what in ("die", "destroy", "remove"):
            sandbox.running = False
            self._do(self._mend(sandbox.pod.uid))
        elif record := self._of(engine_id):
            self._do(self._refresh(record))

    async def _look(self) -> None:
        """Compare everything with what the engine has now."""
        listed = await self._listed()
        kinds: dict[str, list[dict[str, Any]]] = {}
        for each in listed:
            kinds.setdefault(each["Labels"].get(specs.KIND, ""), []).append(each)
        self.sandboxes.adopt(kinds.get("sandbox", ()))
        for each in sorted(kinds.get("container", ()), key=lambda each: each.get("Created", 0)):
            labels = each["Labels"]
            if labels[specs.ID] not in self._records:
                state = ContainerState(
                    labels[specs.ID], labels[specs.UID], labels[specs.NAME], int(labels[specs.ATTEMPT]), "created"
                )
                self._records[state.id] = Record(state, each["Id"])
        await asyncio.gather(*(self._refresh(each) for each in list(self._records.values()) if each.engine_id))
        for uid in self.sandboxes.all():
            await self._mend(uid)

    async def _refresh(self, record: Record) -> None:
        """Ask how one container is."""
        try:
            told = await self.link.do(lambda api: api.inspect_container(record.engine_id))
        except Missing:
            if not record.over.is_set():
                end: dict[str, Any] = {"exit_code": 137, "reason": "ContainerStatusUnknown", "message": UNKNOWN}
                now = Clock().time()
                self._set(record, replace(record.state, phase="exited", pid=None, finished=now, **end))
            return
        record.tty = bool(told["Config"].get("Tty"))
        record.stop_signal = told["Config"].get("StopSignal") or "SIGTERM"
        self._set(record, specs.state_of(told))

    def _set(self, record: Record, state: ContainerState) -> None:
        if record.over.is_set() or state == record.state or RANK[state.phase] < RANK[record.state.phase]:
            return
        record.state = state
        if state.phase == "exited":
            record.over.set()
        if self._records.get(state.id) is record and state.phase != "created":
            self._tell(state.pod_uid)

    async def _mend(self, uid: str) -> None:
        """A pod whose pause container has ended gets it back, with a new network; what ran in the old one ends."""
        sandbox = self.sandboxes.get(uid)
        if sandbox is None or sandbox.running or self._closed:
            return
        running = [state.id for state in self.containers(uid) if state.phase == "running"]
        await asyncio.gather(*(self.signal(id, 9) for id in running))
        with contextlib.suppress(RuntimeFailure):  # the next start tries again, and says why not
            await self.sandboxes.need(sandbox)

    # ---- images

    async def pull(self, image: str, hear: Callable[[str], None] | None = None) -> str:
        return str((await self.store.get(image, hear))["Id"])

    async def images(self) -> list[str]:
        return await self.store.names()

    # ---- pods

    async def run_pod(self, pod: PodConfig) -> str:
        return await self.sandboxes.run(pod)

    def restore(self, pod: PodConfig, address: str, containers: Iterable[tuple[ContainerState, bool]]) -> None:
        """Nothing to do: `open` has adopted what the engine has."""

    async def remove_pod(self, uid: str) -> None:
        await asyncio.gather(*(self.remove(state.id) for state in self.containers(uid)))
        await self.sandboxes.remove(uid)

    def pods(self) -> dict[str, str]:
        return self.sandboxes.all()

    async def rename(self, uid: str, hosts: str) -> None:
        await self.sandboxes.rename(uid, hosts)

    async def reach(self, address: str, port: int) -> tuple[str, int]:
        return await self.relay.checked((address, port))

    async def pod_at(self, client: tuple[str, int], server: tuple[str, int]) -> str | None:
        return self.sandboxes.at(client[0])

    # ---- containers

    async def start(self, spec: ContainerSpec) -> None:
        if spec.id in self._records:
            return
        sandbox = self.sandboxes.get(spec.pod_uid)
        if sandbox is None or not specs.SAFE.fullmatch(spec.id):
            raise RuntimeFailure("CreateContainerError", f"container {spec.id}: its pod has no sandbox")
        state = ContainerState(spec.id, spec.pod_uid, spec.name, spec.attempt, "created")
        record = self._records[spec.id] = Record(state, tty=spec.tty)
        try:
            await asyncio.shield(asyncio.ensure_future(self._begin(spec, sandbox.pod, record)))
        except RuntimeFailure:
            self._records.pop(spec.id, None)
            if record.engine_id:
                with contextlib.suppress(RuntimeFailure):
                    await gone(self.link, record.engine_id)
            raise

    async def _begin(self, spec: ContainerSpec, pod: PodConfig, record: Record) -> None:
        sandbox = self.sandboxes.get(pod.uid)
        image = await self.store.get(spec.image)
        of_image = image.get("Config") or {}
        refuse_root(spec, of_image.get("User") or "", pod)
        if sandbox is None:
            raise RuntimeFailure("CreateContainerError", f"container {spec.id}: its pod has no sandbox")
        await self.sandboxes.need(sandbox)
        files, is_docker = self.sandboxes.mounts(pod.uid), "Podman" not in self.link.engine.name
        ground = specs.Ground(self.lab, pod, sandbox.address, sandbox.id, is_docker, files)
        config = specs.container_config(spec, image, ground)
        name = specs.container_name(self.lab, spec, pod)
        try:
            made = await self.link.do(lambda api: api.create_container_from_config(config, name))
            record.engine_id = made["Id"]
            await self.link.do(lambda api: api.start(record.engine_id))
        except (Missing, Refused) as refused:
            raise specs.start_failure(str(refused)) from refused
        await self._refresh(record)

    async def stop(self, id: str, grace: float) -> None:
        record = self._records.get(id)
        if record is None or record.over.is_set():
            return
        if grace > 0:
            await self._send(record, record.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(record.over.wait(), grace)
        while not record.over.is_set():
            await self._send(record, "SIGKILL")
            try:
                await asyncio.wait_for(record.over.wait(), LOOK_AGAIN)
            except TimeoutError:
                await self._refresh(record)

    async def signal(self, id: str, number: int) -> None:
        if record := self._records.get(id):
            await self._send(record, number)

    async def _send(self, record: Record, signal: int | str) -> None:
        if record.over.is_set() or not record.engine_id:
            return
        with contextlib.suppress(Missing, Refused):  # it has ended meanwhile
            await self.link.do(lambda api: api.kill(record.engine_id, signal))

    async def remove(self, id: str) -> None:
        record = self._records.get(id)
        if record is None:
            return
        if record.engine_id:
            await gone(self.link, record.engine_id)
        self._records.pop(id, None)
        record.over.set()

    def containers(self, pod_uid: str) -> list[ContainerState]:
        return [record.state for record in self._records.values() if record.state.pod_uid == pod_uid]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._changed.append(changed)

    # ---- what comes out of them

    async def logs(self, id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        record = self._records.get(id)
        if record is None or not record.engine_id:
            raise RuntimeFailure("NotFound", f"container {id} is gone, and its log with it")
        async for line in logs.read(self.link, record.engine_id, tty=record.tty, follow=follow):
            yield line

    async def exec(self, id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False) -> Exec:
        record = self._running(id)
        running = EngineExec(self.link, tty=tty)
        await running.start(record.engine_id, command, stdin=stdin)
        return running

    async def attach(self, id: str, *, stdin: bool = False, once: bool = False) -> Exec:
        record = self._running(id)

        async def over() -> int:
            await record.over.wait()
            return record.state.exit_code or 0

        held = EngineAttach(self.link, record.engine_id, over, tty=record.tty)
        await held.start(stdin=stdin)
        return held

    async def written(self, id: str) -> int:
        record = self._records.get(id)
        if record is None or not record.engine_id:
            return 0
        wanted = {"id": record.engine_id}
        found = await self.link.do(lambda api: api.containers(all=True, size=True, filters=wanted))
        return sum(int(each.get("SizeRw") or 0) for each in found)

    async def usage(self, id: str) -> Usage | None:
        record = self._records.get(id)
        if record is None or record.state.phase != "running":
            return None
        try:
            told = await self.link.do(lambda api: api.stats(record.engine_id, stream=False, one_shot=True))
        except (Missing, Refused):
            return None
        spent = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
        return Usage(spent / 1e9, specs.used_memory(told)) if record.state.phase == "running" else None

    # ---- help

    def _running(self, id: str) -> Record:
        record = self._records.get(id)
        if record is None or record.over.is_set() or not record.engine_id:
            raise RuntimeFailure("NotFound", f"container {id} is not running")
        return record

    def _of(self, engine_id: str) -> Record | None:
        return next((record for record in self._records.values() if record.engine_id == engine_id), None)

    def _do(self, work: Any) -> None:
        """Let it happen; an engine that is lost meanwhile is looked at again when it is back."""

        async def done() -> None:
            with contextlib.suppress(RuntimeFailure, Missing, Refused):
                await work

        task = asyncio.ensure_future(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, pod_uid: str) -> None:
        for changed in self._changed:
            changed(pod_uid)

    # ---- images, for `k8slab images` and lessons

    def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        return self.store.build(name, folder, arguments)

    async def image_list(self) -> list[ImageInfo]:
        return await self.store.shelf()

    async def save_images(self, names: Sequence[str], file: Path) -> None:
        await self.store.save(names, file)

    async def load_images(self, file: Path) -> list[str]:
        return await self.store.load(file)

    async def remove_image(self, name: str) -> None:
        await self.store.remove(name)
