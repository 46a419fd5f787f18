"""How many pods of each sort an owner has, counted as they change: so that nobody looks through them all to count them.

A hundred and fifty thousand pods of one template come in a handful of sorts. `replicaset.py` and `deployment.py` read
how many there are of each; who needs the pods themselves asks the informer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from k8slab.api.objects import Obj, controller_of, is_pod_active, is_pod_ready, labels_of
from k8slab.client.base import Client
from k8slab.controllers.pods import is_terminating_pod


class Sort(NamedTuple):
    """All that matters of a pod when it is only counted."""

    labels: frozenset[tuple[str, str]]
    active: bool
    ready: bool
    ending: bool  # its deletion was asked for, and it has not finished yet


NONE: Mapping[Sort, int] = {}


class Census:
    """The pods of every controller there is."""

    _all: ClassVar[WeakKeyDictionary[Client, Census]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._owners: dict[str, Counter[Sort]] = {}

    @classmethod
    def of(cls, client: Client) -> Census:
        """The one for all who speak through this client."""
        if client not in cls._all:
            census = cls._all[client] = cls()
            client.informer("Pod").subscribe(census.changed)
        return cls._all[client]

    def sorts(self, uid: str) -> Mapping[Sort, int]:
        """How many pods of each sort the object with this uid controls."""
        return self._owners.get(uid, NONE)

    def count(self, uid: str, fits: Callable[[Sort], bool]) -> int:
        """How many of its pods are of such a sort."""
        return sum(number for sort, number in self.sorts(uid).items() if fits(sort))

    def active(self, uid: str) -> int:
        """How many of its pods are active."""
        return self.count(uid, lambda sort: sort.active)

    def changed(self, before: Obj | None, after: Obj | None) -> None:
        """A pod came, changed or went."""
        was, now = before and _counted(before), after and _counted(after)
        if was == now:
            return
        if was:
            uid, sort = was
            sorts = self._owners[uid]
            sorts[sort] -= 1
            if not sorts[sort]:
                del sorts[sort]
            if not sorts:
                del self._owners[uid]
        if now:
            uid, sort = now
            self._owners.setdefault(uid, Counter())[sort] += 1


def _counted(pod: Obj) -> tuple[str, Sort] | None:
    """Whose it is, and its sort."""
    owner = controller_of(pod)
    if owner is None:
        return None
    labels = frozenset(labels_of(pod).items())
    return owner["uid"], Sort(labels, is_pod_active(pod), is_pod_ready(pod), is_terminating_pod(pod))
