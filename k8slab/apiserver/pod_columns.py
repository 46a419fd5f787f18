"""READY, STATUS and RESTARTS of a pod, as `kubectl get pods` shows them (printPod in pkg/printers/internalversion).

One word for everything that can be the matter with a pod. `table.py` puts it into its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from k8slab.api.objects import Obj, condition_is, is_terminating


def pod_ready(pod: Obj) -> str:
    """`1/2`: containers ready of containers there are; a sidecar counts as one."""
    sidecars = _sidecars(pod)
    ready = sum(status.get("ready", False) and _running(status) for status in _statuses(pod))
    ready += sum(
        status.get("ready", False) for status in _statuses(pod, "initContainerStatuses") if status["name"] in sidecars
    )
    return f"{ready}/{len(pod['spec'].get('containers') or []) + len(sidecars)}"


def pod_restarts(pod: Obj, since: Callable[[str], str]) -> str:
    """`4 (10s ago)`: the restarts of all containers, and when the last of them ended."""
    initializing = _init_trouble(pod) is not None
    statuses = [*_statuses(pod, "initContainerStatuses")]
    if not initializing:
        statuses = [s for s in statuses if s["name"] in _sidecars(pod)] + [*_statuses(pod)]
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [end for status in statuses if (end := _terminated(status.get("lastState")).get("finishedAt"))]
    return f"{count} ({since(max(ends))} ago)" if count and ends else str(count)


def pod_status(pod: Obj) -> str:
    """One word: the phase, or what is in its way."""
    status = pod.get("status") or {}
    word = status.get("reason") or status.get("phase", "")
    if any(
        c.get("reason") == "SchedulingGated" and c["type"] == "PodScheduled" for c in status.get("conditions") or []
    ):
        word = "SchedulingGated"
    trouble = _init_trouble(pod)
    word = trouble if trouble is not None else _container_word(pod, word)
    if is_terminating(pod):
        return "Unknown" if status.get("reason") == "NodeLost" else word if _finished(status) else "Terminating"
    return str(word)


def _finished(status: Obj) -> bool:
    return status.get("phase") in ("Succeeded", "Failed")


def _statuses(pod: Obj, field: str = "containerStatuses") -> Iterator[Obj]:
    yield from (pod.get("status") or {}).get(field) or []


def _sidecars(pod: Obj) -> set[str]:
    return {c["name"] for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always"}


def _running(status: Obj) -> bool:
    return (status.get("state") or {}).get("running") is not None


def _terminated(state: Obj | None) -> Obj:
    return (state or {}).get("terminated") or {}


def _ended(state: Obj) -> str:
    """How a terminated container is named when it gives no reason itself."""
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _init_trouble(pod: Obj) -> str | None:
    """`Init:1/2` and its worse relatives, or None once the init containers are through."""
    sidecars = _sidecars(pod)
    total = len(pod["spec"].get("initContainers") or [])
    for done, status in enumerate(_statuses(pod, "initContainerStatuses")):
        state = status.get("state") or {}
        if state.get("terminated") and not _terminated(state).get("exitCode"):
            continue
        if status["name"] in sidecars and status.get("started"):
            continue
        if state.get("terminated"):
            return "Init:" + (_terminated(state).get("reason") or _ended(_terminated(state)))
        waiting = (state.get("waiting") or {}).get("reason")
        return f"Init:{waiting}" if waiting and waiting != "PodInitializing" else f"Init:{done}/{total}"
    return None


def _container_word(pod: Obj, word: str) -> str:
    running = False
    for status in reversed(list(_statuses(pod))):
        state = status.get("state") or {}
        if reason := (state.get("waiting") or {}).get("reason"):
            word = reason
        elif state.get("terminated"):
            word = _terminated(state).get("reason") or _ended(_terminated(state))
        elif status.get("ready") and _running(status):
            running = True
    if word == "Completed" and running:
        return "Running" if condition_is(pod, "Ready") else "NotReady"
    return word
