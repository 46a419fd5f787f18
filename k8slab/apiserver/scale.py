"""The `scale` subresource: a workload's number of replicas in one form for every kind (autoscaling/v1).

`resources.py` answers with it; writing one is an update of the workload behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slab.api import typed
from k8slab.api.errors import BadRequest, Conflict
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj
from k8slab.api.selectors import format_selector

KIND = Kind("autoscaling", "v1", "Scale", "scales", kept="nowhere")  # no row of the table: it is never stored
DEFINITION = KIND.definition
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def of(obj: Obj) -> Obj:
    """The Scale of a workload."""
    meta = {field: obj["metadata"][field] for field in _COPIED if field in obj["metadata"]}
    status = {
        "replicas": (obj.get("status") or {}).get("replicas", 0),
        "selector": format_selector(obj["spec"].get("selector") or {}),
    }
    wish = {"replicas": obj["spec"].get("replicas", 0)}
    if not wish["replicas"]:
        wish = {}  # omitempty
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": wish, "status": status}


def change(kind: Kind, wished: Any) -> Callable[[Obj], Obj]:
    """What a written Scale does to its workload. Raises BadRequest, Conflict."""
    findings = typed.check(wished, DEFINITION)
    if findings.type_error:
        raise BadRequest(f'Scale in version "v1" cannot be handled as a Scale: {findings.type_error}')
    scale = findings.pruned

    def apply(obj: Obj) -> Obj:
        check(kind, obj, scale)
        obj["spec"]["replicas"] = (scale.get("spec") or {}).get("replicas", 0)
        return obj

    return apply


def check(kind: Kind, obj: Obj, scale: Obj) -> None:
    """Raises Conflict unless the Scale is of this revision of its workload, or does not say."""
    version = (scale.get("metadata") or {}).get("resourceVersion")
    if version not in (None, "", obj["metadata"]["resourceVersion"]):
        raise Conflict.of(kind.group, kind.plural, obj["metadata"]["name"])
