"""The rules for volumes, claims on them, and storage classes.

Tables for `validation.py`. Source: pkg/apis/core/validation/validation.go, pkg/apis/storage/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api import names, schema
from k8slab.api.causes import IMMUTABLE, forbidden, invalid, required, unsupported
from k8slab.api.checks import REQUIRED, Required, Table, named, one_of
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj, copy
from k8slab.api.quantities import parse
from k8slab.api.validation_pods import differences

MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = one_of("Block", "Filesystem")
FIXED = ("parameters", "provisioner", "reclaimPolicy")
CLAIM_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def _modes(modes: list[str], path: str) -> Iterable[Cause]:
    yield from (unsupported(path, mode, MODES) for mode in modes if mode not in MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def _size(spec: Obj, path: str) -> Iterable[Cause]:
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    where = f"{path}.resources[storage]"
    if size is None:
        yield required(where)
    elif parse(size) <= 0:
        yield invalid(where, size, "must be greater than zero")


def _capacity(capacity: Obj, path: str) -> Iterable[Cause]:
    if set(capacity) != {"storage"}:
        yield unsupported(path, capacity, ["storage"])
    for name, quantity in capacity.items():
        if parse(quantity) <= 0:
            yield invalid(f"{path}[{name}]", quantity, "must be greater than zero")


def _sources(spec: Obj) -> list[str]:
    """The kinds of storage a volume names: its fields whose type is a source."""
    fields = schema.fields("io.k8s.api.core.v1.PersistentVolumeSpec")
    return [name for name in spec if name in fields and fields[name].type.endswith("VolumeSource")]


def _one_source(spec: Obj, path: str) -> Iterable[Cause]:
    found = _sources(spec)
    if not found:
        yield required(path, "must specify a volume type")
    yield from (forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in found[1:])
    host = (spec.get("hostPath") or {}).get("path", "")
    if host and not host.strip("/") and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")


def _local(spec: Obj, path: str) -> Iterable[Cause]:
    if "local" in spec and not (spec.get("nodeAffinity") or {}).get("required"):
        yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")


def _claim_kept(claim: Obj, old: Obj) -> Iterable[Cause]:
    """A claim's wish stands, but for its size once it is bound, and for what controllers fill in."""
    new, before = copy(claim["spec"]), copy(old["spec"])
    if not before.get("volumeName"):
        _like(before, new, "volumeName")
    if before.get("storageClassName") is None:
        _like(before, new, "storageClassName")
    _like(new, before, "volumeAttributesClassName")
    size, was = (((s.get("resources") or {}).get("requests") or {}).get("storage", "0") for s in (new, before))
    if (claim.get("status") or {}).get("phase") == "Bound":
        new["resources"]["requests"]["storage"] = was
    if new != before:
        yield forbidden("spec", CLAIM_FIXED + "\n" + "\n".join(differences(before, new)))
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    if parse(size) < parse(was) and parse(size) <= parse(capacity):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from _mode_kept(claim, old)


def _volume_kept(volume: Obj, old: Obj) -> Iterable[Cause]:
    new, before = ({name: obj["spec"][name] for name in _sources(obj["spec"])} for obj in (volume, old))
    if new != before:
        said = "spec.persistentvolumesource is immutable after creation\n" + "\n".join(differences(before, new))
        yield forbidden("spec.persistentvolumesource", said)
    yield from _mode_kept(volume, old)


def _mode_kept(obj: Obj, old: Obj) -> Iterable[Cause]:
    if obj["spec"].get("volumeMode") != old["spec"].get("volumeMode"):
        yield invalid("volumeMode", obj["spec"].get("volumeMode"), IMMUTABLE)


def _like(value: Obj, other: Obj, field: str) -> None:
    value.pop(field, None)
    if field in other:
        value[field] = other[field]


def _class_kept(class_: Obj, old: Obj) -> Iterable[Cause]:
    for field in FIXED:
        if class_.get(field) != old.get(field):
            yield forbidden(field, f"updates to {field} are forbidden.")
    if class_.get("volumeBindingMode") != old.get("volumeBindingMode"):
        yield invalid("volumeBindingMode", class_.get("volumeBindingMode"), IMMUTABLE)


TABLE: Table = {
    "core.v1.PersistentVolumeClaimSpec": {
        "accessModes": (Required("at least 1 access mode is required"), _modes),
        "": (_size,),
        "storageClassName": (named(names.dns_subdomain),),
        "volumeMode": (VOLUME_MODES,),
    },
    "core.v1.PersistentVolumeSpec": {
        "accessModes": (REQUIRED, _modes),
        "capacity": (REQUIRED, _capacity),
        "persistentVolumeReclaimPolicy": (one_of("Delete", "Recycle", "Retain"),),
        "": (_one_source, _local),
        "storageClassName": (named(names.dns_subdomain),),
        "volumeMode": (VOLUME_MODES,),
    },
    "storage.v1.StorageClass": {
        "provisioner": (REQUIRED,),
        "reclaimPolicy": (one_of("Delete", "Retain"),),
        "volumeBindingMode": (REQUIRED, one_of("Immediate", "WaitForFirstConsumer")),
    },
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "core.v1.PersistentVolume": _volume_kept,
    "core.v1.PersistentVolumeClaim": _claim_kept,
    "storage.v1.StorageClass": _class_kept,
}
