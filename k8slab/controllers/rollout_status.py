"""What a Deployment's status says of its rollout: counts, and the conditions Available, Progressing, ReplicaFailure.

Pure, for `deployment.py`; `kubectl rollout status` waits on it. The words and the moments are Kubernetes'
(pkg/controller/deployment/sync.go and progress.go).
"""

from __future__ import annotations

from k8slab.api.objects import Obj, condition
from k8slab.clock import Clock
from k8slab.controllers.base import drop_empty
from k8slab.controllers.rolling import fence_posts, total

NO_DEADLINE = 2**31 - 1
COMPLETE, TIMED_OUT, PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"


def status_of(deployment: Obj, new: Obj | None, old: list[Obj], clock: Clock, *, progress: bool) -> Obj:
    """The status these ReplicaSets give; with `progress`, the Progressing condition judges the rollout as well."""
    sets, before = [*old, *([new] if new else [])], deployment.get("status") or {}
    ready_enough = _count(sets, "availableReplicas")
    status = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _count(sets, "replicas"),
        "updatedReplicas": _count([new], "replicas") if new else 0,
        "readyReplicas": _count(sets, "readyReplicas"),
        "availableReplicas": ready_enough,
        "unavailableReplicas": max(0, total(sets) - ready_enough),
        "terminatingReplicas": _count(sets, "terminatingReplicas"),
        "collisionCount": before.get("collisionCount"),
    }
    conditions = set_condition(before.get("conditions") or [], _available(deployment, ready_enough), clock.timestamp())
    if progress:
        conditions = _with_progress(deployment, new, before, status, conditions, clock)
        conditions = _with_failure(conditions, new, old)
    return drop_empty(status | {"conditions": conditions}, keep=("terminatingReplicas",))


def _count(sets: list[Obj], field: str) -> int:
    return sum((rs.get("status") or {}).get(field, 0) for rs in sets)


def _available(deployment: Obj, count: int) -> Obj:
    if count >= deployment["spec"]["replicas"] - fence_posts(deployment)[1]:
        return _named("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _named("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def _with_progress(
    deployment: Obj, new: Obj | None, before: Obj, status: Obj, conditions: list[Obj], clock: Clock
) -> list[Obj]:
    if not has_deadline(deployment):
        return [c for c in conditions if c["type"] != "Progressing"]
    current = condition(deployment, "Progressing")
    if current and current["reason"] == COMPLETE and status["replicas"] == status["updatedReplicas"]:
        return conditions  # the rollout is over: pods that come and go now are no progress
    who = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    now = clock.timestamp()
    if is_complete(deployment, status):
        done = _named("Progressing", "True", COMPLETE, f"{who} has successfully progressed.")
        return set_condition(conditions, done, now)
    if _has_progressed(before, status):
        moving = _named("Progressing", "True", "ReplicaSetUpdated", f"{who} is progressing.")
        return set_condition(conditions, moving, now, always=True)
    if has_timed_out(deployment, clock):
        late = _named("Progressing", "False", TIMED_OUT, f"{who} has timed out progressing.")
        return set_condition(conditions, late, now)
    return conditions


def _has_progressed(before: Obj, after: Obj) -> bool:
    """More new pods, fewer old ones, more ready or more available ones than the status said before."""
    fewer_old = _old_pods(after) < _old_pods(before)
    return fewer_old or any(
        after[field] > before.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _old_pods(status: Obj) -> int:
    return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))


def _with_failure(conditions: list[Obj], new: Obj | None, old: list[Obj]) -> list[Obj]:
    """The ReplicaFailure of a ReplicaSet shows on the Deployment, the new one's first."""
    failures = [c for rs in [*([new] if new else []), *old] if (c := condition(rs, "ReplicaFailure"))]
    if not failures:
        return [c for c in conditions if c["type"] != "ReplicaFailure"]
    first = failures[0]
    since = first["lastTransitionTime"]
    return set_condition(conditions, {**first, "lastUpdateTime": since}, since)


def is_complete(deployment: Obj, status: Obj) -> bool:
    """Whether all pods are new ones and available, and no old one is left."""
    wanted = deployment["spec"]["replicas"]
    counts = (status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas"))
    observed: bool = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return observed and all(count == wanted for count in counts)


def has_deadline(deployment: Obj) -> bool:
    """Whether a rollout without progress is to be called failed some day."""
    return bool(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE) != NO_DEADLINE)


def has_timed_out(deployment: Obj, clock: Clock) -> bool:
    """Whether the last progress is further back than the deadline allows."""
    current = condition(deployment, "Progressing")
    if current is None or current["reason"] == COMPLETE:
        return False
    waited = clock.since(current["lastUpdateTime"])
    return bool(current["reason"] == TIMED_OUT or waited > deployment["spec"]["progressDeadlineSeconds"])


def look_again(deployment: Obj, clock: Clock) -> float | None:
    """In how many Kubernetes seconds the rollout has to be judged again; None if it is over, or has failed already."""
    current = condition(deployment, "Progressing")
    if not has_deadline(deployment) or current is None or current["reason"] == TIMED_OUT:
        return None
    if is_complete(deployment, deployment["status"]) or deployment["spec"].get("paused"):
        return None
    left = float(deployment["spec"]["progressDeadlineSeconds"]) - clock.since(current["lastUpdateTime"])
    return max(left, 0.0) + 1.0


def paused_conditions(deployment: Obj, now: str) -> list[Obj] | None:
    """The conditions after a pause or a resume that they do not show yet, else None. A pause stops the deadline."""
    current = condition(deployment, "Progressing")
    if not has_deadline(deployment) or (current and current["reason"] == TIMED_OUT):
        return None
    shown, paused = bool(current and current["reason"] == PAUSED), bool(deployment["spec"].get("paused"))
    if shown == paused:
        return None
    reason, message = (PAUSED, "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
    before = (deployment.get("status") or {}).get("conditions") or []
    return set_condition(before, _named("Progressing", "Unknown", reason, message), now)


def set_condition(conditions: list[Obj], new: Obj, now: str, *, always: bool = False) -> list[Obj]:
    """The conditions with `new` as the last one; unchanged if it says nothing new, unless `always`."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old and not always and (old["status"], old["reason"]) == (new["status"], new["reason"]):
        return conditions
    since = old["lastTransitionTime"] if old and old["status"] == new["status"] else now
    others = [c for c in conditions if c["type"] != new["type"]]
    return [*others, {"lastUpdateTime": now, **new, "lastTransitionTime": since}]


def _named(type_: str, status: str, reason: str, message: str) -> Obj:
    return {"type": type_, "status": status, "reason": reason, "message": message}
