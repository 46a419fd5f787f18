"""The lab's own provisioner: volumes of class `standard` are folders of the lab, to be reached from every node.

`persistentvolume.py` asks for one by annotating a claim; here the volume is made, and removed with its folder when its
claim has gone. Kubernetes leaves this to external provisioners; events and steps are those of theirs
(sigs.k8s.io/sig-storage-lib-external-provisioner).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from k8slab.api.errors import AlreadyExists
from k8slab.api.objects import Key, Obj, annotations_of, is_terminating, key_of
from k8slab.api.volumes import LOCAL, PROVISIONED_BY, PROVISIONER, class_of, request
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes

CLAIM, VOLUME = "PersistentVolumeClaim", "PersistentVolume"


class LocalProvisioner(Controller[Key]):
    """Its keys are claims, and volumes (without a namespace). `remove` takes a volume's folder away, by its handle."""

    name = LOCAL

    def __init__(self, client: Client, clock: Clock, remove: Callable[[str], None]) -> None:
        super().__init__(client, clock)
        self._remove = remove

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {CLAIM: self._of_claim, VOLUME: self._of_volume}

    def _of_claim(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        if after and annotations_of(after).get(PROVISIONER) == LOCAL and not after["spec"].get("volumeName"):
            yield key_of(after)

    def _of_volume(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        if after and annotations_of(after).get(PROVISIONED_BY) == LOCAL:
            yield key_of(after)

    async def reconcile(self, key: Key) -> float | None:
        if key.namespace:
            claim = self.client.informer(CLAIM).get(key.name, key.namespace)
            class_ = self.client.informer("StorageClass").get(class_of(claim)) if claim else None
            if claim and class_ and not claim["spec"].get("volumeName") and not is_terminating(claim):
                self._provision(claim, class_)
        elif (volume := self.client.informer(VOLUME).get(key.name)) and is_over(volume):
            await asyncio.to_thread(self._remove, volume["spec"]["csi"]["volumeHandle"])
            if not is_terminating(volume):
                self.client.delete(VOLUME, key.name, uid=volume["metadata"]["uid"])
        return None

    def _provision(self, claim: Obj, class_: Obj) -> None:
        namespace, name = key_of(claim)
        said = f'External provisioner is provisioning volume for claim "{namespace}/{name}"'
        self.recorder.event(claim, "Normal", "Provisioning", said)
        if why := impossible(claim):
            failed = f'failed to provision volume with StorageClass "{class_["metadata"]["name"]}": {why}'
            self.recorder.event(claim, "Warning", "ProvisioningFailed", failed)
            return
        made = volume_for(claim, class_)
        try:
            self.client.create(made)
        except AlreadyExists:
            return
        said = f"Successfully provisioned volume {made['metadata']['name']}"
        self.recorder.event(claim, "Normal", "ProvisioningSucceeded", said)


def impossible(claim: Obj) -> str:
    """Why a folder cannot be what the claim asks for; empty if it can."""
    if claim["spec"].get("selector"):
        return "claim Selector is not supported"
    if claim["spec"].get("volumeMode") == "Block":
        return "raw block volumes are not supported: a volume of this lab is a folder"
    return ""


def volume_for(claim: Obj, class_: Obj) -> Obj:
    """The volume to be made for a claim."""
    meta = claim["metadata"]
    name = f"pvc-{meta['uid']}"
    ref = {"apiVersion": "v1", "kind": CLAIM, "namespace": meta["namespace"], "name": meta["name"]}
    spec: Obj = {
        "accessModes": claim["spec"]["accessModes"],
        "capacity": {"storage": request(claim)},
        "claimRef": {**ref, "uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
        "csi": {"driver": LOCAL, "volumeHandle": name},
        "persistentVolumeReclaimPolicy": class_.get("reclaimPolicy", "Delete"),
        "storageClassName": class_["metadata"]["name"],
        "volumeMode": "Filesystem",
    }
    if options := class_.get("mountOptions"):
        spec["mountOptions"] = options
    kind = {"apiVersion": "v1", "kind": VOLUME}
    return {**kind, "metadata": {"name": name, "annotations": {PROVISIONED_BY: LOCAL}}, "spec": spec}


def is_over(volume: Obj) -> bool:
    """Whether volume and folder are to be removed: its claim has gone, and its policy says so."""
    released = (volume.get("status") or {}).get("phase") == "Released"
    return released and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
