"""What one look at a Job and its pods finds: what counts, what is wished now, and whether it is decided. Pure.

`job.py` carries it out, `job_status.py` writes it down. The rules and words are Kubernetes' 1.36
(pkg/controller/job/job_controller.go: syncJob, manageJob).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from k8slab.api.objects import Obj, condition, condition_is, is_pod_active, is_pod_ready, is_terminating
from k8slab.clock import Clock
from k8slab.controllers import job_indexes, job_policy
from k8slab.controllers.job_backoff import Backoff, ended_at
from k8slab.controllers.job_indexes import index_of
from k8slab.controllers.job_pods import failures_before, failures_ignored, is_indexed, is_tracked, too_many
from k8slab.controllers.pods import is_terminating_pod

MET, TARGET, COMPLETE, FAILED = "SuccessCriteriaMet", "FailureTarget", "Complete", "Failed"


@dataclass(frozen=True)
class Look:
    """A Job and its pods, counted."""

    job: Obj
    pods: list[Obj]
    active: list[Obj]
    ready: int
    terminating: int
    new_succeeded: list[Obj]  # ended since the last look
    new_failed: list[Obj]
    succeeded: int
    failed: int
    done_before: frozenset[int] = frozenset()  # of an Indexed Job: the indexes its status lists as succeeded
    done: frozenset[int] = frozenset()  # and with those of the new pods
    lost: frozenset[int] = frozenset()  # indexes that have failed for good, with backoffLimitPerIndex
    held: dict[int, Obj] = field(default_factory=dict)  # the last failed pod of an index, until its successor is made


def look(job: Obj, pods: list[Obj], clock: Clock) -> Look:
    """Count."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    active = [pod for pod in pods if is_pod_active(pod)]
    fresh = [pod for pod in pods if is_tracked(pod) and _is_valid(job, pod)]
    succeeded = [pod for pod in fresh if _phase(pod) == "Succeeded" and _new(pod, uncounted.get("succeeded"))]
    failed = [pod for pod in fresh if has_failed(job, pod) and _new(pod, uncounted.get("failed"))]
    counted = sum(job_policy.ruling(job, pod).counts for pod in failed)
    found = Look(
        job, pods, active,
        ready=sum(map(is_pod_ready, active)),
        terminating=sum(map(is_terminating_pod, pods)),
        new_succeeded=succeeded,
        new_failed=failed,
        succeeded=status.get("succeeded", 0) + len(succeeded) + len(uncounted.get("succeeded") or ()),
        failed=status.get("failed", 0) + counted + len(uncounted.get("failed") or ()),
    )  # fmt: skip
    return _with_indexes(found, clock) if is_indexed(job) else found


def _with_indexes(found: Look, clock: Clock) -> Look:
    job, status, completions = found.job, found.job.get("status") or {}, found.job["spec"]["completions"]
    before = job_indexes.parse(status.get("completedIndexes"), completions)
    fresh = [pod for pod in found.pods if is_tracked(pod) and _is_valid(job, pod)]
    done = before | {index_of(pod) for pod in fresh if _phase(pod) == "Succeeded"}
    lost, held = frozenset[int](), dict[int, Obj]()
    if is_per_index(job):
        lost = job_indexes.parse(status.get("failedIndexes"), completions)
        lost |= {index_of(pod) for pod in fresh if _ends_its_index(job, pod)}
        settled = done | lost | {index_of(pod) for pod in found.active}
        held = _held((pod for pod in fresh if has_failed(job, pod) and index_of(pod) not in settled), clock)
    counted = {"succeeded": len(done), "done_before": before, "done": done, "lost": lost, "held": held}
    return Look(**{**found.__dict__, **counted})


def _held(failed: Iterable[Obj], clock: Clock) -> dict[int, Obj]:
    def age(pod: Obj) -> tuple[int, float]:
        return failures_before(pod) + failures_ignored(pod), ended_at(pod, clock)

    return {index_of(pod): pod for pod in sorted(failed, key=age)}


def _ends_its_index(job: Obj, pod: Obj) -> bool:
    if not has_failed(job, pod):
        return False
    ruling = job_policy.ruling(job, pod)
    over = failures_before(pod) >= job["spec"]["backoffLimitPerIndex"]
    return ruling.action == "FailIndex" or (ruling.counts and over)


def _phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def _new(pod: Obj, uncounted: list[str] | None) -> bool:
    return pod["metadata"]["uid"] not in (uncounted or ())


def _is_valid(job: Obj, pod: Obj) -> bool:
    return not is_indexed(job) or 0 <= index_of(pod) < job["spec"]["completions"]


def is_per_index(job: Obj) -> bool:
    """Whether each index may fail on its own."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def is_suspended(job: Obj) -> bool:
    """Whether it is to have no pods for now."""
    return bool(job["spec"].get("suspend"))


def waits_for_the_end(job: Obj) -> bool:
    """Whether a pod that is going is replaced only once it has gone (`podReplacementPolicy: Failed`)."""
    return job["spec"].get("podReplacementPolicy") == "Failed" or "podFailurePolicy" in job["spec"]


def has_failed(job: Obj, pod: Obj) -> bool:
    """Whether the pod is a failure. One that somebody deletes is one, unless its end is waited for."""
    if _phase(pod) == "Failed":
        return True
    return is_terminating(pod) and _phase(pod) != "Succeeded" and not waits_for_the_end(job)


def is_finished(job: Obj) -> bool:
    """Complete or Failed: nothing changes any more."""
    return condition_is(job, COMPLETE) or condition_is(job, FAILED)


# What is wished


@dataclass(frozen=True)
class Wish:
    """Pods that go; indexes that get a pod (-1: one without an index); and in how many seconds to wish again."""

    delete: list[Obj] = field(default_factory=list)
    create: list[int] = field(default_factory=list)
    wait: float | None = None


def wish(found: Look, backoff: Backoff, clock: Clock) -> Wish:
    """What a Job that is not decided needs now: fewer pods, or more once the back-off allows, never both at once."""
    job, active = found.job, len(found.active)
    wanted = 0 if is_suspended(job) else _wanted(found)
    if gone := found.active if is_suspended(job) else too_many(job, found.active, wanted, clock):
        return Wish(delete=gone)
    lacking = wanted - active - (found.terminating if waits_for_the_end(job) else 0)
    if lacking <= 0:
        return Wish()
    if not is_per_index(job) and (left := backoff.left(clock)) > 0:
        return Wish(wait=left)
    if not is_indexed(job):
        return Wish(create=[-1] * lacking)
    return _by_index(found, lacking, clock)


def _wanted(found: Look) -> int:
    spec = found.job["spec"]
    if spec.get("completions") is None:  # a work queue: nobody new once one has found it empty
        return len(found.active) if found.succeeded else int(spec["parallelism"])
    return max(0, min(int(spec["completions"]) - found.succeeded, int(spec["parallelism"])))


def _by_index(found: Look, lacking: int, clock: Clock) -> Wish:
    spec = found.job["spec"]
    taken = found.done | found.lost | {index_of(pod) for pod in found.active}
    if waits_for_the_end(found.job):
        taken |= {index_of(pod) for pod in found.pods if is_terminating_pod(pod)}
    waits = {index: _wait(found, index, clock) for index in job_indexes.pending(spec["completions"], lacking, taken)}
    now = [index for index, wait in waits.items() if wait <= 0]
    return Wish(create=now, wait=min((wait for wait in waits.values() if wait > 0), default=None))


def _wait(found: Look, index: int, clock: Clock) -> float:
    """How long this index has to wait for its next pod, when each index fails on its own."""
    last = found.held.get(index)
    if last is None:
        return 0.0
    return Backoff(failures_before(last) + failures_ignored(last) + 1, ended_at(last, clock)).left(clock)


# Whether it is decided


def verdict(found: Look, started: str, clock: Clock) -> Obj | None:
    """The condition that ends the Job: SuccessCriteriaMet or FailureTarget, or Failed once it has the latter."""
    job = found.job
    if condition_is(job, MET):
        return condition(job, MET)
    if target := condition(job, TARGET) if condition_is(job, TARGET) else None:
        return entry(FAILED, target["reason"], target.get("message", ""), clock)
    if reasons := _failure(found, started, clock):
        return entry(TARGET, *reasons, clock)
    if message := job_policy.success(job, found.done) if is_indexed(job) else "":
        return entry(MET, "SuccessPolicy", message, clock)
    return None


def _failure(found: Look, started: str, clock: Clock) -> tuple[str, str] | None:
    job, spec = found.job, found.job["spec"]
    failed = (pod for pod in found.pods if has_failed(job, pod))
    if message := next((said for pod in failed if (said := job_policy.ruling(job, pod).message)), ""):
        return "PodFailurePolicy", message
    if found.failed > spec["backoffLimit"] or _restarts_too_often(found):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = deadline_left(job, started, clock)
    if left is not None and left <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    if is_per_index(job):
        if len(found.lost) > spec.get("maxFailedIndexes", spec["completions"]):
            return (
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            )
        if found.lost and len(found.lost | found.done) >= spec["completions"]:
            return "FailedIndexes", "Job has failed indexes"
    return None


def _restarts_too_often(found: Look) -> bool:
    """With `restartPolicy: OnFailure` the restarts of running pods count as failures."""
    spec = found.job["spec"]
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    statuses = [pod["status"] for pod in found.pods if _phase(pod) in ("Pending", "Running") and "status" in pod]
    containers = [c for s in statuses for c in (*s.get("initContainerStatuses", ()), *s.get("containerStatuses", ()))]
    restarts = sum(container.get("restartCount", 0) for container in containers)
    return bool(restarts and restarts >= spec["backoffLimit"])


def deadline_left(job: Obj, started: str, clock: Clock) -> float | None:
    """Kubernetes seconds until `activeDeadlineSeconds` are over; None without, or while suspended."""
    seconds = job["spec"].get("activeDeadlineSeconds")
    if seconds is None or not started or is_suspended(job):
        return None
    return float(seconds) - clock.since(started)


def is_complete(found: Look, active: int) -> bool:
    """Whether as many have succeeded as were asked for (of a work queue: one, and nobody is busy any more)."""
    completions = found.job["spec"].get("completions")
    return active == 0 and (found.succeeded > 0 if completions is None else found.succeeded >= completions)


def entry(type_: str, reason: str, message: str, clock: Clock, status: str = "True") -> Obj:
    """A condition of a Job."""
    now = clock.timestamp()
    said = {"type": type_, "status": status, "lastProbeTime": now, "lastTransitionTime": now}
    return said | {"reason": reason, "message": message}
