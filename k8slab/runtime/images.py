"""The images of the local runtime: those that come with k8slab, and those that learners have built, in one list.

A base image means what this machine has: `python` its own interpreter, `debian` and its like its /usr; see `sandbox.py`
for how both come into a container. `building.py` builds them, `library.py` keeps those of learners.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8slab.runtime.base import RuntimeFailure

PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
NAME = re.compile(rf"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?/)?{PART}(?:/{PART})*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
LONGEST = 255  # characters of a name, as in registries


@dataclass(frozen=True)
class Config:
    """An image without its files: the names of its layers, and how a container of it starts."""

    layers: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    python: bool = False  # wants this machine's interpreter

    @property
    def id(self) -> str:
        """Of everything in it: the same files and settings have the same id on every machine."""
        return "sha256:" + hashlib.sha256(json.dumps(self.told(), sort_keys=True).encode()).hexdigest()

    def told(self) -> dict[str, Any]:
        """For JSON; `Config.read` is the way back."""
        return {
            "layers": [*self.layers], "env": dict(self.env), "workdir": self.workdir, "user": self.user,
            "entrypoint": [*self.entrypoint], "command": [*self.command], "stop_signal": self.stop_signal,
            "python": self.python,
        }  # fmt: skip

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Config:
        """Raises KeyError, TypeError and ValueError for what is none."""
        layers, entrypoint, command = (tuple(map(str, told[name])) for name in ("layers", "entrypoint", "command"))
        workdir, user, stop_signal = (str(told[name]) for name in ("workdir", "user", "stop_signal"))
        env = {str(name): str(value) for name, value in told["env"].items()}
        return cls(layers, env, workdir, user, entrypoint, command, stop_signal, bool(told["python"]))


@dataclass(frozen=True)
class Image:
    """An image, laid out: copy the layers over each other, and start the command."""

    config: Config
    id: str
    layers: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes in its layers."""
        return sum(path.lstat().st_size for layer in self.layers for path in layer.rglob("*"))

    @property
    def built(self) -> float:
        """When the last of its layers was made (not when its Dockerfile came here), in seconds since 1970; else 0."""
        return max((layer.stat().st_ctime for layer in self.layers if layer.is_dir()), default=0.0)


@dataclass(frozen=True)
class Source:
    """What an image is built from: a folder with a Dockerfile, and build arguments."""

    folder: Path
    arguments: Mapping[str, str] = field(default_factory=dict)


def reference(image: str) -> str:
    """The image's full name, `latest` if it has no tag. Raises RuntimeFailure(InvalidImageName)."""
    path, _, digest = image.partition("@")
    name, _, tag = path.rpartition(":") if ":" in path.rpartition("/")[2] else (path, "", "latest")
    right = NAME.fullmatch(name) and TAG.fullmatch(tag) and len(name) <= LONGEST
    if not right or (digest and ":" not in digest):
        problem = f'couldn\'t parse image name "{image}": invalid reference format'
        raise RuntimeFailure("InvalidImageName", f'Failed to apply default image tag "{image}": {problem}')
    return f"{name}:{tag}"


def builtin() -> dict[str, Source]:
    """The images that come with k8slab, by reference: `images/<folder>` with its tags in `tags.toml`."""
    package = Path(__file__).parent.parent
    root = next((folder for folder in (package / "images", package.parent / "images") if folder.is_dir()), None)
    found: dict[str, Source] = {}
    for folder in sorted(root.iterdir()) if root else ():
        if (folder / "Dockerfile").is_file():
            listed = folder / "tags.toml"
            tags = tomllib.loads(listed.read_text()) if listed.is_file() else {"latest": {}}
            found |= {f"k8slab/{folder.name}:{tag}": Source(folder, arguments) for tag, arguments in tags.items()}
    return found
