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


def remove(path: Path) -> None:
    """Remove whatever is there, however its modes were set by what ran in it. No error if nothing is."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for top, _, _ in os.walk(path):  # top down: a folder is opened before it is entered
            with contextlib.suppress(OSError):
                os.chmod(top, 0o700)
                for child in os.scandir(top):
                    if child.is_dir(follow_symlinks=False):
                        os.chmod(child.path, 0o700)
        shutil.rmtree(path, ignore_errors=True)
