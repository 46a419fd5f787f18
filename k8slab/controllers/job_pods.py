"""A Job's pods: how a new one looks, and which of too many go. Pure, for `job.py`.

The rules are Kubernetes' (pkg/controller/job/indexed_job_utils.go, job_controller.go: activePodsForRemoval).
"""

from __future__ import annotations

from collections import defaultdict

from k8slab.api.objects import Obj, annotations_of, labels_of
from k8slab.clock import Clock
from k8slab.controllers.job_indexes import INDEX, index_of
from k8slab.controllers.job_policy import ruling
from k8slab.controllers.pods import pod_from
from k8slab.controllers.replicaset import surplus

TRACKING = "batch.kubernetes.io/job-tracking"  # finalizer: the Job has not counted this pod's end yet
FAILURES = "batch.kubernetes.io/job-index-failure-count"  # annotation: how often this index has failed before
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"  # and without counting, by podFailurePolicy
GENERATED_LENGTH = 58  # characters of a name before its random end


def is_indexed(job: Obj) -> bool:
    """Whether each completion has an index of its own."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_tracked(pod: Obj) -> bool:
    """Whether its end has not been counted yet."""
    return TRACKING in pod["metadata"].get("finalizers", ())


def new_pod(job: Obj, index: int = -1, replaced: Obj | None = None) -> Obj:
    """A pod of the Job, for an index if it is Indexed; `replaced` is the pod that failed there before."""
    pod = pod_from(job)
    meta = pod["metadata"]
    meta["finalizers"] = [*(f for f in meta.get("finalizers", []) if f != TRACKING), TRACKING]
    if index < 0:
        return pod
    name, end = job["metadata"]["name"], f"-{index}-"
    meta["generateName"] = name[: GENERATED_LENGTH - len(end)] + end
    meta["labels"] = labels_of(pod) | {INDEX: str(index)}
    meta["annotations"] = annotations_of(pod) | {INDEX: str(index)}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        meta["annotations"] |= _failure_counts(job, replaced)
    pod["spec"]["hostname"] = f"{name}-{index}"
    for container in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]:
        _tell_index(container)
    return pod


def _tell_index(container: Obj) -> None:
    variables = container.setdefault("env", [])
    if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in variables):
        source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        variables.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})


def _failure_counts(job: Obj, replaced: Obj | None) -> dict[str, str]:
    if replaced is None:
        return {FAILURES: "0"}
    counted = ruling(job, replaced).counts
    ignored = failures_ignored(replaced) + (not counted)
    return {FAILURES: str(failures_before(replaced) + counted)} | ({IGNORED: str(ignored)} if ignored else {})


def failures_before(pod: Obj) -> int:
    """How often its index had failed when the pod was made, as far as it counted."""
    return _count(pod, FAILURES)


def failures_ignored(pod: Obj) -> int:
    """How often it had failed without counting."""
    return _count(pod, IGNORED)


def _count(pod: Obj, annotation: str) -> int:
    text = annotations_of(pod).get(annotation, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def too_many(job: Obj, active: list[Obj], wanted: int, clock: Clock) -> list[Obj]:
    """The active pods that go: second ones of an index, those without a valid one, and what is beyond `wanted`."""
    gone, left = _misplaced(job, active, clock) if is_indexed(job) else ([], active)
    return gone + surplus(left, max(0, len(active) - wanted - len(gone)), {}, clock)


def _misplaced(job: Obj, active: list[Obj], clock: Clock) -> tuple[list[Obj], list[Obj]]:
    by_index: defaultdict[int, list[Obj]] = defaultdict(list)
    for pod in active:
        by_index[index_of(pod)].append(pod)
    gone, left = list[Obj](), list[Obj]()
    for index, pods in sorted(by_index.items()):
        if 0 <= index < job["spec"]["completions"]:
            doubles = surplus(pods, len(pods) - 1, {}, clock)
            gone += doubles
            left += [pod for pod in pods if pod not in doubles]
        else:
            gone += pods
    return gone, left
