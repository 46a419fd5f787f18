"""What is wrong with one field, in Kubernetes' sentences: one function for each kind of complaint.

`validation*.py` and `selectors.py` make causes with these; `errors.Invalid` carries them to the client. How values are
shown (text in quotes, numbers bare, the rest as JSON) is k8s.io/apimachinery/pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from k8slab.api.errors import Cause

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"


def required(path: str, detail: str = "") -> Cause:
    """Nothing is there, and something must be."""
    return Cause("FieldValueRequired", _say("Required value", detail), path)


def invalid(path: str, value: Any, detail: str) -> Cause:
    """The value breaks a rule."""
    return Cause("FieldValueInvalid", _say(f"Invalid value: {show(value)}", detail), path)


def unsupported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    """The value is not one of the few that are known."""
    known = ", ".join(f'"{name}"' for name in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {known}", path)


def duplicate(path: str, value: Any) -> Cause:
    """Another one has that already."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {show(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    """Well formed, and not allowed here."""
    return Cause("FieldValueForbidden", _say("Forbidden", detail), path)


def not_found(path: str, value: Any) -> Cause:
    """It refers to something that is not there."""
    return Cause("FieldValueNotFound", f"Not found: {show(value)}", path)


def too_long(path: str, most: int) -> Cause:
    """More bytes than allowed."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)


def too_many(path: str, count: int, most: int) -> Cause:
    """More items than allowed."""
    items = "item" if most == 1 else "items"
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {most} {items}", path)


def show(value: Any) -> str:
    """A value as Go's messages have it."""
    return json.dumps(_sorted_maps(value), separators=(",", ":"), ensure_ascii=False)


def _say(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def _sorted_maps(value: Any) -> Any:
    """Go sorts the keys of its maps; a map is told from a struct by its values, which are all texts."""
    if isinstance(value, dict):
        is_map = all(isinstance(item, str) for item in value.values())
        return {key: _sorted_maps(value[key]) for key in (sorted(value) if is_map else value)}
    return [_sorted_maps(item) for item in value] if isinstance(value, list) else value
