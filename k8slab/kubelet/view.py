"""What a kubelet knows of one pod at one moment: the object, its containers, and what it remembers of them.

`workers.py` puts a `View` together; `plan.py` decides on it and `status.py` tells it. Nothing here has side effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from k8slab.api.objects import Obj
from k8slab.kubelet.notes import Ending, Note, Refusal, Since
from k8slab.kubelet.restarts import is_sidecar, restarts
from k8slab.runtime.base import ContainerState

LOST = "The container could not be located when the pod was terminated"


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
    stopping: Mapping[str, Ending] = field(default_factory=dict)  # by container id
    words: Mapping[str, str] = field(default_factory=dict)  # container id -> the message it left at its end
    real: bool = True  # whether containers are processes, not records
    refused: Refusal | None = None

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


def full_name(pod: Obj) -> str:
    """How a kubelet writes a pod in its messages: `web_default(uid)`."""
    meta = pod["metadata"]
    return f"{meta['name']}_{meta.get('namespace', '')}({meta.get('uid', '')})"


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
    """Whether an init container failed and is not started again."""
    ended = ((c, view.latest(c["name"])) for c in init_containers(view.pod) if not is_sidecar(c))
    bad = ((c, state) for c, state in ended if state and state.phase == "exited" and state.exit_code != 0)
    return any(not restarts(view.pod, container, state) for container, state in bad)


def is_done(view: View) -> bool:
    """Whether every container the pod is there for has ended, and none is started again."""
    if init_failed(view):
        return True
    states = [(container, view.latest(container["name"])) for container in main_containers(view.pod)]
    return all(
        state is not None and state.phase == "exited" and not restarts(view.pod, container, state)
        for container, state in states
    )


def deadline_left(view: View) -> float | None:
    """Seconds until `spec.activeDeadlineSeconds` is over; None if it has none. They begin with its first status."""
    limit, begun = view.pod["spec"].get("activeDeadlineSeconds"), (view.pod.get("status") or {}).get("startTime")
    if limit is None:
        return None
    return float(limit) - (view.since(begun) if begun else 0.0)


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
