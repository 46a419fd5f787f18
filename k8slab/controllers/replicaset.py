"""ReplicaSets: as many pods of one template as asked for. ReplicationControllers, their ancestors, are the same.

Fed by `deployment.py` or by a user; the pods it makes go on to the scheduler. Deciding who goes first is a pure
function, as are the status and the pod to create.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

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
from k8slab.controllers.ownership import claim, of_owned
from k8slab.controllers.podcontrol import BATCH, BURST, PodControl
from k8slab.controllers.pods import is_available, is_terminating_pod, next_available, pod_from

GROWTH = 4  # but a quarter of a set that is very large: the cost of counting it before each go stays in proportion
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSetController(Controller[Key]):
    """Keeps `spec.replicas` pods."""

    name = "replicaset-controller"
    kind = "ReplicaSet"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self.pods = PodControl(client, self.recorder)

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {self.kind: itself, "Pod": of_owned(self.client, self.kind)}

    async def reconcile(self, key: Key) -> float | None:
        rs = self.client.informer(self.kind).get(key.name, key.namespace)
        if rs is None:
            return None
        pods = claim(self.client, rs, "Pod")
        active = [pod for pod in pods if is_pod_active(pod)]
        failure = None if is_terminating(rs) else await self._manage(rs, active)
        ending = sum(map(is_terminating_pod, pods))
        status = status_of(rs, active, ending, failure, self.clock)
        if status != rs.get("status"):
            current = self.client.get(self.kind, key.name, key.namespace)
            self.client.update({**current, "status": status}, "status")
        if failure:
            raise failure
        return next_available(active, rs["spec"].get("minReadySeconds", 0), self.clock)

    def rest(self, key: Key) -> float:
        rs = self.client.informer(self.kind).get(key.name, key.namespace)
        there = (rs.get("status") or {}).get("replicas", 0) if rs else 0
        return rest_after(there) if rs and there == rs["spec"]["replicas"] else 0.0

    async def _manage(self, rs: Obj, active: list[Obj]) -> ApiError | None:
        """Create what is lacking, delete what is too much; the error that stopped it, if one did."""
        lacking = rs["spec"]["replicas"] - len(active)
        try:
            if lacking > 0:
                await self._create(rs, min(lacking, at_once(active)))
            elif lacking < 0:
                siblings = Counter(pod["spec"].get("nodeName", "") for pod in self._siblings(rs))
                for gone, pod in enumerate(surplus(active, min(-lacking, at_once(active)), siblings, self.clock), 1):
                    self.pods.delete(rs, pod)
                    if gone % BATCH == 0:
                        await asyncio.sleep(0)
        except ApiError as error:
            return None if is_namespace_ending(error) else error
        return None

    async def _create(self, rs: Obj, count: int) -> None:
        """One after the other: if one is refused, so would be the rest."""
        for made in range(1, count + 1):
            self.pods.create(rs, pod_from(rs))
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
    """How many pods are made or deleted before the set is looked at again."""
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


def status_of(rs: Obj, active: list[Obj], ending: int, failure: ApiError | None, clock: Clock) -> Obj:
    """The status that says how these pods stand (calculateStatus, pkg/controller/replicaset/replica_set_utils.go)."""
    wanted = labels_of(rs["spec"]["template"]).items()
    seconds = rs["spec"].get("minReadySeconds", 0)
    old = rs.get("status") or {}
    ready = [pod for pod in active if is_pod_ready(pod)]
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(wanted <= labels_of(pod).items() for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, seconds, clock) for pod in ready) if seconds else len(ready),
        "terminatingReplicas": ending,
        "observedGeneration": rs["metadata"].get("generation", 0),
        "conditions": _conditions(old, failure, rs["spec"]["replicas"] - len(active), clock),
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
