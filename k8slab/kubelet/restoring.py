"""After a restart of the server: records of containers, made again from what the API was told of them. Pure.

Processes outlive the server, and their runtime knows them better; records end with it, and a pod that only exists as
one must not be seen to restart. `kubelets.py` hands them to the runtime before the nodes start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from k8slab.api.objects import Obj
from k8slab.clock import from_timestamp
from k8slab.kubelet.view import statuses
from k8slab.runtime.base import ContainerState


def told(pod: Obj, *, alive: bool) -> Iterator[ContainerState]:
    """The containers of a pod, as its status has them. Unless `alive`, their node's power went: what ran is dead."""
    for status in statuses(pod):
        now, before = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
        if before and ("running" in now or "terminated" in now):
            yield _ended(pod, status, before, status["restartCount"] - 1)
        if running := now.get("running"):
            state = _state(pod, status, status["containerID"], status["restartCount"], running["startedAt"])
            yield (
                state
                if alive
                else replace(state, phase="exited", exit_code=137, reason="Error", finished=state.started)
            )
        elif ended := now.get("terminated") or before:
            yield _ended(pod, status, ended, status["restartCount"])


def _ended(pod: Obj, status: Obj, ended: Obj, attempt: int) -> ContainerState:
    state = _state(pod, status, ended.get("containerID", ""), attempt, ended.get("startedAt"))
    finished = ended.get("finishedAt")
    return replace(
        state,
        phase="exited",
        finished=from_timestamp(finished) if finished else 0.0,
        exit_code=ended["exitCode"],
        reason=ended.get("reason", ""),
    )


def _state(pod: Obj, status: Obj, id: str, attempt: int, started: str | None) -> ContainerState:
    return ContainerState(
        id=id.rpartition("://")[2],
        pod_uid=pod["metadata"]["uid"],
        name=status["name"],
        attempt=attempt,
        phase="running",
        started=from_timestamp(started) if started else 0.0,
        image_id=status.get("imageID", ""),
    )
