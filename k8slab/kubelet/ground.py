"""What the containers of a pod stand on: its volumes and its sandbox. Made first, given back last.

`workers.py` calls it. A pod whose ground cannot be had waits, with an event that says why; it is never started without.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from k8slab import trace
from k8slab.api.objects import Obj
from k8slab.clock import Clock
from k8slab.kubelet import volumes
from k8slab.kubelet.disks import Disks
from k8slab.kubelet.environment import hostname
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.notes import MOUNT_FIRST, MOUNT_MOST, POD
from k8slab.kubelet.projection import is_projected
from k8slab.kubelet.record import Record
from k8slab.kubelet.security import not_kept
from k8slab.kubelet.view import statuses
from k8slab.runtime.base import PodConfig, Runtime, RuntimeFailure

RESYNC = 60.0  # Kubernetes seconds: every pod is looked at so often, which is when its files are written anew


class Ground:
    """The volumes and sandboxes of one node's pods, which have their addresses out of `cidr`."""

    def __init__(self, runtime: Runtime, clock: Clock, launcher: Launcher, cidr: str, disks: Disks) -> None:
        self._runtime, self._clock, self._launcher = runtime, clock, launcher
        self._cidr, self._disks = cidr, disks

    async def prepare(self, record: Record) -> bool:
        """See to it that volumes and sandbox are there: whether containers may be started now."""
        try:
            self._mount(record)
            if not record.sandbox:
                place = self._launcher.place
                record.address = await self._runtime.run_pod(
                    pod_config(record.pod, place.name, self._cidr, **place.naming.files(record.pod))
                )
                record.sandbox = True
                trace.hop("sandbox", record.pod, address=record.address)
                self._warn(record.pod)
        except volumes.MountError as error:
            self._hold(record, "FailedMount", str(error))
            return False
        except RuntimeFailure as error:
            self._hold(record, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return False
        record.notes.pop(POD, None)
        return True

    def _warn(self, pod: Obj) -> None:
        """Say once what the pod asks for and does not get: nothing pretends."""
        first = not any(status.get("containerID") for status in statuses(pod))
        if first and (missing := not_kept(pod, self._runtime.abilities)):
            said = "The pod runs without " + "; ".join(missing)
            self._launcher.record.event(pod, "Warning", "NotHonoured", said)

    def refresh(self, record: Record) -> None:
        """Write a running pod's files anew. Where what they are made of is missing now, the old ones stay."""
        record.stale = False
        if record.folder is None or not any(map(is_projected, record.pod["spec"].get("volumes") or [])):
            return
        try:
            self._mount(record)
        except volumes.MountError as error:
            self._launcher.record.event(record.pod, "Warning", "FailedMount", str(error))

    def resync_in(self, pod: Obj) -> float:
        """Kubernetes seconds until this pod is looked at anyway: each has a beat of its own."""
        phase = zlib.crc32(pod["metadata"]["uid"].encode()) / (1 << 32)
        return RESYNC - (self._clock.time() * self._clock.speed + phase * RESYNC) % RESYNC

    async def give_back(self, record: Record) -> None:
        """Nothing of the pod stays: no container, no address, no file."""
        await self._runtime.remove_pod(record.pod["metadata"]["uid"])
        if record.folder and record.folder.exists():
            await asyncio.to_thread(volumes.remove, record.folder)

    def _mount(self, record: Record) -> None:
        if record.folder and record.pod["spec"].get("volumes"):  # records have nothing to mount
            now = self._clock.time()
            record.folders = volumes.prepare(self._launcher.facts(record), record.folder, self._disks, now)
        record.stale = False

    def _hold(self, record: Record, reason: str, message: str) -> None:
        record.note(POD).failed("", message, self._clock.time(), MOUNT_FIRST, MOUNT_MOST)
        self._launcher.record.event(record.pod, "Warning", reason, message)


def pod_config(pod: Obj, node: str, cidr: str, **files: Any) -> PodConfig:
    """What the runtime needs to know of a pod on this node, which has addresses of this range; `files` are Naming's."""
    meta = pod["metadata"]
    host = bool(pod["spec"].get("hostNetwork"))
    name, namespace = meta["name"], meta.get("namespace", "")
    return PodConfig(meta["uid"], name, namespace, node, cidr, hostname(pod), host_network=host, **files)
