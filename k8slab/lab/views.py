"""What `lab.read` and `lab.pods` give back: objects with names for their parts, which a notebook shows readably."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from k8slab.api.objects import Obj, controller_of, copy, is_pod_ready, is_terminating, labels_of
from k8slab.api.selectors import format_selector
from k8slab.client.threeway import LAST_APPLIED

COLUMNS = ("NAME", "READY", "RESTARTS", "NODE", "IP", "OWNER")


class Object:
    """One object as it was when it was read: `metadata`, `spec`, `status`, and any other of its fields."""

    def __init__(self, obj: Obj) -> None:
        self.obj = obj

    @property
    def selector(self) -> str:
        """Which pods it means, as `kubectl get pods -l` takes it."""
        return format_selector(self.spec.get("selector"))

    def __getattr__(self, name: str) -> Any:
        if name in ("metadata", "spec", "status"):
            return self.obj.get(name) or {}
        if name in self.obj:
            return self.obj[name]
        raise AttributeError(f"a {self.obj.get('kind')} has no {name!r}; it has {', '.join(self.obj)}")

    def __repr__(self) -> str:
        import yaml

        shown = copy(self.obj)
        shown["metadata"].pop("managedFields", None)
        (shown["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
        return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)).rstrip()

    def _repr_html_(self) -> str:
        title = f"{self.obj['kind'].lower()}/{self.metadata['name']}"
        return f"<details><summary>{escape(title)}</summary><pre>{escape(repr(self))}</pre></details>"


@dataclass(frozen=True)
class Pod:
    """A pod in a few words. `owner` is such as "replicaset/web-7d9f", or empty; `ip` may be empty too."""

    name: str
    ready: bool
    restarts: int
    node: str
    ip: str
    labels: Mapping[str, str]
    owner: str
    terminating: bool
    phase: str
    metadata: Obj = field(repr=False)

    @classmethod
    def of(cls, pod: Obj) -> Pod:
        """The words about a pod."""
        status, owner = pod.get("status") or {}, controller_of(pod)
        return cls(
            name=pod["metadata"]["name"],
            ready=is_pod_ready(pod),
            restarts=restarts_of(pod),
            node=pod["spec"].get("nodeName", ""),
            ip=status.get("podIP", ""),
            labels=labels_of(pod),
            owner=f"{owner['kind'].lower()}/{owner['name']}" if owner else "",
            terminating=is_terminating(pod),
            phase="Terminating" if is_terminating(pod) else status.get("phase", "Unknown"),
            metadata=pod["metadata"],
        )

    def _row(self) -> tuple[str, ...]:
        return (self.name, "yes" if self.ready else self.phase, str(self.restarts), self.node, self.ip, self.owner)


class Pods(list[Pod]):
    """Pods, ready ones first, those on their way out last; a notebook shows them as a table."""

    def __init__(self, pods: Iterable[Obj]) -> None:
        super().__init__(sorted(map(Pod.of, pods), key=lambda pod: (pod.terminating, not pod.ready, pod.name)))

    def _rows(self) -> list[Sequence[str]]:
        return [pod._row() for pod in self]

    def __repr__(self) -> str:
        if not self:
            return "No pods."
        rows = [COLUMNS, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("   ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No pods.</p>"
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def restarts_of(pod: Obj) -> int:
    """How often its containers were started again."""
    return sum(status.get("restartCount", 0) for status in (pod.get("status") or {}).get("containerStatuses") or [])
