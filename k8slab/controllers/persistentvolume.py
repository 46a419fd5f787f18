"""Claims and volumes find each other: the smallest volume that fits, or one made for the claim; and are parted again.

`volume_binding.py` decides; here it is done, volume first, so that two claims never get the same one. What a storage
class promises to make is made by its provisioner (`provisioner.py`). After pkg/controller/volume/persistentvolume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from k8slab.api.objects import Key, Obj, annotations_of, key_of
from k8slab.api.volumes import (
    BIND_COMPLETED,
    BOUND_BY_US,
    PROVISIONER,
    PROVISIONER_BETA,
    belongs_to,
    class_of,
    default_class,
)
from k8slab.controllers.base import Controller, Wakes
from k8slab.controllers.volume_binding import ForVolume, for_claim, for_volume, unbound

CLAIM, VOLUME = "PersistentVolumeClaim", "PersistentVolume"
MAKING = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. "
    "If volume creation is delayed, please verify that the provisioner is running and correctly registered."
)


class Item(NamedTuple):
    """A claim or a volume."""

    kind: str
    key: Key


class PersistentVolumeController(Controller[Item]):
    """Binds and releases."""

    name = "persistentvolume-controller"
    workers = 1  # two claims must not reach for the same volume

    def watches(self) -> Mapping[str, Wakes[Item]]:
        return {CLAIM: self._of_claim, VOLUME: self._of_volume, "StorageClass": self._of_class}

    def _of_claim(self, before: Obj | None, after: Obj | None) -> Iterable[Item]:
        claim = after or before or {}
        if after:
            yield Item(CLAIM, key_of(after))
        if name := claim["spec"].get("volumeName"):
            yield Item(VOLUME, Key("", name))

    def _of_volume(self, before: Obj | None, after: Obj | None) -> Iterable[Item]:
        """A free volume is offered to all who wait; a lost one is missed by its claim."""
        volume = after or before or {}
        if after:
            yield Item(VOLUME, key_of(after))
        if ref := volume["spec"].get("claimRef"):
            yield Item(CLAIM, Key(ref.get("namespace", ""), ref.get("name", "")))
        elif after and (after.get("status") or {}).get("phase") == "Available":
            yield from self._waiting()

    def _of_class(self, before: Obj | None, after: Obj | None) -> Iterable[Item]:
        return self._waiting() if after else ()

    def _waiting(self) -> Iterable[Item]:
        for claim in self.client.informer(CLAIM).list():
            if BIND_COMPLETED not in annotations_of(claim):
                yield Item(CLAIM, key_of(claim))

    async def reconcile(self, key: Item) -> float | None:
        obj = self.client.informer(key.kind).get(key.key.name, key.key.namespace)
        if obj:
            (self._claim if key.kind == CLAIM else self._volume)(obj)
        return None

    # ------------------------------------------------------------------------------------------ claims

    def _claim(self, claim: Obj) -> None:
        if self._adopted_by_class(claim):
            return  # and looked at again, because of that
        class_ = self.client.informer("StorageClass").get(class_of(claim))
        step = for_claim(claim, list(self.client.informer(VOLUME).list()), class_)
        if step.event and (step.do != "lose" or claim["status"].get("phase") != "Lost"):
            self.recorder.event(claim, *step.event)
        if step.do == "bind" and step.volume:
            self._bind(step.volume, claim)
            return
        if step.do == "provision" and class_:
            self._order(claim, class_["provisioner"])
        phase = "Lost" if step.do == "lose" else "Pending"
        self._set(claim, {"phase": phase, "accessModes": None, "capacity": None})

    def _adopted_by_class(self, claim: Obj) -> bool:
        """A claim from before there was a default class gets it now (KEP-3333)."""
        open_ = claim["spec"].get("storageClassName") is None and not class_of(claim)
        if not open_ or claim["spec"].get("volumeName"):
            return False
        found = default_class(self.client.informer("StorageClass").list())
        if found:
            self._patch(claim, {"spec": {"storageClassName": found["metadata"]["name"]}})
        return found is not None

    def _order(self, claim: Obj, provisioner: str) -> None:
        self.recorder.event(claim, "Normal", "ExternalProvisioning", MAKING.format(provisioner))
        if annotations_of(claim).get(PROVISIONER) != provisioner:
            wanted = {PROVISIONER: provisioner, PROVISIONER_BETA: provisioner}
            self._patch(claim, {"metadata": {"annotations": wanted}})

    def _bind(self, volume: Obj, claim: Obj) -> None:
        """The volume first, then the claim; what is as it should be is not written again."""
        meta, name = claim["metadata"], volume["metadata"]["name"]
        if (volume["spec"].get("claimRef") or {}).get("uid") != meta["uid"]:
            ref = {"kind": CLAIM, "apiVersion": "v1", "namespace": meta["namespace"], "name": meta["name"]}
            ref |= {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            reserved = belongs_to(volume, claim)
            notes = {} if reserved else {"metadata": {"annotations": {BOUND_BY_US: "yes"}}}
            volume = self._patch(volume, notes | {"spec": {"claimRef": ref}})
        self._set(volume, {"phase": "Bound"})
        wanted = {BIND_COMPLETED: "yes"} | ({} if claim["spec"].get("volumeName") == name else {BOUND_BY_US: "yes"})
        if claim["spec"].get("volumeName") != name or BIND_COMPLETED not in annotations_of(claim):
            claim = self._patch(claim, {"metadata": {"annotations": wanted}, "spec": {"volumeName": name}})
        size = volume["spec"].get("capacity")
        self._set(claim, {"phase": "Bound", "accessModes": volume["spec"].get("accessModes"), "capacity": size})

    # ----------------------------------------------------------------------------------------- volumes

    def _volume(self, volume: Obj) -> None:
        ref = volume["spec"].get("claimRef") or {}
        claim = self.client.informer(CLAIM).get(ref.get("name", ""), ref.get("namespace", ""))
        step: ForVolume = for_volume(volume, claim)
        if step.do == "unbind":
            volume = self._patch(volume, unbound(volume))
        self._set(volume, {"phase": step.phase} | ({} if step.phase == "Failed" else {"message": None}))
        if step.do == "ask claim" and claim and claim["status"].get("phase") != "Bound":
            self.queue.add(Item(CLAIM, key_of(claim)))
        if step.do == "reclaim":
            self._reclaim(volume)

    def _reclaim(self, volume: Obj) -> None:
        """Retain: nothing. Delete: its provisioner does. Recycle is gone from Kubernetes' own volumes, too."""
        policy = volume["spec"].get("persistentVolumeReclaimPolicy")
        if policy == "Recycle" and volume["status"].get("phase") != "Failed":
            said = "No recycler plugin found for the volume!"
            self.recorder.event(volume, "Warning", "VolumeFailedRecycle", said)
            self._set(volume, {"phase": "Failed", "message": said})
        elif policy == "Delete" and (why := undeletable(volume)) and volume["status"].get("phase") != "Failed":
            self.recorder.event(volume, "Warning", "VolumeFailedDelete", why)
            self._set(volume, {"phase": "Failed", "message": why})

    def _set(self, obj: Obj, wanted: Mapping[str, object]) -> None:
        """Write what of the status is not so yet."""
        status = obj.get("status") or {}
        if any(status.get(field) != value for field, value in wanted.items()):
            namespace, name = key_of(obj)
            self.client.patch(obj["kind"], name, namespace, {"status": dict(wanted)}, "status")

    def _patch(self, obj: Obj, patch: Obj) -> Obj:
        namespace, name = key_of(obj)
        seen = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return self.client.patch(
            obj["kind"], name, namespace, {**patch, "metadata": {**patch.get("metadata", {}), **seen}}
        )


def undeletable(volume: Obj) -> str:
    """Why nobody can delete what is behind a volume, in Kubernetes' words; empty where its provisioner can."""
    if "csi" in volume["spec"]:
        return ""
    if host := volume["spec"].get("hostPath"):
        return f"host_path deleter only supports /tmp/.+ but received provided {host['path']}"
    name = volume["metadata"]["name"]
    return f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
