"""The images of the local runtime: folders with a Dockerfile, laid out in layers, each found again by its content.

A base image means what this machine has: `python` its own interpreter, `debian` and its like its /usr; see `sandbox.py`
for how both come into a container. `dockerfile.py` reads, this module lays out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.dockerfile import Copy, DockerfileError, Recipe, parse

SYSTEM_BASES = {"scratch", "debian", "ubuntu", "alpine", "busybox", "fedora", "buildpack-deps"}
PROGRAM_BASES = {"redis": "redis-server"}  # official images that are one program: this machine's own, if it has it
PYTHON_HOME = "/opt/python"  # where a container finds the interpreter
PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
NAME = re.compile(rf"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?/)?{PART}(?:/{PART})*")
TAG = re.compile(r"\w[\w.-]{0,127}")


@dataclass(frozen=True)
class Image:
    """An image, laid out: copy the layers over each other, and start the command."""

    id: str  # sha256:…, of everything in it
    layers: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    python: bool = False  # wants this machine's interpreter


@dataclass(frozen=True)
class Source:
    """What an image is built from: a folder with a Dockerfile, and build arguments."""

    folder: Path
    arguments: Mapping[str, str] = field(default_factory=dict)


def reference(image: str) -> str:
    """The image's full name, `latest` if it has no tag. Raises RuntimeFailure(InvalidImageName)."""
    path, _, digest = image.partition("@")
    name, _, tag = path.rpartition(":") if ":" in path.rpartition("/")[2] else (path, "", "latest")
    if not NAME.fullmatch(name) or not TAG.fullmatch(tag) or (digest and ":" not in digest):
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


class ImageStore:
    """Builds images when they are asked for, and keeps the layers in a folder."""

    def __init__(self, folder: Path, sources: Mapping[str, Source] | None = None) -> None:
        self.folder = folder
        self._sources = dict(builtin() if sources is None else sources)
        self._built: dict[str, Image] = {}

    def names(self) -> list[str]:
        """What there is, as `name:tag`."""
        return sorted(self._sources)

    def add(self, name: str, source: Source) -> None:
        """Have one more, or another of this name."""
        self._sources[reference(name)] = source
        self._built.pop(reference(name), None)

    def get(self, image: str) -> Image:
        """The image, built if need be. Raises RuntimeFailure(ErrImagePull | InvalidImageName) naming what there is."""
        name = reference(image)
        if name not in self._sources:
            raise RuntimeFailure("ErrImagePull", self._unknown(name))
        if name not in self._built:
            try:
                self._built[name] = self._build(self._sources[name])
            except (DockerfileError, OSError) as problem:
                raise RuntimeFailure("ErrImagePull", f'image "{name}" cannot be built: {problem}') from problem
        return self._built[name]

    def clear(self) -> None:
        """Remove every layer. What is asked for next is laid out anew."""
        self._built.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches  # only for those who mistype

        near = get_close_matches(name, self.names(), 1, 0.7)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        return f'there is no image "{name}" here.{meant} The local runtime has: {", ".join(self.names()) or "none"}'

    def _build(self, source: Source) -> Image:
        recipe = parse((source.folder / "Dockerfile").read_text(), source.arguments)
        image = self._base(recipe)
        for folder in recipe.folders:
            image = self._with_layer(image, f"WORKDIR {folder}", {folder: None})
        for copy in recipe.copies:
            mode = "" if copy.mode is None else f" {copy.mode:o}"
            image = self._with_layer(image, f"COPY{mode}", files_of(copy, source.folder), copy.mode)
        command = recipe.command
        if command is None and recipe.entrypoint is None:  # an ENTRYPOINT forgets the base's CMD
            command = list(image.command)
        settings = repr((recipe.env, recipe.workdir, recipe.user, recipe.entrypoint, command, recipe.stop_signal))
        return replace(
            image,
            id="sha256:" + hashlib.sha256((image.id + settings).encode()).hexdigest(),
            env={**image.env, **recipe.env},
            workdir=recipe.workdir or image.workdir,
            user=recipe.user or image.user,
            entrypoint=image.entrypoint if recipe.entrypoint is None else tuple(recipe.entrypoint),
            command=tuple(command or ()),
            stop_signal=recipe.stop_signal or image.stop_signal,
        )

    def _base(self, recipe: Recipe) -> Image:
        short = recipe.base.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if reference(recipe.base) in self._sources:
            return self.get(recipe.base)
        if short == "python":
            path = f"{PYTHON_HOME}/bin:/usr/local/bin:/usr/bin:/bin"
            return replace(self._python(), env={"PATH": path}, python=True, command=("python3",))
        if short in SYSTEM_BASES:
            return Image("scratch", command=() if short == "scratch" else ("/bin/sh",))
        if short in PROGRAM_BASES:
            return self._program(recipe, PROGRAM_BASES[short])
        bases = ", ".join(["python", *sorted(SYSTEM_BASES), *PROGRAM_BASES])
        problem = f"{recipe.base}: the local runtime builds on {bases}, and on the images it has"
        raise DockerfileError(recipe.base_line, "FROM", problem)

    def _program(self, recipe: Recipe, program: str) -> Image:
        if shutil.which(program) is None:
            problem = (
                f"{recipe.base}: is this machine's {program} here, which is not installed: sudo apt install {program}"
            )
            raise DockerfileError(recipe.base_line, "FROM", problem)
        return Image("scratch", command=(program,))

    def _python(self) -> Image:
        """A layer that leads to this machine's interpreter: a virtual environment without anything installed."""
        home = Path(sys.base_prefix, "bin").resolve()
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = home / python if (home / python).exists() else Path(sys.executable).resolve()
        identity = hashlib.sha256(f"{interpreter} {sys.version}".encode()).hexdigest()
        layer = self.folder / identity
        if not layer.exists():
            making = self._making()
            top = making / PYTHON_HOME.lstrip("/")
            (top / "bin").mkdir(parents=True)
            (top / "lib" / python / "site-packages").mkdir(parents=True)
            (top / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
            for name in ("python", "python3", python):
                (top / "bin" / name).symlink_to(interpreter)
            self._made(making, layer)
        return Image(identity, (layer,))

    def _with_layer(self, image: Image, step: str, files: Mapping[str, Path | None], mode: int | None = None) -> Image:
        """The image and, over it, these files (target -> source; None: a folder), laid out unless they are already."""
        digest = hashlib.sha256(f"{image.id}\n{step}\n".encode())
        for target, source in sorted(files.items()):
            digest.update(f"{target}\0{source.stat().st_mode if source else 'folder'}\0".encode())
            digest.update(source.read_bytes() if source else b"")
        layer = self.folder / digest.hexdigest()
        if not layer.exists():
            making = self._making()
            for target, source in files.items():
                path = making / target.lstrip("/")
                (path.parent if source else path).mkdir(parents=True, exist_ok=True)
                if source:
                    shutil.copy(source, path)
                    path.chmod(mode if mode is not None else source.stat().st_mode | 0o644)
            self._made(making, layer)
        return replace(image, id=digest.hexdigest(), layers=(*image.layers, layer))

    def _making(self) -> Path:
        making = self.folder / f"making-{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        return making

    def _made(self, making: Path, layer: Path) -> None:
        """A layer appears whole, or not at all."""
        making.rename(layer)


def files_of(copy: Copy, context: Path) -> dict[str, Path | None]:
    """What a COPY adds, target -> source file (None: a folder). Raises DockerfileError for what is not there."""
    found: dict[str, Path | None] = {}
    sources = [match for pattern in copy.sources for match in matches(copy, context, pattern)]
    into = copy.target.endswith("/") or len(sources) > 1
    target = copy.target.rstrip("/")
    for source in sources:
        if source.is_dir():  # Docker copies what is in a folder, not the folder
            found[target or "/"] = None
            for path in sorted(source.rglob("*")):
                found[f"{target}/{path.relative_to(source)}"] = None if path.is_dir() else path
        else:
            found[f"{target}/{source.name}" if into else target] = source
    return found


def matches(copy: Copy, context: Path, pattern: str) -> Iterable[Path]:
    """The files and folders a source names. None of them may lie outside the context."""
    root = context.resolve()
    relative = pattern.strip("/") or "."
    found = sorted(root.glob(relative)) if any(sign in relative for sign in "*?[") else [root / relative]
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise copy.instruction.error(f"{pattern}: is outside of the folder of the image")
    if not found or not all(path.exists() for path in found):
        raise copy.instruction.error(f"{pattern}: there is no such file in {context.name}/")
    return found
