"""Deciding, for one pod: what to start, stop and remove now, and when to look again. Pure.

`workers.py` calls `decide` with a `View` and carries the `Plan` out; `status.py` tells the API what came of it.
The rules are those of `pkg/kubelet/kuberuntime` (computePodActions) in Kubernetes 1.36.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from k8slab.api.objects import Obj, is_terminating
from k8slab.kubelet.notes import ERROR_SHOWN, POD, Ending, crash_wait
from k8slab.kubelet.restarts import is_sidecar, restarts
from k8slab.kubelet.view import (
    View,
    all_containers,
    deadline_left,
    ephemeral_containers,
    init_containers,
    init_failed,
    is_done,
    is_init_done,
    main_containers,
)
from k8slab.runtime.base import ContainerState

PULL_FAILED = ("ErrImagePull", "ImagePullBackOff")
KEPT = 2  # attempts of a container that are kept: the newest, and one before for `logs --previous` and `lastState`
FINISHED = ("Succeeded", "Failed")
LEAST_GRACE = 2.0  # seconds every container has between its stop signal and SIGKILL (kuberuntime: minimumGracePeriod)


class Start(NamedTuple):
    """Start this container, for the first time or once more (`after` is the attempt that ended)."""

    container: Obj
    attempt: int
    after: ContainerState | None = None


class Stop(NamedTuple):
    """Begin to end this container, within `grace` Kubernetes seconds; `message` is the Killing event's.

    Its preStop hook is run; once that is over, and its turn has come, it gets its `Signal`.
    """

    container: Obj
    id: str
    grace: float
    message: str


class Signal(NamedTuple):
    """Send its stop signal to this container, and SIGKILL after `grace` Kubernetes seconds."""

    id: str
    grace: float


class Wait(NamedTuple):
    """This container has crashed and waits for its restart: it is time to say so."""

    container: Obj
    after: ContainerState


@dataclass(slots=True)
class Plan:
    """What to do now. With `over`, nothing runs any more and the pod may leave the API."""

    start: list[Start] = field(default_factory=list)
    stop: list[Stop] = field(default_factory=list)
    signal: list[Signal] = field(default_factory=list)
    wait: list[Wait] = field(default_factory=list)
    back_off: list[Obj] = field(default_factory=list)  # whose failed pull reads ImagePullBackOff: it is time to say so
    remove: list[str] = field(default_factory=list)
    over: bool = False
    look: float | None = None  # Kubernetes seconds until something is due by itself

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do but wait."""
        acts = self.start or self.stop or self.signal or self.remove or self.back_off or self.wait
        return not (acts or self.over)

    def look_in(self, seconds: float) -> None:
        """Look again in so many seconds, if not sooner."""
        self.look = seconds if self.look is None else min(self.look, seconds)


def decide(view: View) -> Plan:
    """The plan for this pod."""
    plan = Plan()
    if is_terminating(view.pod):
        _terminate(view, plan)
    elif (view.pod.get("status") or {}).get("phase") in FINISHED or view.refused or is_done(view):
        _stop(view, plan, grace_of(view))
    else:
        if (left := deadline_left(view)) is not None:
            plan.look_in(left)
        _keep_running(view, plan)
    return plan


def grace_of(view: View) -> float:
    """The seconds between SIGTERM and SIGKILL: what the node gives, the deletion's, or the pod's own."""
    if view.refused and view.refused.grace is not None:
        return view.refused.grace
    asked = view.pod["metadata"].get("deletionGracePeriodSeconds")
    return float(asked if asked is not None else view.pod["spec"].get("terminationGracePeriodSeconds", 30))


def _terminate(view: View, plan: Plan) -> None:
    _stop(view, plan, grace_of(view))
    plan.over = not any(view.running(c["name"]) for c in all_containers(view.pod))


def _stop(view: View, plan: Plan, grace: float) -> None:
    """Everything ends: all preStop hooks at once; signals to the app containers, then to the sidecars, last first.

    Who has to wait for its turn loses that time of its grace (KEP-753; kuberuntime_termination_order.go).
    """
    sidecars = [c for c in init_containers(view.pod) if is_sidecar(c) and view.running(c["name"])]
    others = [c for c in all_containers(view.pod) if c not in sidecars]
    wave = [c for c in others if view.running(c["name"])] or sidecars[-1:]
    for container in [*others, *reversed(sidecars)]:
        if view.running(container["name"]):
            _stop_one(view, plan, container, grace, f"Stopping container {container['name']}", container in wave)


def _stop_one(view: View, plan: Plan, container: Obj, grace: float, message: str, turn: bool = True) -> None:
    state = view.running(container["name"])
    assert state is not None, "only what runs is stopped"
    ending = view.stopping.get(state.id)
    if ending is None or _more_impatient(view, ending, grace):
        plan.stop.append(Stop(container, state.id, grace, message))
    elif ending.hooked and not ending.signalled:
        left = ending.left(view.since)
        if turn or left <= 0:
            plan.signal.append(Signal(state.id, max(LEAST_GRACE, left)))
        else:
            plan.look_in(left)


def _more_impatient(view: View, ending: Ending, grace: float) -> bool:
    """A second deletion may shorten the grace; a second look does not send the signal again."""
    return grace < min(ending.grace, ending.left(view.since)) - 0.5


def _keep_running(view: View, plan: Plan) -> None:
    note = view.notes.get(POD)
    if note is not None and note.retry is not None and (held := note.retry.left(view.since)) > 0:
        plan.look_in(held)
        return
    for container in ephemeral_containers(view.pod):
        _start_once(view, plan, container)
    if _initialize(view, plan):
        for container in main_containers(view.pod):
            _keep_one(view, plan, container)
    for attempts in view.containers.values():
        plan.remove += [
            state.id for state in attempts[:-KEPT] if state.phase == "exited" and state.exit_code is not None
        ]


def _initialize(view: View, plan: Plan) -> bool:
    """See to the init containers, one after the other; whether the app containers may run."""
    begun = any(view.latest(c["name"]) for c in main_containers(view.pod))
    for container in init_containers(view.pod):
        if begun and not is_sidecar(container):
            continue
        done = is_init_done(view, container)
        if not done or is_sidecar(container):
            _keep_one(view, plan, container)
        if not done and not begun:
            return False
    return not init_failed(view)


def _start_once(view: View, plan: Plan, container: Obj) -> None:
    """An ephemeral container starts once the pod has a sandbox, which is made for the others, and only once."""
    if view.address and view.latest(container["name"]) is None:
        _keep_one(view, plan, container)


def _keep_one(view: View, plan: Plan, container: Obj) -> None:
    name = container["name"]
    note, state = view.notes.get(name), view.latest(name)
    if state is not None and state.phase != "exited":
        if note is not None and note.verdict and note.verdict.id == state.id:
            grace = note.verdict.grace if note.verdict.grace is not None else grace_of(view)
            _stop_one(view, plan, container, grace, note.verdict.message)
        return
    if state is not None and not restarts(view.pod, container, state):
        return
    held = note.retry.left(view.since) if note and note.retry else 0.0
    crashed = crash_wait(note, state, view.since) if state else 0.0
    if held <= 0 and crashed <= 0:
        plan.start.append(Start(container, view.attempts(name), state))
        return
    plan.look_in(max(held, crashed))
    if note is not None and note.reason in PULL_FAILED and note.retry is not None:
        shown = view.since(note.retry.since)
        due = ERROR_SHOWN - shown if note.reason == "ErrImagePull" else note.to_tell(view.since)
        if due <= 0:
            plan.back_off.append(container)
        else:
            plan.look_in(due)
    if state is not None and crashed > 0:
        _wait(view, plan, Wait(container, state))


def _wait(view: View, plan: Plan, wait: Wait) -> None:
    """A crash is told at once, and told again while it has to wait."""
    note = view.notes[wait.container["name"]]
    due = 0.0 if note.announced != wait.after.id else note.to_tell(view.since)
    if due <= 0:
        plan.wait.append(wait)
    else:
        plan.look_in(due)
