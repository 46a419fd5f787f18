"""What asking for a deletion does: marked, held by finalizers and grace, or gone at once.

Called by `verbs.py`. The rules are those of apiserver/pkg/registry/rest/delete.go and, for a pod's grace,
pkg/registry/core/pod/strategy.go; the collector in `controllers/garbage.py` does what the finalizers ask for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from k8slab.api.causes import invalid, unsupported
from k8slab.api.errors import BadRequest, Cause, Conflict, Invalid
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, is_terminating
from k8slab.clock import Clock, to_timestamp

GARBAGE_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True)
class DeleteOptions:
    """A client's wishes; `grace` in seconds."""

    grace: int | None = None
    propagation: str | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, body: dict[str, Any], query: dict[str, str]) -> DeleteOptions:
        """From a DeleteOptions body (may be empty) and the query. Raises Invalid, BadRequest."""
        conditions = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        try:
            grace = None if grace is None else int(grace)
        except ValueError:
            raise BadRequest(f"gracePeriodSeconds must be a whole number of seconds, not {grace!r}") from None
        propagation = body.get("propagationPolicy", query.get("propagationPolicy"))
        orphan = body.get("orphanDependents")
        if orphan is None and "orphanDependents" in query:
            orphan = query["orphanDependents"].lower() not in ("false", "0")
        dry_run = body.get("dryRun") or [asked for asked in (query.get("dryRun"),) if asked]
        if causes := list(_problems(propagation, orphan, dry_run)):
            raise Invalid.of("meta.k8s.io", "DeleteOptions", "", causes)
        if orphan is not None:
            propagation = "Orphan" if orphan else "Background"
        return cls(
            grace, propagation, conditions.get("uid") or "", conditions.get("resourceVersion") or "", bool(dry_run)
        )

    def check(self, kind: Kind, obj: Obj) -> None:
        """Raises Conflict unless the preconditions hold."""
        meta = obj["metadata"]
        for what, asked, found, guess in (
            ("UID", self.uid, meta["uid"], "deleted and then recreated"),
            ("ResourceVersion", self.resource_version, meta["resourceVersion"], "modified"),
        ):
            if asked and asked != found:
                differs = f"the {what} in the precondition ({asked}) does not match the {what} in record ({found})"
                why = f"{differs}. The object might have been {guess}"
                raise Conflict.of(kind.group, kind.kind, meta["name"], why)


def _problems(propagation: str | None, orphan: bool | None, dry_run: list[str]) -> Iterable[Cause]:
    """What is wrong with the options (apimachinery/pkg/apis/meta/v1/validation)."""
    if orphan is not None and propagation is not None:
        yield invalid("propagationPolicy", propagation, "orphanDependents and deletionPropagation cannot be both set")
    if propagation not in (None, *POLICIES):
        yield unsupported("propagationPolicy", propagation, (*sorted(POLICIES), "nil"))
    if any(asked != "All" for asked in dry_run):
        yield unsupported("dryRun", dry_run, ("All",))


def mark(kind: Kind, obj: Obj, options: DeleteOptions, clock: Clock) -> Obj | None:
    """The object as it is to be written, or None: nothing holds it, remove it."""
    meta = obj["metadata"]
    _finalizers(meta, options)
    grace = _grace(obj, options) if kind.kind == "Pod" else 0
    held = bool(meta.get("finalizers")) or (kind.kind == "Namespace" and bool(obj["spec"].get("finalizers")))
    if not grace and not held:
        return None
    if is_terminating(obj):
        if grace < (meta.get("deletionGracePeriodSeconds") or 0):
            _stamp(meta, grace, clock)
        return obj
    _stamp(meta, grace, clock)
    if meta.get("generation"):
        meta["generation"] += 1
    if kind.kind == "Namespace":
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    return obj


def _stamp(meta: Obj, grace: int, clock: Clock) -> None:
    meta["deletionTimestamp"] = to_timestamp(clock.time() + grace / clock.speed)
    meta["deletionGracePeriodSeconds"] = grace


def _finalizers(meta: Obj, options: DeleteOptions) -> None:
    """Propagation is asked of the garbage collector by a finalizer of its own; without a wish, what is there stays."""
    if options.propagation is None:
        return
    kept = [f for f in meta.get("finalizers") or [] if f not in GARBAGE_FINALIZERS.values()]
    wanted = GARBAGE_FINALIZERS.get(options.propagation)
    meta["finalizers"] = [*kept, *([wanted] if wanted else [])]
    if not meta["finalizers"]:
        del meta["finalizers"]


def _grace(pod: Obj, options: DeleteOptions) -> int:
    """A pod's grace: what was asked, else its own; none for one that no node runs, or that has ended."""
    if not pod["spec"].get("nodeName") or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = options.grace if options.grace is not None else pod["spec"].get("terminationGracePeriodSeconds", 30)
    return 1 if grace < 0 else int(grace)
