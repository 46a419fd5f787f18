"""get, list, create, update, patch, delete: what every door of the API comes down to.

`app.py` calls them for a request over HTTP, `client/local.py` for the parts inside. A write is: read the current
object, let the change be made, default, let the kind's strategy have its say, validate, store. All of it happens in
one go on the event loop, so two writes never interleave.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from k8slab.api.defaults import apply_defaults
from k8slab.api.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Cause,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
)
from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Key, Obj, copy, is_terminating, random_suffix
from k8slab.api.validation import validate
from k8slab.apiserver import deletion
from k8slab.apiserver.admission import Admission
from k8slab.apiserver.allocator import Allocator
from k8slab.apiserver.deletion import DeleteOptions
from k8slab.apiserver.selection import Selection
from k8slab.apiserver.strategy import strategies
from k8slab.apiserver.strategy_base import Strategy
from k8slab.clock import Clock
from k8slab.store.base import Exists, Full, Missing, Stale, Store

SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
    "name",
)
NAME_TRIES = 8  # a generated name that is taken is drawn again (KEP-4420)


@dataclass(frozen=True)
class WriteOptions:
    """What a client may ask of a write."""

    dry_run: bool = False
    subresource: str = ""


class Verbs:
    """The verbs over a store. Objects returned are the store's own: copy before you change one."""

    def __init__(self, store: Store, clock: Clock, service_range: str) -> None:
        self.store = store
        self.clock = clock
        self.allocator = Allocator(service_range)
        self._strategies = strategies(lambda: store.list(KINDS["Service"].resource), self.allocator, clock.timestamp)
        self._admission = Admission(store)

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

    def create(self, kind: Kind, obj: Obj, namespace: str = "", *, dry_run: bool = False) -> Obj:
        """Create an object from what somebody sent. Raises AlreadyExists, Invalid, Forbidden, NotFound, BadRequest."""
        obj = copy(obj)
        meta = self._address(kind, obj, namespace)
        self._require_namespace(kind, meta)
        generate = not meta.get("name") and meta.get("generateName")
        for unwanted in (
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
        ):
            meta.pop(unwanted, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.clock.timestamp()}
        if kind.generation:
            meta["generation"] = 1
        if "status" in kind.subresources and kind.kind != "Node":
            obj["status"] = {}
        apply_defaults(obj, kind.definition)
        self._admission.change(kind, obj)
        for attempt in range(NAME_TRIES):
            if generate:
                meta["name"] = generate[:58] + random_suffix()
            if attempt == 0:
                causes = self._strategy(kind).create(obj)
                self._refuse(kind, obj, causes + validate(obj))
                self._admission.check(kind, obj)
            try:
                return self._written(
                    kind, lambda: self.store.create(kind.resource, self._key(kind, obj), obj), obj, None, dry_run
                )
            except Exists:
                if not generate:
                    break
        raise AlreadyExists.of(kind.group, kind.plural, meta["name"])

    def update(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        change: Callable[[Obj], Obj],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """Change an object: `change` gets a copy of the current one and returns the wished one.

        A `resourceVersion` in the wished object that is not the current one raises Conflict. Nothing is written when
        nothing changes. Removing the last finalizer of an object marked for deletion deletes it.
        """
        old = self.get(kind, name, namespace)
        obj = change(copy(old))
        self._address(kind, obj, namespace, name)
        self._check_identity(kind, old, obj["metadata"])
        obj = self._merged(kind, old, obj, subresource)
        apply_defaults(obj, kind.definition)
        causes = self._prepared(kind, obj, old, subresource)
        if kind.generation and subresource in ("", "ephemeralcontainers") and _wish(obj) != _wish(old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if obj == old:
            return old
        self._refuse(kind, obj, [*causes, *validate(obj, old, subresource)])
        key = Key(namespace, name)
        if is_terminating(obj) and self._may_go(obj):
            return self._store(kind, lambda: self.store.delete(kind.resource, key), obj, dry_run)
        if subresource:
            return self._store(kind, lambda: self.store.update(kind.resource, key, obj), obj, dry_run)
        self._admission.check(kind, obj, old)
        return self._written(kind, lambda: self.store.update(kind.resource, key, obj), obj, old, dry_run)

    def delete(
        self, kind: Kind, name: str, namespace: str = "", options: DeleteOptions | None = None
    ) -> tuple[Obj, bool]:
        """Ask for an object's deletion: the object as it is now, and whether it is gone already.

        Raises NotFound, and Conflict when a precondition does not hold.
        """
        options = options or DeleteOptions()
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
            self.delete(kind, obj["metadata"]["name"], obj["metadata"].get("namespace", ""), options)
        return found

    def remove(
        self, kind: Kind, name: str, namespace: str, *, grace: int | None, propagation: str | None, uid: str
    ) -> None:
        """`delete` as the parts inside call it."""
        self.delete(kind, name, namespace, DeleteOptions(grace, propagation, uid))

    def subscribe(self, fed: Callable[[str, Obj | None, Obj | None], None]) -> None:
        """Tell of every write, inside it: the kind, the object before (None: new) and after (None: gone)."""
        kinds = {kind.resource: kind.kind for kind in KINDS.values()}
        self.store.subscribe(
            lambda event: fed(kinds[event.resource], event.before, None if event.type == "DELETED" else event.after)
        )

    # ---- subresources that write --------------------------------------------------------------------------------

    def bind(self, namespace: str, name: str, binding: Obj) -> None:
        """`pods/binding`: put a pod on a node. Conflict if it has one (pkg/registry/core/pod/storage)."""
        pods = KINDS["Pod"]
        target = (binding.get("target") or {}).get("name")
        if not target:
            raise Invalid.of("", "Binding", name, [Cause("FieldValueRequired", "Required value", "target.name")])

        def bound(pod: Obj) -> Obj:
            if wrong := binding.get("metadata", {}).get("uid"):
                DeleteOptions(uid=wrong).check(pods, pod)
            if pod["spec"].get("nodeName"):
                raise Conflict.of(
                    "", "pods/binding", name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
                )
            if is_terminating(pod):
                raise Conflict.of(
                    "", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host"
                )
            if pod["spec"].get("schedulingGates"):
                raise Conflict.of("", "pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
            pod["spec"]["nodeName"] = target
            pod["status"].pop("nominatedNodeName", None)  # it has what it was promised (KEP-5278)
            return pod

        pod = bound(copy(self.get(pods, name, namespace)))
        now = self.clock.timestamp()
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        others = [c for c in pod["status"].get("conditions") or [] if c["type"] != "PodScheduled"]
        pod["status"]["conditions"] = [
            *others,
            scheduled | {"observedGeneration": pod["metadata"].get("generation", 1)},
        ]
        self._store(pods, lambda: self.store.update(pods.resource, Key(namespace, name), pod), pod, False)

    # ---- the steps of a write -----------------------------------------------------------------------------------

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

    def _address(self, kind: Kind, obj: Obj, namespace: str, name: str = "") -> Obj:
        """Make the object agree with where it was sent, or say why it cannot."""
        expect_type(kind, obj)
        obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
        meta = obj.get("metadata")
        if meta is None:
            meta = obj["metadata"] = {}
        if kind.namespaced:
            if meta.setdefault("namespace", namespace) not in (namespace, ""):
                raise BadRequest(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        if name and meta.setdefault("name", name) != name:
            raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        return meta

    def _require_namespace(self, kind: Kind, meta: Obj) -> None:
        if not kind.namespaced:
            return
        namespace = self.get(KINDS["Namespace"], meta["namespace"])
        if is_terminating(namespace) and kind.kind != "Event":
            why = f"unable to create new content in namespace {meta['namespace']} because it is being terminated"
            raise Forbidden.of(kind.group, kind.plural, meta.get("name", ""), why)

    def _check_identity(self, kind: Kind, old: Obj, meta: Obj) -> None:
        name, current = old["metadata"]["name"], old["metadata"]
        if meta.get("uid") not in (None, "", current["uid"]):
            raise Conflict.of(kind.group, kind.plural, name, deletion.uid_differs(meta["uid"], current["uid"]))
        if meta.get("resourceVersion") not in (None, "", current["resourceVersion"]):
            raise Conflict.of(kind.group, kind.plural, name)

    def _merged(self, kind: Kind, old: Obj, new: Obj, subresource: str) -> Obj:
        """The wished object with what this door may not change put back."""
        if subresource == "status":
            return {**old, "status": new.get("status") or {}}
        if subresource == "ephemeralcontainers":
            kept = {field: value for field, value in old["spec"].items() if field != "ephemeralContainers"}
            if there := (new.get("spec") or {}).get("ephemeralContainers"):
                kept["ephemeralContainers"] = there
            return {**old, "metadata": {**old["metadata"]}, "spec": kept}
        if subresource == "finalize":
            return {**old, "spec": new.get("spec") or {}}
        meta = new["metadata"]
        for field in (*SERVER_OWNED, "resourceVersion"):
            meta.pop(field, None)
            if field in old["metadata"]:
                meta[field] = old["metadata"][field]
        meta.pop("managedFields", None)
        if "status" in kind.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        return new

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
            raise ApiError(str(error)) from error


def expect_type(kind: Kind, obj: Obj) -> None:
    """Raises BadRequest for an object that says it is something else."""
    if obj.get("kind", kind.kind) != kind.kind or obj.get("apiVersion", kind.api_version) != kind.api_version:
        raise BadRequest(
            f"the API version in the data ({obj.get('apiVersion')}, Kind={obj.get('kind')}) does not match "
            f"the expected API version ({kind.api_version}, Kind={kind.kind})"
        )


def allowed(kind: Kind, verb: str) -> None:
    """Raises MethodNotAllowed unless the kind does this."""
    if verb not in kind.verbs:
        raise MethodNotAllowed("the server does not allow this method on the requested resource", {})


def _wish(obj: Obj) -> dict[str, Any]:
    """All of an object that is neither its metadata nor what was observed of it."""
    return {field: value for field, value in obj.items() if field not in ("metadata", "status")}
