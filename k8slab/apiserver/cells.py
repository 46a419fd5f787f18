"""What the columns of `kubectl get` are made of: a column, how long ago, and the cells that many kinds share.

`columns_*.py` put them together, kind by kind; `table.py` makes the rows. The words are Kubernetes'
(pkg/printers/internalversion).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from k8slab.api.objects import Obj
from k8slab.api.selectors import format_selector
from k8slab.clock import from_timestamp

Cell = str | int | bool


@dataclass(frozen=True)
class Column:
    """One column: priority 0 is always shown, 1 with `-o wide`. `cell` gets the object and the time now."""

    name: str
    cell: Callable[[Obj, float], Cell]
    type: str = "string"
    format: str = ""
    priority: int = 0

    def header(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": self.priority,
        }


def human_duration(seconds: float) -> str:
    """`5m10s`: two figures where the first alone would be coarse (apimachinery/pkg/util/duration)."""
    if seconds < -1:
        return "<invalid>"
    s = max(0, int(seconds))
    minute, hour, day, year = 60, 3600, 86400, 365 * 86400
    if s < 2 * minute:
        return f"{s}s"
    for end, big, small, names in (
        (10 * minute, minute, 1, "ms"),
        (3 * hour, minute, 0, "m"),
        (8 * hour, hour, minute, "hm"),
        (2 * day, hour, 0, "h"),
        (8 * day, day, hour, "dh"),
        (2 * year, day, 0, "d"),
        (8 * year, year, day, "yd"),
    ):
        if s < end:
            rest = (s % big) // small if small else 0
            return f"{s // big}{names[0]}" + (f"{rest}{names[1]}" if rest else "")
    return f"{s // year}y"


def since(timestamp: str | None, now: float) -> str:
    """How long ago, for people."""
    return human_duration(now - from_timestamp(timestamp)) if timestamp else "<unknown>"


def limited(items: Iterable[str], most: int = 3) -> str:
    """The first few, and how many more."""
    every = list(items)
    more = f" + {len(every) - most} more..." if len(every) > most else ""
    return (",".join(every[:most]) + more) if every else "<none>"


def name(obj: Obj, now: float) -> str:
    """The object's name."""
    return str(obj["metadata"]["name"])


def age(obj: Obj, now: float) -> str:
    """How long ago it was made."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def at(*path: str, default: Any = 0) -> Callable[[Obj, float], Any]:
    """A cell that shows a field as it is."""

    def cell(obj: Obj, now: float) -> Any:
        value: Any = obj
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return default if value in (None, "") else value

    return cell


def containers(field: str, *path: str) -> Callable[[Obj, float], str]:
    """A field of each container of a workload's template; `path` leads to another template than `spec.template`."""
    template = at(*(path or ("spec", "template")), default={})
    return lambda obj, now: ",".join(c.get(field, "") for c in template(obj, now)["spec"]["containers"])


def selects(*path: str) -> Callable[[Obj, float], str]:
    """A label selector, or plain labels, in one line."""
    selector = at(*path, default=None)
    return lambda obj, now: format_selector(selector(obj, now) or {}) or "<none>"


def words(flag: bool | None) -> str:
    """A flag that may be unset."""
    return "<unset>" if flag is None else str(flag)


NAME = Column("Name", name, format="name")
AGE = Column("Age", age)
CONTAINERS = (
    Column("Containers", containers("name"), priority=1),
    Column("Images", containers("image"), priority=1),
)
SELECTOR = Column("Selector", selects("spec", "selector"), priority=1)
