"""Who owns which field of an object: `metadata.managedFields`, and what server-side apply makes of it.

The verbs (`apiserver/verbs.py`) call `track` for every write over HTTP and `apply` for an apply patch; next door,
`last_applied.py` knows what kubectl's own annotation has to do with it. A manager is a name with the way it writes:
an applier owns what it last applied, everybody else what he last changed. The rules are those of
k8s.io/apimachinery/pkg/util/managedfields and structured-merge-diff/merge.

Not tracked are the writes of the parts inside (`client/local.py`): it would cost a quarter of each. In a real cluster
the controller manager, the scheduler and the kubelets have entries of their own; here, what they change stays with
whoever owned it, and what they create is owned by nobody until somebody applies it (then, as there, by
`before-first-apply`). All kinds are owned in the version they are stored in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from k8slab.api import structured
from k8slab.api.errors import Conflict
from k8slab.api.field_sets import (
    SELF,
    FieldSet,
    Path,
    difference,
    intersection,
    paths,
    show,
    union,
    well_formed,
)  # fmt: skip
from k8slab.api.objects import Obj

APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10  # more than that, and the oldest are put together (capmanagers.go)
UNOWNED = frozenset({
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion",
})  # fmt: skip


class Manager(NamedTuple):
    """Somebody who writes, and how. For appliers the version does not count."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        said = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return said if self.operation == APPLY else f"{said} using {self.api_version}"


class Owned(NamedTuple):
    """A manager's fields, in the version he last wrote, and when that was."""

    fields: FieldSet
    api_version: str
    time: str


class Applied(NamedTuple):
    """What applying comes to: the object, and who owns it."""

    obj: Obj
    entries: list[Obj]


Managers = dict[Manager, Owned]


class Writer(NamedTuple):
    """Who makes this request: the name he gave (or his user agent's), and the door he came through."""

    name: str
    subresource: str = ""

    @property
    def ignored(self) -> str:
        """The part of an object that this door leaves as it is (GetResetFields of the kinds' strategies)."""
        return {"": "status", "status": "spec"}.get(self.subresource, "")


class ApplyConflict(Conflict):
    """Others own fields that were applied with another value. `found` holds each with its owner."""

    def __init__(self, found: list[tuple[Manager, Path]]) -> None:
        self.found = found
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": show(path)}
            for manager, path in found
        ]
        super().__init__(_conflict_text(found), {"causes": causes})


def _conflict_text(found: list[tuple[Manager, Path]]) -> str:
    if len(found) == 1:
        manager, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {show(path)}"
    lines = []
    for owner in dict.fromkeys(manager for manager, _ in found):
        lines += [f"conflicts with {owner}:", *(f"- {show(path)}" for manager, path in found if manager == owner)]
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


# ---- entries --------------------------------------------------------------------------------------------------------


def read(entries: Any) -> Managers | None:
    """The managers in `metadata.managedFields`; None when it is not well formed."""
    found: Managers = {}
    for entry in entries or ():
        operation, version = entry.get("operation"), entry.get("apiVersion")
        fields = entry.get("fieldsV1") or {}
        if operation not in (APPLY, UPDATE) or not version or entry.get("fieldsType") != "FieldsV1":
            return None
        if not well_formed(fields):
            return None
        name, door = entry.get("manager", ""), entry.get("subresource", "")
        found[_manager(name, operation, version, door)] = Owned(fields, version, entry.get("time", ""))
    return found


def write(managers: Managers) -> list[Obj]:
    """The entries of managers, appliers first, then by time and name."""
    found = []
    for manager, owned in managers.items():
        entry: Obj = {"manager": manager.name, "operation": manager.operation, "apiVersion": owned.api_version}
        if owned.time:
            entry["time"] = owned.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": owned.fields}
        if manager.subresource:
            entry["subresource"] = manager.subresource
        found.append(entry)
    order = ("operation", "time", "manager", "apiVersion", "subresource")
    return sorted(found, key=lambda entry: [entry.get(field, "") for field in order])


def is_reset(entries: Any) -> bool:
    """Whether a client wants nobody to own anything any more: `[]` or `[{}]`."""
    return entries in ([], [{}])


def settle(obj: Obj, old: Obj) -> Obj:
    """The old object, when the new one differs in nothing but the times in its managedFields."""
    if obj == old:
        return old
    mine, theirs = obj["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if not mine or not theirs or _timeless(mine) != _timeless(theirs):
        return obj
    return old if {**obj, "metadata": {**obj["metadata"], "managedFields": theirs}} == old else obj


def _timeless(entries: list[Obj]) -> dict[Manager, tuple[str, FieldSet]]:
    """Who owns what, whatever the order (Kubernetes minds it, and so at times writes what nobody changed)."""
    managers = read(entries) or {}
    return {manager: (owned.api_version, owned.fields) for manager, owned in managers.items()}


def _manager(name: str, operation: str, api_version: str, subresource: str) -> Manager:
    return Manager(name or "unknown", operation, "" if operation == APPLY else api_version, subresource)


# ---- writes ---------------------------------------------------------------------------------------------------------


def track(old: Obj | None, new: Obj, definition: str, writer: Writer, now: str, sent: Any = None) -> list[Obj]:
    """The entries of an object that somebody writes as a whole (old: None) or changes, other than by applying.

    `sent` is what his request had as managedFields: it replaces what is known, unless it cannot be read.
    """
    managers = _before(old, sent, writer)
    if not managers and old is not None:
        return []  # an object nobody tracked from its start is not tracked before somebody applies it
    managers = _updated(managers, old or structured.nothing(definition), new, definition, writer, now)
    return write(_capped(managers))


def apply(live: Obj, config: Obj, definition: str, writer: Writer, now: str, *, force: bool = False) -> Applied:
    """The live object with a configuration applied, and its entries.

    Fields the writer applied before and now leaves out go, unless somebody else owns them; what was emptied so is
    null. Raises ApplyConflict, unless `force` takes the fields over.
    """
    version, ignored = config["apiVersion"], writer.ignored
    managers = read(live["metadata"].get("managedFields"))
    if not managers:
        managers = _updated({}, structured.nothing(definition), live, definition, Writer("before-first-apply"), now)
    me = _manager(writer.name, APPLY, version, writer.subresource)
    last = managers.get(me)
    managers[me] = Owned(_ownable(structured.fields_of(config, definition), ignored), version, now)
    base = {**live, "metadata": {k: v for k, v in live["metadata"].items() if k != "managedFields"}}
    merged = structured.merge(base, {k: v for k, v in config.items() if k != ignored}, definition)
    if last is not None and last.fields:
        merged = _pruned(merged, last.fields, managers, definition)
    changed, removed = structured.compare(base, merged, definition)
    return Applied(merged, write(_given_up(managers, me, changed, removed, force=force)))


def _before(old: Obj | None, sent: Any, writer: Writer) -> Managers:
    known = (old or {}).get("metadata", {}).get("managedFields")
    if writer.subresource or sent is None:
        return read(known) or {}
    return {} if is_reset(sent) else read(sent) or read(known) or {}


def _updated(managers: Managers, old: Obj, new: Obj, definition: str, writer: Writer, now: str) -> Managers:
    """Who changes a field owns it, and those who had it lose it."""
    version = new["apiVersion"]
    changed, removed = structured.compare(_bare(old, writer.ignored), _bare(new, writer.ignored), definition)
    if not changed and not removed:
        return managers
    left = _given_up(managers, None, changed, removed, force=True)
    if mine := _ownable(changed, writer.ignored):
        me = _manager(writer.name, UPDATE, version, writer.subresource)
        left[me] = Owned(union(left[me].fields, mine) if me in left else mine, version, now)
    return left


def _given_up(managers: Managers, me: Manager | None, changed: FieldSet, removed: FieldSet, *, force: bool) -> Managers:
    """What all have left when another has changed and removed these fields. Raises ApplyConflict."""
    found: list[tuple[Manager, Path]] = []
    left: Managers = {}
    for manager, owned in managers.items():
        fields = owned.fields
        if manager != me:
            contested = intersection(fields, changed)
            found += ((manager, path) for path in paths(contested))
            fields = difference(difference(fields, contested), removed)
        if fields:
            left[manager] = owned._replace(fields=fields)
    if found and not force:
        raise ApplyConflict(sorted(found, key=lambda pair: (pair[0].name, *pair[0][1:])))
    return left


def _pruned(merged: Obj, last: FieldSet, managers: Mapping[Manager, Owned], definition: str) -> Obj:
    """Without what was applied last time and is owned by nobody now."""
    shape = structured.shape(definition)

    def whole(fields: FieldSet) -> FieldSet:
        return structured.with_holders(fields, shape)

    last = whole(last)
    owned: FieldSet = {}
    for each in managers.values():
        owned = union(owned, whole(each.fields))
    everything = whole(structured.fields_of(merged, definition))
    pruned = structured.without(merged, last, definition)
    kept = union(whole(structured.fields_of(pruned, definition)), owned)
    pruned = structured.without(merged, difference(everything, kept), definition)
    gone = difference(everything, whole(structured.fields_of(pruned, definition)))
    return structured.without(merged, intersection(gone, last), definition)


def _capped(managers: Managers) -> Managers:
    """With the oldest of too many updaters put together as `ancient-changes`."""
    updaters = sorted(
        (manager for manager in managers if manager.operation == UPDATE),
        key=lambda manager: (managers[manager].time, *manager),
    )
    too_many = len(updaters) - MOST_UPDATERS
    if too_many <= 0:
        return managers
    left = {**managers}
    ancient: Managers = {}
    for manager in updaters[: too_many + 1]:
        owned = left.pop(manager)
        bucket = Manager("ancient-changes", UPDATE, owned.api_version)
        before = ancient.get(bucket)
        ancient[bucket] = owned._replace(fields=union(before.fields, owned.fields)) if before else owned
    return left | ancient


def _bare(obj: Obj, ignored: str) -> Obj:
    """The parts of an object that can be owned."""
    meta = obj.get("metadata") or {}
    kept = {name: value for name, value in meta.items() if name not in UNOWNED}
    parts = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", ignored)}
    return parts | {"metadata": kept}


def _ownable(fields: FieldSet, ignored: str) -> FieldSet:
    """Without what nobody owns: identity, what the server alone writes (stripmeta.go), what this door ignores."""
    kept = {step: node for step, node in fields.items() if step not in ("f:apiVersion", "f:kind", f"f:{ignored}")}
    meta = {step: node for step, node in kept.pop("f:metadata", {}).items() if step != SELF and step[2:] not in UNOWNED}
    return {"f:metadata": meta, **kept} if meta else kept
