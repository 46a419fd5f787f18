"""The client of the parts inside: straight into the API server's verbs, in process.

`server.py` hands the verbs in, so that `client` need not know `apiserver`. Every informer is fed inside the write
itself: whoever reads after a write sees it. What is written here is not noted down in `managedFields`, to save a
quarter of each write; a real controller manager's writes are (`api/managed_fields.py` says what follows from that).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Obj, copy, key_of
from k8slab.api.patch import json_merge_patch
from k8slab.client.informer import LiveInformer

Fed = Callable[[str, Obj | None, Obj | None], None]


class Verbs(Protocol):
    """What `apiserver/verbs.py` offers, as far as it is needed here."""

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj: ...
    def list(self, kind: Kind, namespace: str = "") -> list[Obj]: ...
    def create(self, kind: Kind, obj: Obj, namespace: str = "") -> Obj: ...
    def put(self, kind: Kind, name: str, namespace: str, obj: Obj, *, subresource: str = "") -> Obj: ...
    def remove(
        self, kind: Kind, name: str, namespace: str, *, grace: int | None, propagation: str | None, uid: str
    ) -> None: ...
    def bind(self, namespace: str, name: str, binding: Obj) -> None: ...
    def subscribe(self, fed: Fed) -> None: ...
    @property
    def gathering(self) -> AbstractContextManager[None]: ...


class LocalClient:
    """A `Client` (see `base.py`) without a wire."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._informers: dict[str, LiveInformer] = {}
        verbs.subscribe(self._fed)

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        return copy(self._verbs.get(KINDS[kind], name, namespace))

    def create(self, obj: Obj) -> Obj:
        with self._verbs.gathering:
            return self._verbs.create(KINDS[obj["kind"]], obj, obj["metadata"].get("namespace", ""))

    def update(self, obj: Obj, subresource: Literal["", "status", "finalize"] = "") -> Obj:
        namespace, name = key_of(obj)
        with self._verbs.gathering:
            return self._verbs.put(KINDS[obj["kind"]], name, namespace, obj, subresource=subresource)

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: Literal["", "status"] = "") -> Obj:
        wished = json_merge_patch(self._verbs.get(KINDS[kind], name, namespace), patch)
        with self._verbs.gathering:
            return self._verbs.put(KINDS[kind], name, namespace, wished, subresource=subresource)

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        grace: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        uid: str = "",
    ) -> None:
        with self._verbs.gathering:
            self._verbs.remove(KINDS[kind], name, namespace, grace=grace, propagation=propagation, uid=uid)

    def bind(self, namespace: str, pod: str, node: str, uid: str = "") -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        with self._verbs.gathering:
            self._verbs.bind(namespace, pod, {"metadata": {"name": pod, "uid": uid}, "target": target})

    def informer(self, kind: str) -> LiveInformer:
        if kind not in self._informers:
            self._informers[kind] = LiveInformer(kind, self._verbs.list(KINDS[kind]))
        return self._informers[kind]

    def _fed(self, kind: str, before: Obj | None, after: Obj | None) -> None:
        if (informer := self._informers.get(kind)) is not None:  # an empty one is false
            informer.feed(before, after)
