"""Writing down how a Job's pods ended, each exactly once, and the end of the Job itself. Pure, for `job.py`.

A pod that has ended keeps the finalizer `batch.kubernetes.io/job-tracking` until it is counted: first its uid goes into
`status.uncountedTerminatedPods`, then the finalizer off the pod, then the uid becomes one more in `succeeded` or
`failed`. A crash in between loses no pod and counts none twice. An Indexed Job needs no uids for successes: the index
says it. Source: pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from k8slab.api.objects import Obj, condition, is_terminating
from k8slab.clock import Clock
from k8slab.controllers import job_indexes, job_policy
from k8slab.controllers.job_indexes import index_of
from k8slab.controllers.job_look import (
    COMPLETE,
    FAILED,
    MET,
    TARGET,
    Look,
    entry,
    has_failed,
    is_per_index,
    is_suspended,
)
from k8slab.controllers.job_pods import is_indexed, is_tracked

MOST_UNCOUNTED = 500  # uids in the status; the rest follow with the next look


class Tracked(NamedTuple):
    """The status with what is to be counted in it, the pods to release, and whether that is not all of them yet."""

    status: Obj
    release: list[Obj]
    more: bool


def track(found: Look, status: Obj, verdict: Obj | None) -> Tracked:
    """Enter the pods that have ended, and with a verdict all of them: what still runs then is a failure."""
    before, release, more = status.get("uncountedTerminatedPods") or {}, list[Obj](), False
    succeeded, failed = list(before.get("succeeded") or []), list(before.get("failed") or [])
    for pod in sorted(found.pods, key=index_of) if is_indexed(found.job) else found.pods:
        if not is_tracked(pod) or not _may_be_released(found, pod, verdict):
            continue
        release.append(pod)
        uid = pod["metadata"]["uid"]
        ended_well = (pod.get("status") or {}).get("phase") == "Succeeded" and uid not in failed
        if ended_well and not is_indexed(found.job) and uid not in succeeded:
            succeeded.append(uid)
        elif not ended_well and uid not in failed and _counts_as_failed(found, pod, verdict):
            failed.append(uid)
        if len(succeeded) + len(failed) >= MOST_UNCOUNTED:
            more = True
            break
    status = {**status, "uncountedTerminatedPods": _uncounted(succeeded, failed)}
    if is_indexed(found.job):
        status |= {"succeeded": len(found.done), "completedIndexes": job_indexes.written(found.done)}
        if is_per_index(found.job):
            status["failedIndexes"] = job_indexes.written(found.lost)
    return Tracked(status, release, more)


def _may_be_released(found: Look, pod: Obj, verdict: Obj | None) -> bool:
    if is_terminating(found.job) or verdict or (pod.get("status") or {}).get("phase") == "Succeeded":
        return True
    held = found.held.get(index_of(pod))
    return has_failed(found.job, pod) and (held is None or held["metadata"]["uid"] != pod["metadata"]["uid"])


def _counts_as_failed(found: Look, pod: Obj, verdict: Obj | None) -> bool:
    lost_with_the_job = verdict is not None and verdict["type"] != MET
    if not (has_failed(found.job, pod) or lost_with_the_job):
        return False
    valid = not is_indexed(found.job) or 0 <= index_of(pod) < found.job["spec"]["completions"]
    return valid and job_policy.ruling(found.job, pod).counts


def _uncounted(succeeded: list[str], failed: list[str]) -> Obj:
    return {name: uids for name, uids in (("succeeded", succeeded), ("failed", failed)) if uids}


def counted(status: Obj, tracked: Iterable[str]) -> Obj:
    """The status once only the pods with these uids still carry the finalizer: the others have become numbers."""
    waiting, status = status.get("uncountedTerminatedPods") or {}, dict(status)
    left, still = {}, set(tracked)
    for name, uids in waiting.items():
        left[name] = [uid for uid in uids if uid in still]
        status[name] = status.get(name, 0) + len(uids) - len(left[name])
    status["uncountedTerminatedPods"] = {name: uids for name, uids in left.items() if uids}
    return status


def told(status: Obj, verdict: Obj | None) -> Obj:
    """The status with the interim condition of a verdict, SuccessCriteriaMet or FailureTarget."""
    if verdict is None or verdict["type"] not in (MET, TARGET) or condition({"status": status}, verdict["type"]):
        return status
    return {**status, "conditions": [*(status.get("conditions") or []), verdict]}


def finished(status: Obj, verdict: Obj, clock: Clock) -> Obj:
    """The status with the last condition, Complete or Failed."""
    last = entry(COMPLETE if verdict["type"] == MET else FAILED, verdict["reason"], verdict.get("message", ""), clock)
    done = {**status, "conditions": [*(status.get("conditions") or []), last]}
    return done | ({"completionTime": last["lastTransitionTime"]} if last["type"] == COMPLETE else {})


def with_suspension(job: Obj, status: Obj, clock: Clock) -> tuple[Obj, str]:
    """The status that shows whether the Job is suspended, and the event's reason if that is news.

    A resumed Job starts anew: its deadline counts from now on.
    """
    now, shown = is_suspended(job), condition({"status": status}, "Suspended")
    if now == (shown is not None and shown["status"] == "True"):
        return status, ""
    reason, message = ("JobSuspended", "Job suspended") if now else ("JobResumed", "Job resumed")
    new = entry("Suspended", reason, message, clock, "True" if now else "False")
    before = status.get("conditions") or []
    conditions = [new if c is shown else c for c in before] if shown else [*before, new]
    status = {**status, "conditions": conditions} | ({} if now else {"startTime": clock.timestamp()})
    return status, "Suspended" if now else "Resumed"
