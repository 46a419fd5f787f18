"""The small rules that validation's tables are made of: each takes a value and its path, and yields what is wrong.

The tables (`validation_*.py`) put them beside the field they are for; `validation.py` walks over objects with them.
A check sees only values that are there; `REQUIRED` in a row says that one must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k8slab.api import names
from k8slab.api.causes import NOT_NEGATIVE, duplicate, forbidden, invalid, required, too_long, unsupported
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

Check = Callable[[Any, str], Iterable[Cause]]
Creation = Callable[[Obj], Iterable[Cause]]  # what is asked of a new object alone


@dataclass(frozen=True)
class Required:
    """The field must be set: neither absent nor an empty text or list."""

    detail: str = ""


class Closed:
    """The field's parts are nobody's business here: Kubernetes does not look at them either."""


REQUIRED = Required()
CLOSED = Closed()
Row = tuple[Required | Closed | Check, ...]
Table = Mapping[str, Mapping[str, Row]]  # definition -> field ("": all of it) -> what holds; causes come in this order

MAX_INT32 = 2**31 - 1
POSITIVE = "must be greater than 0"
_ANNOTATIONS_SIZE = 256 * 1024
_PERCENT = (
    "a valid percent string must be a numeric followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


def one_of(*supported: str) -> Check:
    """One of a few words."""

    def check(value: Any, path: str) -> Iterable[Cause]:
        return () if value in supported else (unsupported(path, value, supported),)

    return check


def named(rule: names.Rule) -> Check:
    """A text that follows one of `names`' rules."""

    def check(value: Any, path: str) -> Iterable[Cause]:
        return [invalid(path, value, message) for message in rule(value)]

    return check


def between(low: int, high: int) -> Check:
    """A whole number in a range."""

    def check(value: Any, path: str) -> Iterable[Cause]:
        return () if low <= value <= high else (invalid(path, value, f"must be between {low} and {high}, inclusive"),)

    return check


def not_negative(value: Any, path: str) -> Iterable[Cause]:
    """Zero or more."""
    return () if value >= 0 else (invalid(path, value, NOT_NEGATIVE),)


def positive(value: Any, path: str) -> Iterable[Cause]:
    """One or more."""
    return () if value > 0 else (invalid(path, value, POSITIVE),)


def unique(field: str) -> Check:
    """No two items of a list have the same value in this field."""

    def check(items: Any, path: str) -> Iterable[Cause]:
        seen = set()
        for index, item in enumerate(items):
            if (value := item.get(field)) and value in seen:
                yield duplicate(f"{path}[{index}].{field}", value)
            seen.add(value)

    return check


def port(value: Any, path: str) -> Iterable[Cause]:
    """A port number."""
    return () if 1 <= value <= 65535 else (invalid(path, value, names.PORT_RANGE),)


def port_or_name(value: Any, path: str) -> Iterable[Cause]:
    """A port number, or the name of a port."""
    if isinstance(value, int):
        return port(value, path)
    return [invalid(path, value, message) for message in names.port_name(value)]


def required_port(field: str = "port") -> Check:
    """The object's port, number or name; Go reads an absent one as 0."""

    def check(value: Any, path: str) -> Iterable[Cause]:
        return port_or_name(value.get(field, 0), f"{path}.{field}")

    return check


def count_or_percent(value: Any, path: str) -> Iterable[Cause]:
    """A number of things, or a share of them such as 25%."""
    if isinstance(value, int):
        return not_negative(value, path)
    return () if re.fullmatch("[0-9]+%", value) else (invalid(path, value, _PERCENT),)


def not_over_all(value: Any, path: str) -> Iterable[Cause]:
    """A percentage of at most 100."""
    if isinstance(value, str) and re.fullmatch("[0-9]+%", value) and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def each(check: Check) -> Check:
    """A check of every item of a list."""

    def check_each(items: Any, path: str) -> Iterable[Cause]:
        return [cause for index, item in enumerate(items) for cause in check(item, f"{path}[{index}]")]

    return check_each


def label_map(value: Any, path: str) -> Iterable[Cause]:
    """Keys and values of labels, also where they select."""
    for key, text in value.items():
        for message in names.label_key(key):
            yield invalid(path, key, message)
        for message in names.label_value(text):
            yield invalid(path, text, message)


def annotation_map(value: Any, path: str) -> Iterable[Cause]:
    """Keys like labels' in any case; values are free, up to 256 KiB together."""
    for key in value:
        for message in names.qualified_name(key.lower()):
            yield invalid(path, key, message)
    if sum(len(key.encode()) + len(text.encode()) for key, text in value.items()) > _ANNOTATIONS_SIZE:
        yield too_long(path, _ANNOTATIONS_SIZE)


def requirement(value: Any, path: str) -> Iterable[Cause]:
    """One of a label selector's `matchExpressions`."""
    operator, values = value.get("operator"), value.get("values")
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        yield invalid(f"{path}.operator", operator or "", "not a valid selector operator")
    yield from named(names.label_key)(value.get("key", ""), f"{path}.key")
    for index, text in enumerate(values or ()):
        yield from named(names.label_value)(text, f"{path}.values[{index}]")


def node_requirement(value: Any, path: str) -> Iterable[Cause]:
    """One of a node selector's `matchExpressions`, which know Gt and Lt as well."""
    if value.get("operator") not in ("Gt", "Lt"):
        yield from requirement(value, path)
        return
    if len(value.get("values") or ()) != 1:
        yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    yield from named(names.label_key)(value.get("key", ""), f"{path}.key")


def relative_path(value: Any, path: str) -> Iterable[Cause]:
    """A path that stays below where it begins."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from no_backsteps(value, path)


def no_backsteps(value: Any, path: str) -> Iterable[Cause]:
    """A path that never goes up."""
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")


def only_one(value: Obj, path: str, sources: Iterable[str], detail: str) -> Iterable[Cause]:
    """Of these fields only one may be set."""
    given = [source for source in sources if value.get(source) is not None]
    for extra in given[1:]:
        yield forbidden(f"{path}.{extra}", detail)
