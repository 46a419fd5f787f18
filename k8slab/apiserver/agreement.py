"""Whether what was sent agrees with where it was sent to and with what is there: names, kinds, revisions, and the
parts of an object that each door may change.

Called by `verbs.py` before a write; pure. Sources: in apiserver/pkg, endpoints/handlers/rest.go,
registry/rest/update.go and registry/generic/registry/store.go.
"""

from __future__ import annotations

from k8slab.api.causes import invalid
from k8slab.api.errors import BadRequest, Conflict, Invalid
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj

SERVER_OWNED = ("uid", "creationTimestamp", "generation", "resourceVersion", "namespace", "name")
KEPT = ("deletionTimestamp", "deletionGracePeriodSeconds")  # once they are set; to set them is a mistake
# pkg/registry/*/strategy.go: AllowCreateOnUpdate, and AllowUnconditionalUpdate where it is false
CREATED_BY_PUT = frozenset({"Endpoints", "Event", "Lease", "LimitRange", "Service"})
CONDITIONAL = frozenset({"Lease", "PodDisruptionBudget"})
STATUS_KEEPS = {"Deployment": ("labels",), "Pod": ("ownerReferences",)}  # beside the spec, what `status` leaves alone


def expect_type(kind: Kind, obj: Obj) -> None:
    """Raises BadRequest for an object that says it is something else."""
    if obj.get("kind", kind.kind) != kind.kind or obj.get("apiVersion", kind.api_version) != kind.api_version:
        raise BadRequest(
            f"the API version in the data ({obj.get('apiVersion')}, Kind={obj.get('kind')}) does not match "
            f"the expected API version ({kind.api_version}, Kind={kind.kind})"
        )


def addressed(kind: Kind, obj: Obj, namespace: str, name: str = "") -> Obj:
    """Make the object agree with where it was sent; its metadata. Raises BadRequest when it cannot."""
    expect_type(kind, obj)
    obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
    meta: Obj | None = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    if kind.namespaced:
        if meta.setdefault("namespace", namespace) not in (namespace, ""):
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if name and meta.setdefault("name", name) != name:
        raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    return meta


def expect_name(obj: Obj, name: str) -> None:
    """Raises BadRequest for an object without the name that its address has."""
    if not (obj.get("metadata") or {}).get("name"):
        raise BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")


def expect_current(kind: Kind, old: Obj, meta: Obj) -> None:
    """Raises Conflict for a change meant for another object or revision, and Invalid when it must say and does not."""
    name, current = old["metadata"]["name"], old["metadata"]
    if meta.get("uid") not in (None, "", current["uid"]):
        at = "/".join(part for part in (kind.plural, current.get("namespace"), name) if part)
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {current['uid']}"
        said = f"StorageError: invalid object, Code: 4, Key: /registry/{at}, ResourceVersion: 0"
        raise Conflict.of(kind.group, kind.plural, name, f"{said}, AdditionalErrorMsg: {why}")
    version = meta.get("resourceVersion")
    if version not in (None, "", "0", current["resourceVersion"]):
        raise Conflict.of(kind.group, kind.plural, name)
    if version in (None, "", "0") and kind.kind in CONDITIONAL:
        cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise Invalid.of(kind.group, kind.plural, name, [cause])


def merged(kind: Kind, old: Obj, new: Obj, subresource: str) -> Obj:
    """The wished object with what this door may not change put back."""
    meta, before = new["metadata"], old["metadata"]
    fixed = [*SERVER_OWNED, *(field for field in KEPT if field in before)]
    if subresource == "status":
        fixed += STATUS_KEEPS.get(kind.kind, ())
    for field in fixed:
        meta.pop(field, None)
        if field in before:
            meta[field] = before[field]
    if subresource == "status":
        return {**old, "metadata": meta, "status": new.get("status") or {}}
    if subresource == "finalize":
        return {**old, "metadata": {**before}, "spec": new.get("spec") or {}}
    if subresource == "ephemeralcontainers":
        kept = {field: value for field, value in old["spec"].items() if field != "ephemeralContainers"}
        if there := (new.get("spec") or {}).get("ephemeralContainers"):
            kept["ephemeralContainers"] = there
        return {**old, "metadata": {**before}, "spec": kept}
    if "status" in kind.subresources:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new


def share(new: Obj, old: Obj) -> None:
    """Let those parts of a changed object that are as they were be the old ones: nobody has to compare them again,
    and of a hundred thousand pods whose status alone changes the rest is kept once."""
    for field, value in new.items():
        if field in old and value == old[field]:
            new[field] = old[field]


def status_of(obj: Obj) -> Obj:
    """What of an object a write of its status may change: the rest need not even be copied."""
    return {field: obj[field] for field in ("apiVersion", "kind", "metadata", "status") if field in obj}


def wish_of(obj: Obj) -> Obj:
    """All of an object that is neither its metadata nor what was observed of it."""
    return {field: value for field, value in obj.items() if field not in ("metadata", "status")}
