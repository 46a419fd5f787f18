"""Every namespace has a ServiceAccount `default`: made with the namespace, made again when it is deleted.

The rule is Kubernetes' (pkg/controller/serviceaccount/serviceaccounts_controller.go); `rootca.py` next door does the
same with a ConfigMap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.errors import AlreadyExists, ApiError
from k8slab.api.objects import Key, Obj, is_terminating
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending

NAME = "default"


def in_namespace(kind_is_namespace: bool, name: str) -> Wakes[Key]:
    """Wakes the namespace's key: for a new namespace, or for the object of this name in it when it goes or changes."""

    def wakes(before: Obj | None, after: Obj | None) -> Iterable[Key]:
        meta = (after or before or {})["metadata"]
        if kind_is_namespace:
            return (Key("", meta["name"]),) if after and before is None else ()
        return (Key("", meta["namespace"]),) if before and meta["name"] == name else ()

    return wakes


class ServiceAccountController(Controller[Key]):
    """Its keys are namespaces."""

    name = "serviceaccount-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Namespace": in_namespace(True, ""), "ServiceAccount": in_namespace(False, NAME)}

    async def reconcile(self, key: Key) -> float | None:
        namespace = self.client.informer("Namespace").get(key.name)
        if (
            namespace
            and not is_terminating(namespace)
            and not self.client.informer("ServiceAccount").get(NAME, key.name)
        ):
            meta = {"name": NAME, "namespace": key.name}
            create(self, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        return None


def create(controller: Controller[Key], obj: Obj) -> None:
    """Create an object that may have come in between, in a namespace that may just be going."""
    try:
        controller.client.create(obj)
    except AlreadyExists:
        pass
    except ApiError as error:
        if not is_namespace_ending(error):
            raise
