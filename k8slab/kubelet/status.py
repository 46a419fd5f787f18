"""Telling: the PodStatus a kubelet writes for what it sees. Pure.

`workers.py` writes it when it differs from what it wrote last. The rules and words are those of `pkg/kubelet`
(kubelet_pods.go: getPhase, generateAPIPodStatus; status/generate.go: the conditions) in Kubernetes 1.36.
"""

from __future__ import annotations

from k8slab.api.objects import Obj, condition, is_terminating
from k8slab.clock import to_timestamp
from k8slab.kubelet.notes import crash_wait
from k8slab.kubelet.plan import FINISHED
from k8slab.kubelet.restarts import is_sidecar, restarts
from k8slab.kubelet.view import (
    View,
    ephemeral_containers,
    full_name,
    init_containers,
    init_failed,
    is_done,
    is_init_done,
    is_initialized,
    is_ready,
    is_started,
    main_containers,
)
from k8slab.runtime.base import ContainerState

OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
UNSTARTED = "StartError"  # containerd's word for a container whose command could not be run; it began in 1970


def pod_status(view: View) -> Obj:
    """The whole `status`: what was there, with the kubelet's part replaced."""
    pod = view.pod
    old = pod.get("status") or {}
    now = to_timestamp(view.now)
    if view.refused and not any(view.containers.values()):  # it never ran here
        why = {"phase": "Failed", **_why_failed(view)}
        return {**old, **why, "startTime": old.get("startTime") or now}
    main = [container_status(view, c) for c in main_containers(pod)]
    init = [container_status(view, c, init=True) for c in init_containers(pod)]
    phase = pod_phase(view, main)
    new: Obj = {**old, "phase": phase, "startTime": old.get("startTime") or now}
    new["hostIP"] = view.host
    if view.address:
        new["podIP"], new["podIPs"] = view.address, [{"ip": view.address}]
    if view.real:  # a pretended kubelet writes no more than somebody must read
        new["hostIPs"] = [{"ip": view.host}]
        if "generation" in pod["metadata"]:
            new["observedGeneration"] = pod["metadata"]["generation"]
    if phase == "Failed" and old.get("phase") != "Failed":
        new |= _why_failed(view)
    new["conditions"] = conditions(view, phase, init, main, now)
    if init:
        new["initContainerStatuses"] = init
    new["containerStatuses"] = main
    if ephemeral := [container_status(view, c) | {"ready": False} for c in ephemeral_containers(pod)]:
        new["ephemeralContainerStatuses"] = ephemeral  # never ready: nobody is served by one
    return new


def _why_failed(view: View) -> Obj:
    """`reason` and `message` of a pod that failed as a whole, not because of how its containers ended."""
    return {"reason": view.refused.reason, "message": view.refused.message} if view.refused else {}


# ---------------------------------------------------------------------------------------------- phase


def pod_phase(view: View, main: list[Obj]) -> str:
    """Pending, Running, Succeeded or Failed."""
    old = str((view.pod.get("status") or {}).get("phase") or "Pending")
    if old in FINISHED:  # the end is the end
        return old
    busy = any(view.running(c["name"]) for c in [*init_containers(view.pod), *main_containers(view.pod)])
    ended = all("terminated" in status["state"] for status in main)
    if not busy and (view.refused or init_failed(view)):
        return "Failed"
    if not is_initialized(view):
        return "Pending"
    if ended and not busy and (is_done(view) or is_terminating(view.pod)):
        return "Succeeded" if all(status["state"]["terminated"]["exitCode"] == 0 for status in main) else "Failed"
    waiting = any("waiting" in status["state"] and not status["lastState"] for status in main)
    return "Pending" if waiting else "Running"


# ----------------------------------------------------------------------------------------- containers


def container_status(view: View, container: Obj, *, init: bool = False) -> Obj:
    """One entry of `containerStatuses`."""
    name = container["name"]
    attempts = view.containers.get(name) or ()
    latest = attempts[-1] if attempts else None
    previous = attempts[-2] if len(attempts) > 1 else None
    waiting = _waiting(view, container, latest, init)
    if waiting is not None and latest is not None and latest.phase == "exited":
        previous = latest
    running = latest is not None and latest.phase == "running"
    started = bool(running and latest and is_started(view, container, latest))
    ready = bool(running and latest and is_ready(view, container, latest))
    if init and not is_sidecar(container):
        ready = is_init_done(view, container)
    status: Obj = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": latest.image_id if latest else "",
        "lastState": {"terminated": _terminated(view, previous)} if previous else {},
        "ready": ready,
        "restartCount": latest.attempt if latest else 0,
        "started": started,
        "state": {"waiting": waiting} if waiting is not None else _state(view, latest),
    }
    if latest is not None and not (waiting is not None and latest.phase == "created"):
        status["containerID"] = f"{view.runtime}://{latest.id}"
    if resources := container.get("resources"):
        status["resources"] = resources
        if "requests" in resources:
            status["allocatedResources"] = resources["requests"]
    return status


def _waiting(view: View, container: Obj, latest: ContainerState | None, init: bool) -> Obj | None:
    """`state.waiting`, or None when it runs or has ended for good."""
    note = view.notes.get(container["name"])
    if latest is not None and latest.phase == "running":
        return None
    if latest is not None and latest.phase == "exited":
        over = is_terminating(view.pod) or (view.pod.get("status") or {}).get("phase") in FINISHED
        if over or view.refused or not restarts(view.pod, container, latest):
            return None
        if init and not is_sidecar(container) and any(view.latest(c["name"]) for c in main_containers(view.pod)):
            return None
        if note and note.crash and crash_wait(note, latest, view.since) > 0:
            return {"reason": "CrashLoopBackOff", "message": crash_message(view.pod, container, note.crash.delay)}
    if note is not None and note.reason:
        return {"reason": note.reason, "message": note.message}
    if latest is not None and latest.phase == "exited":
        return None
    return {"reason": "PodInitializing" if init_containers(view.pod) else "ContainerCreating"}


def crash_message(pod: Obj, container: Obj, delay: float) -> str:
    """What `kubectl describe` says of a container in CrashLoopBackOff."""
    return f"back-off {duration(delay)} restarting failed container={container['name']} pod={full_name(pod)}"


def duration(seconds: float) -> str:
    """Seconds as Go writes a duration: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def precise_duration(seconds: float) -> str:
    """The same to the millisecond: `0s`, `512ms`, `1.5s`, `1m20.25s`."""
    milliseconds = int(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"


def _state(view: View, state: ContainerState | None) -> Obj:
    assert state is not None, "without a state it would be waiting"
    if state.phase == "exited":
        return {"terminated": _terminated(view, state)}
    return {"running": {"startedAt": to_timestamp(state.started)}}


def _terminated(view: View, state: ContainerState) -> Obj:
    code = state.exit_code if state.exit_code is not None else 137
    began = state.started or (0.0 if state.reason == UNSTARTED else None)
    ended: Obj = {
        "containerID": f"{view.runtime}://{state.id}",
        "exitCode": code,
        "finishedAt": to_timestamp(state.finished) if state.finished else None,
        "reason": state.reason or ("Completed" if code == 0 else "Error"),
        "startedAt": None if began is None else to_timestamp(began),
    }
    message = ": ".join(filter(None, (state.message, view.words.get(state.id))))
    return ended | ({"message": message} if message else {})


# ------------------------------------------------------------------------------------------ conditions


def conditions(view: View, phase: str, init: list[Obj], main: list[Obj], now: str) -> list[Obj]:
    """All conditions: the kubelet's own in Kubernetes' order, then everybody else's."""
    containers_ready = _containers_ready(view, phase, init, main)
    sandbox = bool(view.address) and phase not in FINISHED
    found = {
        "PodReadyToStartContainers": _is(sandbox),
        "Initialized": _initialized(view, phase, init),
        "Ready": _ready(view, containers_ready),
        "ContainersReady": containers_ready,
        "PodScheduled": _is(True),
    }
    ours: tuple[str, ...] = OURS
    if view.refused and view.refused.disrupted:
        ours = ("DisruptionTarget", *OURS)
        found["DisruptionTarget"] = _is(True, "TerminationByKubelet", view.refused.message)
    return [_dated(view, type_, found[type_], now) for type_ in ours] + [
        other for other in (view.pod.get("status") or {}).get("conditions") or [] if other["type"] not in ours
    ]


def _dated(view: View, type_: str, said: Obj, now: str) -> Obj:
    old = condition(view.pod, type_)
    if type_ == "PodScheduled" and old is not None and old.get("status") == "True":
        return old  # the scheduler's word
    same = old is not None and old.get("status") == said["status"]
    since = old.get("lastTransitionTime") if old is not None and same else None
    new = {"type": type_, **said, "lastProbeTime": None, "lastTransitionTime": since or now}
    if view.real and "generation" in view.pod["metadata"]:
        new["observedGeneration"] = view.pod["metadata"]["generation"]
    return new


def _is(true: bool, reason: str = "", message: str = "") -> Obj:
    said = {"status": "True" if true else "False"}
    return said | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _initialized(view: View, phase: str, init: list[Obj]) -> Obj:
    if phase == "Succeeded":
        return _is(True, "PodCompleted")
    if is_initialized(view):
        return _is(True)
    waiting = [s["name"] for c, s in zip(init_containers(view.pod), init, strict=True) if not is_init_done(view, c)]
    return _is(False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")


def _containers_ready(view: View, phase: str, init: list[Obj], main: list[Obj]) -> Obj:
    if phase in FINISHED:
        return _is(False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    sidecars = [s for c, s in zip(init_containers(view.pod), init, strict=True) if is_sidecar(c)]
    unready = [status["name"] for status in [*sidecars, *main] if not status["ready"]]
    if not unready:
        return _is(True)
    return _is(False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")


def _ready(view: View, containers_ready: Obj) -> Obj:
    if containers_ready["status"] != "True":
        return containers_ready
    said = []
    for gate in view.pod["spec"].get("readinessGates") or []:
        found = condition(view.pod, gate["conditionType"])
        if found is None:
            said.append(f'corresponding condition of pod readiness gate "{gate["conditionType"]}" does not exist.')
        elif found["status"] != "True":
            of = gate["conditionType"]
            said.append(f'the status of pod readiness gate "{of}" is not "True", but {found["status"]}')
    return _is(False, "ReadinessGatesNotReady", ", ".join(said)) if said else containers_ready
