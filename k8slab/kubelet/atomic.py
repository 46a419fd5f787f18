"""Files that change all together or not at all, as a kubelet writes the files of a ConfigMap.

`volumes.py` writes with it. What a container sees are links: `key` leads to `..data/key`, `..data` to a folder with a
time for its name, and one rename makes `..data` lead to the next such folder (pkg/volume/util/atomic_writer.go).
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

Files = dict[str, tuple[bytes, int]]  # path below the volume -> content, mode

DATA = "..data"


def write(folder: Path, files: Files, now: float) -> bool:
    """Make these the folder's files; whether anything changed. `now` names the new folder."""
    _open_folder(folder)
    data = folder / DATA
    before = data.resolve() if data.is_symlink() else None
    if before is not None and _same(before, files):
        return False
    moment = datetime.fromtimestamp(now, UTC)
    fresh = folder / f"..{moment:%Y_%m_%d_%H_%M_%S}.{os.urandom(5).hex()}"
    for path, (content, mode) in files.items():
        target = fresh / path
        _open_folder(target.parent)
        target.write_bytes(content)
        target.chmod(mode & 0o777)
    _open_folder(fresh)
    turning = folder / "..data_tmp"
    turning.unlink(missing_ok=True)
    turning.symlink_to(fresh.name)
    turning.rename(data)  # a reader has the old files or the new ones, never some of each
    _link(folder, {path.partition("/")[0] for path in files})
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def _open_folder(folder: Path) -> None:
    """One that a container's user may enter, whatever the lab's own files are."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _same(folder: Path, files: Files) -> bool:
    there = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    if there.keys() != files.keys():
        return False
    return all(
        file.read_bytes() == files[path][0] and file.stat().st_mode & 0o777 == files[path][1] & 0o777
        for path, file in there.items()
    )


def _link(folder: Path, names: set[str]) -> None:
    """The names a container sees: new ones appear once `..data` has them, old ones go."""
    for name in names:
        if not os.path.lexists(folder / name):
            (folder / name).symlink_to(f"{DATA}/{name}")
    for entry in folder.iterdir():
        if entry.name not in names and not entry.name.startswith(".."):
            entry.unlink()
