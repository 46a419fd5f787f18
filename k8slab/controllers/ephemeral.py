"""Claims for volumes that live as long as their pod (`ephemeral` in a pod's volumes): made with the pod, gone with it.

`persistentvolume.py` binds them like any other. The rule is Kubernetes' (pkg/controller/volume/ephemeral): a claim of
that name that is not the pod's own is never used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Key, Obj, controller_of, controller_ref, is_terminating, key_of
from k8slab.api.volumes import claim_of
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, owners_of

CLAIM = "PersistentVolumeClaim"


class EphemeralVolumeController(Controller[Key]):
    """Its keys are pods."""

    name = "ephemeral_volume"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Pod": self._of_pod, CLAIM: owners_of("Pod")}

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        if after and before is None and any("ephemeral" in v for v in after["spec"].get("volumes") or ()):
            yield key_of(after)

    async def reconcile(self, key: Key) -> float | None:
        pod = self.client.informer("Pod").get(key.name, key.namespace)
        if pod and not is_terminating(pod):
            for volume in pod["spec"].get("volumes") or ():
                if "ephemeral" in volume:
                    self._ensure(pod, volume)
        return None

    def _ensure(self, pod: Obj, volume: Obj) -> None:
        name = claim_of(pod, volume)
        found = self.client.informer(CLAIM).get(name, key_of(pod).namespace)
        if found is None:
            self._create(pod, volume, name)
        elif (controller_of(found) or {}).get("uid") != pod["metadata"]["uid"]:
            said = f'PVC "{key_of(found)}" was not created for the pod, so it cannot be used as ephemeral volume'
            self.recorder.event(pod, "Warning", "EphemeralVolumeFailed", said)

    def _create(self, pod: Obj, volume: Obj, name: str) -> None:
        template = volume["ephemeral"]["volumeClaimTemplate"]
        meta = {
            field: value
            for field, value in (template.get("metadata") or {}).items()
            if field in ("labels", "annotations")
        }
        meta |= {"name": name, "namespace": key_of(pod).namespace, "ownerReferences": [controller_ref(pod)]}
        try:
            self.client.create({"apiVersion": "v1", "kind": CLAIM, "metadata": meta, "spec": template["spec"]})
        except (Conflict, NotFound):
            raise
        except ApiError as error:
            if not is_namespace_ending(error):
                said = f"ephemeral volume controller failed to create PVC {name}: {error}"
                self.recorder.event(pod, "Warning", "EphemeralVolumeFailed", said)
                raise
