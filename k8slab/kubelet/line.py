"""The line between one node and the API server: a fault may cut it, or hold the heartbeat on it.

`kubelets.py` gives one to each kubelet in place of the client and the recorder. Behind a cut line a kubelet goes on
with what it knew: its containers run, and are restarted; nothing it writes arrives, and it hears of nothing. Joined
again, it is told at once all that has changed meanwhile, as a kubelet is that lists its pods anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from k8slab.api.errors import ApiError
from k8slab.api.objects import Key, Obj, copy, key_of
from k8slab.client.base import Changed, Client, Informer
from k8slab.kubelet.launch import Recorder

HEARTBEAT = ("Lease", "Node")
STILL = ("Node", "Pod", "Service")  # what a kubelet knows by heart


class CutOff(ApiError):
    """The API server does not hear this node."""


class Still:
    """What an informer knew when the line was cut."""

    def __init__(self, informer: Informer) -> None:
        self.kind = informer.kind
        self._objects = {key_of(obj): obj for obj in informer.list()}

    def get(self, name: str, namespace: str = "") -> Obj | None:
        return self._objects.get(Key(namespace, name))

    def list(self, namespace: str = "") -> Iterable[Obj]:
        return [obj for key, obj in self._objects.items() if namespace in ("", key.namespace)]

    def by(self, index: Literal["owner", "node"], value: str) -> Iterable[Obj]:
        if index != "node":
            raise CutOff("a node that is cut off knows its own pods only")
        return [obj for obj in self._objects.values() if obj["spec"].get("nodeName") == value]

    def subscribe(self, changed: Changed) -> None:
        raise CutOff("a node that is cut off hears of nothing")


class Line:
    """A `Client` and a `Recorder` (see `client/base.py`, `launch.py`) that may fail."""

    def __init__(self, client: Client, recorder: Recorder, node: str) -> None:
        self._client, self._recorder, self._node = client, recorder, node
        self.cut = False
        self.held = False  # only heartbeats do not get through
        self._still: dict[str, Informer] = {}
        self._known: dict[tuple[str, str, str], Obj] = {}  # what was asked for by name: ConfigMaps, Secrets
        self._missed: dict[str, tuple[Obj | None, Obj | None]] = {}  # pod uid -> as last heard of, as it is now

    # ------------------------------------------------------------------------------------------- the fault

    def break_off(self) -> None:
        """Cut it."""
        if not self.cut:
            self._still = {kind: Still(self._client.informer(kind)) for kind in STILL}
            self.cut = True

    def join(self, changed: Changed) -> None:
        """Mend it, and tell what was missed."""
        missed, self._missed, self._still, self.cut = self._missed, {}, {}, False
        for before, after in missed.values():
            if before or after:
                changed(before, after)

    def deliver(self, before: Obj | None, after: Obj | None, changed: Changed) -> None:
        """A pod of the node has changed: say so, now or once it can be heard."""
        if not self.cut:
            changed(before, after)
            return
        uid = (after or before or {})["metadata"]["uid"]
        first, _ = self._missed.get(uid, (before, None))
        self._missed[uid] = first, after

    # ------------------------------------------------------------------------------------------- the client

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        asked = kind, namespace, name
        if self.cut:
            if asked not in self._known:
                raise self._unheard()
            return copy(self._known[asked])
        found = self._client.get(kind, name, namespace)
        if kind in ("ConfigMap", "Secret"):
            self._known[asked] = found
        return found

    def create(self, obj: Obj) -> Obj:
        self._hear(obj["kind"])
        return self._client.create(obj)

    def update(self, obj: Obj, subresource: Literal["", "status", "finalize"] = "") -> Obj:
        self._hear(obj["kind"])
        return self._client.update(obj, subresource)

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: Literal["", "status"] = "") -> Obj:
        self._hear(kind)
        return self._client.patch(kind, name, namespace, patch, subresource)

    def delete(self, kind: str, name: str, namespace: str = "", **options: Any) -> None:
        self._hear(kind)
        self._client.delete(kind, name, namespace, **options)

    def bind(self, namespace: str, pod: str, node: str, uid: str = "") -> None:
        raise NotImplementedError("a kubelet binds no pods")

    def informer(self, kind: str) -> Informer:
        return self._still[kind] if self.cut and kind in self._still else self._client.informer(kind)

    # ------------------------------------------------------------------------------------------- the recorder

    def event(self, obj: Obj, type: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say it, if anybody hears."""
        if not self.cut:
            self._recorder.event(obj, type, reason, message)

    def _hear(self, kind: str) -> None:
        if self.cut or (self.held and kind in HEARTBEAT):
            raise self._unheard()

    def _unheard(self) -> CutOff:
        return CutOff(f"{self._node} does not reach the API server")
