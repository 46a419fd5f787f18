"""Making room: the victims are told why, deleted with their grace, and the pod they leave for is named.

`loop.py` calls it with what `preempt.py` chose (pkg/scheduler/framework/preemption/preemption.go, prepareCandidate).
"""

from __future__ import annotations

import logging

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, is_terminating, key_of, with_condition
from k8slab.client.base import Client
from k8slab.client.event_series import SeriesRecorder
from k8slab.clock import Clock
from k8slab.scheduler.podinfo import PodInfo, priority_of
from k8slab.scheduler.preempt import BY_SCHEDULER, TARGET, Candidate

log = logging.getLogger(__name__)


class Evictions:
    """The scheduler's hand on other pods."""

    def __init__(self, client: Client, clock: Clock, recorder: SeriesRecorder) -> None:
        self._client, self._clock, self._recorder = client, clock, recorder
        self._pods = client.informer("Pod")

    def make_room(self, pod: PodInfo, candidate: Candidate) -> None:
        """Ask the victims to leave; pods of lesser priority that hoped for the same node may look elsewhere."""
        for other in self._lesser(pod, candidate.node):
            self._patch(other, {"nominatedNodeName": None})
        for victim in candidate.victims:
            if not is_terminating(victim):
                self._evict(victim, pod, candidate.node)

    def _lesser(self, pod: PodInfo, node: str) -> list[Obj]:
        waiting = self._pods.by("node", "")
        return [p for p in waiting if PodInfo(p).nominated == node and priority_of(p) < pod.priority]

    def _evict(self, victim: Obj, pod: PodInfo, node: str) -> None:
        scheduler = pod.spec.get("schedulerName", "default-scheduler")
        why = {
            "type": TARGET,
            "status": "True",
            "reason": BY_SCHEDULER,
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
        }
        if generation := victim["metadata"].get("generation"):
            why["observedGeneration"] = generation
        before = (victim.get("status") or {}).get("conditions") or []
        namespace, name = key_of(victim)
        self._patch(victim, {"conditions": with_condition(before, why, self._clock.timestamp())})
        try:
            self._client.delete("Pod", name, namespace, uid=victim["metadata"]["uid"])
        except (NotFound, Conflict):
            return  # gone already
        except ApiError as error:
            log.warning("%s/%s could not be preempted: %s", namespace, name, error)
            return
        said = f"Preempted by pod {pod.uid} on node {node}"
        self._recorder.event(victim, "Normal", "Preempted", "Preempting", said, related=pod.pod)

    def _patch(self, pod: Obj, status: Obj) -> None:
        namespace, name = key_of(pod)
        try:
            self._client.patch("Pod", name, namespace, {"status": status}, "status")
        except ApiError as error:
            log.debug("status of %s/%s not written: %s", namespace, name, error)
