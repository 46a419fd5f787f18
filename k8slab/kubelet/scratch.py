"""emptyDir volumes: a folder that lives as long as its pod; in memory if asked for, where this machine has room for it.

`volumes.py` makes and removes them. `medium: Memory` lies below /dev/shm, which Linux keeps in memory, and the volume
is a link to it; where there is no such place, or it is nearly full, it lies on the disk like any other.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

MEMORY = Path("/dev/shm")
PREFIX = "k8slab-volume-"
LEAST = 1 << 20  # bytes that have to be free there


def make(place: Path, in_memory: bool) -> Path:
    """The volume, everybody's to write; the one that was made before, if it is asked for again."""
    if in_memory and not os.path.lexists(place) and _has_room():
        real = MEMORY / f"{PREFIX}{os.getuid()}-{uuid4().hex}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(real)  # first the link: what nobody knows of, nobody takes away
    found = place.readlink() if place.is_symlink() else place
    found.mkdir(parents=True, exist_ok=True)
    found.chmod(0o777)
    return found


def remove(volumes: Path) -> None:
    """Take away what lies in memory, of the volumes in this folder."""
    if not volumes.is_dir():
        return
    for entry in volumes.iterdir():
        if entry.is_symlink() and (real := entry.readlink()).parent == MEMORY and real.name.startswith(PREFIX):
            shutil.rmtree(real, ignore_errors=True)


def sweep(pods: Path) -> None:
    """The same for every pod's folder in this one: the lab goes down, or its server was killed."""
    for volumes in pods.glob("*/volumes"):
        remove(volumes)


def _has_room() -> bool:
    try:
        free = os.statvfs(MEMORY)
    except OSError:
        return False
    return os.access(MEMORY, os.W_OK) and free.f_bavail * free.f_frsize > LEAST
