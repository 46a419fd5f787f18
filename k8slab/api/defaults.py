"""What an object becomes when it is stored: unset fields get their defaults, quantities and zeros their stored form.

Every write passes through `apply_defaults`, before the kind's strategy and `validation.py`. One typed walk over the
structure (`schema.py`) reads the rows of `default_rows.py`, so that a pod inside a Deployment is defaulted like any
pod, completely and stably: `kubectl rollout undo` finds the old ReplicaSet by comparing whole templates.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from k8slab.api import schema
from k8slab.api.default_rows import ROWS, RULES, put
from k8slab.api.errors import BadRequest
from k8slab.api.objects import Obj
from k8slab.api.quantities import Amount, canonical

API = "io.k8s.api."
ZEROS: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, "Quantity": "0"}
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class _Step(NamedTuple):
    """What the walk does with one field."""

    drop: bool  # an empty value is as good as none (Go's omitempty)
    keep_null: bool  # a time not known yet is stored as null
    visit: Callable[[Any], Any] | None  # the value's stored form; None: as it is


class _Plan(NamedTuple):
    """What the walk does with a definition: all that can be known before an object comes."""

    steps: dict[str, _Step]
    filled: tuple[tuple[str, Any], ...]  # what Go writes down even when nobody set it
    rows: tuple[tuple[str, Any], ...]
    rules: tuple[Callable[[Obj], None], ...]


def apply_defaults(obj: Obj, definition: str, settled: Obj | None = None) -> Obj:
    """Bring an object of this definition into its stored form, in place, and return it.

    Repeating it changes nothing, so parts that are those of a `settled` object are not walked through again.
    What admission and strategies add (addresses, tolerations, status) is not here.
    Raises BadRequest for a quantity that is none, and KeyError for an unknown definition.
    """
    try:
        return _settle(obj, _plan(definition), settled)
    except ValueError as error:
        kind, version = obj.get("kind", ""), str(obj.get("apiVersion", "")).rpartition("/")[2]
        raise BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from None


def _settle(value: Obj, plan: _Plan, settled: Obj | None = None) -> Obj:
    _drop_unset(value, plan.steps)
    for name, zero in plan.filled:
        if name not in value:
            value[name] = {} if zero is None else zero
    for name, default in plan.rows:
        put(value, name, default)
    for rule in plan.rules:
        rule(value)
    steps = plan.steps
    for name, item in value.items():
        step = steps.get(name)
        if step is not None and step.visit is not None and item is not None:
            if settled and item is settled.get(name):
                continue
            stored = step.visit(item)
            if stored is not item:
                value[name] = stored
    return value


def _drop_unset(value: Obj, steps: dict[str, _Step]) -> None:
    """Forget nulls, and empty values where Go does not write them down."""
    unset = []
    for name, item in value.items():
        if not item:
            step = steps.get(name)
            if (item is None and not (step and step.keep_null)) or (step is not None and step.drop):
                unset.append(name)
    for name in unset:
        del value[name]


@cache
def _plan(definition: str) -> _Plan:
    short = definition.removeprefix(API)
    fields = schema.fields(definition)
    return _Plan(
        {name: _step(field, definition) for name, field in fields.items()},
        tuple((name, ZEROS.get(field.type)) for name, field in fields.items() if field.zero == "fill"),
        tuple(ROWS.get(short, {}).items()),
        RULES.get(short, ()),
    )


def _step(field: schema.Field, definition: str) -> _Step:
    keep_null = field.type in ("Time", "MicroTime") and definition != _OBJECT_META
    visit = _visit_one(field.type)
    if visit is not None and field.holds != "one":
        visit = _visit_list(visit) if field.holds == "list" else _visit_map(visit)
    return _Step(field.zero == "drop", keep_null, visit)


def _visit_one(type_: str) -> Callable[[Any], Any] | None:
    if type_ == "Quantity":
        return _quantity
    if "." not in type_:
        return None
    plan: _Plan | None = None  # made at the first value: definitions may contain themselves

    def visit(item: Any) -> Any:
        nonlocal plan
        plan = plan or _plan(type_)
        return _settle(item, plan) if isinstance(item, dict) else item

    return visit


def _visit_list(visit: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def all_of(items: Any) -> Any:
        if isinstance(items, list):
            items[:] = map(visit, items)
        return items

    return all_of


def _visit_map(visit: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def all_of(items: Any) -> Any:
        if isinstance(items, dict):
            items.update((key, visit(item)) for key, item in items.items())
        return items

    return all_of


def _quantity(amount: Amount) -> str:
    stored = canonical(amount)
    return amount if stored == amount and isinstance(amount, str) else stored
