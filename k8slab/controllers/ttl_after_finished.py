"""Finished Jobs go when their `ttlSecondsAfterFinished` is over, and their pods with them.

`job.py` says when a Job is finished. The rule is Kubernetes' (pkg/controller/ttlafterfinished).
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slab.api.objects import Key, Obj, condition, condition_is, is_terminating
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes, itself
from k8slab.controllers.job_look import COMPLETE, FAILED


class TTLAfterFinishedController(Controller[Key]):
    """Deletes each Job at its moment."""

    name = "ttl-after-finished-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Job": itself}

    async def reconcile(self, key: Key) -> float | None:
        job = self.client.informer("Job").get(key.name, key.namespace)
        left = time_left(job, self.clock) if job and not is_terminating(job) else None
        if job is None or left is None or left > 0:
            return left
        uid = job["metadata"]["uid"]
        self.client.delete("Job", key.name, key.namespace, propagation="Foreground", uid=uid)
        return None


def time_left(job: Obj, clock: Clock) -> float | None:
    """Kubernetes seconds until the Job goes; None if it is to stay, or has not finished."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    ended = next((condition(job, type_) for type_ in (COMPLETE, FAILED) if condition_is(job, type_)), None)
    if ttl is None or ended is None:
        return None
    return float(ttl) - clock.since(ended["lastTransitionTime"])
