"""Volumes as folders."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from kubelet_world import container, pod

from k8slab.api.objects import Obj
from k8slab.kubelet import scratch
from k8slab.kubelet.atomic import write
from k8slab.kubelet.disks import Disks, remove_volume
from k8slab.kubelet.environment import ConfigError, Facts
from k8slab.kubelet.record import Record
from k8slab.kubelet.volumes import MountError, mounts, prepare, remove


def claim(volume: str) -> Obj:
    notes = {"pv.kubernetes.io/bind-completed": "yes"}
    return {"metadata": {"annotations": notes}, "spec": {"volumeName": volume}, "status": {"phase": "Bound"}}


CSI = {"driver": "local.k8slab.io", "volumeHandle": "pvc-1"}
STORED: dict[tuple[str, str], Obj] = {
    ("ConfigMap", "look"): {"kind": "ConfigMap", "data": {"color": "teal", "size": "big"}},
    ("Secret", "db"): {"kind": "Secret", "data": {"password": b64encode(b"s3cret").decode()}},
    ("PersistentVolumeClaim", "data"): claim("pv-csi"),
    ("PersistentVolumeClaim", "p-own"): claim("pv-csi"),
    ("PersistentVolumeClaim", "host"): claim("pv-host"),
    ("PersistentVolumeClaim", "nfs"): claim("pv-nfs"),
    ("PersistentVolumeClaim", "unbound"): {"metadata": {}, "spec": {}, "status": {"phase": "Pending"}},
    ("PersistentVolume", "pv-csi"): {"spec": {"csi": CSI, "capacity": {}, "volumeMode": "Filesystem"}},
    ("PersistentVolume", "pv-host"): {"spec": {"hostPath": {"path": "/mnt/data"}, "claimRef": {}}},
    ("PersistentVolume", "pv-nfs"): {"spec": {"nfs": {"server": "s", "path": "/"}, "accessModes": []}},
}


def made(folder: Path, **volume: Any) -> Path:
    told = pod(volumes=[{"name": "v", **volume}])
    told["metadata"]["labels"] = {"app": "web", "tier": "front"}
    facts = Facts(told, "127.64.1.2", "127.64.1.1", {}, lambda kind, name: STORED.get((kind, name)))
    told["metadata"] |= {"uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return prepare(facts, folder, Disks(folder.parent / "disks", "node-1"), 1_767_225_600.0)["v"]


def files(folder: Path) -> dict[str, str]:
    """What a container sees: not the folder with the time for a name that the links lead to."""
    return {
        str(p.relative_to(folder)): p.read_text()
        for top in folder.iterdir() if not top.name.startswith("..")
        for p in ([top] if top.is_file() else top.rglob("*")) if p.is_file()
    }  # fmt: skip


def record_of(told: Obj, folders: dict[str, Path], folder: Path | None = None) -> Record:
    return Record(told, folder=folder, folders=folders)


def test_what_is_inside(tmp_path: Path) -> None:
    assert files(made(tmp_path / "a", emptyDir={})) == {}
    assert files(made(tmp_path / "b", configMap={"name": "look"})) == {"color": "teal", "size": "big"}
    items = [{"key": "color", "path": "deep/colour.txt"}]
    assert files(made(tmp_path / "c", configMap={"name": "look", "items": items})) == {"deep/colour.txt": "teal"}
    assert files(made(tmp_path / "d", secret={"secretName": "db"})) == {"password": "s3cret"}
    item = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    assert files(made(tmp_path / "e", downwardAPI={"items": [item]})) == {"labels": 'app="web"\ntier="front"'}
    sources = [{"configMap": {"name": "look"}}, {"secret": {"name": "db"}}]
    both = {"color": "teal", "size": "big", "password": "s3cret"}
    assert files(made(tmp_path / "f", projected={"sources": sources})) == both
    assert files(made(tmp_path / "g", configMap={"name": "none", "optional": True})) == {}


def test_modes(tmp_path: Path) -> None:
    folder = made(tmp_path, secret={"secretName": "db", "defaultMode": 0o400})
    assert (folder / "password").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"configMap": {"name": "none"}}, 'for volume "v" : configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        (
            {"configMap": {"name": "look", "items": [{"key": "x", "path": "x"}]}},
            "references non-existent config key: x",
        ),
        (
            {"hostPath": {"path": "/x", "type": "Socket"}},
            "hostPath type check failed: a node of this lab has no Socket",
        ),
        ({"persistentVolumeClaim": {"claimName": "x"}}, 'persistentvolumeclaims "x" not found'),
        ({"persistentVolumeClaim": {"claimName": "unbound"}}, "error processing PVC default/unbound: PVC is not bound"),
        ({"persistentVolumeClaim": {"claimName": "nfs"}}, "not nfs"),
        ({"nfs": {"server": "x"}}, "volumes of type nfs are not offered"),
        ({"projected": {"sources": [{"clusterTrustBundle": {"path": "t"}}]}}, "not clusterTrustBundle"),
    ],
)
def test_what_cannot_be_had(tmp_path: Path, volume: Obj, words: str) -> None:
    with pytest.raises(MountError, match=words):
        made(tmp_path / "pod", **volume)


def test_a_path_stays_inside(tmp_path: Path) -> None:
    items = [{"key": "color", "path": "../../out"}]
    with pytest.raises(MountError, match="must stay inside the volume"):
        made(tmp_path / "pod", configMap={"name": "look", "items": items})
    assert not (tmp_path / "out").exists()
    stepping = container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "../.."}])
    with pytest.raises(ConfigError, match="must stay inside the volume"):
        mounts(stepping, record_of(pod(volumes=[{"name": "v", "emptyDir": {}}]), {"v": tmp_path}), {})


def test_mounts(tmp_path: Path) -> None:
    told = pod(volumes=[{"name": "data", "emptyDir": {}}, {"name": "look", "configMap": {"name": "look"}}])
    asking = container(
        volumeMounts=[
            {"name": "data", "mountPath": "/data", "subPathExpr": "$(WHO)"},
            {"name": "look", "mountPath": "/etc/look"},
        ]
    )
    data, look = mounts(asking, record_of(told, {"data": tmp_path / "data", "look": tmp_path / "look"}), {"WHO": "me"})
    assert (data.source, data.read_only) == (str(tmp_path / "data" / "me"), False)
    assert (look.target, look.read_only) == ("/etc/look", True)


def test_storage_lies_in_the_lab(tmp_path: Path) -> None:
    folder, disks = tmp_path / "pod", tmp_path / "disks"
    found = made(folder, persistentVolumeClaim={"claimName": "data"})
    assert found == disks / "volumes" / "pvc-1"
    assert found.is_dir()
    assert made(folder, hostPath={"path": "/var/../../../data"}) == disks / "nodes" / "node-1" / "data"
    assert made(folder, persistentVolumeClaim={"claimName": "host"}) == disks / "nodes" / "node-1" / "mnt" / "data"
    with pytest.raises(MountError, match="hostPath type check failed: /x is not a directory"):
        made(folder, hostPath={"path": "/x", "type": "Directory"})
    file = made(folder, hostPath={"path": "/etc/motd", "type": "FileOrCreate"})
    assert file.read_bytes() == b""
    (found / "kept").write_text("x")
    remove_volume(disks, "../volumes/pvc-1")
    assert not found.exists()


def test_a_link_does_not_lead_out_of_the_lab(tmp_path: Path) -> None:
    node = tmp_path / "disks" / "nodes" / "node-1"
    node.mkdir(parents=True)
    (node / "way-out").symlink_to("/etc")
    with pytest.raises(MountError, match="leads out of the lab's folder"):
        made(tmp_path / "pod", hostPath={"path": "/way-out/ssh"})


def test_a_link_in_a_volume_does_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "way-out").symlink_to("/etc")
    told = pod(volumes=[{"name": "v", "emptyDir": {}}])
    box = container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "way-out"}])
    with pytest.raises(ConfigError, match="must stay inside the volume"):
        mounts(box, record_of(told, {"v": tmp_path / "v"}), {})


@pytest.mark.parametrize(
    ("volume", "read_only"),
    [
        ({"hostPath": {"path": "/x"}}, False),
        ({"persistentVolumeClaim": {"claimName": "data"}}, False),
        ({"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}, True),
        ({"configMap": {"name": "look"}}, True),
    ],
)
def test_who_may_write(tmp_path: Path, volume: Obj, read_only: bool) -> None:
    told = pod(volumes=[{"name": "v", **volume}])
    (mount,) = mounts(container(volumeMounts=[{"name": "v", "mountPath": "/x"}]), record_of(told, {"v": tmp_path}), {})
    assert mount.read_only is read_only


def test_files_change_all_together(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    assert write(volume, {"a": (b"1", 0o644), "deep/b": (b"1", 0o600)}, 1_767_225_600.0)
    before = (volume / "..data").resolve()
    assert before.name.startswith("..2026_01_01_00_00_00.")
    assert (volume / "a").readlink() == Path("..data/a")
    assert not write(volume, {"a": (b"1", 0o644), "deep/b": (b"1", 0o600)}, 1_767_225_700.0)
    assert write(volume, {"a": (b"2", 0o644), "c": (b"2", 0o644)}, 1_767_225_700.0)
    assert files(volume) == {"a": "2", "c": "2"}
    assert not before.exists()
    assert sorted(p.name for p in volume.iterdir() if not p.name.startswith("..2")) == ["..data", "a", "c"]


def test_a_subpath_does_not_see_what_is_written_later(tmp_path: Path) -> None:
    write(tmp_path / "v", {"a": (b"old", 0o644)}, 1.0)
    told = pod(volumes=[{"name": "v", "configMap": {"name": "look"}}])
    seen = record_of(told, {"v": tmp_path / "v"}, tmp_path / "pod")
    box = container(volumeMounts=[{"name": "v", "mountPath": "/a", "subPath": "a"}])
    (mount,) = mounts(box, seen, {})
    write(tmp_path / "v", {"a": (b"new", 0o644)}, 2.0)
    assert Path(mount.source).read_text() == "old"
    (mount,) = mounts(box, seen, {})
    assert Path(mount.source).read_text() == "new"  # the next start does


def test_an_emptydir_in_memory_goes_with_its_pod(tmp_path: Path) -> None:
    found = made(tmp_path / "pod", emptyDir={"medium": "Memory"})
    assert found == made(tmp_path / "pod", emptyDir={"medium": "Memory"})
    assert found.is_relative_to(scratch.MEMORY)
    assert found.stat().st_mode & 0o777 == 0o777
    remove(tmp_path / "pod")
    assert not found.exists()


def test_a_token_opens_nothing(tmp_path: Path) -> None:
    token = files(made(tmp_path / "pod", projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}))["token"]
    header, claims, signature = token.split(".")
    told = json.loads(urlsafe_b64decode(claims + "=="))
    assert told["sub"] == "system:serviceaccount:default:default"
    assert told["kubernetes.io"]["pod"]["name"] == "web"
    assert len(header) > 0 < len(signature)
