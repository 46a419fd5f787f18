"""The files that a pod's containers share: /etc/hosts, /etc/hostname, /etc/resolv.conf, mounted over the engine's."""

from __future__ import annotations

import os
from pathlib import Path

from k8slab.runtime.base import PodConfig
from k8slab.runtime.engine import specs

NAMES = ("hosts", "hostname", "resolv.conf")


def prepare(folder: Path, pod: PodConfig, address: str) -> None:
    """Write them. Containers run as anybody: everybody may read them, nobody else may enter the folder's parents."""
    folder.mkdir(parents=True, exist_ok=True)
    write_hosts(folder, pod, address, pod.hosts)
    (folder / "hostname").write_text(pod.hostname + "\n")
    machine = Path("/etc/resolv.conf")
    (folder / "resolv.conf").write_text(
        pod.resolver if pod.resolver is not None else machine.read_text() if machine.exists() else ""
    )


def write_hosts(folder: Path, pod: PodConfig, address: str, more: str) -> None:
    """In place: containers have this very file mounted."""
    text = specs.hosts(pod, address, more).encode()
    file = os.open(folder / "hosts", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))
    finally:
        os.close(file)


def mounts(folder: Path) -> dict[str, str]:
    """Where each goes: target -> source."""
    return {f"/etc/{name}": str(folder / name) for name in NAMES}
