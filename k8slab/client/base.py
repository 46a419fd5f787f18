"""How the parts inside the server speak to the API: the same verbs as over HTTP, called in process.

`client/local.py` implements it over the API server's verbs (handed in by `server.py`); controllers, scheduler,
kubelets and kubeproxy hold nothing else. The calls are plain functions: a write is done when it returns, and
every informer has already heard of it. So a reconcile that reads, compares and acts never sees a stale world,
and Kubernetes' "expectations" (pkg/controller/controller_utils.go) have no work here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from k8slab.api.objects import Obj

Changed = Callable[[Obj | None, Obj | None], None]  # (before, after); None before: it came, None after: it went


class Informer(Protocol):
    """All objects of one kind, always current. The objects are shared: never change one."""

    kind: str

    def get(self, name: str, namespace: str = "") -> Obj | None: ...

    def list(self, namespace: str = "") -> Iterable[Obj]:
        """Those of a namespace, or all."""
        ...

    def by(self, index: Literal["owner", "node"], value: str) -> Iterable[Obj]:
        """Those whose controller has this uid (`owner`), or whose `spec.nodeName` is this (`node`)."""
        ...

    def subscribe(self, changed: Changed) -> None:
        """Call on every change, at once and in order; for those that are there already, (None, obj) now."""
        ...


class Client(Protocol):
    """The verbs. `kind` is the Kubernetes kind ("Pod"); errors are those of `api.errors`.

    What a write returns is shared with everybody, as what informers hold is: change a copy of it, if at all.
    """

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        """A copy of the object, yours to change. Raises NotFound."""
        ...

    def create(self, obj: Obj) -> Obj:
        """Create it in `metadata.namespace`. Raises AlreadyExists, Invalid, Forbidden, NotFound (no namespace)."""
        ...

    def update(self, obj: Obj, subresource: Literal["", "status", "finalize"] = "") -> Obj:
        """Replace it; raises Conflict if `metadata.resourceVersion` is given and no longer the latest."""
        ...

    def patch(self, kind: str, name: str, namespace: str, patch: Any, subresource: Literal["", "status"] = "") -> Obj:
        """JSON merge patch (RFC 7386)."""
        ...

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
        """Ask for deletion; Conflict if the object under that name is not the one with this `uid`. Raises NotFound."""
        ...

    def bind(self, namespace: str, pod: str, node: str, uid: str = "") -> None:
        """The scheduler's word: this pod runs on that node (the `binding` subresource)."""
        ...

    def informer(self, kind: str) -> Informer:
        """The kind's informer; asking again gives the same one."""
        ...
