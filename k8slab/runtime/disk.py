"""How much room files take: what a container or a volume has written. Asked for by `local.py`, and by a kubelet."""

from __future__ import annotations

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
