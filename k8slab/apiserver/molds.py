"""The pods of one template are asked for with one and the same spec: it is settled once, and shared.

`verbs.py` asks for it when a pod is created. Sharing saves the walk through every spec, and most of the memory of a
hundred thousand pods. Nobody changes an object that is stored, so nobody can tell.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Obj, encode
from k8slab.store.base import Event, Store

KEPT, LARGEST = 256, 8192  # how many are remembered, and of what size in bytes at most
OF_LABELS = frozenset({"affinity", "topologySpreadConstraints"})  # are completed with the labels of their pod
ADMISSION = frozenset(KINDS[kind].resource for kind in ("LimitRange", "PriorityClass"))  # have a say in a pod's spec


class Mold(NamedTuple):
    """What a new object's spec is known by (empty: it is none to remember), and its stored form, if there is one."""

    key: tuple[str, bytes] | None
    spec: Obj | None


NONE = Mold(None, None)


class Molds:
    """Stored specs, by namespace and by what was asked for."""

    def __init__(self, store: Store) -> None:
        self._specs: OrderedDict[tuple[str, bytes], Obj] = OrderedDict()
        store.subscribe(self._heard)

    def of(self, kind: Kind, obj: Obj, namespace: str) -> Mold:
        """The mold for an object that somebody wishes."""
        spec = obj.get("spec")
        if kind.kind != "Pod" or not isinstance(spec, dict) or OF_LABELS & spec.keys():
            return NONE
        key = namespace, encode(spec)
        return Mold(key, self._specs.get(key)) if len(key[1]) <= LARGEST else NONE

    def keep(self, mold: Mold, created: Obj) -> None:
        """Remember what became of a spec."""
        if mold.key is None or mold.spec is not None:
            return
        self._specs[mold.key] = created["spec"]
        if len(self._specs) > KEPT:
            self._specs.popitem(last=False)

    def _heard(self, event: Event) -> None:
        """Who has a say in new pods has changed."""
        if event.resource in ADMISSION:
            self._specs.clear()
