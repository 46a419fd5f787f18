"""What the controllers that make pods need to know of them: the pod a template gives, and who counts as available.

Pure; used by `replicaset.py` and its kin. The rules are Kubernetes' (pkg/api/v1/pod/util.go, pkg/controller).
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api.objects import Obj, condition, controller_ref, copy, is_pod_ready, is_terminating
from k8slab.clock import Clock


def pod_from(owner: Obj) -> Obj:
    """A pod of the owner's template; the API server completes its name."""
    template = copy(owner["spec"]["template"])
    kept = {
        name: value for name in ("labels", "annotations", "finalizers") if (value := template["metadata"].get(name))
    }
    metadata = {"generateName": owner["metadata"]["name"] + "-", "namespace": owner["metadata"]["namespace"]}
    metadata |= kept | {"ownerReferences": [controller_ref(owner)]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def is_terminating_pod(pod: Obj) -> bool:
    """Whether its deletion was asked for and it has not finished yet (`status.terminatingReplicas`)."""
    return is_terminating(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def is_available(pod: Obj, min_ready_seconds: float, clock: Clock) -> bool:
    """Whether it has been ready for so many Kubernetes seconds."""
    return is_pod_ready(pod) and _missing(pod, min_ready_seconds, clock) <= 0


def next_available(pods: Iterable[Obj], min_ready_seconds: float, clock: Clock) -> float | None:
    """In how many Kubernetes seconds the next of the ready ones becomes available; None if none is waiting."""
    if not min_ready_seconds:
        return None
    waits = [_missing(pod, min_ready_seconds, clock) for pod in pods if is_pod_ready(pod)]
    return min((wait for wait in waits if wait > 0), default=None)


def _missing(pod: Obj, min_ready_seconds: float, clock: Clock) -> float:
    if not min_ready_seconds:
        return 0.0
    since = (condition(pod, "Ready") or {}).get("lastTransitionTime")
    return min_ready_seconds - clock.since(since) if since else float(min_ready_seconds)
