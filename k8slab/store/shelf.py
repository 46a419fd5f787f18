"""The objects of one resource, found by key and listed in the order of keys. `memory.py` has a shelf for each resource.

Sorting waits for the first list after a write: a storm of a hundred thousand new pods sorts once, and since what was
there is in order already, that costs little more than a look at each.
"""

from __future__ import annotations

from bisect import bisect_left

from k8slab.api.objects import Key, Obj


class Shelf:
    """A dict of objects that knows the order of its keys."""

    def __init__(self) -> None:
        self._objects: dict[Key, Obj] = {}
        self._ordered: list[Key] = []
        self._in_order = True

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def get(self, key: Key) -> Obj | None:
        return self._objects.get(key)

    def put(self, key: Key, obj: Obj) -> None:
        """Add or replace."""
        if key not in self._objects:
            self._ordered.append(key)
            self._in_order = False
        self._objects[key] = obj

    def drop(self, key: Key) -> None:
        """Remove, if it is there."""
        if self._objects.pop(key, None) is not None:
            self._in_order = False

    def list(self, namespace: str = "") -> list[Obj]:
        """The objects of a namespace, or all, by namespace and name."""
        if not self._in_order:
            self._sort()
        keys = self._ordered
        if namespace:
            keys = keys[bisect_left(keys, (namespace, "")) : bisect_left(keys, (namespace + "\0", ""))]
        return [self._objects[key] for key in keys]

    def _sort(self) -> None:
        there = dict.fromkeys(key for key in self._ordered if key in self._objects)  # one that came back is there twice
        self._ordered = sorted(there)
        self._in_order = True
