"""Sets of an object's fields, in the form `metadata.managedFields` keeps them (FieldsV1), and their algebra.

A set is a tree of steps: `f:<name>` a field, `k:{…}` the list item with these keys, `v:…` the member of a set. What
stands at a step is `{}` when that field itself is in the set, and the steps below it otherwise; `.` among them says
that the field is in the set too. The empty set is `{}`. Sets are shared: nobody changes one after it was made.
`structured.py` makes them from objects, `managed_fields.py` keeps one for each manager. The rules are those of
sigs.k8s.io/structured-merge-diff/fieldpath.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slab.api.objects import decode

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
HERE: FieldSet = {}  # a field that is in the set, with nothing below it


def member(node: FieldSet) -> bool:
    """Whether the field at this step is itself in the set."""
    return not node or SELF in node


def union(first: FieldSet, second: FieldSet) -> FieldSet:
    """The fields that are in either."""
    if not first or not second:
        return first or second
    joined = {**first}
    for step, node in second.items():
        mine = joined.get(step)
        joined[step] = node if mine is None else _both(mine, node)
    return joined


def difference(first: FieldSet, second: FieldSet) -> FieldSet:
    """The fields of the first that are not in the second. A field goes alone: what is below it stays."""
    left = {}
    for step, node in first.items():
        other = second.get(step)
        kept = node if other is None else _less(node, other)
        if kept is not None:
            left[step] = kept
    return left


def intersection(first: FieldSet, second: FieldSet) -> FieldSet:
    """The fields that are in both."""
    shared = {}
    for step, node in first.items():
        other = second.get(step)
        if other is not None and (kept := _common(node, other)) is not None:
            shared[step] = kept
    return shared


def paths(fields: FieldSet, before: Path = ()) -> Iterator[Path]:
    """Every field of the set: at each level first the fields themselves, then what is below them, each in order."""
    steps = sorted(step for step in fields if step != SELF)
    for step in steps:
        if member(fields[step]):
            yield (*before, step)
    for step in steps:
        yield from paths(fields[step], (*before, step))


def contains(fields: FieldSet, path: Path) -> bool:
    """Whether the field at the end of this path is in the set."""
    node = fields
    for step in path:
        below = node.get(step)
        if below is None:
            return False
        node = below
    return bool(path) and member(node)


def show(path: Path) -> str:
    """A path as Kubernetes' messages have it: `.spec.containers[name="web"].image`."""
    return "".join(_show_step(step) for step in path)


def well_formed(fields: Any) -> bool:
    """Whether what a client sent as FieldsV1 can be one."""
    if not isinstance(fields, dict):
        return False
    return all(_is_step(step) and well_formed(node) for step, node in fields.items())


def _both(first: FieldSet, second: FieldSet) -> FieldSet:
    if not first and not second:
        return HERE
    joined = union(first, second) if first and second else {**(first or second)}
    if SELF not in joined and (member(first) or member(second)):
        joined[SELF] = HERE
    return joined


def _less(first: FieldSet, second: FieldSet) -> FieldSet | None:
    below = difference(first, second)
    below.pop(SELF, None)
    return _node(below, member(first) and not member(second))


def _common(first: FieldSet, second: FieldSet) -> FieldSet | None:
    below = intersection(first, second)
    below.pop(SELF, None)
    return _node(below, member(first) and member(second))


def _node(below: FieldSet, itself: bool) -> FieldSet | None:
    if itself:
        return {SELF: HERE, **below} if below else HERE
    return below or None


def _is_step(step: str) -> bool:
    kind, rest = step[:2], step[2:]
    if step == SELF or kind == "f:":
        return True
    if kind == "i:":
        return rest.isdigit()
    try:
        return kind in ("k:", "v:") and isinstance(decode(rest.encode()), dict) is (kind == "k:")
    except ValueError:
        return False


def _show_step(step: str) -> str:
    kind, rest = step[:2], step[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        return "[" + ",".join(f"{name}={_quoted(value)}" for name, value in decode(rest.encode()).items()) + "]"
    return f"[{rest}]" if kind == "i:" else f"[={_quoted(decode(rest.encode()))}]"


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)
