"""An object as lines of YAML, each marked: as it was, new, changed, or gone since an earlier object. Pure.

`journey_model.py` has one for each hop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from k8slab.api.objects import Obj
from k8slab.client.threeway import LAST_APPLIED

FIRST = ("apiVersion", "kind", "metadata", "name", "namespace", "generateName", "spec")
LAST = ("status",)
NAMES = ("name", "type", "containerPort", "uid", "ip")  # what an item of a list is known by
Line = list[str]  # [mark, text] or ["~", text, what it was]; marks: " " as it was, "+" new, "~" changed, "-" gone


def lines(obj: Obj, before: Obj | None = None) -> list[Line]:
    """The object's lines; without an earlier one everything is new."""
    return [*_mapping(shown(obj), shown(before) if before else None, 0)]


def news(marked: Sequence[Line]) -> int:
    """How many lines are new or changed."""
    return sum(line[0] in "+~" for line in marked)


def shown(obj: Obj) -> Obj:
    """The object without who owns which field, and without kubectl's own copy of it: both are long and no news."""
    meta = {field: value for field, value in (obj.get("metadata") or {}).items() if field != "managedFields"}
    notes = {name: value for name, value in (meta.get("annotations") or {}).items() if name != LAST_APPLIED}
    meta.pop("annotations", None)
    return {**obj, "metadata": meta | ({"annotations": notes} if notes else {})}


def _mapping(value: Mapping[str, Any], before: Any, depth: int) -> Iterator[Line]:
    known = before if isinstance(before, Mapping) else {}
    for key in sorted(value, key=_place):
        yield from _entry(f"{'  ' * depth}{_text(key)}:", value[key], key in known, known.get(key), depth)
    for key in (key for key in known if key not in value):
        yield ["-", f"{'  ' * depth}{_text(key)}: {_short(known[key])}"]


def _entry(head: str, value: Any, there: bool, was: Any, depth: int) -> Iterator[Line]:
    if isinstance(value, Mapping) and value:
        yield [" " if there else "+", head]
        yield from _mapping(value, was, depth + 1)
    elif isinstance(value, list) and value:
        yield [" " if there else "+", head]
        yield from _items(value, was if isinstance(was, list) else [], depth)
    else:
        yield _marked(f"{head} {_text(value)}", value, there, was)


def _items(value: Sequence[Any], before: Sequence[Any], depth: int) -> Iterator[Line]:
    known = {_name(item, place): item for place, item in enumerate(before)}
    margin = "  " * depth
    for place, item in enumerate(value):
        name = _name(item, place)
        if not isinstance(item, Mapping) or not item:
            yield _marked(f"{margin}- {_text(item)}", item, name in known, known.get(name))
            continue
        for number, (mark, text, *was) in enumerate(_mapping(item, known.get(name), depth + 1)):
            yield [mark, f"{margin}- {text[len(margin) + 2 :]}" if number == 0 else text, *was]
    left = {_name(item, place) for place, item in enumerate(value)}
    for name, item in known.items():
        if name not in left:
            yield ["-", f"{margin}- {_short(item)}"]


def _marked(text: str, value: Any, there: bool, was: Any) -> Line:
    if not there:
        return ["+", text]
    return [" ", text] if was == value else ["~", text, _short(was)]


def _place(key: str) -> tuple[int, int]:
    return (FIRST.index(key), 0) if key in FIRST else (len(FIRST) + (key in LAST), 0)


def _name(item: Any, place: int) -> tuple[str, Any]:
    if isinstance(item, Mapping):
        return next(((name, item[name]) for name in NAMES if isinstance(item.get(name), str | int)), ("", place))
    return "", place


def _short(value: Any) -> str:
    return "…" if isinstance(value, Mapping | list) and value else _text(value)


def _text(value: Any) -> str:
    return _scalar(type(value).__name__, value) if isinstance(value, str | int | float | None) else str(value)


@lru_cache(4096)
def _scalar(kind: str, value: Any) -> str:
    """As YAML writes it; `kind` keeps 1 and true apart."""
    import yaml

    return str(yaml.safe_dump(value, width=float("inf"), allow_unicode=True)).removesuffix("\n...\n").rstrip("\n")
