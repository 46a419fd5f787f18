"""Jobs: pods that run until enough of them have succeeded, or too many have failed.

What is found and wished is decided in `job_look.py`, what is written down in `job_status.py`, both pure. Here it is
carried out in the order of Kubernetes' pkg/controller/job (syncJob): make or delete pods, write the status with what
ended, take the finalizers off, count, and only then declare the end. `job_release.py` frees pods whose Job has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import Key, Obj, copy, is_pod_ready, is_terminating, key_of
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers import job_look, job_status
from k8slab.controllers.base import Controller, Wakes, drop_empty, is_namespace_ending
from k8slab.controllers.job_backoff import Backoff
from k8slab.controllers.job_look import COMPLETE, MET, Look
from k8slab.controllers.job_pods import TRACKING, is_tracked, new_pod
from k8slab.controllers.ownership import claim, of_owned
from k8slab.controllers.podcontrol import BATCH, BURST, PodControl

BATCH_PERIOD = 1.0  # Kubernetes seconds in which changes of pods gather before they are looked at (syncJobBatchPeriod)
CONTROLLER = "kubernetes.io/job-controller"  # `spec.managedBy` of the Jobs that are ours
NEVER_ZERO = ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")  # fields Go writes even when empty


@dataclass
class Round:
    """What a look has come to so far."""

    found: Look
    status: Obj
    backoff: Backoff
    verdict: Obj | None = None
    active: int = 0
    again: list[float] = field(default_factory=list)
    failure: ApiError | None = None

    def lost(self, pods: list[Obj]) -> None:
        """These active pods have been asked to go."""
        self.active -= len(pods)
        self.status["ready"] -= sum(map(is_pod_ready, pods))
        self.status["terminating"] += len(pods)


class JobController(Controller[Key]):
    """Runs Jobs to their end."""

    name = "job-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self.pods = PodControl(client, self.recorder)
        self._owned = of_owned(client, "Job")
        self._backoffs: dict[Key, Backoff] = {}

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Job": self._of_job, "Pod": self._of_pod}

    def _of_job(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A new wish at once, a new status with the pods' changes."""
        obj = after or before or {}
        generations = [job["metadata"].get("generation") for job in (before, after) if job]
        if len(generations) == 2 and generations[0] == generations[1]:
            return self._gathered([key_of(obj)])
        return [key_of(obj)]

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        return self._gathered(self._owned(before, after))

    def _gathered(self, keys: Iterable[Key]) -> Iterable[Key]:
        for key in keys:
            self.queue.add_after(key, BATCH_PERIOD)
        return ()

    async def reconcile(self, key: Key) -> float | None:
        job = self.client.informer("Job").get(key.name, key.namespace)
        if job is None or job_look.is_finished(job) or job["spec"].get("managedBy", CONTROLLER) != CONTROLLER:
            self._backoffs.pop(key, None)
            return None
        found = job_look.look(job, claim(self.client, job, "Pod", finalizer=TRACKING), self.clock)
        now = self._begin(key, found)
        if now.verdict:
            self._end_active(now)
        else:
            await self._manage(now)
        now.status["active"] = now.active
        self._track(key, now)
        if now.failure and not is_namespace_ending(now.failure):
            raise now.failure
        return min(now.again, default=None)

    def _begin(self, key: Key, found: Look) -> Round:
        job, before = found.job, self._backoffs.get(key, Backoff())
        status = copy(job.get("status") or {}) | {"ready": found.ready, "terminating": found.terminating}
        if "startTime" not in status and not job_look.is_suspended(job):
            status["startTime"] = self.clock.timestamp()
        verdict = job_look.verdict(found, status.get("startTime", ""), self.clock)
        backoff = before.after(found.new_succeeded, found.new_failed, self.clock)
        now = Round(found, status, backoff, verdict, len(found.active))
        left = job_look.deadline_left(job, status.get("startTime", ""), self.clock)
        if left is not None and not verdict:
            now.again.append(left)
        return now

    # Pods

    def _end_active(self, now: Round) -> None:
        """It is decided: nobody runs on. While one of them cannot be deleted, the end is not declared."""
        for pod in now.found.active:
            try:
                self.pods.delete(now.found.job, pod)
                now.lost([pod])
            except ApiError as error:
                now.verdict, now.failure = None, error

    async def _manage(self, now: Round) -> None:
        job = now.found.job
        if not is_terminating(job):
            wish = job_look.wish(now.found, now.backoff, self.clock)
            if wish.wait is not None:
                now.again.append(wish.wait)
            try:
                self._delete(now, wish.delete[:BURST])
                await self._create(now, wish.create[:BURST])
            except ApiError as error:
                now.failure = error
        if job_look.is_complete(now.found, now.active):
            message = "Reached expected number of succeeded pods"
            now.verdict = job_look.entry(MET, "CompletionsReached", message, self.clock)
        elif not is_terminating(job):
            now.status, news = job_status.with_suspension(job, now.status, self.clock)
            if news:
                self.recorder.event(job, "Normal", news, f"Job {news.lower()}")

    def _delete(self, now: Round, pods: list[Obj]) -> None:
        """These are one too many, which is no failure: they go uncounted."""
        for pod in pods:
            self._release(pod)
            self.pods.delete(now.found.job, pod)
            now.lost([pod])

    async def _create(self, now: Round, indexes: list[int]) -> None:
        job = now.found.job
        for made, index in enumerate(indexes, 1):
            self.pods.create(job, new_pod(job, index, now.found.held.get(index)))
            now.active += 1
            if made % BATCH == 0:
                await asyncio.sleep(0)

    def _release(self, pod: Obj) -> None:
        finalizers = [name for name in pod["metadata"].get("finalizers", []) if name != TRACKING]
        namespace, name = key_of(pod)
        try:
            self.client.patch("Pod", name, namespace, {"metadata": {"finalizers": finalizers or None}})
        except NotFound:
            return

    # The status

    def _track(self, key: Key, now: Round) -> None:
        """Write, release, count, and declare the end if nothing is left to count and nobody is still on the way out."""
        tracked = {pod["metadata"]["uid"] for pod in now.found.pods if is_tracked(pod)}
        now.status = job_status.counted(now.status, tracked)
        now.status, release, more = job_status.track(now.found, now.status, now.verdict)
        now.status = job_status.told(now.status, now.verdict)
        self._write(key, now)
        self._backoffs[key] = now.backoff
        for pod in release:
            self._release(pod)
        now.status = job_status.counted(now.status, tracked - {pod["metadata"]["uid"] for pod in release})
        waiting = more or now.status["uncountedTerminatedPods"] or now.status["terminating"]
        if now.verdict and not waiting:
            now.status = job_status.finished(now.status, now.verdict, self.clock)
        self._write(key, now)
        if now.verdict and not waiting:
            self._say_how_it_ended(now)

    def _write(self, key: Key, now: Round) -> None:
        now.status = drop_empty(now.status, keep=NEVER_ZERO)
        current = self.client.get("Job", key.name, key.namespace)
        if now.status != current.get("status"):
            self.client.update({**current, "status": now.status}, "status")

    def _say_how_it_ended(self, now: Round) -> None:
        job, last = now.found.job, now.status["conditions"][-1]
        if last["type"] != COMPLETE:
            self.recorder.event(job, "Warning", last["reason"], last["message"])
            return
        completions = job["spec"].get("completions")
        if completions is not None and now.status.get("succeeded", 0) > completions:
            message = "Too many succeeded pods running after completion count reached"
            self.recorder.event(job, "Warning", "TooManySucceededPods", message)
        self.recorder.event(job, "Normal", "Completed", "Job completed")
