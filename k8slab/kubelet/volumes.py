"""A pod's volumes as folders of this machine: emptyDir, configMap, secret, downwardAPI, what projects these; storage.

`workers.py` prepares them before the first container starts; `launch.py` mounts them. What outlives the pod (claims,
hostPath) lies where `disks.py` says. A pod whose volume cannot be had waits, with an event that says why; it is never
started without it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from k8slab.api.objects import Obj, is_terminating
from k8slab.api.volumes import LOCAL, claim_of, is_bound
from k8slab.kubelet.disks import DiskError, Disks
from k8slab.kubelet.environment import ConfigError, Facts, content, expand, field_value, lookup, resource_value
from k8slab.runtime.base import Mount

REFUSED = {"serviceAccountToken": "containers never get the lab's token"}
STORAGE = ("hostPath", "persistentVolumeClaim", "ephemeral")  # what is there before the pod, or after it
UNBOUND = (
    "Unable to attach or mount volumes: unmounted volumes=[{0}], unattached volumes=[], "
    "failed to process volumes=[{0}]: error processing PVC {1}: {2}"
)

Files = dict[str, tuple[bytes, int]]  # path below the volume -> content, mode


class MountError(Exception):
    """A volume cannot be had; the message is the FailedMount event's."""


def prepare(facts: Facts, folder: Path | None, disks: Disks) -> dict[str, Path]:
    """Make every volume of the pod below `folder` and say where each is; without one, only see that all can be had.

    Called again it writes what has changed meanwhile. Raises MountError.
    """
    made: dict[str, Path] = {}
    for volume in facts.pod["spec"].get("volumes") or []:
        name = volume["name"]
        try:
            if any(kind in volume for kind in STORAGE):
                if found := _storage(facts, volume, disks):
                    made[name] = found
                continue
            files = _files(facts, volume)
            if folder is not None:
                made[name] = folder / "volumes" / name
                _write(made[name], files)
        except (ConfigError, DiskError, OSError) as error:
            raise MountError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    return made


def remove(folder: Path) -> None:
    """Take the pod's folder away, whatever its containers have put there."""
    shutil.rmtree(folder, ignore_errors=True)


def mounts(container: Obj, made: Mapping[str, Path], pod: Obj, env: Mapping[str, str]) -> list[Mount]:
    """Where a container sees which volume. Raises ConfigError for a subPath that leaves its volume."""
    fixed = {v["name"] for v in pod["spec"].get("volumes") or [] if not _is_writable(v)}
    found = []
    for mount in container.get("volumeMounts") or []:
        root = made.get(mount["name"])
        if root is None:
            continue
        below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        source = root / below
        leads_out = not source.resolve().is_relative_to(root.resolve())  # a link that a container made, perhaps
        if ".." in Path(below).parts or Path(below).is_absolute() or leads_out:
            raise ConfigError(f"volumeMounts: subPath {below!r} must stay inside the volume")
        if below and not source.exists():
            source.mkdir(parents=True)
        read_only = bool(mount.get("readOnly")) or mount["name"] in fixed
        found.append(Mount(str(source), mount["mountPath"], read_only))
    return found


def _is_writable(volume: Obj) -> bool:
    if claim := volume.get("persistentVolumeClaim"):
        return not claim.get("readOnly")
    return any(kind in volume for kind in ("emptyDir", "hostPath", "ephemeral"))


# -------------------------------------------------------------------------------------------- storage


def _storage(facts: Facts, volume: Obj, disks: Disks) -> Path | None:
    """Where it lies; None when containers are only records. Raises ConfigError, DiskError, MountError."""
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


def _persistent(spec: Obj, disks: Disks) -> Path | None:
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


# -------------------------------------------------------------------------------------------- content


def _files(facts: Facts, volume: Obj) -> Files:
    """What is in the volume from the start. Raises ConfigError."""
    if "emptyDir" in volume:
        return {}
    if projected := volume.get("projected"):
        files: Files = {}
        for source in projected.get("sources") or []:
            files |= _source(facts, source, projected.get("defaultMode", 0o644))
        return files
    return _source(facts, volume, 0o644)


def _source(facts: Facts, source: Obj, mode: int) -> Files:
    if ref := source.get("configMap"):
        return _keys(facts, "ConfigMap", ref, ref.get("defaultMode", mode))
    if ref := source.get("secret"):
        ref = {**ref, "name": ref.get("secretName") or ref.get("name", "")}
        return _keys(facts, "Secret", ref, ref.get("defaultMode", mode))
    if ref := source.get("downwardAPI"):
        return _downward(facts, ref, ref.get("defaultMode", mode))
    kind = next((field for field in source if field != "name"), "nothing")
    raise ConfigError(REFUSED.get(kind, f"volumes of type {kind} are not offered by this kubelet"))


def _keys(facts: Facts, kind: str, ref: Obj, mode: int) -> Files:
    found = lookup(facts.find, kind, ref)
    if found is None:
        return {}
    data = content(found)
    if not ref.get("items"):
        return {key: (value, mode) for key, value in data.items()}
    files: Files = {}
    for item in ref["items"]:
        if item["key"] in data:
            files[item["path"]] = (data[item["key"]], item.get("mode", mode))
        elif not ref.get("optional"):
            raise ConfigError(
                f"references non-existent {'config' if kind == 'ConfigMap' else 'secret'} key: {item['key']}"
            )
    return files


def _downward(facts: Facts, ref: Obj, mode: int) -> Files:
    files: Files = {}
    for item in ref.get("items") or []:
        if "fieldRef" in item:
            value = field_value(facts, item["fieldRef"]["fieldPath"])
        else:
            value = resource_value(facts, {}, item["resourceFieldRef"])
        files[item["path"]] = (value.encode(), item.get("mode", mode))
    return files


def _write(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, (data, mode) in files.items():
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise ConfigError(f"the path {path!r} must stay inside the volume")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_bytes(data)
        fresh.chmod(mode & 0o777)
        os.replace(fresh, target)  # a reader sees the old or the new, never half
