"""Claims, volumes and classes for tests."""

from __future__ import annotations

from typing import Any

from k8slab.api.objects import Obj


def claim(name: str = "data", size: str = "1Gi", class_: str | None = "", **spec: Any) -> Obj:
    named = {} if class_ is None else {"storageClassName": class_}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", "finalizers": ["kubernetes.io/pvc-protection"]},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
            "volumeMode": "Filesystem", **named, **spec,
        },
        "status": {"phase": "Pending"},
    }  # fmt: skip


def volume(name: str = "pv-1", size: str = "1Gi", class_: str = "", **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"disk": name}, "finalizers": ["kubernetes.io/pv-protection"]},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": f"/mnt/{name}"},
            **({"storageClassName": class_} if class_ else {}), **spec,
        },
        "status": {"phase": "Pending"},
    }  # fmt: skip


def storage_class(name: str = "standard", provisioner: str = "local.k8slab.io", **fields: Any) -> Obj:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        **fields,
    }
