"""ReplicaSets: as many pods of one template as asked for. ReplicationControllers, their ancestors, are the same.

Fed by `deployment.py` or by a user; the pods it makes go on to the scheduler. Deciding who goes first is a pure
function, as are the status and the pod to create.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from k8slab.api.errors import ApiError
from k8slab.api.objects import (
    Key,
    Obj,
    annotations_of,
    condition,
    condition_is,
    controller_of,
    is_pod_active,
    is_pod_ready,
    is_terminating,
    labels_of,
)
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes, drop_empty, is_namespace_ending, itself, rest_after
from k8slab.controllers.census import Census
from k8slab.controllers.ownership import claim, is_adoptable, of_owned, selector_of
from k8slab.controllers.podcontrol import BATCH, BURST, PodControl
from k8slab.controllers.pods import is_available, next_available, pod_from

GROWTH = 4  # but a quarter of a set that is very large: the cost of ranking it before each go stays in proportion
TOLD = 0.25  # real seconds between two looks at a large set that has its size: its status is not told at every change
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSetController(Controller[Key]):
    """Keeps `spec.replicas` pods."""

    name = "replicaset-controller"
    kind = "ReplicaSet"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self.pods = PodControl(client, self.recorder)
        self.census = Census.of(client)

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {self.kind: itself, "Pod": of_owned(self.client, self.kind)}

    async def reconcile(self, key: Key) -> float | None:
        rs = self.client.informer(self.kind).get(key.name, key.namespace)
        if rs is None:
            return None
        self._claim(rs)
        count = self._count(rs)
        failure = None if is_terminating(rs) else await self._manage(rs, count.active)
        status = status_of(rs, count, failure, self.clock)
        if status != rs.get("status"):
            current = self.client.get(self.kind, key.name, key.namespace)
            self.client.update({**current, "status": status}, "status")
        if failure:
            raise failure
        seconds = rs["spec"].get("minReadySeconds", 0)
        return next_available(self._active(rs), seconds, self.clock) if seconds else None

    def rest(self, key: Key) -> float:
        rs = self.client.informer(self.kind).get(key.name, key.namespace)
        there = (rs.get("status") or {}).get("replicas", 0) if rs else 0
        return min(TOLD, rest_after(there)) if rs and there == rs["spec"]["replicas"] else 0.0

    def _claim(self, rs: Obj) -> None:
        """Adopt and release what has to be; that all is in order is seen without looking at every pod."""
        selector, orphans = selector_of(rs), self.client.informer("Pod").by("owner", "")
        strays = any(not selector.matches(dict(sort.labels)) for sort in self.census.sorts(rs["metadata"]["uid"]))
        if strays or any(is_adoptable(orphan, rs, selector) for orphan in orphans):
            claim(self.client, rs, "Pod")

    def _active(self, rs: Obj) -> list[Obj]:
        return [pod for pod in self.client.informer("Pod").by("owner", rs["metadata"]["uid"]) if is_pod_active(pod)]

    def _count(self, rs: Obj) -> Count:
        """How its pods stand; only with `minReadySeconds` each has to be looked at."""
        sorts, wanted = self.census.sorts(rs["metadata"]["uid"]), labels_of(rs["spec"]["template"]).items()
        seconds = rs["spec"].get("minReadySeconds", 0)
        active = {sort: number for sort, number in sorts.items() if sort.active}
        ready = sum(number for sort, number in active.items() if sort.ready)
        return Count(
            sum(active.values()),
            sum(number for sort, number in active.items() if wanted <= sort.labels),
            ready,
            sum(is_available(pod, seconds, self.clock) for pod in self._active(rs)) if seconds else ready,
            sum(number for sort, number in sorts.items() if sort.ending),
        )

    async def _manage(self, rs: Obj, there: int) -> ApiError | None:
        """Create what is lacking, delete what is too much; the error that stopped it, if one did."""
        lacking = rs["spec"]["replicas"] - there
        try:
            if lacking > 0:
                await self._create(rs, min(lacking, BURST))
            elif lacking < 0:
                active, siblings = (
                    self._active(rs),
                    Counter(pod["spec"].get("nodeName", "") for pod in self._siblings(rs)),
                )
                for gone, pod in enumerate(surplus(active, min(-lacking, at_once(active)), siblings, self.clock), 1):
                    self.pods.delete(rs, pod)
                    if gone % BATCH == 0:
                        await asyncio.sleep(0)
        except ApiError as error:
            return None if is_namespace_ending(error) else error
        return None

    async def _create(self, rs: Obj, count: int) -> None:
        """One after the other: if one is refused, so would be the rest."""
        wish = pod_from(rs)
        for made in range(1, count + 1):
            self.pods.create(rs, wish)
            if made % BATCH == 0:
                await asyncio.sleep(0)

    def _siblings(self, rs: Obj) -> Iterable[Obj]:
        """The active pods of every ReplicaSet with the same controller: they crowd a node together."""
        owner = controller_of(rs)
        family = self.client.informer(self.kind).by("owner", owner["uid"]) if owner else [rs]
        pods = self.client.informer("Pod")
        return (pod for one in family for pod in pods.by("owner", one["metadata"]["uid"]) if is_pod_active(pod))


class ReplicationManager(ReplicaSetController):
    """The same for ReplicationControllers: they differ in the form of their selector (`ownership.selector_of`)."""

    name = "replication-controller"
    kind = "ReplicationController"


def at_once(active: list[Obj]) -> int:
    """How many pods are deleted before the set is looked at again."""
    return max(BURST, len(active) // GROWTH)


def surplus(pods: list[Obj], count: int, on_node: Mapping[str, int], clock: Clock) -> list[Obj]:
    """The `count` pods whose loss hurts least. `on_node` says how many related pods each node has.

    The order is Kubernetes' (ActivePodsWithRanks, pkg/controller/controller_utils.go): not yet on a node, Pending
    before Running, not ready, cheap to delete, on a crowded node, ready for a short time, often restarted, young.
    Ages count by their power of two, and among equals the uid decides, so that not always the youngest are hit.
    """

    def rank(pod: Obj) -> tuple[Any, ...]:
        spec, status = pod["spec"], pod.get("status") or {}
        ready = condition(pod, "Ready") if is_pod_ready(pod) else None
        return (
            bool(spec.get("nodeName")),
            PHASES.get(status.get("phase", "Pending"), 0),
            ready is not None,
            _deletion_cost(pod),
            -on_node.get(spec.get("nodeName", ""), 0),
            _magnitude(clock.since(ready["lastTransitionTime"])) if ready and ready.get("lastTransitionTime") else 0,
            -max((c.get("restartCount", 0) for c in status.get("containerStatuses") or []), default=0),
            _magnitude(clock.since(pod["metadata"]["creationTimestamp"])),
            pod["metadata"]["uid"],
        )

    return sorted(pods, key=rank)[:count] if count < len(pods) else pods


def _magnitude(seconds: float) -> int:
    return int(math.log2(seconds * 1e9)) if seconds > 0 else -1


def _deletion_cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


class Count(NamedTuple):
    """How the pods of a set stand."""

    active: int
    labeled: int
    ready: int
    available: int
    ending: int


def status_of(rs: Obj, count: Count, failure: ApiError | None, clock: Clock) -> Obj:
    """The status that says how these pods stand (calculateStatus, pkg/controller/replicaset/replica_set_utils.go)."""
    status = {
        "replicas": count.active,
        "fullyLabeledReplicas": count.labeled,
        "readyReplicas": count.ready,
        "availableReplicas": count.available,
        "terminatingReplicas": count.ending,
        "observedGeneration": rs["metadata"].get("generation", 0),
        "conditions": _conditions(rs.get("status") or {}, failure, rs["spec"]["replicas"] - count.active, clock),
    }
    if rs["kind"] != "ReplicaSet":
        del status["terminatingReplicas"]  # it is younger than ReplicationControllers
    return drop_empty(status, keep=("replicas", "terminatingReplicas"))


def _conditions(old: Obj, failure: ApiError | None, lacking: int, clock: Clock) -> list[Obj]:
    others = [c for c in old.get("conditions") or [] if c["type"] != "ReplicaFailure"]
    if failure is None:
        return others
    if condition_is({"status": old}, "ReplicaFailure"):
        return list(old["conditions"])
    reason = "FailedCreate" if lacking > 0 else "FailedDelete"
    new = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": str(failure)}
    return [*others, new | {"lastTransitionTime": clock.timestamp()}]
