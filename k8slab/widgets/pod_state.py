"""One pod, as a learner should read it: a state out of nine, the word on the tile, and why in a sentence.

Pure. `board_model.py` makes a tile of it. The rules are those by which kubectl finds its STATUS column
(kubernetes/pkg/printers/internalversion, printPod), told in fewer words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from k8slab.api.objects import Obj, condition, is_pod_ready, is_terminating
from k8slab.clock import from_timestamp
from k8slab.widgets.unplaced import explain

NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
CANNOT_START = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"}


class PodState(NamedTuple):
    """`state` is a token of the look (its glyph and colour); `word` stands on the tile; `why` may be empty."""

    state: str
    word: str
    why: str = ""


def read(pod: Obj, silent: bool = False) -> PodState:
    """The pod's state; `silent` when its node no longer answers, so that nobody knows."""
    status = pod.get("status") or {}
    if is_terminating(pod):
        return PodState("terminating", "Terminating", "Somebody asked for its end; it may finish what it has begun.")
    if silent or status.get("phase") == "Unknown":
        return PodState("unknown", "Unknown", "Its node does not answer, so nobody knows how it is.")
    if status.get("phase") == "Succeeded":
        return PodState("done", "Completed", "Its work is done, and it will not be started again.")
    if status.get("phase") == "Failed":
        return PodState("failed", _failed_word(status), _failure(pod))
    if not pod["spec"].get("nodeName"):
        return PodState("pending", "Pending", _unplaced(pod))
    return _of_containers(pod)


def ready_count(pod: Obj) -> tuple[int, int]:
    """How many of its containers are ready, and of how many."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(bool(s.get("ready")) for s in statuses), len(pod["spec"]["containers"])


def restarts(pod: Obj) -> int:
    """How often its containers were started again, all together."""
    return sum(int(s.get("restartCount", 0)) for s in (pod.get("status") or {}).get("containerStatuses") or [])


def since(pod: Obj) -> float:
    """When its present state began, as far as the pod itself tells: seconds since 1970."""
    ready = condition(pod, "Ready") or {}
    text = ready.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    return from_timestamp(text) if text else 0.0


def last_exit(pod: Obj) -> Obj | None:
    """How the container that ended last ended: its `terminated` state, or None."""
    ends: list[Obj] = []
    for status in all_statuses(pod):
        ends += [
            s["terminated"] for s in (status.get("state") or {}, status.get("lastState") or {}) if s.get("terminated")
        ]
    return max(ends, key=lambda end: end.get("finishedAt") or "", default=None)


def told(end: Obj) -> str:
    """How a container ended, in words."""
    if end.get("reason") == "OOMKilled":
        return "used more memory than its limit and was killed"
    code = int(end.get("exitCode", 0))
    said = f": “{end['message'].strip().splitlines()[-1][:120]}”" if (end.get("message") or "").strip() else ""
    how = f"was ended by signal {code - 128} (exit code {code})" if code > 128 else f"ended with exit code {code}"
    return how + said


def all_statuses(pod: Obj) -> list[dict[str, Any]]:
    """The statuses of its init containers, then of its containers."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _of_containers(pod: Obj) -> PodState:
    for status in all_statuses(pod):
        state = status.get("state") or {}
        if found := _troubled(pod, state.get("waiting") or {}, state.get("terminated") or {}):
            return found
    if is_pod_ready(pod):
        return PodState("ready", "Ready")
    if (pod.get("status") or {}).get("phase") != "Running" or not _all_run(pod):
        return PodState("starting", "Starting", "Its node is fetching the image and starting the containers.")
    return PodState("notready", "Not ready", "It runs, but its readiness probe has not passed: no requests for it yet.")


def _troubled(pod: Obj, waiting: Obj, terminated: Obj) -> PodState | None:
    reason = waiting.get("reason", "")
    if reason in NO_IMAGE:
        return PodState("failed", "No image", waiting.get("message") or "Its image cannot be had.")
    if reason in CANNOT_START:
        return PodState("failed", "Cannot start", waiting.get("message") or "Its container cannot be started.")
    if reason == "CrashLoopBackOff":
        end = last_exit(pod)
        how = f"Its container {told(end)}. " if end else "Its container ends again and again. "
        return PodState("failed", "Crashing", how + "The kubelet waits before each new try, twice as long each time.")
    if terminated and terminated.get("exitCode"):
        return PodState("failed", "Crashed", f"Its container {told(terminated)}.")
    return None


def _all_run(pod: Obj) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return bool(statuses) and all((s.get("state") or {}).get("running") for s in statuses)


def _failed_word(status: Obj) -> str:
    return "Evicted" if status.get("reason") == "Evicted" else "Failed"


def _failure(pod: Obj) -> str:
    end = last_exit(pod)
    if end:
        return f"Its container {told(end)}, and it will not be started again."
    return (pod.get("status") or {}).get("message") or "It ended and will not be started again."


def _unplaced(pod: Obj) -> str:
    scheduled = condition(pod, "PodScheduled") or {}
    return explain(scheduled.get("message") or "") if scheduled.get("status") == "False" else ""
