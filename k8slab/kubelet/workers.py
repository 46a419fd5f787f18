"""One node's pods: a worker for each pod that has something to do, and nothing but a record for one that has not.

`agent.py` hands the changes in. A worker reads (`view.py`), decides (`plan.py`), acts (`launch.py`) and tells
(`status.py`), until there is nothing left to do; then it is gone until a change, a container or a timer wakes the pod.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, encode, is_terminating
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet import volumes
from k8slab.kubelet.disks import Disks
from k8slab.kubelet.environment import hostname
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.plan import Plan, Stop, decide
from k8slab.kubelet.probing import Probing
from k8slab.kubelet.record import Record
from k8slab.kubelet.status import full_name, pod_status
from k8slab.kubelet.view import MOUNT_FIRST, MOUNT_MOST, POD, RETRY, View, add_lost, init_containers, main_containers
from k8slab.runtime.base import ContainerState, PodConfig, Runtime, RuntimeFailure

log = logging.getLogger(__name__)


class PodWorkers:
    """The pods of one node. `folder` is where their volumes are; None when containers are only records."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        launcher: Launcher,
        cidr: str,
        folder: Path | None,
        disks: Disks,
    ) -> None:
        self._client, self._runtime, self._clock, self._launcher = client, runtime, clock, launcher
        self._cidr, self._folder, self._disks = cidr, folder, disks
        self._probing = Probing(runtime, clock, launcher, self._wake)
        self._records: dict[str, Record] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def uids(self) -> list[str]:
        """The pods there are."""
        return [*self._records]

    # ------------------------------------------------------------------------------------------- waking

    def pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """A pod of this node came, changed or went."""
        pod = after or before
        assert pod is not None, "a change has a before or an after"
        uid = pod["metadata"]["uid"]
        record = self._records.get(uid)
        if record is None:
            if after is None:
                return
            record = self._records[uid] = Record(after, (after.get("status") or {}).get("podIP", ""))
        own = record.writing and is_terminating(record.pod) == is_terminating(pod)
        record.pod, record.gone = pod, after is None
        if not own:  # what the worker itself writes needs no second look
            self._wake(record)

    def wake(self, uid: str) -> None:
        """Look at this pod: one of its containers started or ended."""
        if record := self._records.get(uid):
            self._wake(record)

    def _wake(self, record: Record) -> None:
        record.dirty = True
        if record.worker is None:
            record.worker = asyncio.get_running_loop().create_task(self._work(record))

    async def _work(self, record: Record) -> None:
        try:
            while record.dirty:
                await self._sync(record)
        except Exception:
            log.exception("pod %s: tried again in %d s", full_name(record.pod), RETRY)
            self._look_in(record, RETRY)
        finally:
            record.worker = None

    def _look_in(self, record: Record, seconds: float | None) -> None:
        if record.timer is not None:
            record.timer()
        record.timer = None if seconds is None else self._clock.call_later(seconds, lambda: self._wake(record))

    async def close(self) -> None:
        """Let go of every pod, now: no timer, no worker, no probe is left. Containers are not touched."""
        records, self._records = self._records, {}
        tasks = {*self._tasks, *(record.worker for record in records.values() if record.worker)}
        for record in records.values():
            self._look_in(record, None)
            self._probing.close(record)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------ the loop

    async def _sync(self, record: Record) -> None:
        """Read, decide, act, tell: until only waiting is left."""
        while True:
            record.dirty = False
            if record.gone:
                await self._forget(record)
                return
            view = self._view(record)
            self._probing.follow(record, view)
            plan = decide(view)
            if plan.over:
                await self._finish(record, view)
                return
            self._announce(record, plan)
            if plan.idle:
                self._tell(record, view)
                self._look_in(record, plan.look)
                return
            if plan.start and self._runtime.abilities.real:
                self._tell(record, view)  # not for records: they start at once, their ContainerCreating lasts no time
            await self._act(record, plan)

    def _view(self, record: Record) -> View:
        containers: dict[str, list[ContainerState]] = {}
        for state in self._runtime.containers(record.pod["metadata"]["uid"]):
            containers.setdefault(state.name, []).append(state)
        add_lost(record.pod, containers)
        return View(
            record.pod,
            self._clock.time(),
            self._clock.since,
            record.address,
            self._launcher.place.address,
            self._runtime.name,
            containers,
            record.notes,
            record.stopping,
        )

    async def _act(self, record: Record, plan: Plan) -> None:
        for container in plan.back_off:
            self._launcher.back_off_pulling(record.pod, container, record.note(container["name"]))
        for stop in plan.stop:
            self._stop(record, stop)
        for id in plan.remove:
            await self._runtime.remove(id)
        if plan.start and not await self._prepare(record):
            return
        for start in plan.start:
            note = record.note(start.container["name"])
            await self._launcher.start(record.pod, start, record.address, record.folders, note)
            if not note.reason and start.after is None:
                record.notes.pop(start.container["name"], None)
            if record.gone or is_terminating(record.pod):
                return

    def _announce(self, record: Record, plan: Plan) -> None:
        """The BackOff event, once for every crash that has to wait."""
        for container, state in plan.wait:
            note = record.note(container["name"])
            if note.announced != state.id:
                note.announced = state.id
                said = f"Back-off restarting failed container {container['name']} in pod {full_name(record.pod)}"
                self._launcher.tell(record.pod, container, "Warning", "BackOff", said)

    # -------------------------------------------------------------------------------------- beginning

    async def _prepare(self, record: Record) -> bool:
        """Volumes and sandbox: whether containers may be started now."""
        pod = record.pod
        try:
            if pod["spec"].get("volumes"):
                facts = self._launcher.facts(pod, record.address)
                record.folders = volumes.prepare(facts, self._pod_folder(pod), self._disks)
            if not record.sandbox:
                record.address = await self._runtime.run_pod(self._config(pod))
                record.sandbox = True
        except volumes.MountError as error:
            self._hold(record, "FailedMount", str(error))
            return False
        except RuntimeFailure as error:
            self._hold(record, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return False
        record.notes.pop(POD, None)
        return True

    def _hold(self, record: Record, reason: str, message: str) -> None:
        record.note(POD).failed("", message, self._clock.time(), MOUNT_FIRST, MOUNT_MOST)
        self._launcher.record.event(record.pod, "Warning", reason, message)

    def _config(self, pod: Obj) -> PodConfig:
        meta = pod["metadata"]
        node = self._launcher.place.name
        return PodConfig(meta["uid"], meta["name"], meta.get("namespace", ""), node, self._cidr, hostname(pod))

    def _pod_folder(self, pod: Obj) -> Path | None:
        return self._folder / pod["metadata"]["uid"] if self._folder else None

    # ----------------------------------------------------------------------------------------- ending

    def _stop(self, record: Record, stop: Stop) -> None:
        if stop.id not in record.stopping:
            self._launcher.tell(record.pod, stop.container, "Normal", "Killing", stop.message)
        seconds = stop.grace / self._clock.speed
        record.stopping[stop.id] = self._clock.time() + seconds
        self._spawn(self._stop_now(record, stop.id, seconds))

    async def _stop_now(self, record: Record, id: str, seconds: float) -> None:
        try:
            await self._runtime.stop(id, seconds)
        except RuntimeFailure as error:
            log.warning("pod %s: container %s could not be stopped: %s", full_name(record.pod), id, error)
            record.stopping.pop(id, None)  # the next look tries again
            self._look_in(record, RETRY)
            return
        if self._records.get(record.pod["metadata"]["uid"]) is record:
            self._wake(record)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, record: Record, view: View) -> None:
        """A terminating pod has stopped: tell how it ended, give everything back, and let the object go."""
        meta = record.pod["metadata"]
        if not record.returned:
            if any(view.containers.values()):
                self._tell(record, view)
            await self._give_back(record)
        elif meta.get("deletionGracePeriodSeconds") == 0:
            return  # only finalizers hold it now
        try:
            self._client.delete("Pod", meta["name"], meta.get("namespace", ""), grace=0, uid=meta["uid"])
        except (NotFound, Conflict):  # somebody else was faster
            self._records.pop(meta["uid"], None)

    async def _forget(self, record: Record) -> None:
        """The object has left the API: nothing of the pod may stay, and what still runs is killed."""
        self._records.pop(record.pod["metadata"]["uid"], None)
        for container in [*init_containers(record.pod), *main_containers(record.pod)]:
            state = self._view(record).running(container["name"])
            if state is not None and state.id not in record.stopping:
                said = f"Stopping container {container['name']}"
                self._launcher.tell(record.pod, container, "Normal", "Killing", said)
        await self._give_back(record)

    async def _give_back(self, record: Record) -> None:
        self._look_in(record, None)
        self._probing.close(record)
        await self._runtime.remove_pod(record.pod["metadata"]["uid"])
        record.returned = True
        if record.folders and (folder := self._pod_folder(record.pod)):
            await asyncio.to_thread(volumes.remove, folder)

    # ---------------------------------------------------------------------------------------- telling

    def _tell(self, record: Record, view: View) -> None:
        """Write the status, if it is not what was written last."""
        status = pod_status(view)
        if (written := hash(encode(status))) == record.written or status == record.pod.get("status"):
            return
        record.writing = True
        try:
            meta = dict(record.pod["metadata"])
            self._client.update({**record.pod, "metadata": meta, "status": status}, "status")
            record.written = written
        except (NotFound, Conflict):
            record.written = None  # the change that was faster is on its way to us
        except ApiError as error:
            log.warning("pod %s: status not written: %s", full_name(record.pod), error)
        finally:
            record.writing = False
