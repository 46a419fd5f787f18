"""`pods/binding`: what becomes of a pod that is put on a node (pkg/registry/core/pod/storage). `verbs.py` stores it."""

from __future__ import annotations

from k8slab.api.errors import Cause, Conflict, Invalid
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj, is_terminating
from k8slab.apiserver.deletion import DeleteOptions


def bound(pod: Obj, binding: Obj, now: str) -> Obj:
    """The pod on the binding's node, with its PodScheduled condition. Raises Invalid, Conflict."""
    name, target = pod["metadata"]["name"], (binding.get("target") or {}).get("name")
    if not target:
        raise Invalid.of("", "Binding", name, [Cause("FieldValueRequired", "Required value", "target.name")])
    if wrong := binding.get("metadata", {}).get("uid"):
        DeleteOptions(uid=wrong).check(KINDS["Pod"], pod)
    if why := _not_free(pod):
        raise Conflict.of("", "pods/binding", name, why)
    status = {**pod["status"]}
    status.pop("nominatedNodeName", None)  # it has what it was promised (KEP-5278)
    status["conditions"] = [
        *(c for c in status.get("conditions") or [] if c["type"] != "PodScheduled"),
        {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": now,
            "observedGeneration": pod["metadata"].get("generation", 1),
        },
    ]
    return {**pod, "spec": {**pod["spec"], "nodeName": target}, "status": status}


def _not_free(pod: Obj) -> str:
    """Why it cannot be put anywhere."""
    name = pod["metadata"]["name"]
    if pod["spec"].get("nodeName"):
        return f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
    if is_terminating(pod):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if pod["spec"].get("schedulingGates"):
        return f"pod {name} has non-empty .spec.schedulingGates"
    return ""
