"""Layers: folders named by what is in them, laid over each other without ever following a link.

What a layer takes away from those below is a file `.wh.NAME` in it, as in every image (the OCI image specification).
`building.py` makes layers, `sandbox.py` lays them out for a container, `archive.py` carries them away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from k8slab.runtime.disk import remove

PYTHON = "python"  # the layer that leads to this machine's interpreter: no two machines have the same
PYTHON_HOME = "/opt/python"  # where a container finds it
GONE = ".wh."

Seen = tuple[int, int, int, int, int]


class Layers:
    """A folder of layers, and which step made which."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, layer: str) -> Path:
        """Where a layer is, or will be."""
        return self.python() if layer == PYTHON else self.folder / "layers" / layer

    def made_by(self, step: str) -> str | None:
        """The layer that this step (named by all it depends on) has made before, if it is still there."""
        with contextlib.suppress(OSError):
            layer = (self.folder / "steps" / step).read_text()
            return layer if self.path(layer).is_dir() else None
        return None

    @contextlib.contextmanager
    def making(self) -> Iterator[Path]:
        """A folder to fill, gone in the end unless it was kept."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="making-", dir=self.folder))
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            remove(folder)

    def keep(self, made: Path, step: str = "") -> str:
        """Name a filled folder by its content and keep it. It appears whole, or not at all."""
        layer = digest_of(made)
        self._place(made, self.folder / "layers" / layer)
        if step:
            (self.folder / "steps").mkdir(exist_ok=True)
            draft = self.folder / "steps" / f".{step}.{os.getpid()}"
            draft.write_text(layer)
            draft.rename(self.folder / "steps" / step)
        return layer

    def python(self) -> Path:
        """The layer that leads to this machine's interpreter: a virtual environment without anything installed."""
        home = Path(sys.base_prefix, "bin").resolve()
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = home / python if (home / python).exists() else Path(sys.executable).resolve()
        identity = hashlib.sha256(f"{interpreter} {sys.version}".encode()).hexdigest()
        layer = self.folder / "layers" / f"{PYTHON}-{identity}"
        if not layer.exists():
            with self.making() as making:
                top = making / PYTHON_HOME.lstrip("/")
                (top / "bin").mkdir(parents=True)
                (top / "lib" / python / "site-packages").mkdir(parents=True)
                (top / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
                for name in ("python", "python3", python):
                    (top / "bin" / name).symlink_to(interpreter)
                self._place(making, layer)
        return layer

    def collect(self, needed: Collection[str]) -> None:
        """Remove every layer that is not needed, and what was left half made."""
        for layer in (self.folder / "layers").glob("*"):
            if layer.name not in needed and not layer.name.startswith(PYTHON):
                remove(layer)
        for half in self.folder.glob("making-*"):
            remove(half)
        for step in (self.folder / "steps").glob("*"):
            if step.read_text() not in needed:
                step.unlink(missing_ok=True)

    def _place(self, made: Path, layer: Path) -> None:
        layer.parent.mkdir(exist_ok=True)
        try:
            made.rename(layer)
        except OSError:
            if not layer.is_dir():  # else somebody was faster, and it has the same content
                raise


def walk(folder: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Everything below, its path within first: a folder before what is in it. Links are not followed."""
    waiting = [folder]
    while waiting:
        for entry in sorted(waiting.pop().iterdir()):
            found = entry.lstat()
            yield str(entry.relative_to(folder)), entry, found
            if stat.S_ISDIR(found.st_mode):
                waiting.append(entry)


def digest_of(folder: Path) -> str:
    """What a layer is, in 64 digits: names, modes, links and content, not times or owners."""
    whole = []
    for name, path, found in walk(folder):
        if stat.S_ISLNK(found.st_mode):
            what = f"link {os.readlink(path)}"
        elif stat.S_ISDIR(found.st_mode):
            what = f"folder {stat.S_IMODE(found.st_mode):o}"
        else:
            with path.open("rb") as file:
                what = f"file {stat.S_IMODE(found.st_mode):o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
        whole.append(f"{name}\0{what}\0")
    return hashlib.sha256("".join(sorted(whole)).encode("utf-8", "surrogateescape")).hexdigest()


def spread(layers: Iterable[Path], root: Path) -> None:
    """Lay them over each other. What is in the way is replaced; a link in `root` is never gone through."""
    root.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        _spread(str(layer), str(root))


def _spread(source: str, target: str) -> None:
    with os.scandir(source) as found:
        entries = list(found)
    for entry in entries:
        if (gone := entry.name.removeprefix(GONE)) != entry.name and gone not in ("", ".", ".."):
            remove(Path(target, gone))
    for entry in entries:
        path = f"{target}/{entry.name}"
        if entry.name.startswith(GONE):
            continue
        if entry.is_dir(follow_symlinks=False):
            if os.path.islink(path) or not os.path.isdir(path):
                remove(Path(path))
                os.mkdir(path)
            _spread(entry.path, path)
            shutil.copystat(entry.path, path)
        else:
            if os.path.lexists(path):
                remove(Path(path))
            shutil.copy2(entry.path, path, follow_symlinks=False)


def snapshot(root: Path) -> dict[str, Seen]:
    """How a root is now, to be compared with `changes` later. The kernel alone sets the time of a change (ctime)."""
    return {name: _seen(found) for name, _, found in walk(root)}


def changes(root: Path, before: Mapping[str, Seen], hidden: Collection[str], layer: Path) -> None:
    """Move what has changed since into a layer. `hidden` are paths where something else was mounted meanwhile."""
    after = set()
    for name, path, found in walk(root):
        if path.name.startswith(GONE) or _within(name, hidden):
            continue
        after.add(name)
        kind = stat.S_IFMT(found.st_mode)
        needed = {stat.S_IFDIR: 0o700, stat.S_IFREG: 0o400}.get(kind, 0)  # that we can read it, and walk on into it
        if found.st_mode & needed != needed:
            path.chmod(found.st_mode & 0o777 | needed)
        above_hidden = kind == stat.S_IFDIR and any(other.startswith(f"{name}/") for other in hidden)
        if before.get(name) == _seen(found) or (above_hidden and name not in before):
            continue
        target = layer / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in before and stat.S_IFMT(before[name][0]) != kind:
            (target.parent / (GONE + target.name)).touch()
        if kind == stat.S_IFDIR:
            target.mkdir(exist_ok=True)
        elif kind in (stat.S_IFREG, stat.S_IFLNK):  # sockets, pipes and devices are of one machine only
            shutil.copy2(path, target, follow_symlinks=False)
        if needed:  # nobody's rights but the user's own: no setuid
            target.chmod(found.st_mode & 0o777 | needed)
    for name in sorted(before.keys() - after):
        parent = os.path.dirname(name)
        if (parent in after or not parent) and not _within(name, hidden):
            mark = layer / parent / (GONE + os.path.basename(name))
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _within(name: str, folders: Collection[str]) -> bool:
    return any(name == folder or name.startswith(f"{folder}/") for folder in folders)


def _seen(found: os.stat_result) -> Seen:
    """A folder changes with its mode alone: what is in it is told apart."""
    if stat.S_ISDIR(found.st_mode):
        return found.st_mode, 0, 0, 0, 0
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
