"""What a kubelet knows of one pod at one moment: the object, its containers, and what it remembers of them.

`workers.py` puts a `View` together; `plan.py` decides on it and `status.py` tells it. Nothing here has side effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from k8slab.api.objects import Obj
from k8slab.clock import from_timestamp
from k8slab.runtime.base import ContainerState

Since = Callable[[float], float]  # Kubernetes seconds since a moment (`Clock.since`)

CRASH_FIRST, CRASH_MOST = 10.0, 300.0  # pkg/kubelet: MaxContainerBackOff, backOffPeriod
PULL_FIRST, PULL_MOST = 10.0, 300.0
MOUNT_FIRST, MOUNT_MOST = 0.5, 122.0  # pkg/volume/util/nestedpendingoperations: exponentialbackoff
RETRY = 10.0  # what could not be configured or created is tried again after this long
ERROR_SHOWN = 5.0  # ErrImagePull stays this long in the status before it reads ImagePullBackOff
LOST = "The container could not be located when the pod was terminated"
POD = ""  # the note about the pod itself (its volumes, its sandbox) has no container's name


@dataclass(slots=True)
class Backoff:
    """A wait that doubles: `delay` seconds from `since` (seconds since 1970). Zero: it has not begun."""

    first: float
    most: float
    delay: float = 0.0
    since: float = 0.0

    def again(self, now: float) -> None:
        """One failure more."""
        self.delay = min(self.most, self.delay * 2 or self.first)
        self.since = now

    def left(self, since: Since) -> float:
        """How long to wait still."""
        return max(0.0, self.delay - since(self.since))


@dataclass(slots=True)
class Note:
    """What a kubelet remembers of one container between two looks. Most containers never need one."""

    reason: str = ""  # why it could not be started: ErrImagePull, CreateContainerConfigError, …
    message: str = ""
    retry: Backoff | None = None  # when the next try is due
    crash: Backoff | None = None
    announced: str = ""  # the exited container whose BackOff event was sent
    probed: str = ""  # the container the three answers below are about
    ready: bool = False
    started: bool = False
    unhealthy: str = ""  # why it must be restarted

    def failed(self, reason: str, message: str, now: float, first: float = RETRY, most: float = RETRY) -> None:
        """It could not be started: remember why, and wait before the next try."""
        self.reason, self.message = reason, message
        self.retry = (
            self.retry if self.retry and (self.retry.first, self.retry.most) == (first, most) else Backoff(first, most)
        )
        self.retry.again(now)

    def succeeded(self) -> None:
        """It was started: what went wrong before is forgotten."""
        self.reason, self.message, self.retry = "", "", None

    def restarted(self, finished: float, now: float, since: Since) -> None:
        """It is started once more: the next restart waits twice as long, unless it had been good for ten minutes."""
        if self.crash is None or _recovered(self.crash, finished, since):
            self.crash = Backoff(CRASH_FIRST, CRASH_MOST)
        self.crash.again(now)


@dataclass(frozen=True, slots=True)
class View:
    """One pod, now. `containers` are its attempts by container name, oldest first."""

    pod: Obj
    now: float
    since: Since
    address: str = ""
    host: str = ""  # the node's address
    runtime: str = ""  # the runtime's name: the scheme of container ids
    containers: Mapping[str, Sequence[ContainerState]] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)
    stopping: Mapping[str, float] = field(default_factory=dict)  # container id -> when its grace ends

    def latest(self, name: str) -> ContainerState | None:
        """The newest attempt."""
        attempts = self.containers.get(name)
        return attempts[-1] if attempts else None

    def running(self, name: str) -> ContainerState | None:
        """The newest attempt, if it runs (or is about to)."""
        state = self.latest(name)
        return state if state and state.phase != "exited" else None

    def attempts(self, name: str) -> int:
        """The number the next start of this container has: the restart count."""
        state = self.latest(name)
        return state.attempt + 1 if state else 0


def main_containers(pod: Obj) -> list[Obj]:
    """The containers the pod is there for."""
    return pod["spec"].get("containers") or []


def init_containers(pod: Obj) -> list[Obj]:
    """Those that come first, sidecars among them."""
    return pod["spec"].get("initContainers") or []


def ephemeral_containers(pod: Obj) -> list[Obj]:
    """Those that came later, to look at the others (`kubectl debug`). They are never restarted."""
    return pod["spec"].get("ephemeralContainers") or []


def all_containers(pod: Obj) -> list[Obj]:
    """Every container of the pod."""
    return [*init_containers(pod), *main_containers(pod), *ephemeral_containers(pod)]


def is_sidecar(container: Obj) -> bool:
    """Whether an init container stays and is restarted by itself (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def policy_of(pod: Obj, container: Obj) -> str:
    """Always, OnFailure or Never."""
    if container in ephemeral_containers(pod):
        return "Never"
    return "Always" if is_sidecar(container) else pod["spec"].get("restartPolicy", "Always")


def restarts(policy: str, state: ContainerState) -> bool:
    """Whether a container that ended so is started again."""
    return policy == "Always" or (policy == "OnFailure" and state.exit_code != 0)


def crash_wait(note: Note | None, state: ContainerState, since: Since) -> float:
    """Seconds until an exited container may be started again: the first time none, then 10, 20, … 300.

    `flowcontrol.Backoff.IsInBackOffSince`: counted from its end, and forgotten when it had lived ten minutes.
    """
    if note is None or note.crash is None or _recovered(note.crash, state.finished, since):
        return 0.0
    return max(0.0, note.crash.delay - since(state.finished))


def _recovered(crash: Backoff, finished: float, since: Since) -> bool:
    return since(crash.since) - since(finished) > 2 * crash.most


def is_started(view: View, container: Obj, state: ContainerState) -> bool:
    """Whether a running container has passed its startup probe, or has none."""
    note = view.notes.get(container["name"])
    return "startupProbe" not in container or (note is not None and note.probed == state.id and note.started)


def is_ready(view: View, container: Obj, state: ContainerState) -> bool:
    """Whether a running container has passed its readiness probe, or has none."""
    if not is_started(view, container, state):
        return False
    note = view.notes.get(container["name"])
    return "readinessProbe" not in container or (note is not None and note.probed == state.id and note.ready)


def is_initialized(view: View) -> bool:
    """Whether all init containers have done their work; once an app container was started they have, for ever."""
    if any(view.latest(c["name"]) for c in main_containers(view.pod)):
        return True
    return all(is_init_done(view, container) for container in init_containers(view.pod))


def is_init_done(view: View, container: Obj) -> bool:
    """Whether this init container lets the next one start: it succeeded, or, a sidecar, it has started."""
    state = view.latest(container["name"])
    if state is None:
        return False
    if is_sidecar(container):
        return state.phase == "running" and is_started(view, container, state)
    return state.phase == "exited" and state.exit_code == 0


def init_failed(view: View) -> bool:
    """Whether an init container failed for good (restartPolicy Never)."""
    ended = ((c, view.latest(c["name"])) for c in init_containers(view.pod) if not is_sidecar(c))
    bad = [state for _, state in ended if state and state.phase == "exited" and state.exit_code != 0]
    return bool(bad) and view.pod["spec"].get("restartPolicy") == "Never"


def is_done(view: View) -> bool:
    """Whether every container the pod is there for has ended, and none is started again."""
    if init_failed(view):
        return True
    states = [(policy_of(view.pod, c), view.latest(c["name"])) for c in main_containers(view.pod)]
    return all(
        state is not None and state.phase == "exited" and not restarts(policy, state) for policy, state in states
    )


def deadline_left(view: View) -> float | None:
    """Seconds until `spec.activeDeadlineSeconds` is over; None when the pod has none or has not begun."""
    limit, begun = view.pod["spec"].get("activeDeadlineSeconds"), (view.pod.get("status") or {}).get("startTime")
    if limit is None or begun is None:
        return None
    return float(limit) - view.since(from_timestamp(begun))


def is_overdue(view: View) -> bool:
    """Whether its deadline has passed."""
    left = deadline_left(view)
    return left is not None and left <= 0


def statuses(pod: Obj) -> list[Obj]:
    """The container statuses the API has."""
    status = pod.get("status") or {}
    groups = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return [one for group in groups for one in status.get(group) or []]


def add_lost(pod: Obj, containers: dict[str, list[ContainerState]]) -> None:
    """Containers that have run, says the API, and that the runtime has never heard of: they have ended.

    Kubernetes words it so: reason ContainerStatusUnknown, exit code 137 (pkg/kubelet/status/status_manager.go).
    """
    for status in statuses(pod):
        if status["name"] in containers or not status.get("containerID"):
            continue
        ended = (status.get("state") or {}).get("terminated") or {}
        containers[status["name"]] = [
            ContainerState(
                id=status["containerID"].rpartition("://")[2],
                pod_uid=pod["metadata"]["uid"],
                name=status["name"],
                attempt=status.get("restartCount", 0),
                phase="exited",
                exit_code=ended.get("exitCode", 137),
                reason=ended.get("reason", "ContainerStatusUnknown"),
                message="" if ended else LOST,
                image_id=status.get("imageID", ""),
            )
        ]
