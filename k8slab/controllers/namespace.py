"""A namespace that is being deleted: all that is in it goes, then the namespace itself.

The API server marks it Terminating and lets nothing new in; here its content is deleted and the finalizer `kubernetes`
taken off, which lets it go. The rules are Kubernetes' (pkg/controller/namespace/deletion): pods first, as
"ordered namespace deletion" (KEP-5080) wants it, then everything else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Key, Obj, is_terminating, with_condition
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes, itself

FINALIZER = "kubernetes"
BATCH = 50  # deletions before the API may answer in between


class NamespaceController(Controller[Key]):
    """Empties what is being deleted. `resources` says for each namespaced kind how messages name it: Pod -> `pods.`."""

    name = "namespace-controller"

    def __init__(self, client: Client, clock: Clock, resources: Mapping[str, str]) -> None:
        super().__init__(client, clock)
        self.resources = dict(resources)

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Namespace": itself} | dict.fromkeys(self.resources, self._of_content)

    def _of_content(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """Something is gone, or has come after all: that matters only where all has to go."""
        obj = after or before
        if obj is None or (before and after):
            return ()
        namespace = obj["metadata"]["namespace"]
        found = self.client.informer("Namespace").get(namespace)
        return (Key("", namespace),) if found and is_terminating(found) else ()

    async def reconcile(self, key: Key) -> float | None:
        namespace = self.client.informer("Namespace").get(key.name)
        if namespace is None or not is_terminating(namespace):
            return None
        if FINALIZER not in namespace["spec"].get("finalizers", ()):
            return None
        failures = await self._delete("Pod", key.name) if "Pod" in self.resources else []
        if not self._content("Pod", key.name):
            for kind in self.resources:
                failures += await self._delete(kind, key.name)
        pods = self._content("Pod", key.name)  # as long as there are any, nothing else is looked at
        left = {"Pod": pods} if pods else {
            kind: objects for kind in self.resources if (objects := self._content(kind, key.name))
        }  # fmt: skip
        self._report(key.name, conditions(self.resources, left, failures))
        if not left:
            self._finalize(key.name)
        if failures:
            raise failures[0]
        return None

    def _content(self, kind: str, namespace: str) -> list[Obj]:
        return list(self.client.informer(kind).list(namespace)) if kind in self.resources else []

    async def _delete(self, kind: str, namespace: str) -> list[ApiError]:
        failures = []
        for count, obj in enumerate(self._content(kind, namespace), 1):
            if not is_terminating(obj):
                try:
                    self.client.delete(kind, obj["metadata"]["name"], namespace, propagation="Background")
                except (Conflict, NotFound):
                    pass
                except ApiError as error:
                    failures.append(error)
            if count % BATCH == 0:
                await asyncio.sleep(0)
        return failures

    def _report(self, name: str, new: list[Obj]) -> None:
        namespace = self.client.get("Namespace", name)
        shown = before = (namespace.get("status") or {}).get("conditions") or []
        for condition in new:
            shown = with_condition(shown, condition, self.clock.timestamp())
        if shown != before or namespace["status"].get("phase") != "Terminating":
            namespace["status"] = {**namespace.get("status", {}), "phase": "Terminating", "conditions": shown}
            self.client.update(namespace, "status")

    def _finalize(self, name: str) -> None:
        namespace = self.client.get("Namespace", name)
        namespace["spec"]["finalizers"] = [f for f in namespace["spec"]["finalizers"] if f != FINALIZER]
        self.client.update(namespace, "finalize")


def conditions(resources: Mapping[str, str], left: Mapping[str, list[Obj]], failures: list[ApiError]) -> list[Obj]:
    """What `kubectl get namespace -o yaml` says while it waits (deletion/status_condition_utils.go)."""
    holders = Counter(f for objects in left.values() for obj in objects for f in obj["metadata"].get("finalizers", ()))
    content = ", ".join(f"{resources[kind]} has {len(left[kind])} resource instances" for kind in sorted(left))
    held = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in sorted(holders.items()))
    refused = ", ".join(map(str, failures))
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure", "",
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure", "",
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        _condition(
            "NamespaceDeletionContentFailure", refused,
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            ("ContentDeletionFailed", f"Failed to delete all resource types, {len(failures)} remaining: {refused}"),
        ),
        _condition(
            "NamespaceContentRemaining", content,
            ("ContentRemoved", "All content successfully removed"),
            ("SomeResourcesRemain", f"Some resources are remaining: {content}"),
        ),
        _condition(
            "NamespaceFinalizersRemaining", held,
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {held}"),
        ),
    ]  # fmt: skip


def _condition(type_: str, trouble: str, good: tuple[str, str], bad: tuple[str, str] = ("", "")) -> Obj:
    reason, message = bad if trouble else good
    return {"type": type_, "status": str(bool(trouble)), "reason": reason, "message": message}
