"""The images a learner has built or loaded: kept for all labs of a user, until `k8slab images rm`.

A folder with one small file for each name and the layers they share. Several labs may use it at once: names appear
whole, and layers are only collected when nobody builds. `imagestore.py` looks here after what comes with k8slab.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from k8slab.clock import Clock
from k8slab.runtime.images import Config
from k8slab.runtime.layers import Layers


@dataclass(frozen=True)
class Kept:
    """An image under its name. `created` is in seconds since 1970."""

    name: str
    config: Config
    created: float


class Library:
    """A folder of images. It comes into being with the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers = Layers(folder)

    def all(self) -> list[Kept]:
        """By name."""
        found = [self._read(file) for file in (self.folder / "images").glob("*.json")]
        return sorted((kept for kept in found if kept), key=lambda kept: kept.name)

    def find(self, name: str) -> Kept | None:
        """The image of this full name."""
        return self._read(self._file(name))

    def put(self, name: str, config: Config, created: float | None = None) -> Kept:
        """Have it under this name, instead of what was there."""
        kept = Kept(name, config, Clock().time() if created is None else created)
        file = self._file(name)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"name": name, "created": kept.created, "config": config.told()}))
        draft.rename(file)
        return kept

    def remove(self, name: str) -> None:
        """Forget it, and whatever layers nobody else needs."""
        self._file(name).unlink(missing_ok=True)
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
            if alone:
                self.layers.collect({layer for kept in self.all() for layer in kept.config.layers})

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Meanwhile no layer is collected."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _lock(self, how: int) -> Iterator[bool]:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, how)
                yield True
                return
            yield False
        finally:
            os.close(lock)

    def _file(self, name: str) -> Path:
        return self.folder / "images" / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _read(self, file: Path) -> Kept | None:
        try:
            told = json.loads(file.read_text())
            return Kept(str(told["name"]), Config.read(told["config"]), float(told["created"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # not there, or of a version that wrote it in another way
