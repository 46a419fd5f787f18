"""Where storage that outlives pods lies: a folder of the lab for every volume, and one for every node's own disk.

`volumes.py` asks for the folders behind claims and hostPath volumes. A path on a node (`/mnt/data` of a manifest) means
one below that node's folder, never this machine's: nothing a pod mounts lies outside the lab.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDERS, FILES = ("", "DirectoryOrCreate", "Directory"), ("FileOrCreate", "File")


class DiskError(Exception):
    """It cannot be had; the message says why, in the kubelet's words where it has any."""


@dataclass(frozen=True)
class Disks:
    """What one node can reach. Without a `root`, of containers that are only records, nothing is ever made."""

    root: Path | None
    node: str

    def volume(self, handle: str) -> Path:
        """The folder of one of the lab's volumes, the same from every node. Raises DiskError."""
        return self._within(volumes_in(self._top()), handle)

    def host(self, path: str, type_: str = "") -> Path:
        """A path of the node's own disk; what `type_` says is made or checked (hostPath.type). Raises DiskError."""
        if type_ not in (*FOLDERS, *FILES):
            raise DiskError(f"hostPath type check failed: a node of this lab has no {type_} at {path}")
        found = self._within(self._top() / "nodes" / self.node, path, make=type_ in ("", "DirectoryOrCreate"))
        if type_ == "FileOrCreate" and not found.exists():
            found.parent.mkdir(parents=True, exist_ok=True)
            found.touch()
        if type_ in ("Directory", "DirectoryOrCreate") and not found.is_dir():
            raise DiskError(f"hostPath type check failed: {path} is not a directory")
        if type_ in FILES and not found.is_file():
            raise DiskError(f"hostPath type check failed: {path} is not a file")
        return found

    def _top(self) -> Path:
        if self.root is None:
            raise DiskError("containers that are only records have no disk")
        return self.root

    @staticmethod
    def _within(top: Path, path: str, *, make: bool = True) -> Path:
        """A path below `top`, wherever its dots and links would lead. Raises DiskError for one that leaves it."""
        top.mkdir(parents=True, exist_ok=True)
        found = top / os.path.normpath("/" + path).lstrip("/")
        if not found.resolve().is_relative_to(top.resolve()):
            raise DiskError(f"{path} leads out of the lab's folder: a link on the way points elsewhere")
        if make and not found.exists():
            found.mkdir(parents=True)
        return found


def volumes_in(root: Path) -> Path:
    """The folder of all volumes."""
    return root / "volumes"


def remove_volume(root: Path, handle: str) -> None:
    """Take a volume's folder away, and what was written into it."""
    shutil.rmtree(volumes_in(root) / Path(handle).name, ignore_errors=True)
