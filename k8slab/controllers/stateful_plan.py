"""What a StatefulSet does next, one pod after the other or all at once, and how it reports. Pure.

`statefulset.py` carries it out. In order: every pod of the range is there and well, then those beyond it go, highest
first, then old ones are replaced, highest first. With `OrderedReady` the first thing that is not done stops the rest.
Source: pkg/controller/statefulset/stateful_set_control.go in 1.36, where MaxUnavailableStatefulSet is off.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from k8slab.api.objects import Obj, is_terminating
from k8slab.clock import Clock
from k8slab.controllers.pods import is_available
from k8slab.controllers.stateful_pods import first_ordinal, has_ended, is_healthy, is_itself, is_up, ordinal_of
from k8slab.controllers.stateful_pods import revision_of as revision_of_pod

Verb = Literal[
    "create",  # the pod of this number, of this revision
    "delete",  # the pod
    "replace",  # delete it because its template is old
    "mark",  # give it its labels and volumes again
    "claims",  # create those of its claims that are missing
    "owners",  # see to whose end its claims' end is
]


class Step(NamedTuple):
    """One thing to do."""

    verb: Verb
    ordinal: int
    pod: Obj | None = None
    revision: str = ""


class Versions(NamedTuple):
    """The names of the two revisions a StatefulSet stands between; one and the same when it is at rest."""

    current: str
    update: str


def plan(set_: Obj, pods: list[Obj], versions: Versions, clock: Clock) -> list[Step]:
    """What to do now, in this order. `pods` are its own, whatever state they are in."""
    if is_terminating(set_):
        return []
    made = _Plan(set_, {ordinal_of(pod): pod for pod in pods}, versions, clock)
    if made.keep() and made.shrink() and _is_rolling(set_):
        made.replace()
    return made.steps


class _Plan:
    """The steps so far. Each method says whether the next may go on; only `OrderedReady` ever makes one wait."""

    def __init__(self, set_: Obj, there: dict[int, Obj], versions: Versions, clock: Clock) -> None:
        self.set, self.there, self.versions, self.clock = set_, there, versions, clock
        self.wanted = ordinals(set_)
        self.ordered = set_["spec"].get("podManagementPolicy") != "Parallel"
        self.steps: list[Step] = []

    def keep(self) -> bool:
        """Every pod of the range."""
        return all(self._keep(ordinal, self.there.get(ordinal)) or not self.ordered for ordinal in self.wanted)

    def _keep(self, ordinal: int, pod: Obj | None) -> bool:
        if pod is None:
            self.steps.append(Step("create", ordinal, revision=revision_for(self.set, ordinal, self.versions)))
            return False
        if has_ended(pod):
            if not is_terminating(pod):
                self.steps.append(Step("delete", ordinal, pod))
            return False
        if (pod.get("status") or {}).get("phase", "Pending") == "Pending":
            self.steps.append(Step("claims", ordinal, pod))
        if self.ordered and self._is_ill(ordinal):
            return False
        if not is_itself(self.set, pod):
            self.steps.append(Step("mark", ordinal, pod))
        self.steps.append(Step("owners", ordinal, pod))
        return True

    def shrink(self) -> bool:
        """Those beyond the range, highest first. The only ill pod of all may go itself."""
        condemned = sorted((n for n in self.there if n >= 0 and n not in self.wanted), reverse=True)
        first_ill = next((n for n in (*self.wanted, *reversed(condemned)) if self._is_ill(n)), None)
        self.steps += [Step("owners", ordinal, self.there[ordinal]) for ordinal in condemned]
        for ordinal in condemned:
            if not is_terminating(self.there[ordinal]):
                if self.ordered and self._is_ill(ordinal) and ordinal != first_ill:
                    return False
                self.steps.append(Step("delete", ordinal, self.there[ordinal]))
            if self.ordered:
                return False
        return True

    def replace(self) -> None:
        """The highest pod of an old version down to the partition, if those above it are well."""
        for ordinal in reversed(self.wanted[partition_of(self.set) :]):
            pod = self.there.get(ordinal)
            if pod and revision_of_pod(pod) != self.versions.update and not is_terminating(pod):
                if not has_ended(pod):  # that one goes already
                    self.steps.append(Step("replace", ordinal, pod))
                return
            if self._is_ill(ordinal):
                return

    def _is_ill(self, ordinal: int) -> bool:
        pod = self.there.get(ordinal)
        return pod is None or not is_up(self.set, pod, self.clock)


def ordinals(set_: Obj) -> range:
    """The numbers its pods should have."""
    return range(first_ordinal(set_), first_ordinal(set_) + int(set_["spec"]["replicas"]))


def _is_rolling(set_: Obj) -> bool:
    return bool(set_["spec"]["updateStrategy"].get("type") == "RollingUpdate")


def partition_of(set_: Obj) -> int:
    """How many pods, from the first on, a rolling update leaves alone."""
    return int((set_["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0))


def revision_for(set_: Obj, ordinal: int, versions: Versions) -> str:
    """Of which revision a pod is made anew: below the partition, of the one before the update."""
    left_alone = _is_rolling(set_) and ordinal - first_ordinal(set_) < partition_of(set_)
    return versions.current if left_alone else versions.update


def status_of(set_: Obj, pods: list[Obj], versions: Versions, replaced: int, collisions: int, clock: Clock) -> Obj:
    """How the pods stand that were there when it was looked; `replaced` of the current revision are asked to go."""
    staying = [revision_of_pod(pod) for pod in pods if not is_terminating(pod)]
    healthy = [pod for pod in pods if is_healthy(pod)]
    seconds, wanted = set_["spec"].get("minReadySeconds", 0), set_["spec"]["replicas"]
    counts = {
        "replicas": len(pods),
        "readyReplicas": len(healthy),
        "currentReplicas": staying.count(versions.current) - replaced,
        "updatedReplicas": staying.count(versions.update),
    }
    complete = all(counts[name] == wanted for name in ("replicas", "readyReplicas", "updatedReplicas"))
    if complete and _is_rolling(set_):
        versions, counts["currentReplicas"] = Versions(versions.update, versions.update), counts["updatedReplicas"]
    return {
        "observedGeneration": set_["metadata"].get("generation", 0),
        **{name: count for name, count in counts.items() if count or name == "replicas"},
        "availableReplicas": sum(is_available(pod, seconds, clock) for pod in healthy),
        "currentRevision": versions.current,
        "updateRevision": versions.update,
        "collisionCount": collisions,
    }
