"""Letting go of pods whose Job is no longer there to count them: takes the tracking finalizer off.

Without it, `kubectl delete job` would leave its pods for ever Terminating. Next to `job.py`, which does the same for
pods it has counted; the rule is Kubernetes' (pkg/controller/job/job_controller.go, syncOrphanPod).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Key, Obj, controller_of, key_of
from k8slab.controllers.base import Controller, Wakes
from k8slab.controllers.job_look import is_finished
from k8slab.controllers.job_pods import TRACKING, is_tracked


class JobPodReleaser(Controller[Key]):
    """Its keys are pods."""

    name = "job-controller"
    workers = 1

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Pod": self._of_pod}

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        return (key_of(after),) if after and self._is_forsaken(after) else ()

    async def reconcile(self, key: Key) -> None:
        pod = self.client.informer("Pod").get(key.name, key.namespace)
        if pod and self._is_forsaken(pod):
            finalizers = [name for name in pod["metadata"]["finalizers"] if name != TRACKING]
            self.client.patch("Pod", key.name, key.namespace, {"metadata": {"finalizers": finalizers or None}})

    def _is_forsaken(self, pod: Obj) -> bool:
        """Tracked, but by no Job that is still to end."""
        if not is_tracked(pod):
            return False
        owner = controller_of(pod)
        if owner is None:
            return True
        if owner["kind"] != "Job":
            return False
        job = self.client.informer("Job").get(owner["name"], pod["metadata"]["namespace"])
        return job is None or job["metadata"]["uid"] != owner["uid"] or is_finished(job)
