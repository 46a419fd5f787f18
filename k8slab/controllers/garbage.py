"""The garbage collector: what is owned goes when its last owner has gone, or is let go, as the deletion asked.

Generic over all kinds. The API server marks an owner with the finalizer `foregroundDeletion` or `orphan`
(`apiserver/deletion.py`); here the promise is kept and the finalizer taken off. The rules are Kubernetes'
(pkg/controller/garbagecollector); its graph is not needed where every informer is current.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal, NamedTuple

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj, is_terminating, key_of
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
State = Literal["solid", "absent", "waiting"]


class Item(NamedTuple):
    """Any object of any kind."""

    kind: str
    key: Key


class GarbageCollector(Controller[Item]):
    """Looks at what has owners, and at owners that wait for what they own. `kinds` are those it knows."""

    name = "garbage-collector-controller"

    def __init__(self, client: Client, clock: Clock, kinds: Iterable[str]) -> None:
        super().__init__(client, clock)
        self.kinds = tuple(kinds)
        self._dependents: dict[str, set[Item]] = defaultdict(set)  # by the owner's uid

    def watches(self) -> Mapping[str, Wakes[Item]]:
        return {kind: partial(self._changed, kind) for kind in self.kinds}

    def _changed(self, kind: str, before: Obj | None, after: Obj | None) -> Iterable[Item]:
        """Nearly every change is none of its business: this runs inside every write, and returns early."""
        obj = after or before or {}
        owners = _owners(after) if after else []
        if before is None or owners != _owners(before) or after is None:
            self._relate(Item(kind, key_of(obj)), _owners(before) if before else [], owners)
            if owners and any(self._state(ref, obj) != "solid" for ref in owners):
                yield Item(kind, key_of(obj))
            if before:
                yield from self._waiting_owners(before)
        if after is None:
            yield from self._dependents.get(obj["metadata"]["uid"], ())
        elif is_terminating(after) and {FOREGROUND, ORPHAN} & {*after["metadata"].get("finalizers", ())}:
            yield Item(kind, key_of(after))

    def _relate(self, item: Item, before: list[Obj], after: list[Obj]) -> None:
        for ref in before:
            left = self._dependents.get(ref["uid"])
            if left is not None:
                left.discard(item)
                if not left:
                    del self._dependents[ref["uid"]]
        for ref in after:
            self._dependents[ref["uid"]].add(item)

    def _waiting_owners(self, obj: Obj) -> Iterable[Item]:
        for ref in _owners(obj):
            owner = self._owner(ref, obj)
            if owner and FOREGROUND in owner["metadata"].get("finalizers", ()):
                yield Item(ref["kind"], key_of(owner))

    async def reconcile(self, key: Item) -> float | None:
        obj = self._find(key)
        if obj is None:
            return None
        finalizers = obj["metadata"].get("finalizers", ())
        if is_terminating(obj) and ORPHAN in finalizers:
            self._orphan(obj)
        elif is_terminating(obj) and FOREGROUND in finalizers:
            self._delete_dependents(obj)
        else:
            self._collect(obj)
        return None

    def _orphan(self, owner: Obj) -> None:
        """Its dependents forget it, then it may go."""
        for dependent in self._owned_by(owner):
            self._set_owners(dependent, [ref for ref in _owners(dependent) if ref["uid"] != owner["metadata"]["uid"]])
        self._take_off(owner, ORPHAN)

    def _delete_dependents(self, owner: Obj) -> None:
        """Its dependents go first; only those that block its deletion are waited for."""
        dependents = self._owned_by(owner)
        if not any(_blocks(dependent, owner) for dependent in dependents):
            self._take_off(owner, FOREGROUND)
        for dependent in dependents:
            self.queue.add(Item(dependent["kind"], key_of(dependent)))

    def _collect(self, obj: Obj) -> None:
        """Delete it if nobody owns it any more (attemptToDeleteItem, pkg/controller/garbagecollector)."""
        owners = _owners(obj)
        states = {ref["uid"]: self._state(ref, obj) for ref in owners}
        if not owners or {*states.values()} == {"solid"}:
            return
        if "solid" in states.values():
            self._set_owners(obj, [ref for ref in owners if states[ref["uid"]] == "solid"])
            return
        dependents = self._owned_by(obj)
        if "waiting" in states.values() and dependents:
            if any(FOREGROUND in d["metadata"].get("finalizers", ()) for d in dependents):  # they own each other
                self._set_owners(obj, [ref | {"blockOwnerDeletion": False} for ref in owners])
            self._delete(obj, "Foreground")
        elif not is_terminating(obj):
            self._delete(obj, "Background")

    # Who owns whom

    def _owner(self, ref: Obj, dependent: Obj) -> Obj | None:
        """The object a reference means: in the dependent's namespace, or in none."""
        if not self._knows(ref):
            return None
        informer = self.client.informer(ref["kind"])
        for namespace in (dependent["metadata"].get("namespace", ""), ""):
            owner = informer.get(ref["name"], namespace)
            if owner and owner["metadata"]["uid"] == ref["uid"]:
                return owner
        return None

    def _knows(self, ref: Obj) -> bool:
        """Whether it is of a kind of ours, and not just called like one."""
        kind = KINDS.get(ref["kind"])
        group = str(ref.get("apiVersion", "")).rpartition("/")[0]
        return ref["kind"] in self.kinds and kind is not None and kind.group == group

    def _state(self, ref: Obj, dependent: Obj) -> State:
        """Whether this owner is there, is gone, or waits for its dependents to go; of an unknown kind, it is there."""
        if not self._knows(ref):
            return "solid"
        owner = self._owner(ref, dependent)
        if owner is None:
            return "absent"
        waits = is_terminating(owner) and FOREGROUND in owner["metadata"].get("finalizers", ())
        return "waiting" if waits else "solid"

    def _owned_by(self, owner: Obj) -> list[Obj]:
        items = self._dependents.get(owner["metadata"]["uid"], ())
        return [obj for item in [*items] if (obj := self._find(item))]

    def _find(self, item: Item) -> Obj | None:
        return self.client.informer(item.kind).get(item.key.name, item.key.namespace)

    # Writes

    def _set_owners(self, obj: Obj, owners: list[Obj]) -> None:
        self._patch(obj, {"ownerReferences": owners or None})

    def _take_off(self, obj: Obj, finalizer: str) -> None:
        self._patch(obj, {"finalizers": [f for f in obj["metadata"]["finalizers"] if f != finalizer] or None})

    def _patch(self, obj: Obj, metadata: Obj) -> None:
        namespace, name = key_of(obj)
        seen = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        self.client.patch(obj["kind"], name, namespace, {"metadata": metadata | seen})

    def _delete(self, obj: Obj, propagation: Literal["Background", "Foreground", "Orphan"]) -> None:
        namespace, name = key_of(obj)
        self.client.delete(obj["kind"], name, namespace, propagation=propagation, uid=obj["metadata"]["uid"])


def _owners(obj: Obj) -> list[Obj]:
    return obj["metadata"].get("ownerReferences") or []


def _blocks(dependent: Obj, owner: Obj) -> bool:
    uid = owner["metadata"]["uid"]
    return any(ref.get("blockOwnerDeletion") for ref in _owners(dependent) if ref["uid"] == uid)
