"""The folder of a Dockerfile as COPY and ADD see it: what a source names, without what lies outside or is ignored.

Pure but for looking: `building.py` copies what is found here.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from k8slab.runtime.dockerfile import Copy

IGNORE = ".dockerignore"


@dataclass(frozen=True)
class Context:
    """A folder to copy from: that of a Dockerfile, or (with `COPY --from`) the files of another stage."""

    root: Path
    name: str  # for messages
    ignored: tuple[tuple[re.Pattern[str], bool], ...] = ()  # pattern, and whether it takes files out or back in

    @classmethod
    def of(cls, folder: Path) -> Context:
        """The folder of a Dockerfile."""
        file = folder / IGNORE
        lines = file.read_text().splitlines() if file.is_file() else []
        rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls(folder.resolve(), folder.resolve().name, tuple(map(_rule, rules)))

    def left_out(self, path: Path) -> bool:
        """Whether .dockerignore takes it out; the last line that fits decides."""
        relative = path.relative_to(self.root).as_posix()
        out = False
        for pattern, takes in self.ignored:
            if pattern.fullmatch(relative):
                out = takes
        return out

    def files_of(self, copy: Copy) -> dict[str, Path | None]:
        """What a COPY adds, target -> source file or link (None: a folder). Raises DockerfileError."""
        found: dict[str, Path | None] = {}
        sources = [match for pattern in copy.sources for match in self._matches(copy, pattern)]
        into = copy.target.endswith("/") or len(sources) > 1
        target = copy.target.rstrip("/")
        for source in sources:
            if source.is_dir():  # Docker copies what is in a folder, not the folder
                found[target or "/"] = None
                for path in self._below(source):
                    is_folder = path.is_dir() and not path.is_symlink()
                    found[f"{target}/{path.relative_to(source).as_posix()}"] = None if is_folder else path
            else:
                if copy.instruction.keyword == "ADD" and tarfile.is_tarfile(source):
                    unpack = "unpacks an archive, which the local runtime does not: COPY it, and RUN tar -xf"
                    raise copy.instruction.error(f"{source.name} {unpack}")
                found[f"{target}/{source.name}" if into else target] = source
        return found

    def _below(self, folder: Path) -> Iterator[Path]:
        """Files, links and folders. A link to a folder is not entered: like Docker, we copy the link."""
        for top, folders, files in os.walk(folder):
            for name in sorted([*folders, *files]):
                path = Path(top, name)
                if (path.is_file() or path.is_dir() or path.is_symlink()) and not self.left_out(path):
                    yield path

    def _matches(self, copy: Copy, pattern: str) -> list[Path]:
        """The files and folders a source names. None of them may lie outside."""
        relative = pattern.strip("/") or "."
        if ".." in relative.split("/"):
            problem = f"is outside of the folder {self.name}/: put it there, or build a folder above"
            raise copy.instruction.error(f"{pattern}: {problem}")
        found = sorted(self.root.glob(relative)) if any(sign in relative for sign in "*?[") else [self.root / relative]
        found = [path for path in found if path == self.root or not self.left_out(path)]
        for path in found:
            if not path.resolve().is_relative_to(self.root):
                raise copy.instruction.error(f"{pattern}: leads out of the folder {self.name}/ by a symbolic link")
        if not found or not all(path.exists() for path in found):
            ignored = f" that {IGNORE} lets through" if self.ignored else ""
            raise copy.instruction.error(f"{pattern}: there is no such file in {self.name}/{ignored}")
        return [path.resolve() for path in found]


def _rule(line: str) -> tuple[re.Pattern[str], bool]:
    """A line of .dockerignore: what it fits is left out with all below it; with `!`, it comes back."""
    takes, line = not line.startswith("!"), line.removeprefix("!").strip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", line)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(signs.get(part, re.escape(part)) for part in parts) + "(?:/.*)?"), takes


def describe(files: Mapping[str, Path | None]) -> Iterator[bytes]:
    """What makes these files what they are, piece by piece: the same files give the same pieces."""
    for target, source in sorted(files.items()):
        if source is None:
            yield f"{target}\0folder\0".encode()
        elif source.is_symlink():
            yield f"{target}\0link\0{os.readlink(source)}\0".encode()
        else:
            yield f"{target}\0{source.stat().st_mode:o}\0{source.stat().st_size}\0".encode()
            with source.open("rb") as file:
                while part := file.read(1 << 20):
                    yield part
