"""A node whose disk is full: it says so (DiskPressure), takes no more pods, and evicts those it has, one after the other.

The disk of this machine is not touched: `lab.fill_disk` makes the node believe it. `agent.py` owns one and lets the
conditions be told; which pod goes first, and the words, are those of pkg/kubelet/eviction in Kubernetes 1.36.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, is_pod_active, key_of, with_condition
from k8slab.api.quantities import canonical, parse
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet.launch import Recorder

log = logging.getLogger(__name__)

RESOURCE = "ephemeral-storage"
LOOK = 10.0  # Kubernetes seconds between two evictions (monitoringInterval)
RELIEF = 300.0  # Kubernetes seconds without need until the condition goes (evictionPressureTransitionPeriod)
SHARE = 10  # per cent of the disk that must stay free (evictionHard nodefs.available)
CRITICAL = 2_000_000_000  # from this priority on a pod is never evicted
PRESSED = ("True", "KubeletHasDiskPressure", "kubelet has disk pressure")

Usage = Callable[[Obj], int]  # a pod -> bytes of disk it uses


class FullDisk:
    """One node's disk. `report` is called whenever the node has something new to say of itself."""

    def __init__(
        self, client: Client, clock: Clock, recorder: Recorder, node: str, size: str, folder: Path | None
    ) -> None:
        self._client, self._clock, self._recorder = client, clock, recorder
        self._node, self._size, self._folder = node, int(parse(size)), folder
        self.full = self.pressed = False
        self._report: Callable[[], None] = lambda: None
        self._timer: Callable[[], None] = lambda: None

    def fill(self, report: Callable[[], None]) -> None:
        """From now on there is no room."""
        self._report = report
        if self.full:
            return
        self.full = True
        self._timer()
        if not self.pressed:
            self._tell_node("NodeHasDiskPressure")
        self.pressed = True
        self._report()
        self._evict_next()

    def empty(self, *, at_once: bool = False) -> None:
        """There is room again; it is believed when it has lasted for five minutes, or at once."""
        if not self.pressed:
            return
        self.full = False
        self._timer()
        if at_once:
            self._relax()
        else:
            self._timer = self._clock.call_later(RELIEF, self._relax)

    def close(self) -> None:
        """Let go of the timer."""
        self._timer()

    def refuse(self, pod: Obj) -> bool:
        """Whether a pod that has just come cannot stay; if so, it has been told."""
        if not self.pressed or is_critical(pod) or not is_pod_active(pod) or (pod.get("status") or {}).get("startTime"):
            return False
        self._end(pod, "Pod was rejected: The node had condition: [DiskPressure]. ")
        return True

    def _relax(self) -> None:
        self.pressed = False
        self._tell_node("NodeHasNoDiskPressure")
        self._report()

    def _evict_next(self) -> None:
        self._timer = self._clock.call_later(LOOK, self._evict_next)
        self._tell_node("EvictionThresholdMet", f"Attempting to reclaim {RESOURCE}", "Warning")
        pods = (pod for pod in self._client.informer("Pod").by("node", self._node) if is_pod_active(pod))
        for pod in ranked(pods, self._used):
            if is_critical(pod):
                continue
            self._end(pod, self._words(pod))
            return

    def _words(self, pod: Obj) -> str:
        least = canonical(f"{self._size * SHARE // 100 // 1024}Ki")
        said = f"The node was low on resource: {RESOURCE}. Threshold quantity: {least}, available: 0. "
        used = self._used(pod)
        if used > requested(pod):
            name = pod["spec"]["containers"][0]["name"]
            amount = f"{-(-used // 1024)}Ki, request is {requested(pod)}"
            said += f"Container {name} was using {amount}, has larger consumption of {RESOURCE}. "
        return said

    def _end(self, pod: Obj, message: str) -> None:
        """The pod has failed; seeing that, the pod's worker stops its containers."""
        why = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
        status = pod.get("status") or {}
        conditions = with_condition(status.get("conditions") or [], why, self._clock.timestamp())
        started = {} if status.get("startTime") else {"startTime": self._clock.timestamp()}
        patch = {"phase": "Failed", "reason": "Evicted", "message": message, "conditions": conditions, **started}
        namespace, name = key_of(pod)
        self._recorder.event(pod, "Warning", "Evicted", message)
        try:
            self._client.patch("Pod", name, namespace, {"status": patch}, "status")
        except (NotFound, Conflict):
            return
        except ApiError as error:
            log.warning("%s/%s could not be evicted: %s", namespace, name, error)

    def _tell_node(self, reason: str, message: str = "", type_: str = "Normal") -> None:
        about = {"kind": "Node", "apiVersion": "v1", "name": self._node, "uid": self._node}
        said = message or f"Node {self._node} status is now: {reason}"
        self._recorder.event(about, "Warning" if type_ == "Warning" else "Normal", reason, said)

    def _used(self, pod: Obj) -> int:
        """Bytes in the pod's volumes."""
        if self._folder is None:
            return 0
        total = 0
        for root, _, files in os.walk(self._folder / pod["metadata"]["uid"]):
            total += sum(os.lstat(os.path.join(root, name)).st_size for name in files)
        return total


def ranked(pods: Iterable[Obj], used: Usage) -> list[Obj]:
    """Who goes first: who uses more disk than it asked for, then the lower priority, then who uses more of it."""

    def order(pod: Obj) -> tuple[bool, int, int]:
        more = used(pod) - requested(pod)
        return more <= 0, int(pod["spec"].get("priority") or 0), -more

    return sorted(pods, key=order)


def requested(pod: Obj) -> int:
    """Bytes of disk its containers ask for."""
    asked = ((container.get("resources") or {}).get("requests") or {} for container in pod["spec"]["containers"])
    return sum(int(parse(each.get(RESOURCE, "0"))) for each in asked)


def is_critical(pod: Obj) -> bool:
    """Whether a node never evicts it."""
    return int(pod["spec"].get("priority") or 0) >= CRITICAL
