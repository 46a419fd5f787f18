"""What a node's silence, its conditions and its cordon mean: conditions, taints, and when its pods have to leave.

Pure, for `nodelifecycle.py`. The rules are Kubernetes' (pkg/controller/nodelifecycle, pkg/controller/tainteviction).
"""

from __future__ import annotations

from k8slab.api.objects import Obj, condition
from k8slab.clock import Clock

GRACE, STARTUP_GRACE = 50.0, 60.0  # --node-monitor-grace-period, --node-startup-grace-period
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OF_CONDITION = {  # condition, status -> the taint that keeps new pods away
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
MANAGED = {*OF_CONDITION.values(), UNSCHEDULABLE}


def ready_status(node: Obj) -> str:
    """The status of its Ready condition; Unknown before its kubelet has ever spoken."""
    return str((condition(node, "Ready") or {}).get("status", "Unknown"))


def grace_of(node: Obj) -> float:
    """For how many Kubernetes seconds it may be silent."""
    return GRACE if condition(node, "Ready") else STARTUP_GRACE


def silenced(node: Obj, now: str) -> list[Obj]:
    """Its conditions once nothing has been heard for too long: all that its kubelet vouched for is Unknown."""
    conditions: list[Obj] = list((node.get("status") or {}).get("conditions") or [])
    for type_ in JUDGED:
        old = condition(node, type_)
        new = {"type": type_, "status": "Unknown", "lastTransitionTime": now}
        if old is None:
            words = {"reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status."}
            conditions.append(new | words | {"lastHeartbeatTime": node["metadata"]["creationTimestamp"]})
        elif old["status"] != "Unknown":
            words = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
            conditions[conditions.index(old)] = old | new | words
    return conditions


def taints(node: Obj, now: str, *, evict: bool) -> list[Obj]:
    """The taints it should have: its own, kept as they are, and those its conditions and a cordon ask for.

    Without `evict` none of them drives pods away (no node is ready: the fault is more likely ours than theirs).
    """
    wanted = [
        (taint, "NoSchedule")
        for (type_, status), taint in OF_CONDITION.items()
        if (condition(node, type_) or {}).get("status") == status
    ]
    if evict and ready_status(node) != "True":
        wanted.append((NOT_READY if ready_status(node) == "False" else UNREACHABLE, "NoExecute"))
    if node["spec"].get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    current = node["spec"].get("taints") or []
    kept = [taint for taint in current if not _is_managed(taint) or (taint["key"], taint["effect"]) in wanted]
    have = {(taint["key"], taint["effect"]) for taint in kept}
    return kept + [{"key": k, "effect": e, "timeAdded": now} for k, e in wanted if (k, e) not in have]


def _is_managed(taint: Obj) -> bool:
    if taint["effect"] == "NoExecute":
        return taint["key"] in (NOT_READY, UNREACHABLE)
    return taint["effect"] == "NoSchedule" and taint["key"] in MANAGED


def leaves_in(pod: Obj, node: Obj, clock: Clock, noticed: float) -> float | None:
    """In how many Kubernetes seconds the pod has to leave the node because of its NoExecute taints; None: it may stay.

    A toleration counts from when the taint was put on (`noticed`, seconds since 1970, if it does not say), or from when
    the pod came to the node, if that was later.
    """
    left = [
        max(0.0, seconds - min(clock.since(taint.get("timeAdded", noticed)), _stay(pod, clock)))
        for taint in node["spec"].get("taints") or []
        if taint["effect"] == "NoExecute" and (seconds := _tolerated(pod, taint)) is not None
    ]
    return min(left, default=None)


def _stay(pod: Obj, clock: Clock) -> float:
    placed = (condition(pod, "PodScheduled") or {}).get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return clock.since(placed)


def _tolerated(pod: Obj, taint: Obj) -> float | None:
    """For how many seconds the pod bears the taint: 0 without a toleration, None for ever."""
    matching = [t for t in pod["spec"].get("tolerations") or [] if tolerates(t, taint)]
    if not matching:
        return 0.0
    limits = [max(0.0, float(t["tolerationSeconds"])) for t in matching if t.get("tolerationSeconds") is not None]
    return min(limits, default=None)


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether the toleration covers the taint (Toleration.ToleratesTaint); an empty key or effect covers every one."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
