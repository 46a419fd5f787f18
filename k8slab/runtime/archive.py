"""Images in a file: one plain tar, with a list of the images first and then every layer they need, once.

Written and read by `imagestore.py`. A file comes from anywhere: each member is checked before it is written, nothing
goes through a link, and a layer whose content is not what its name says is refused.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.images import Config, reference
from k8slab.runtime.layers import PYTHON, Layers, digest_of, walk
from k8slab.runtime.library import Kept

LIST = "k8slab-images.json"
FORMAT = 1
MOST = 16 << 30  # bytes in all
DIGEST = re.compile("[0-9a-f]{64}")
DOCKERS = ("manifest.json", "index.json", "oci-layout", "repositories")


def write(file: Path, images: Sequence[Kept], layers: Layers) -> None:
    """The images into a file. Raises OSError."""
    draft = file.with_name(f".{file.name}.part")
    try:
        with tarfile.open(draft, "w") as tar:
            told = [{"name": kept.name, "created": kept.created, "config": kept.config.told()} for kept in images]
            text = json.dumps({"k8slab": FORMAT, "images": told}, indent=1).encode()
            head = tarfile.TarInfo(LIST)
            head.size = len(text)
            tar.addfile(head, io.BytesIO(text))
            for layer in sorted({layer for kept in images for layer in kept.config.layers} - {PYTHON}):
                top = layers.path(layer)
                tar.add(top, f"layers/{layer}", recursive=False, filter=_nobodys)
                for name, path, _ in walk(top):
                    tar.add(path, f"layers/{layer}/{name}", recursive=False, filter=_nobodys)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose a file was is nobody's business elsewhere."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def read(file: Path, layers: Layers) -> list[Kept]:
    """The images of a file, their layers kept. Raises RuntimeFailure(LoadFailed), OSError."""
    try:
        with tarfile.open(file, "r:") as tar:
            images = _listed(file, tar)
            with layers.making() as making:
                for member in tar:
                    _unpack(tar, member, making)
                _take_in(images, layers, making / "layers")
            return images
    except (tarfile.TarError, EOFError) as problem:
        raise _failure(f"{file} is broken, or no tar file ({problem}): have it saved again") from problem


def _listed(file: Path, tar: tarfile.TarFile) -> list[Kept]:
    first = tar.next()
    if first is None or first.name != LIST or not first.isreg() or first.size > 1 << 24:
        if first is not None and (first.name in DOCKERS or first.name.startswith("blobs") or _has(tar, DOCKERS)):
            raise _failure(f"{file} was saved by Docker: `docker load` reads it, and a lab with `--runtime docker` can")
        raise _failure(f"{file} has no images in it: `k8slab images save` writes such files")
    content = tar.extractfile(first)
    try:
        told = json.loads(content.read() if content else b"")
        if told["k8slab"] != FORMAT:
            raise _failure(f"{file} was saved by another version of k8slab (format {told['k8slab']})")
        return [
            Kept(reference(one["name"]), Config.read(one["config"]), float(one["created"])) for one in told["images"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _failure(f"{file} is broken: its list of images cannot be read ({problem})") from problem


def _has(tar: tarfile.TarFile, names: Sequence[str]) -> bool:
    return any(member.name in names for member in tar)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, making: Path) -> None:
    """Write one member below `making`, if it is a folder, a file or a link of a layer."""
    if member.name == LIST:
        return
    parts = PurePosixPath(member.name).parts
    proper = len(parts) >= 2 and parts[0] == "layers" and DIGEST.fullmatch(parts[1]) and ".." not in parts
    target = making.joinpath(*parts)
    way = [making.joinpath(*parts[:count]) for count in range(1, len(parts))]
    if not proper or any(folder.is_symlink() for folder in way):
        raise _failure(f"{member.name!r} in it would lead out of its layer: do not trust this file")
    if member.offset_data + member.size > MOST:
        raise _failure(f"it holds more than {MOST >> 30} GiB")
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
        target.chmod(member.mode & 0o777 | 0o700)
    elif member.issym() and not target.exists():
        target.symlink_to(member.linkname)
    elif member.isreg() and not target.is_symlink():
        content = tar.extractfile(member)
        with target.open("wb") as file:
            while content and (part := content.read(1 << 20)):
                file.write(part)
        target.chmod(member.mode & 0o777 | 0o400)
    else:
        raise _failure(f"{member.name!r} in it is neither a file, a folder nor a link, or there twice")


def _take_in(images: Sequence[Kept], layers: Layers, unpacked: Path) -> None:
    """Keep the layers, if they are what they are called and none is missing."""
    for layer in {layer for kept in images for layer in kept.config.layers} - {PYTHON}:
        found = unpacked / layer
        if not DIGEST.fullmatch(layer) or not found.is_dir():
            raise _failure(f"a layer is missing in it ({layer[:12]}): have it saved again")
        if digest_of(found) != layer:
            raise _failure(f"a layer in it is not what its name says ({layer[:12]}): it was changed on the way")
        layers.keep(found)


def _failure(problem: str) -> RuntimeFailure:
    return RuntimeFailure("LoadFailed", f"cannot be loaded: {problem}")
