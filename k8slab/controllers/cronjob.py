"""CronJobs: a Job at every moment of a schedule.

Which moment is due is decided in `cron_times.py`; what the Job then does is `job.py`'s. The order of things is that of
Kubernetes' pkg/controller/cronjob: tidy up finished Jobs, look at those under way, start what is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from k8slab.api import cron
from k8slab.api.errors import AlreadyExists, ApiError, NotFound
from k8slab.api.objects import (
    Key,
    Obj,
    condition_is,
    controller_of,
    controller_ref,
    copy,
    is_terminating,
    key_of,
    reference_to,
)
from k8slab.clock import to_timestamp
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself, owners_of
from k8slab.controllers.cron_times import Calendar, due, next_in, schedule_of
from k8slab.controllers.job_look import COMPLETE, FAILED, is_finished

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"  # annotation of its Jobs
JUST_AFTER = 0.1  # Kubernetes seconds behind the moment, so that it has surely passed
UNSUPPORTED = (
    'CRON_TZ or TZ used in schedule "{}" is not officially supported, '
    "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
TOO_MANY_MISSED = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"


class CronJobController(Controller[Key]):
    """Starts Jobs on time, keeps the last few."""

    name = "cronjob-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"CronJob": itself, "Job": owners_of("CronJob")}

    async def reconcile(self, key: Key) -> float | None:
        if self.client.informer("CronJob").get(key.name, key.namespace) is None:
            return None
        cronjob = self.client.get("CronJob", key.name, key.namespace)
        before = copy(cronjob.get("status") or {})
        status = cronjob["status"] = copy(before)
        try:
            jobs = self._tidied(cronjob, list(self.client.informer("Job").by("owner", cronjob["metadata"]["uid"])))
            self._look_after(cronjob, jobs)
            return None if is_terminating(cronjob) else self._start(cronjob)
        finally:
            if not status.get("active"):
                status.pop("active", None)
            if status != before:
                current = self.client.get("CronJob", key.name, key.namespace)
                self.client.update({**current, "status": status}, "status")

    # Jobs there are

    def _tidied(self, cronjob: Obj, jobs: list[Obj]) -> list[Obj]:
        """Delete the oldest finished ones beyond the limits; those that are left."""
        gone: list[Obj] = []
        for type_, limit in ((COMPLETE, "successfulJobsHistoryLimit"), (FAILED, "failedJobsHistoryLimit")):
            finished = sorted((job for job in jobs if condition_is(job, type_)), key=_start_time)
            if (most := cronjob["spec"].get(limit)) is not None:
                gone += [job for job in finished[: max(0, len(finished) - most)] if self._delete(cronjob, job)]
        return [job for job in jobs if job not in gone]

    def _delete(self, cronjob: Obj, job: Obj) -> bool:
        namespace, name = key_of(job)
        try:
            self.client.delete("Job", name, namespace, propagation="Background")
        except ApiError as error:
            self.recorder.event(cronjob, "Warning", "FailedDelete", f"Deleted job: {error}")
            return False
        _drop_active(cronjob, job["metadata"]["uid"])
        self.recorder.event(cronjob, "Normal", "SuccessfulDelete", f"Deleted job {name}")
        return True

    def _look_after(self, cronjob: Obj, jobs: list[Obj]) -> None:
        """Bring `status.active` and `lastSuccessfulTime` up to date."""
        active = {ref["uid"] for ref in cronjob["status"].get("active") or []}
        for job in jobs:
            uid, name = job["metadata"]["uid"], job["metadata"]["name"]
            if not is_finished(job):
                if uid not in active:
                    message = f"Saw a job that the controller did not create or forgot: {name}"
                    self.recorder.event(cronjob, "Warning", "UnexpectedJob", message)
                continue
            if uid in active:
                _drop_active(cronjob, uid)
                message = f"Saw completed job: {name}, condition: {COMPLETE if condition_is(job, COMPLETE) else FAILED}"
                self.recorder.event(cronjob, "Normal", "SawCompletedJob", message)
            ended = job["status"].get("completionTime", "")
            if ended > cronjob["status"].get("lastSuccessfulTime", ""):
                cronjob["status"]["lastSuccessfulTime"] = ended
        for ref in list(cronjob["status"].get("active") or []):
            if ref["uid"] not in {job["metadata"]["uid"] for job in jobs}:
                self.recorder.event(cronjob, "Normal", "MissingJob", f"Active job went missing: {ref['name']}")
                _drop_active(cronjob, ref["uid"])

    # Jobs there should be

    def _start(self, cronjob: Obj) -> float | None:
        """Start what is due, unless something is in the way; in how many seconds to look again."""
        spec, calendar = cronjob["spec"], Calendar(cronjob, self.clock)
        try:
            if zone := spec.get("timeZone"):
                cron.zone_of(zone)
        except ValueError as error:
            return self._cannot(cronjob, "UnknownTimeZone", f'invalid timeZone: "{zone}": {error}')
        if spec.get("suspend"):
            return None
        if "TZ" in spec["schedule"]:
            self._cannot(cronjob, "UnsupportedSchedule", UNSUPPORTED.format(spec["schedule"]))
        try:
            schedule = schedule_of(cronjob)
        except ValueError as error:
            return self._cannot(cronjob, "UnparseableSchedule", f'unparseable schedule: "{spec["schedule"]}" : {error}')
        try:
            found = due(cronjob, schedule, calendar)
        except ValueError as error:
            return self._cannot(cronjob, "InvalidSchedule", f"invalid schedule: {spec['schedule']} : {error}")
        if found.too_many:
            self._cannot(cronjob, "TooManyMissedTimes", TOO_MANY_MISSED)
        if found.moment is not None and self._may_start(cronjob, found.moment):
            self._create(cronjob, found.moment, calendar)
        left = next_in(cronjob, schedule, calendar)
        return None if left is None else left + JUST_AFTER

    def _cannot(self, cronjob: Obj, reason: str, message: str) -> float | None:
        """Say why not; the next look comes with the next change."""
        self.recorder.event(cronjob, "Warning", reason, message)
        return None

    def _may_start(self, cronjob: Obj, moment: float) -> bool:
        active = cronjob["status"].get("active") or []
        if any(ref["name"] == name_at(cronjob, moment) for ref in active):
            return False
        policy = cronjob["spec"].get("concurrencyPolicy")
        if policy == "Forbid" and active:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.recorder.event(cronjob, "Normal", "JobAlreadyActive", message)
            return False
        if policy == "Replace":
            for ref in list(active):
                self._replace(cronjob, ref)
        return True

    def _replace(self, cronjob: Obj, ref: Obj) -> None:
        try:
            job = self.client.get("Job", ref["name"], ref["namespace"])
        except NotFound as error:
            self.recorder.event(cronjob, "Warning", "FailedGet", f"Get job: {error}")
            raise
        if not self._delete(cronjob, job):
            raise ApiError(f"could not replace job {ref['namespace']}/{ref['name']}")

    def _create(self, cronjob: Obj, moment: float, calendar: Calendar) -> None:
        wished = new_job(cronjob, moment)
        namespace, name = key_of(wished)
        try:
            job = self.client.create(wished)
        except AlreadyExists:
            job = self.client.get("Job", name, namespace)
            if (controller_of(job) or {}).get("uid") != cronjob["metadata"]["uid"]:
                return
        except ApiError as error:
            if not is_namespace_ending(error):
                self.recorder.event(cronjob, "Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        else:
            self.recorder.event(cronjob, "Normal", "SuccessfulCreate", f"Created job {name}")
        status = cronjob["status"]
        if not is_finished(job):
            status["active"] = [*(status.get("active") or []), reference_to(job)]
        status["lastScheduleTime"] = to_timestamp(calendar.wall(moment))


def name_at(cronjob: Obj, moment: float) -> str:
    """The name of the Job of a moment: with its minutes since 1970, so that no moment gets two."""
    return f"{cronjob['metadata']['name']}-{int(moment // 60)}"


def new_job(cronjob: Obj, moment: float) -> Obj:
    """The Job of a moment."""
    template: dict[str, Any] = copy(cronjob["spec"]["jobTemplate"])
    meta, zone = template.get("metadata") or {}, cronjob["spec"].get("timeZone")
    local = datetime.fromtimestamp(moment, cron.zone_of(zone) if zone else UTC)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_at(cronjob, moment),
            "namespace": cronjob["metadata"]["namespace"],
            "labels": dict(meta.get("labels") or {}),
            "annotations": {**(meta.get("annotations") or {}), SCHEDULED: local.isoformat().replace("+00:00", "Z")},
            "ownerReferences": [controller_ref(cronjob)],
        },
        "spec": template["spec"],
    }


def _drop_active(cronjob: Obj, uid: str) -> None:
    active: Iterable[Obj] = cronjob["status"].get("active") or []
    cronjob["status"]["active"] = [ref for ref in active if ref["uid"] != uid]


def _start_time(job: Obj) -> tuple[str, str]:
    return job["status"].get("startTime", "~"), job["metadata"]["name"]
