"""What a kubelet remembers of a container between two looks: failed starts, crashes, probes' answers, its end.

`record.py` keeps the notes of one pod; `launch.py`, `probing.py` and `endings.py` write them, `plan.py` and `status.py`
read them through a `View`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k8slab.runtime.base import ContainerState

Since = Callable[[float | str], float]  # Kubernetes seconds since a moment or a timestamp (`Clock.since`)

CRASH_FIRST, CRASH_MOST = 10.0, 300.0  # pkg/kubelet: MaxContainerBackOff, backOffPeriod
PULL_FIRST, PULL_MOST = 10.0, 300.0
MOUNT_FIRST, MOUNT_MOST = 0.5, 122.0  # pkg/volume/util/nestedpendingoperations: exponentialbackoff
RETRY = 10.0  # what could not be configured or created is tried again after this long
TELL_AGAIN = 10.0  # who waits is looked at so often, and says each time that it does (pkg/kubelet: backOffPeriod)
ERROR_SHOWN = 5.0  # ErrImagePull stays this long in the status before it reads ImagePullBackOff
DEADLINE = "Pod was active on the node longer than the specified deadline"
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A running container has to be ended and, as its policy says, started again: the Killing event's message."""

    id: str  # the container it is about
    message: str
    grace: float | None = None  # Kubernetes seconds; None: the pod's


@dataclass(frozen=True, slots=True)
class Refusal:
    """The node does not have this pod (any longer): it fails with this reason and message."""

    reason: str
    message: str
    grace: float | None = None  # Kubernetes seconds its containers have to end; None: the pod's own
    disrupted: bool = False  # whether the pod was well, and is told so (condition DisruptionTarget)


@dataclass(slots=True)
class Ending:
    """A container is being ended: since when (1970), within how many Kubernetes seconds, how far it has come."""

    since: float
    grace: float
    hooked: bool = False  # its preStop hook is over, or it has none
    signalled: bool = False

    def left(self, since: Since) -> float:
        """Kubernetes seconds of its grace that are left."""
        return self.grace - since(self.since)


@dataclass(slots=True)
class Note:
    """What a kubelet remembers of one container between two looks. Most containers never need one."""

    reason: str = ""  # why it could not be started: ErrImagePull, CreateContainerConfigError, …
    message: str = ""
    retry: Backoff | None = None  # when the next try is due
    crash: Backoff | None = None
    announced: str = ""  # the exited container whose BackOff event was sent
    told: float = 0.0  # when a BackOff event was sent last (seconds since 1970)
    unstarted: ContainerState | None = None  # the last one that was made, and whose command could not be run
    probed: str = ""  # the container the two answers below are about
    ready: bool = False
    started: bool = False
    verdict: Verdict | None = None

    def failed(self, reason: str, message: str, now: float, first: float = RETRY, most: float = RETRY) -> None:
        """It could not be started: remember why, and wait before the next try."""
        self.reason, self.message = reason, message
        self.retry = (
            self.retry if self.retry and (self.retry.first, self.retry.most) == (first, most) else Backoff(first, most)
        )
        self.retry.again(now)

    def to_tell(self, since: Since) -> float:
        """Seconds until it is time for another BackOff event."""
        left = TELL_AGAIN - since(self.told)
        return left if left > 0.01 else 0.0

    def succeeded(self) -> None:
        """It was started: what went wrong before is forgotten."""
        self.reason, self.message, self.retry = "", "", None

    def restarted(self, finished: float, now: float, since: Since) -> None:
        """It is started once more: the next restart waits twice as long, unless it had been good for ten minutes."""
        if self.crash is None or recovered(self.crash, finished, since):
            self.crash = Backoff(CRASH_FIRST, CRASH_MOST)
        self.crash.again(now)


def crash_wait(note: Note | None, state: ContainerState, since: Since) -> float:
    """Seconds until an exited container may be started again: the first time none, then 10, 20, … 300.

    `flowcontrol.Backoff.IsInBackOffSince`: counted from its end, and forgotten when it had lived ten minutes.
    """
    if note is None or note.crash is None or recovered(note.crash, state.finished, since):
        return 0.0
    return max(0.0, note.crash.delay - since(state.finished))


def recovered(crash: Backoff, finished: float, since: Since) -> bool:
    """Whether so long passed between a restart and the next end that the crashes before are forgotten."""
    return since(crash.since) - since(finished) > 2 * crash.most
