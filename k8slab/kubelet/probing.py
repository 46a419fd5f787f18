"""Which containers of a pod are asked how they are, and what becomes of the answers.

`workers.py` calls `follow` at every look; `probes.py` does the asking. The answers are kept in the container's note,
where `plan.py` and `status.py` read them.
"""

from __future__ import annotations

from collections.abc import Callable

from k8slab.api.objects import Obj, is_terminating
from k8slab.clock import Clock
from k8slab.kubelet.actions import Target
from k8slab.kubelet.launch import Launcher
from k8slab.kubelet.notes import Verdict
from k8slab.kubelet.plan import FINISHED
from k8slab.kubelet.probes import KINDS, Answer, Kind, Prober
from k8slab.kubelet.record import Record
from k8slab.kubelet.view import View, all_containers, statuses
from k8slab.runtime.base import ContainerState, Runtime


class Probing:
    """Keeps a prober for every running container that has probes, and no other; `wake` is told of changed results."""

    def __init__(self, runtime: Runtime, clock: Clock, launcher: Launcher, wake: Callable[[Record], None]) -> None:
        self._runtime, self._clock, self._launcher, self._wake = runtime, clock, launcher, wake

    def follow(self, record: Record, view: View) -> None:
        """Every running container that has probes has a prober, and no other."""
        running: set[str] = set()
        ending = is_terminating(record.pod) or (record.pod.get("status") or {}).get("phase") in FINISHED
        for container in all_containers(record.pod):
            if not any(f"{kind}Probe" in container for kind in KINDS):
                continue
            state = view.latest(container["name"])
            if state is None or state.phase != "running":
                continue
            running.add(state.id)
            if state.id not in record.probers:
                self._begin_probing(record, container, state)
            if ending:  # whether it can take requests stays true or false to its end
                record.probers[state.id].close("startup", "liveness")
        for id in record.probers.keys() - running:
            record.probers.pop(id).close()

    def _begin_probing(self, record: Record, container: Obj, state: ContainerState) -> None:
        note = record.note(container["name"])
        ready = _was_ready(record.pod, state.id)
        real = self._runtime.abilities.real and self._runtime.abilities.networked
        note.probed = state.id
        note.started = "startupProbe" not in container or not real or ready
        note.ready = not real or ready

        def changed(kind: Kind, ok: bool) -> None:
            if kind == "startup":
                note.started = ok
            if kind == "readiness":
                note.ready = ok
            elif not ok:
                said = f"Container {container['name']} failed {kind} probe, will be restarted"
                grace = container[f"{kind}Probe"].get("terminationGracePeriodSeconds")
                note.verdict = Verdict(state.id, said, grace)
            self._wake(record)

        def unhealthy(kind: Kind, answer: Answer) -> None:
            how = "failed" if answer.ok is False else "errored and resulted in unknown state"
            said = f"{kind.capitalize()} probe {how}: {answer.words}"
            self._launcher.tell(record.pod, container, "Warning", "Unhealthy", said)

        target = Target(self._runtime, state.id, container, record.address)
        prober = record.probers[state.id] = Prober(self._clock, target, changed, unhealthy, ready=ready)
        if real:
            prober.begin(self._clock.since(state.started))

    @staticmethod
    def close(record: Record) -> None:
        """Ask none of its containers any more."""
        for prober in record.probers.values():
            prober.close()
        record.probers.clear()


def _was_ready(pod: Obj, id: str) -> bool:
    """Whether the API knows this very container as ready: true after a restart of the server."""
    return any(status.get("ready") and status.get("containerID", "").endswith(id) for status in statuses(pod))
