"""Whether a configuration to be applied fits its kind's structure, in the words server-side apply has for it.

Stricter than `typed.py`, which reads other writes: an unknown field is an error here whatever `fieldValidation` says,
items of a list are told apart by their keys and so must have them, once each (structured-merge-diff/typed/validate.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slab.api import go_text, schema
from k8slab.api.causes import show as quoted
from k8slab.api.field_sets import show
from k8slab.api.objects import Obj
from k8slab.api.structured import LEAF, Items

NUMBERS = ("int32", "int64", "double")
TEXTS = ("string", "bytes")
Problem = tuple[str, str]  # where, what


def problems(config: Obj, definition: str) -> str:
    """What is wrong with a configuration, in one text; empty if nothing is."""
    found = [f"{where}: {what}" if where else what for where, what in _struct(config, definition, "")]
    return found[0] if len(found) == 1 else "\n  ".join(["errors:", *found]) if found else ""


def _struct(value: Any, definition: str, where: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield where, f"expected map, got &{{{go_text.plain(value)}}}"
        return
    known = schema.fields(definition)
    for name, item in value.items():
        if name not in known:
            yield f"{where}.{name}", "field not declared in schema"
        elif item is not None:
            yield from _field(item, known[name], f"{where}.{name}")


def _field(value: Any, field: schema.Field, where: str) -> Iterator[Problem]:
    if field.holds == "map":
        if not isinstance(value, dict):
            yield where, f"expected map, got &{{{go_text.plain(value)}}}"
            return
        for name, item in value.items():
            yield from _one(item, field.type, f"{where}.{name}")
    elif field.holds == "list":
        if not isinstance(value, list):
            yield where, f"expected list, got &{{{go_text.plain(value)}}}"
            return
        yield from _items(value, field, where)
    else:
        yield from _one(value, field.type, where)


def _items(value: list[Any], field: schema.Field, where: str) -> Iterator[Problem]:
    items = Items(field.map_keys, LEAF) if field.list_type in ("map", "set") else None
    seen = set()
    for index, item in enumerate(value):
        step = f"i:{index}"
        if items is not None:
            if why := items.unfit(item):
                yield where, f"element {index}: {why}"
                return
            step = items.step(item)
            if step in seen:
                yield where, f"duplicate entries for key {show((step,))}"
            seen.add(step)
        yield from _one(item, field.type, where + show((step,)))


def _one(value: Any, type_: str, where: str) -> Iterator[Problem]:
    if "." in type_:
        if value is not None:
            yield from _struct(value, type_, where)
    elif value is None:
        return
    elif type_ in NUMBERS:
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield where, f"expected numeric (int or float), got {go_text.type_name(value)}"
    elif type_ in TEXTS:
        if not isinstance(value, str):
            yield where, f"expected string, got &value.valueUnstructured{{Value:{go_text.syntax(value)}}}"
    elif type_ == "bool":
        if not isinstance(value, bool):
            yield where, f"expected boolean, got &{{{go_text.plain(value)}}}"
    elif type_ not in ("Any", "FieldsV1") and isinstance(value, dict | list):
        yield where, f"expected scalar, got {quoted(value)}"
