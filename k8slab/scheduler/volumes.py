"""A pod's claims, as far as placing it is concerned: are they there, and where can their volumes be reached?

`loop.py` asks once a pod, `filters.py` for every node. A claim that waits for its consumer is bound from here: once a
node is chosen, a volume is reserved for it or ordered for that node, and the pod is placed when that is done. The rules
and words are kube-scheduler's (plugins/volumebinding, plugins/volumerestrictions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from k8slab.api.objects import Obj, annotations_of, is_terminating
from k8slab.api.volumes import (
    BOUND_BY_US,
    NO_PROVISIONER,
    SELECTED_NODE,
    best,
    claim_of,
    claims_of,
    class_of,
    is_bound,
    is_reachable,
    waits_for_pod,
)
from k8slab.client.base import Client

CLAIM, VOLUME = "PersistentVolumeClaim", "PersistentVolume"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
ELSEWHERE = "node(s) didn't match PersistentVolume's node affinity"
NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
ONE_POD = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


@dataclass(frozen=True)
class Waiting:
    """A claim that is to be bound with the pod, and whether a volume can be made for it."""

    claim: Obj
    provisioned: bool


@dataclass(frozen=True)
class Storage:
    """What a pod's claims mean for where it can go."""

    missing: str = ""  # why no node would do
    bound: Sequence[Obj] = ()  # volumes
    lost: bool = False  # a claim is bound to a volume that is not there
    waiting: Sequence[Waiting] = ()
    volumes: Sequence[Obj] = ()  # all there are, where a waiting claim may need one
    exclusive: bool = False  # another pod has a claim that only one pod may have

    def problem(self, node: Obj) -> str:
        """Why the pod cannot go to the node because of its volumes; empty if it can."""
        if self.lost:
            return GONE
        if not all(is_reachable(volume, node) for volume in self.bound):
            return ELSEWHERE
        return "" if self.plan(node) is not None else NO_VOLUME

    def plan(self, node: Obj) -> list[tuple[Obj, Obj | None]] | None:
        """Which volume each waiting claim would get there, None for one to be made; None if one would get nothing."""
        found: list[tuple[Obj, Obj | None]] = []
        taken: set[str] = set()
        for one in self.waiting:
            ordered = annotations_of(one.claim).get(SELECTED_NODE)
            volume = best(one.claim, self.volumes, delayed=True, node=node, taken=taken)
            if volume is None and (not one.provisioned or ordered not in (None, node["metadata"]["name"])):
                return None
            if volume is not None:
                taken.add(volume["metadata"]["name"])
            found.append((one.claim, volume))
        return found


class StorageReader:
    """Looks claims up, and binds them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._claims, self._volumes = client.informer(CLAIM), client.informer(VOLUME)
        self._classes, self._pods = client.informer("StorageClass"), client.informer("Pod")

    def of(self, pod: Obj) -> Storage | None:
        """What the pod's claims mean; None for a pod without."""
        if not claims_of(pod):
            return None
        namespace, bound, waiting, lost = pod["metadata"]["namespace"], [], [], False
        for name in claims_of(pod):
            claim = self._claims.get(name, namespace)
            if claim is None or (why := _unusable(claim)):
                return Storage(_absent(pod, name) if claim is None else why)
            if is_bound(claim):
                volume = self._volumes.get(claim["spec"]["volumeName"])
                lost = lost or volume is None
                bound += [volume] if volume else []
                continue
            class_ = self._classes.get(class_of(claim))
            if class_ is None or not waits_for_pod(claim, class_):
                return Storage(UNBOUND)
            waiting.append(Waiting(claim, class_["provisioner"] != NO_PROVISIONER))
        volumes = list(self._volumes.list()) if waiting else []
        return Storage("", bound, lost, waiting, volumes, self._is_taken(pod))

    def bind(self, storage: Storage, node: Obj) -> bool:
        """Have the waiting claims bound for a pod that goes to `node`; whether there is nothing to wait for."""
        name = node["metadata"]["name"]
        for claim, volume in storage.plan(node) or ():
            meta = claim["metadata"]
            if volume is None:
                patch = {"metadata": {"annotations": {SELECTED_NODE: name}}}
                self._client.patch(CLAIM, meta["name"], meta["namespace"], patch)
            elif not volume["spec"].get("claimRef"):
                ref = {"kind": CLAIM, "apiVersion": "v1", "namespace": meta["namespace"], "name": meta["name"]}
                ref |= {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
                notes = {"annotations": {BOUND_BY_US: "yes"}, "resourceVersion": volume["metadata"]["resourceVersion"]}
                self._client.patch(
                    VOLUME, volume["metadata"]["name"], "", {"metadata": notes, "spec": {"claimRef": ref}}
                )
        return not storage.waiting

    def _is_taken(self, pod: Obj) -> bool:
        """Whether another pod has a claim that only one pod may have (ReadWriteOncePod)."""
        namespace, uid = pod["metadata"]["namespace"], pod["metadata"].get("uid")
        alone = {
            name for name in claims_of(pod)
            if (claim := self._claims.get(name, namespace)) and "ReadWriteOncePod" in claim["spec"]["accessModes"]
        }  # fmt: skip
        if not alone:
            return False
        others = (p for p in self._pods.list(namespace) if p["metadata"].get("uid") != uid and _is_placed(p))
        return any(alone & {*claims_of(other)} for other in others)


def _is_placed(pod: Obj) -> bool:
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _absent(pod: Obj, name: str) -> str:
    made = [v for v in pod["spec"]["volumes"] if "ephemeral" in v and claim_of(pod, v) == name]
    if made:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
    return f'persistentvolumeclaim "{name}" not found'


def _unusable(claim: Obj) -> str:
    name = claim["metadata"]["name"]
    if (claim.get("status") or {}).get("phase") == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim["spec"]["volumeName"]}"'
    return f'persistentvolumeclaim "{name}" is being deleted' if is_terminating(claim) else ""
