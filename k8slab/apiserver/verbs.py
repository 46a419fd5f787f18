"""get, list, create, update, patch, delete: what every door of the API comes down to.

`app.py` calls them for a request over HTTP, `client/local.py` for the parts inside. A write is: read the current
object, let the change be made, default, let the kind's strategy have its say, validate, store. All of it happens in
one go on the event loop, so two writes never interleave.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from k8slab import trace
from k8slab.api import warnings
from k8slab.api.defaults import apply_defaults
from k8slab.api.errors import (
    AlreadyExists,
    Cause,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
)
from k8slab.api.kinds import KINDS, Kind
from k8slab.api.managed_fields import Applied, settle
from k8slab.api.objects import Key, Obj, copy, decode, encode, is_terminating, key_of, random_suffix
from k8slab.api.validation import validate
from k8slab.apiserver import agreement, deletion
from k8slab.apiserver.admission import Admission
from k8slab.apiserver.agreement import CREATED_BY_PUT, KEPT, addressed, expect_current, expect_name, merged
from k8slab.apiserver.allocator import Allocator
from k8slab.apiserver.binding import bound
from k8slab.apiserver.deletion import DeleteOptions
from k8slab.apiserver.molds import Molds
from k8slab.apiserver.requests import too_large
from k8slab.apiserver.selection import Selection
from k8slab.apiserver.strategy import strategies
from k8slab.apiserver.strategy_base import Strategy
from k8slab.apiserver.warnings import listening, warn
from k8slab.clock import Clock
from k8slab.store.base import Exists, Full, Missing, Stale, Store

LARGEST = 1536 * 1024  # bytes of an object as JSON: etcd's limit for a request (--max-request-bytes)
IMMORTAL = ("default", "kube-system", "kube-public")  # plugin/pkg/admission/namespace/lifecycle
NAME_TRIES = 8  # a generated name that is taken is drawn again (KEP-4420)

# The managedFields of an object that is written: from the object before (None: there was none), the new one, and what
# was sent as managedFields. No such function: a write of the parts inside, which is not tracked.
Owners = Callable[[Obj | None, Obj, Any], list[Obj]]


class Verbs:
    """The verbs over a store. Objects returned are the store's own: copy before you change one."""

    def __init__(self, store: Store, clock: Clock, service_range: str, *, closed: bool = False) -> None:
        """`closed`: pods that ask for the machine the lab runs on are refused."""
        self.store = store
        self.clock = clock
        self.allocator = Allocator(service_range)
        self._strategies = strategies(lambda: store.list(KINDS["Service"].resource), self.allocator, clock.timestamp)
        self._admission = Admission(store, closed=closed)
        self._molds = Molds(store)

    # ---- reading ------------------------------------------------------------------------------------------------

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj:
        """One object. Raises NotFound."""
        found = self.store.get(kind.resource, Key(namespace, name))
        if found is None:
            raise NotFound.of(kind.group, kind.plural, name)
        return found

    def list(self, kind: Kind, namespace: str = "", selection: Selection | None = None) -> list[Obj]:
        """The objects of a namespace (or of all), ordered by namespace and name, that the selection lets through."""
        objects = self.store.list(kind.resource, namespace)
        return [obj for obj in objects if selection is None or selection.matches(obj)]

    # ---- writing ------------------------------------------------------------------------------------------------

    def create(
        self, kind: Kind, obj: Obj, namespace: str = "", *, dry_run: bool = False, owners: Owners | None = None
    ) -> Obj:
        """Create an object from what somebody sent. Raises AlreadyExists, Invalid, Forbidden, NotFound, BadRequest."""
        mold = self._molds.of(kind, obj, namespace)
        obj = self._begun(kind, obj, namespace, owners, mold.spec)
        meta = obj["metadata"]
        generate = not meta.get("name") and meta.get("generateName")
        for attempt in range(NAME_TRIES):
            if generate:
                meta["name"] = generate[:58] + random_suffix()
            if attempt == 0:
                self._approve(kind, obj)
            try:
                created = self._written(
                    kind, lambda: self.store.create(kind.resource, self._key(kind, obj), obj), obj, None, dry_run
                )
                self._molds.keep(mold, created)
                return created
            except Exists:
                if not generate:
                    break
        taken = AlreadyExists.of(kind.group, kind.plural, meta["name"])
        if generate:
            message = f"{taken.message}, the server was not able to generate a unique name for the object"
            raise AlreadyExists(message, {**(taken.details or {}), "retryAfterSeconds": 1})
        raise taken

    def would_be(self, kind: Kind, obj: Obj, namespace: str = "") -> Obj:
        """What `create` would store if nothing of the name were there. Stores nothing; raises as `create` does."""
        obj = self._begun(kind, obj, namespace)
        self._approve(kind, obj)
        return obj

    def replace(
        self, kind: Kind, name: str, namespace: str, obj: Obj, *, dry_run: bool = False, owners: Owners | None = None
    ) -> tuple[Obj, bool]:
        """PUT: the object as sent, and whether it is new; a few kinds may be created so. Raises as the two others."""
        expect_name(obj, name)
        if kind.kind in CREATED_BY_PUT and self.store.get(kind.resource, Key(namespace, name)) is None:
            addressed(kind, obj, namespace, name)
            return self.create(kind, obj, namespace, dry_run=dry_run, owners=owners), True
        return self.update(kind, name, namespace, lambda _: obj, dry_run=dry_run, owners=owners), False

    def apply(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        applied: Callable[[Obj], Applied],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> tuple[Obj, bool]:
        """Server-side apply: the object with a configuration applied, and whether it is new.

        `applied` does it, to the current object or to an empty one. Raises ApplyConflict, and as the others do.
        """
        old = self.store.get(kind.resource, Key(namespace, name))
        if old is None and subresource:
            raise NotFound.of(kind.group, kind.plural, name)
        done = applied(copy(old) if old else {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}})
        if old is not None:
            new = self.update(
                kind, name, namespace, lambda _: done.obj,
                subresource=subresource, dry_run=dry_run, owners=lambda *_: done.entries,
            )  # fmt: skip
            return new, False
        expect_name(done.obj, name)
        if uid := done.obj["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise Conflict.of(kind.group, kind.plural, name, why)
        addressed(kind, done.obj, namespace, name)
        return self.create(kind, done.obj, namespace, dry_run=dry_run, owners=lambda *_: done.entries), True

    def update(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        change: Callable[[Obj], Obj],
        *,
        subresource: str = "",
        dry_run: bool = False,
        owners: Owners | None = None,
    ) -> Obj:
        """Change an object: `change` gets a copy of the current one and returns the wished one. See `put`."""
        old = self.get(kind, name, namespace)
        return self._put(kind, old, change(copy(old)), subresource, dry_run, owners)

    def put(self, kind: Kind, name: str, namespace: str, obj: Obj, *, subresource: str = "") -> Obj:
        """Put this object, which stays its owner's, in the place of the current one.

        A `resourceVersion` in the wished object that is not the current one raises Conflict. Nothing is written when
        nothing changes. Removing the last finalizer of an object marked for deletion deletes it.
        """
        return self._put(kind, self.get(kind, name, namespace), obj, subresource)

    def _put(
        self, kind: Kind, old: Obj, wished: Obj, subresource: str, dry_run: bool = False, owners: Owners | None = None
    ) -> Obj:
        namespace, name = key = key_of(old)
        obj = _bounded(wished if subresource != "status" else agreement.status_of(wished))
        addressed(kind, obj, namespace, name)
        if not subresource:
            trace.hop("read", obj, before=old)
        expect_current(kind, old, obj["metadata"])
        sent = obj["metadata"].get("managedFields")
        obj = merged(kind, old, obj, subresource)
        apply_defaults(obj, kind.definition, settled=old)
        trace.hop("defaulted", obj)
        self._own(owners, old, obj, sent)
        causes = self._prepared(kind, obj, old, subresource)
        wishes = kind.generation and subresource in ("", "ephemeralcontainers")
        if wishes and agreement.wish_of(obj) != agreement.wish_of(old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        trace.hop("admitted", obj)
        agreement.share(obj, old)
        if settle(obj, old) is old:  # nothing changed, or only the time at which nobody changed anything
            return old
        self._refuse(kind, obj, [*causes, *validate(obj, old, subresource)])
        if not subresource and listening():
            warn(*warnings.of_change(obj, old))
        if is_terminating(obj) and self._may_go(obj):
            return self._store(kind, lambda: self.store.delete(kind.resource, key), obj, dry_run)
        if subresource:
            return self._store(kind, lambda: self.store.update(kind.resource, key, obj), obj, dry_run)
        self._admission.check(kind, obj, old)
        trace.hop("validated", obj)
        return self._written(kind, lambda: self.store.update(kind.resource, key, obj), obj, old, dry_run)

    def delete(
        self, kind: Kind, name: str, namespace: str = "", options: DeleteOptions | None = None
    ) -> tuple[Obj, bool]:
        """Ask for an object's deletion: the object as it is now, and whether it is gone already.

        Raises NotFound, and Conflict when a precondition does not hold.
        """
        options = options or DeleteOptions()
        if kind.kind == "Namespace" and name in IMMORTAL:
            raise Forbidden.of("", "namespaces", name, "this namespace may not be deleted")
        old = self.get(kind, name, namespace)
        options.check(kind, old)
        marked = deletion.mark(kind, copy(old), options, self.clock)
        key = Key(namespace, name)
        if marked is None:
            return self._store(kind, lambda: self.store.delete(kind.resource, key), old, options.dry_run), True
        if marked == old:
            return old, False
        return self._store(kind, lambda: self.store.update(kind.resource, key, marked), marked, options.dry_run), False

    def delete_collection(
        self, kind: Kind, namespace: str, selection: Selection, options: DeleteOptions
    ) -> Sequence[Obj]:
        """Delete all that the selection lets through, each by its own rules."""
        found = self.list(kind, namespace, selection)
        for obj in found:
            with suppress(NotFound):  # gone with another one
                self.delete(kind, obj["metadata"]["name"], obj["metadata"].get("namespace", ""), options)
        return found

    def remove(
        self, kind: Kind, name: str, namespace: str, *, grace: int | None, propagation: str | None, uid: str
    ) -> None:
        """`delete` as the parts inside call it."""
        self.delete(kind, name, namespace, DeleteOptions(grace, propagation, uid))

    @property
    def gathering(self) -> AbstractContextManager[None]:
        """The store's (`store/base.py`): for the parts inside."""
        return self.store.gathering

    def subscribe(self, fed: Callable[[str, Obj | None, Obj | None], None]) -> None:
        """Tell of every write, inside it: the kind, the object before (None: new) and after (None: gone)."""
        kinds = {kind.resource: kind.kind for kind in KINDS.values()}
        self.store.subscribe(
            lambda event: fed(kinds[event.resource], event.before, None if event.type == "DELETED" else event.after)
        )

    # ---- subresources that write --------------------------------------------------------------------------------

    def bind(self, namespace: str, name: str, binding: Obj) -> None:
        """`pods/binding`: put a pod on a node. Conflict if it has one."""
        pods = KINDS["Pod"]
        pod = bound(self.get(pods, name, namespace), binding, self.clock.timestamp())
        self._store(pods, lambda: self.store.update(pods.resource, Key(namespace, name), pod), pod, False)

    # ---- the steps of a write -----------------------------------------------------------------------------------

    def _begun(
        self, kind: Kind, obj: Obj, namespace: str, owners: Owners | None = None, settled: Obj | None = None
    ) -> Obj:
        """A new object as far as it needs no name: addressed, defaulted, and what other objects fill in.

        `settled` is its spec, where one like it has been through all this.
        """
        wished, obj = obj, _bounded({**obj, "spec": {}} if settled else obj)
        if settled:
            obj["spec"] = settled
        meta = addressed(kind, obj, namespace)
        trace.hop("read", {**obj, "spec": wished["spec"]} if settled else obj)
        self._require_namespace(kind, meta)
        sent = meta.pop("managedFields", None)
        for unwanted in ("resourceVersion", *KEPT, "selfLink"):
            meta.pop(unwanted, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.clock.timestamp()}
        if kind.generation:
            meta["generation"] = 1
        if "status" in kind.subresources and kind.kind != "Node":
            obj["status"] = {}
        apply_defaults(obj, kind.definition, settled={"spec": settled})
        trace.hop("defaulted", obj)
        self._own(owners, None, obj, sent)
        self._admission.change(kind, obj)
        return obj

    def _approve(self, kind: Kind, obj: Obj) -> None:
        """Let the kind's strategy, validation and admission have their say in a new object."""
        causes = self._strategy(kind).create(obj)
        trace.hop("admitted", obj)
        self._refuse(kind, obj, causes + validate(obj))
        self._admission.check(kind, obj)
        trace.hop("validated", obj)
        if listening():
            warn(*warnings.of_new(obj))

    def _strategy(self, kind: Kind) -> Strategy:
        return self._strategies.get(kind.kind) or Strategy()

    def _prepared(self, kind: Kind, obj: Obj, old: Obj, subresource: str) -> Sequence[Cause]:
        """The kind's strategy has its say in a change of the object or of its status."""
        if not subresource:
            return self._strategy(kind).update(obj, old)
        if subresource == "status":
            self._strategy(kind).update_status(obj, old)
        return []

    def _written(self, kind: Kind, write: Callable[[], Obj], obj: Obj, old: Obj | None, dry_run: bool) -> Obj:
        """The object, stored and counted against the quotas of its namespace."""
        stored = self._store(kind, write, obj, dry_run)
        if not dry_run:
            self._admission.charge(kind, stored, old)
        return stored

    def _key(self, kind: Kind, obj: Obj) -> Key:
        return Key(obj["metadata"]["namespace"] if kind.namespaced else "", obj["metadata"]["name"])

    def _require_namespace(self, kind: Kind, meta: Obj) -> None:
        if not kind.namespaced:
            return
        namespace = self.get(KINDS["Namespace"], meta["namespace"])
        if is_terminating(namespace) and kind.kind != "Event":
            why = f"unable to create new content in namespace {meta['namespace']} because it is being terminated"
            raise Forbidden.of(kind.group, kind.plural, meta.get("name", ""), why)

    def _own(self, owners: Owners | None, old: Obj | None, new: Obj, sent: Any) -> None:
        """Write down who owns what; without owners it stays as it was."""
        meta = new["metadata"]
        entries = owners(old, new, sent) if owners else (old or new)["metadata"].get("managedFields")
        meta.pop("managedFields", None)
        if entries:
            meta["managedFields"] = entries

    def _may_go(self, obj: Obj) -> bool:
        """Marked for deletion, and nothing holds it any more."""
        if obj["metadata"].get("finalizers"):
            return False
        if obj["kind"] == "Namespace":
            return not (obj.get("spec") or {}).get("finalizers")
        return not obj["metadata"].get("deletionGracePeriodSeconds")

    def _refuse(self, kind: Kind, obj: Obj, causes: Sequence[Cause]) -> None:
        if causes:
            raise Invalid.of(kind.group, kind.kind, obj["metadata"].get("name", ""), causes)

    def _store(self, kind: Kind, write: Callable[[], Obj], obj: Obj, dry_run: bool) -> Obj:
        name = obj["metadata"].get("name", "")
        if dry_run:
            if "resourceVersion" not in obj["metadata"] and self.store.get(kind.resource, self._key(kind, obj)):
                raise Exists
            return obj
        try:
            return write()
        except Missing:
            raise NotFound.of(kind.group, kind.plural, name) from None
        except Stale:
            raise Conflict.of(kind.group, kind.plural, name) from None
        except Full as error:
            raise ServiceUnavailable(str(error)) from error


def allowed(kind: Kind, verb: str) -> None:
    """Raises MethodNotAllowed unless the kind does this."""
    if verb not in kind.verbs:
        raise MethodNotAllowed("the server does not allow this method on the requested resource", {})


def _bounded(obj: Obj) -> Obj:
    """A copy of an object that somebody wishes. Raises TooLarge for one that no store would take."""
    raw = encode(obj)
    if len(raw) > LARGEST:
        raise too_large(LARGEST)
    copied: Obj = decode(raw)
    return copied
