"""Whether an object keeps the rules of its kind: the last look before it is stored.

`verbs.py` asks after defaulting and the kind's strategy; what is wrong becomes one `Invalid` with a cause for each
field. One typed walk reads the tables of `validation_*.py`, so that a rule for containers is written once and holds
in pods and in every template. Rules and sentences are Kubernetes' (pkg/apis/*/validation).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from k8slab.api import (
    names,
    schema,
    validation_autoscaling,
    validation_cluster,
    validation_jobs,
    validation_network,
    validation_pods,
    validation_quota,
    validation_services,
    validation_storage,
    validation_workloads,
)
from k8slab.api.causes import IMMUTABLE, forbidden, invalid, required
from k8slab.api.checks import Check, Closed, Creation, Required, Table, annotation_map, label_map, named, requirement
from k8slab.api.errors import Cause
from k8slab.api.kinds import Kind, kind_of
from k8slab.api.objects import Obj, encode

Update = Callable[[Obj, Obj], Iterable[Cause]]

NAMES: dict[str, names.Rule] = {
    "Namespace": names.dns_label,
    "Service": names.dns_1035_label,
    "StatefulSet": names.dns_label,
}
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")

_META: Table = {
    "meta.v1.LabelSelector": {"matchLabels": (label_map,)},
    "meta.v1.LabelSelectorRequirement": {"": (requirement,)},
}


def _owners(references: Any, path: str) -> Iterable[Cause]:
    """Every owner is fully named, and at most one is the controller."""
    controller = ""
    for reference in references:
        for field, detail in (("apiVersion", "version must not be empty"), ("kind", ""), ("name", ""), ("uid", "")):
            if not reference.get(field):
                yield invalid(f"{path}.{field}", "", detail or "must not be empty")
        if reference.get("kind") == "Event" and reference.get("apiVersion") == "v1":
            yield invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner")
        if reference.get("controller"):
            this = f"{reference.get('kind', '')}/{reference.get('name', '')}"
            if controller:
                both = f'Found "true" in references for {controller} and {this}'
                yield invalid(path, references, f"Only one reference can have Controller set to true. {both}")
            controller = controller or this


def _finalizers(finalizers: Any, path: str) -> Iterable[Cause]:
    for finalizer in finalizers:
        yield from named(names.qualified_name)(finalizer, path)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
    for index, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(f"{path}[{index}]", finalizer, detail)


_OBJECT_META: Table = {
    "meta.v1.ObjectMeta": {
        "labels": (label_map,),
        "annotations": (annotation_map,),
        "ownerReferences": (_owners,),
        "finalizers": (_finalizers,),
    }
}

TABLE: dict[str, Any] = {
    **_META,
    **_OBJECT_META,
    **validation_pods.TABLE,
    **validation_workloads.TABLE,
    **validation_jobs.TABLE,
    **validation_autoscaling.TABLE,
    **validation_services.TABLE,
    **validation_network.TABLE,
    **validation_storage.TABLE,
    **validation_quota.TABLE,
    **validation_cluster.TABLE,
}
UPDATES: dict[str, Update] = {
    **validation_pods.UPDATES,
    **validation_workloads.UPDATES,
    **validation_jobs.UPDATES,
    **validation_services.UPDATES,
    **validation_network.UPDATES,
    **validation_storage.UPDATES,
    **validation_quota.UPDATES,
    **validation_cluster.UPDATES,
}
CREATES: dict[str, Creation] = {
    **validation_pods.CREATES, **validation_jobs.CREATES, **validation_network.CREATES, **validation_quota.CREATES,
}  # fmt: skip


def validate(obj: Obj, old: Obj | None = None, subresource: str = "") -> list[Cause]:
    """What is wrong with an object: as a new one, or as a change of `old` (through a subresource). Nothing: empty.

    Expects it defaulted, its types right. Parts that did not change are not looked at again. Raises KeyError for a
    kind that is not ours.
    """
    kind = kind_of(obj["apiVersion"], obj["kind"])
    if kind is None:
        raise KeyError(f"{obj['apiVersion']} {obj['kind']}")
    found: list[Cause] = []
    found.extend(_identity(obj["metadata"], kind) if old is None else _identity_kept(obj["metadata"], old["metadata"]))
    plan = _plan(kind.definition)
    same = {name for name, value in obj.items() if old is not None and value == old.get(name)}
    if old is None and _seen_good(kind.definition, obj.get("spec")):
        same.add("spec")
    for name, step in [*plan.rows.items(), *plan.below.items()]:
        if name != "status" and name not in same:
            step.check(obj, "", found)
            if old is None and name == "spec" and not found:
                _remember_good(kind.definition, obj["spec"])
    short = _short(kind.definition)
    update = UPDATES.get(f"{short}/{subresource}") or UPDATES.get(short)
    if old is not None and update is not None:
        found.extend(update(obj, old))
    elif old is None and short in CREATES:
        found.extend(CREATES[short](obj))
    return found


# A controller's pods have one and the same spec, which need not be looked through a thousand times.
_good: OrderedDict[tuple[str, bytes], None] = OrderedDict()
GOOD, GOOD_SIZE = 256, 8192  # how many specs are remembered, and of what size in bytes at most


def _seen_good(definition: str, spec: Any) -> bool:
    return spec is not None and (definition, encode(spec)) in _good


def _remember_good(definition: str, spec: Any) -> None:
    raw = encode(spec)
    if len(raw) <= GOOD_SIZE:
        _good[definition, raw] = None
        if len(_good) > GOOD:
            _good.popitem(last=False)


def _identity(meta: Obj, kind: Kind) -> Iterable[Cause]:
    """Name and namespace of a new object (apimachinery/pkg/api/validation/objectmeta.go)."""
    rule = NAMES.get(kind.kind, names.dns_subdomain)
    if prefix := meta.get("generateName"):
        yield from named(names.prefix_of(rule))(prefix, "metadata.generateName")
    if name := meta.get("name"):
        yield from named(rule)(name, "metadata.name")
    else:
        yield required("metadata.name", "name or generateName is required")
    namespace = meta.get("namespace")
    if kind.namespaced and not namespace:
        yield required("metadata.namespace")
    elif kind.namespaced:
        yield from named(names.dns_label)(namespace, "metadata.namespace")
    elif namespace:
        yield forbidden("metadata.namespace", "not allowed on this type")


def _identity_kept(meta: Obj, old: Obj) -> Iterable[Cause]:
    """What no update may change in an object's metadata."""
    if old.get("deletionTimestamp"):
        new = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if new:
            shown = ", ".join(f'"{name}"' for name in new)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
            yield forbidden("metadata.finalizers", f"{detail} []string{{{shown}}}")
    if meta.get("generation", 0) < old.get("generation", 0):
        yield invalid("metadata.generation", meta.get("generation", 0), "must not be decremented")
    for field in FIXED:
        if meta.get(field) != old.get(field):
            yield invalid(f"metadata.{field}", meta.get(field), IMMUTABLE)


class _Step:
    """One field of a definition on the walk: its row of checks, and what lies below."""

    __slots__ = ("checks", "holds", "name", "needed", "type")

    def __init__(self, name: str, row: Iterable[Required | Closed | Check], field: schema.Field | None) -> None:
        row = tuple(row)
        self.name = name
        self.needed = next((entry.detail for entry in row if isinstance(entry, Required)), None)
        self.checks = tuple(entry for entry in row if not isinstance(entry, (Required, Closed)))
        closed = any(isinstance(entry, Closed) for entry in row)
        self.type = field.type if field is not None and "." in field.type and not closed else ""
        self.holds = field.holds if field is not None else "one"

    def check(self, value: Obj, path: str, found: list[Cause]) -> None:
        """Look at this field of a value."""
        if not self.name:
            for check in self.checks:
                found.extend(check(value, path))
            return
        item = value.get(self.name)
        if item is None or item == "" or item == []:
            if self.needed is not None:
                found.append(required(_join(path, self.name), self.needed))
            return
        where = _join(path, self.name)
        for check in self.checks:
            found.extend(check(item, where))
        if self.type:
            self._below(item, where, _plan(self.type), found)

    def _below(self, item: Any, where: str, plan: _Plan, found: list[Cause]) -> None:
        if not plan.rows and not plan.below:
            return
        if self.holds == "list":
            for index, part in enumerate(item):
                _walk(part, f"{where}[{index}]", plan, found)
        elif self.holds == "map":
            for key, part in item.items():
                _walk(part, f"{where}[{key}]", plan, found)
        else:
            _walk(item, where, plan, found)


class _Plan(NamedTuple):
    """The walk over a definition: its rows in their order, then every other field with a structure of its own."""

    rows: dict[str, _Step]
    below: dict[str, _Step]


def _walk(value: Obj, path: str, plan: _Plan, found: list[Cause]) -> None:
    for step in plan.rows.values():
        step.check(value, path, found)
    if below := plan.below:
        for name in value:
            if (step_below := below.get(name)) is not None:
                step_below.check(value, path, found)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _short(definition: str) -> str:
    return definition.removeprefix("io.k8s.api.").removeprefix("io.k8s.apimachinery.pkg.apis.")


@cache
def _plan(definition: str) -> _Plan:
    rows, fields = TABLE.get(_short(definition), {}), schema.fields(definition)
    return _Plan(
        {name: _Step(name, row, fields.get(name)) for name, row in rows.items()},
        {name: _Step(name, (), field) for name, field in fields.items() if name not in rows and "." in field.type},
    )
