"""A living list of one kind: what controllers, scheduler, kubelets and kubeproxy read instead of asking the API.

`client/local.py` feeds it inside every write, so that it is never stale; `client/base.py` holds the promises it keeps.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, Iterable
from typing import Literal

from k8slab.api.objects import Key, Obj, controller_of, key_of
from k8slab.client.base import Changed

log = logging.getLogger(__name__)

Bucket = dict[Key, Obj]


def _namespace(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _owner(obj: Obj) -> str:
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else ""


def _node(obj: Obj) -> str:
    return str((obj.get("spec") or {}).get("nodeName", ""))


INDEXES: dict[str, Callable[[Obj], str]] = {"namespace": _namespace, "owner": _owner, "node": _node}


class LiveInformer:
    """The informer whose every change is handed to it. An index costs nothing until it is first asked."""

    def __init__(self, kind: str, initial_objects: Iterable[Obj] = ()) -> None:
        self.kind = kind
        self._objects: Bucket = {key_of(obj): obj for obj in initial_objects}
        self._indexes: dict[str, dict[str, Bucket]] = {}
        self._handlers: list[Changed] = []

    def get(self, name: str, namespace: str = "") -> Obj | None:
        return self._objects.get(Key(namespace, name))

    def list(self, namespace: str = "") -> list[Obj]:
        return self._find("namespace", namespace) if namespace else [*self._objects.values()]

    def by(self, index: Literal["owner", "node"], value: str) -> builtins.list[Obj]:
        """As promised; the empty value finds those that nobody controls, or that are on no node."""
        return self._find(index, value)

    def subscribe(self, changed: Changed) -> None:
        self._handlers.append(changed)
        for obj in self.list():
            self._tell(changed, None, obj)

    def feed(self, before: Obj | None, after: Obj | None) -> None:
        """Take a change in (None before: it came, None after: it went) and tell the subscribers, in their order."""
        obj = after or before
        if obj is None:
            raise ValueError(f"a change of a {self.kind} needs an object before it or after it")
        key = key_of(obj)
        for name, buckets in self._indexes.items():
            self._move(buckets, INDEXES[name], key, before, after)
        if after is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = after
        for handler in self._handlers:
            self._tell(handler, before, after)

    def _tell(self, handler: Changed, before: Obj | None, after: Obj | None) -> None:
        try:
            handler(before, after)
        except Exception:  # the write has happened: whoever fails to hear of it must not undo it for the others
            log.exception("%s: a subscriber failed on a change of %s", self.kind, key_of(after or before or {}))

    def _find(self, index: str, value: str) -> builtins.list[Obj]:
        buckets = self._indexes.get(index)
        if buckets is None:
            buckets = self._indexes[index] = {}
            for key, obj in self._objects.items():
                buckets.setdefault(INDEXES[index](obj), {})[key] = obj
        return [*buckets.get(value, {}).values()]

    @staticmethod
    def _move(
        buckets: dict[str, Bucket], value_of: Callable[[Obj], str], key: Key, before: Obj | None, after: Obj | None
    ) -> None:
        left = value_of(before) if before else None
        entered = value_of(after) if after else None
        if left is not None and left != entered and left in buckets:
            buckets[left].pop(key, None)
            if not buckets[left]:
                del buckets[left]
        if after is not None and entered is not None:
            buckets.setdefault(entered, {})[key] = after
