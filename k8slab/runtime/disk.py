"""Files of containers and volumes: how much room they take, and away with them. For `local.py`, and for a kubelet."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def size_of(folder: Path) -> int:
    """Bytes on disk below a folder, or of a file. Links are not followed; what vanishes meanwhile is not counted."""
    total, waiting = 0, [folder]
    for path in waiting:  # grows as it goes
        try:
            total += path.lstat().st_blocks * 512
            if path.is_dir() and not path.is_symlink():
                waiting += path.iterdir()
        except OSError:
            continue
    return total


def remove_folder(folder: Path) -> None:
    """Remove it, however its modes were set by what ran in it. No error if it is not there."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for path, _, _ in os.walk(folder):  # top down: a folder is opened before it is entered
            with contextlib.suppress(OSError):
                os.chmod(path, 0o700)
                for child in os.scandir(path):
                    if child.is_dir(follow_symlinks=False):
                        os.chmod(child.path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
