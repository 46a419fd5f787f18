"""One node's pods: a worker for each pod that has something to do, and nothing but a record for one that has not.

`agent.py` hands the changes in. A worker reads (`view.py`), decides (`plan.py`), acts (`launch.py`) and tells
(`status.py`), until there is nothing left to do; then it is gone until a change, a container or a timer wakes the pod.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from k8slab import trace
from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, encode, is_terminating
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet import admit, lastwords
from k8slab.kubelet.disks import Disks
from k8slab.kubelet.endings import Endings
from k8slab.kubelet.ground import Ground
from k8slab.kubelet.hooks import Hooks
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.notes import DEADLINE, RETRY, Note, Refusal
from k8slab.kubelet.plan import Plan, Wait, decide
from k8slab.kubelet.probing import Probing
from k8slab.kubelet.record import Record
from k8slab.kubelet.status import pod_status
from k8slab.kubelet.view import View, add_lost, all_containers, full_name, is_done, is_overdue, statuses
from k8slab.runtime.base import ContainerState, Runtime

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
        self._folder = folder
        self.pressed: frozenset[str] = frozenset()  # what the node is short of: MemoryPressure, DiskPressure
        self._ground = Ground(runtime, clock, launcher, cidr, disks)
        self._probing = Probing(runtime, clock, launcher, self._wake)
        self._hooks = Hooks(runtime, clock, launcher)
        self._endings = Endings(runtime, clock, launcher, self._hooks, self._wake)
        self._records: dict[str, Record] = {}

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
            folder = self._folder / uid if self._folder else None
            record = self._records[uid] = Record(after, (after.get("status") or {}).get("podIP", ""), folder=folder)
            self._admit(record)
        own = record.writing and is_terminating(record.pod) == is_terminating(pod)
        record.stale = record.stale or _told_of_itself(record.pod) != _told_of_itself(pod)
        record.pod, record.gone = pod, after is None
        if not own:  # what the worker itself writes needs no second look
            self._wake(record)

    def _admit(self, record: Record) -> None:
        """A node looks once more at a pod that it sees for the first time; it may have been bound by hand."""
        pod, node = record.pod, self._client.informer("Node").get(self._launcher.place.name)
        fresh = not is_terminating(pod) and not statuses(pod) and (pod.get("status") or {}).get("phase") == "Pending"
        careful = self._runtime.abilities.real or self.pressed  # for records it would only cost time
        if not careful or node is None or not fresh:
            return
        ended = ("Succeeded", "Failed")
        others = [other.pod for other in self._records.values() if other is not record and not other.refused]
        there = [other for other in others if (other.get("status") or {}).get("phase") not in ended]
        record.refused = admit.refusal(pod, node, there, self._launcher.place.allocatable, self.pressed)
        if record.refused:
            said = record.refused.message.removeprefix("Pod was rejected: ")
            self._launcher.record.event(pod, "Warning", record.refused.reason, said)

    def refuse(self, uid: str, refusal: Refusal) -> bool:
        """This pod has to go; False if it is going already."""
        record = self._records.get(uid)
        if record is None or record.refused or is_terminating(record.pod):
            return False
        record.refused = refusal
        self._wake(record)
        return True

    def content_changed(self, uid: str) -> None:
        """A ConfigMap or Secret has changed that the pod has files of: they follow when it is looked at next."""
        record = self._records.get(uid)
        if record is None or record.remount is not None:
            return

        def now() -> None:
            record.remount, record.stale = None, True
            self._wake(record)

        record.remount = self._clock.call_later(self._ground.resync_in(record.pod), now)

    def wake(self, uid: str) -> None:
        """Look at this pod: one of its containers started or ended."""
        if record := self._records.get(uid):
            self._wake(record)

    def _wake(self, record: Record) -> None:
        if self._records.get(record.pod["metadata"]["uid"]) is not record:
            return
        if record.hook and (record.gone or record.refused or is_terminating(record.pod)):
            record.hook.cancel()
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

    def _let_go(self, record: Record) -> None:
        """No timer and no probe is left."""
        self._look_in(record, None)
        if record.remount is not None:
            record.remount()
            record.remount = None
        self._probing.close(record)

    async def close(self) -> None:
        """Let go of every pod, now: no timer, no worker, no probe is left. Containers are not touched."""
        records, self._records = self._records, {}
        tasks = {record.worker for record in records.values() if record.worker}
        for record in records.values():
            self._let_go(record)
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._endings.close(), *tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------ the loop

    async def _sync(self, record: Record) -> None:
        """Read, decide, act, tell: until only waiting is left."""
        while True:
            record.dirty = False
            if record.gone:
                await self._forget(record)
                return
            await self._listen(record)
            view = self._view(record)
            if record.stale and any(view.containers.values()):
                self._ground.refresh(record)
            self._probing.follow(record, view)
            if self._is_late(record, view):
                continue
            plan = decide(view)
            if plan.over:
                await self._finish(record, view)
                return
            if plan.idle:
                self._tell(record, view)
                self._look_in(record, plan.look)
                return
            if plan.start and trace.listening():
                trace.hop("planned", record.pod, start=[start.container["name"] for start in plan.start])
            if plan.start and self._runtime.abilities.real:
                self._tell(record, view)  # not for records: they start at once, their ContainerCreating lasts no time
            await self._act(record, plan)

    def _is_late(self, record: Record, view: View) -> bool:
        """Whether its activeDeadlineSeconds are over, found out just now."""
        if record.refused or not is_overdue(view) or is_terminating(record.pod) or is_done(view):
            return False
        record.refused = Refusal("DeadlineExceeded", DEADLINE)
        self._launcher.record.event(record.pod, "Normal", "DeadlineExceeded", DEADLINE)
        return True

    async def _listen(self, record: Record) -> None:
        """Take down the last words of containers that have ended."""
        if not self._runtime.abilities.real:
            return
        for state in self._runtime.containers(record.pod["metadata"]["uid"]):
            if state.phase == "exited" and state.id not in record.words:
                container = next((c for c in all_containers(record.pod) if c["name"] == state.name), {})
                record.words[state.id] = await lastwords.read(self._runtime, container, state, record.folder)

    def _view(self, record: Record) -> View:
        containers: dict[str, list[ContainerState]] = {}
        for state in self._runtime.containers(record.pod["metadata"]["uid"]):
            containers.setdefault(state.name, []).append(state)
        for name, note in record.notes.items():
            if note.unstarted:
                attempts = containers.setdefault(name, [])
                attempts.append(note.unstarted)
                attempts.sort(key=lambda state: state.attempt)
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
            record.words,
            self._runtime.abilities.real,
            record.refused,
        )

    async def _act(self, record: Record, plan: Plan) -> None:
        for container in plan.back_off:
            self._launcher.back_off_pulling(record.pod, container, record.note(container["name"]))
        for wait in plan.wait:
            self._announce(record, wait)
        for stop in plan.stop:
            self._endings.begin(record, stop)
        for signal in plan.signal:
            self._endings.signal(record, signal)
        for id in plan.remove:
            await self._runtime.remove(id)
            record.removed(id)
        if plan.start and not await self._ground.prepare(record):
            return
        for start in plan.start:
            if id := await self._launcher.start(record, start):
                await self._hooks.post_start(record, start.container, id)
            if record.notes.get(start.container["name"]) == Note():
                record.notes.pop(start.container["name"], None)
            if record.gone or is_terminating(record.pod):
                return

    def _announce(self, record: Record, wait: Wait) -> None:
        """The BackOff event of a crash."""
        note = record.note(wait.container["name"])
        note.announced, note.told = wait.after.id, self._clock.time()
        said = f"Back-off restarting failed container {wait.container['name']} in pod {full_name(record.pod)}"
        self._launcher.tell(record.pod, wait.container, "Warning", "BackOff", said)

    # ----------------------------------------------------------------------------------------- ending

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
        for container in all_containers(record.pod):
            state = self._view(record).running(container["name"])
            if state is not None and state.id not in record.stopping:
                said = f"Stopping container {container['name']}"
                self._launcher.tell(record.pod, container, "Normal", "Killing", said)
        await self._give_back(record)

    async def _give_back(self, record: Record) -> None:
        self._let_go(record)
        await self._ground.give_back(record)
        record.returned = True

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


def _told_of_itself(pod: Obj) -> tuple[object, object]:
    """What of its own object a pod can have as a file, and that may change."""
    return pod["metadata"].get("labels"), pod["metadata"].get("annotations")
