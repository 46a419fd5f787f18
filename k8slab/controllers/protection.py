"""Claims and volumes that are in use are not deleted: the finalizer that holds them is taken off when the use ends.

The API server puts the finalizers on (`apiserver/strategy_workloads.py`). The rules are Kubernetes'
(pkg/controller/volume/pvcprotection, pvprotection): a claim is used by every pod that mounts it and has not ended, a
volume by the claim it is bound to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Key, Obj, is_terminating, key_of
from k8slab.api.volumes import claims_of
from k8slab.controllers.base import Controller, Wakes, itself

CLAIM, VOLUME = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


class ClaimProtectionController(Controller[Key]):
    """Lets go of claims that no pod uses any more."""

    name = "persistentvolumeclaim-protection-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"PersistentVolumeClaim": itself, "Pod": self._claims}

    def _claims(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A pod that ends or goes may free its claims."""
        pod = after or before
        if pod is None or (after is not None and not _has_ended(after)):
            return ()
        return [Key(pod["metadata"]["namespace"], name) for name in claims_of(pod)]

    async def reconcile(self, key: Key) -> float | None:
        claim = self.client.informer("PersistentVolumeClaim").get(key.name, key.namespace)
        if claim and is_held(claim, CLAIM) and not self._used(key):
            _let_go(self, claim, CLAIM)
        return None

    def _used(self, key: Key) -> bool:
        pods = self.client.informer("Pod").list(key.namespace)
        return any(key.name in claims_of(pod) and not _has_ended(pod) for pod in pods)


class VolumeProtectionController(Controller[Key]):
    """Lets go of volumes that are bound to no claim."""

    name = "persistentvolume-protection-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"PersistentVolume": itself}

    async def reconcile(self, key: Key) -> float | None:
        volume = self.client.informer("PersistentVolume").get(key.name)
        if volume and is_held(volume, VOLUME) and (volume.get("status") or {}).get("phase") != "Bound":
            _let_go(self, volume, VOLUME)
        return None


def is_held(obj: Obj, finalizer: str) -> bool:
    """Whether it is to go and only waits for this."""
    return is_terminating(obj) and finalizer in (obj["metadata"].get("finalizers") or ())


def _has_ended(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _let_go(controller: Controller[Key], obj: Obj, finalizer: str) -> None:
    namespace, name = key_of(obj)
    left = [other for other in obj["metadata"]["finalizers"] if other != finalizer]
    seen = {"resourceVersion": obj["metadata"]["resourceVersion"]}
    controller.client.patch(obj["kind"], name, namespace, {"metadata": {"finalizers": left or None} | seen})
