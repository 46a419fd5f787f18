"""The `scale` subresource: a workload's number of replicas, in a form that is the same for every kind (autoscaling/v1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slab.api.errors import BadRequest, Conflict
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj
from k8slab.api.selectors import format_selector

DEFINITION = "io.k8s.api.autoscaling.v1.Scale"
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def of(obj: Obj) -> Obj:
    """The Scale of a workload."""
    meta = {field: obj["metadata"][field] for field in _COPIED if field in obj["metadata"]}
    status = {"replicas": (obj.get("status") or {}).get("replicas", 0), "selector": format_selector(obj["spec"].get("selector") or {})}
    wish = {"replicas": obj["spec"].get("replicas", 0)}
    if not wish["replicas"]:
        wish = {}  # omitempty
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": wish, "status": status}


def change(kind: Kind, wished: Any) -> Callable[[Obj], Obj]:
    """What a written Scale does to its workload. Raises BadRequest, Conflict."""
    replicas = ((wished or {}).get("spec") or {}).get("replicas", 0) if isinstance(wished, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise BadRequest(f'Scale in version "v1" cannot be handled as a Scale: spec.replicas must be a whole number, not {replicas!r}')

    def apply(obj: Obj) -> Obj:
        version = (wished.get("metadata") or {}).get("resourceVersion")
        if version not in (None, "", obj["metadata"]["resourceVersion"]):
            raise Conflict.of(kind.group, kind.plural, obj["metadata"]["name"])
        obj["spec"]["replicas"] = replicas
        return obj

    return apply
