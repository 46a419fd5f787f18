"""A pod's volumes as folders of this machine, and where its containers see them.

`workers.py` prepares them before the first container starts, and writes them anew when what they are made of changed;
`launch.py` mounts them. The files of a configMap and its like are `projection.py`'s, what outlives the pod (claims,
hostPath) lies where `disks.py` says. A pod whose volume cannot be had waits, with an event that says why.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from k8slab.api.objects import Obj, is_terminating
from k8slab.api.volumes import LOCAL, claim_of, is_bound
from k8slab.kubelet import atomic, scratch
from k8slab.kubelet.disks import DiskError, Disks
from k8slab.kubelet.environment import ConfigError, Facts, expand
from k8slab.kubelet.projection import files_of, is_projected
from k8slab.kubelet.record import Record
from k8slab.runtime.base import Mount

STORAGE = ("hostPath", "persistentVolumeClaim", "ephemeral")  # what is there before the pod, or after it
UNBOUND = (
    "Unable to attach or mount volumes: unmounted volumes=[{0}], unattached volumes=[], "
    "failed to process volumes=[{0}]: error processing PVC {1}: {2}"
)


class MountError(Exception):
    """A volume cannot be had; the message is the FailedMount event's."""


def prepare(facts: Facts, folder: Path, disks: Disks, now: float) -> dict[str, Path]:
    """Make every volume of the pod, in its `folder`, and say where each is; called again, write what has changed.

    Raises MountError.
    """
    made: dict[str, Path] = {}
    for volume in facts.pod["spec"].get("volumes") or []:
        name = volume["name"]
        try:
            made[name] = _make(facts, volume, folder / "volumes" / name, disks, now)
        except (ConfigError, DiskError, OSError) as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    return made


def _make(facts: Facts, volume: Obj, place: Path, disks: Disks, now: float) -> Path:
    """One volume, at `place` unless it lives elsewhere."""
    if any(kind in volume for kind in STORAGE):
        return _storage(facts, volume, disks)
    if "emptyDir" in volume:
        return scratch.make(place, volume["emptyDir"].get("medium") == "Memory")
    if not is_projected(volume):
        kind = next((field for field in volume if field != "name"), "nothing")
        raise ConfigError(f"volumes of type {kind} are not offered by this kubelet")
    atomic.write(place, files_of(facts, volume), now)
    return place


def remove(folder: Path) -> None:
    """Take the pod's folder away, whatever its containers have put there."""
    scratch.remove(folder / "volumes")
    shutil.rmtree(folder, ignore_errors=True)


def mounts(container: Obj, record: Record, env: Mapping[str, str]) -> list[Mount]:
    """Where a container sees which volume. Raises ConfigError for a subPath that leaves its volume."""
    volumes = {volume["name"]: volume for volume in record.pod["spec"].get("volumes") or []}
    found = []
    for number, mount in enumerate(container.get("volumeMounts") or []):
        root = record.folders.get(mount["name"])
        if root is None:
            continue
        below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        source = _below(root, below) if below else root
        volume = volumes[mount["name"]]
        if below and is_projected(volume) and source.is_file() and record.folder:
            source = _held(source, record.folder / "subpaths" / mount["name"] / container["name"] / str(number))
        read_only = bool(mount.get("readOnly")) or not _is_writable(volume)
        found.append(Mount(str(source), mount["mountPath"], read_only))
    return found


def _below(root: Path, below: str) -> Path:
    """A path inside a volume, made if need be; what a container has linked there is followed, but not out of it."""
    source = (root / below).resolve()
    if ".." in Path(below).parts or Path(below).is_absolute() or not source.is_relative_to(root.resolve()):
        raise ConfigError(f"volumeMounts: subPath {below!r} must stay inside the volume")
    if not source.exists():
        source.mkdir(parents=True)
    return source


def _held(file: Path, place: Path) -> Path:
    """This very file, at a place of its own: a subPath does not see what is written into the volume later."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    os.link(file, place)
    return place


def _is_writable(volume: Obj) -> bool:
    if claim := volume.get("persistentVolumeClaim"):
        return not claim.get("readOnly")
    return any(kind in volume for kind in ("emptyDir", "hostPath", "ephemeral"))


# -------------------------------------------------------------------------------------------- storage


def _storage(facts: Facts, volume: Obj, disks: Disks) -> Path:
    """Where it lies. Raises ConfigError, DiskError, MountError."""
    if host := volume.get("hostPath"):
        return disks.host(host["path"], host.get("type") or "")
    name, namespace = claim_of(facts.pod, volume), facts.pod["metadata"].get("namespace", "")
    claim = facts.find("PersistentVolumeClaim", name)
    if claim is None:
        raise _unbound(
            volume, namespace, name, f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found'
        )
    if is_terminating(claim):
        raise _unbound(volume, namespace, name, "PVC is being deleted")
    bound = is_bound(claim) and (claim.get("status") or {}).get("phase") == "Bound"
    persistent = facts.find("PersistentVolume", claim["spec"]["volumeName"]) if bound else None
    if persistent is None:
        raise _unbound(volume, namespace, name, "PVC is not bound")
    return _persistent(persistent["spec"], disks)


def _persistent(spec: Obj, disks: Disks) -> Path:
    if (csi := spec.get("csi")) and csi["driver"] == LOCAL:
        return disks.volume(csi["volumeHandle"])
    for kind in ("hostPath", "local"):
        if source := spec.get(kind):
            return disks.host(source["path"], source.get("type") or "")
    kinds = set(spec) - {"accessModes", "capacity", "claimRef", "nodeAffinity", "persistentVolumeReclaimPolicy"}
    raise ConfigError(
        f"this kubelet can mount csi volumes of {LOCAL}, hostPath and local ones, not {', '.join(sorted(kinds))}"
    )


def _unbound(volume: Obj, namespace: str, claim: str, why: str) -> MountError:
    return MountError(UNBOUND.format(volume["name"], f"{namespace}/{claim}", why))
