"""What is to happen to a claim, and to a volume, from how they stand to each other. Pure, for `persistentvolume.py`.

The cases and their words are Kubernetes' (pkg/controller/volume/persistentvolume/pv_controller.go: syncUnboundClaim,
syncBoundClaim, syncVolume).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from k8slab.api.objects import Obj, annotations_of
from k8slab.api.volumes import (
    BIND_COMPLETED,
    BOUND_BY_US,
    NO_PROVISIONER,
    PROVISIONED_BY,
    SELECTED_NODE,
    belongs_to,
    best,
    class_of,
    fault,
    waits_for_pod,
)


class Event(NamedTuple):
    """What is told about a claim."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class ForClaim(NamedTuple):
    """The next step: bind it to `volume`, have one made, declare it lost, or let it wait."""

    do: Literal["bind", "provision", "lose", "wait"]
    volume: Obj | None = None
    event: Event | None = None


class ForVolume(NamedTuple):
    """The phase it is to be in, and what else: let go of its claim, be reclaimed, or have its claim looked at."""

    phase: str
    do: Literal["", "unbind", "reclaim", "ask claim"] = ""


WAITING = Event("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
NOTHING = Event("Normal", "FailedBinding", "no persistent volumes available for this claim and no storage class is set")
LOST_NAME = Event(
    "Warning", "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
)
LOST = Event("Warning", "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
MISBOUND = Event("Warning", "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")


def for_claim(claim: Obj, volumes: Collection[Obj], class_: Obj | None) -> ForClaim:
    """`class_` is its StorageClass, None if it names none, or one that is not there."""
    if BIND_COMPLETED in annotations_of(claim):
        return _bound(claim, volumes)
    if name := claim["spec"].get("volumeName"):
        return _named(claim, _find(volumes, name))
    delayed = waits_for_pod(claim, class_) and SELECTED_NODE not in annotations_of(claim)
    if volume := best(claim, volumes, delayed=delayed):
        return ForClaim("bind", volume)
    if delayed:
        return ForClaim("wait", event=WAITING)
    if not class_of(claim):
        return ForClaim("wait", event=NOTHING)
    if class_ is None:
        absent = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
        return ForClaim("wait", event=Event("Warning", "ProvisioningFailed", absent))
    return ForClaim("wait") if class_["provisioner"] == NO_PROVISIONER else ForClaim("provision")


def _bound(claim: Obj, volumes: Iterable[Obj]) -> ForClaim:
    name = claim["spec"].get("volumeName")
    volume = _find(volumes, name)
    if not name or volume is None:
        return ForClaim("lose", event=LOST if name else LOST_NAME)
    ref = volume["spec"].get("claimRef")
    if ref is None or ref.get("uid") == claim["metadata"]["uid"]:
        return ForClaim("bind", volume)
    return ForClaim("lose", event=MISBOUND)


def _named(claim: Obj, volume: Obj | None) -> ForClaim:
    """The claim asks for this volume and no other."""
    if volume is None:
        return ForClaim("wait")
    name = volume["metadata"]["name"]
    if volume["spec"].get("claimRef") is None:
        if why := fault(volume, claim):
            said = f'Cannot bind to requested volume "{name}": {why}'
            return ForClaim("wait", event=Event("Warning", "VolumeMismatch", said))
        return ForClaim("bind", volume)
    if belongs_to(volume, claim):
        return ForClaim("bind", volume)
    taken = f'volume "{name}" already bound to a different claim.'
    return ForClaim("wait", event=Event("Warning", "FailedBinding", taken))


def for_volume(volume: Obj, claim: Obj | None) -> ForVolume:
    """`claim` is the one its claimRef names, None if there is none of that name."""
    ref = volume["spec"].get("claimRef")
    phase = (volume.get("status") or {}).get("phase", "Pending")
    if not ref or not ref.get("uid"):
        return ForVolume("Available", "ask claim" if claim else "")
    over = ForVolume("Failed" if phase == "Failed" else "Released", "reclaim")
    if claim is None or claim["metadata"]["uid"] != ref["uid"]:
        return over
    bound_to = claim["spec"].get("volumeName")
    if not bound_to:
        return ForVolume(phase, "ask claim")
    if bound_to == volume["metadata"]["name"]:
        return ForVolume("Bound", "ask claim")
    ours = PROVISIONED_BY in annotations_of(volume)
    deleted = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    return over if ours and deleted else ForVolume("Available", "unbind")


def unbound(volume: Obj) -> Obj:
    """The patch that lets go of its claim; one that a person reserved for a name stays reserved for it."""
    if BOUND_BY_US in annotations_of(volume):
        return {"metadata": {"annotations": {BOUND_BY_US: None}}, "spec": {"claimRef": None}}
    return {"spec": {"claimRef": {"uid": None}}}


def _find(volumes: Iterable[Obj], name: str | None) -> Obj | None:
    return next((volume for volume in volumes if volume["metadata"]["name"] == name), None)
