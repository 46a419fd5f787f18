"""All images a lab can start containers from: those that come with k8slab, built when asked for, and the learner's.

The first are laid out in the lab's own folder and go with it; the others are in the user's `library.py` and stay.
`local.py` asks for them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from k8slab.runtime import archive
from k8slab.runtime.base import ImageInfo, RuntimeFailure
from k8slab.runtime.building import Builder, Steps
from k8slab.runtime.dockerfile import DockerfileError
from k8slab.runtime.images import Config, Image, Source, builtin, reference
from k8slab.runtime.layers import Layers
from k8slab.runtime.library import Library

OURS = "comes with k8slab"


class ImageStore:
    """The images of one lab. `library` is the folder of the user's own; without one it is part of the lab's."""

    def __init__(self, folder: Path, sources: Mapping[str, Source] | None = None, library: Path | None = None) -> None:
        self.folder = folder
        self.library = Library(library or folder / "library")
        self._layers = Layers(folder)
        self._sources = dict(builtin() if sources is None else sources)
        self._laid_out: dict[str, Image] = {}

    # what there is

    def names(self) -> list[str]:
        """As `name:tag`."""
        return sorted({*self._sources, *(kept.name for kept in self.library.all())})

    def infos(self) -> list[ImageInfo]:
        """By name. What has not been asked for yet is laid out now: its size is that of its files.

        One of ours whose program this machine lacks (Redis, most likely) is left out; asked for by name, it says so.
        """
        ours = [(name, image, image.built) for name in self._sources if (image := self._if_here(name))]
        kept = [(kept.name, self._image(kept.config, self.library.layers), kept.created) for kept in self.library.all()]
        return sorted((ImageInfo(name, image.id, image.size, when) for name, image, when in ours + kept), key=_name)

    def add(self, name: str, source: Source) -> None:
        """Have one more that is built when it is asked for, or another of this name."""
        self._sources[reference(name)] = source
        self._laid_out.pop(reference(name), None)

    def get(self, image: str) -> Image:
        """The image, laid out. Raises RuntimeFailure(ErrImagePull | InvalidImageName) naming what there is."""
        name = reference(image)
        if name in self._laid_out:
            return self._laid_out[name]
        if source := self._sources.get(name):
            try:
                config = Builder(self._layers, self._ours).finished(source)
            except (DockerfileError, OSError) as problem:
                raise RuntimeFailure("ErrImagePull", f'image "{name}" cannot be built: {problem}') from problem
            self._laid_out[name] = self._image(config, self._layers)
            return self._laid_out[name]
        kept = self.library.find(name)
        if kept is None:
            raise RuntimeFailure("ErrImagePull", self._unknown(name))
        found = self._image(kept.config, self.library.layers)
        if not all(layer.is_dir() for layer in found.layers):
            raise RuntimeFailure("ErrImagePull", f'the files of image "{name}" are gone: build it again')
        return found

    def _if_here(self, name: str) -> Image | None:
        try:
            return self.get(name)
        except RuntimeFailure:
            return None

    def interim(self, config: Config) -> Image:
        """What a build has come to so far."""
        return self._image(config, self.library.layers)

    def clear(self) -> None:
        """Remove what is the lab's own. What is asked for next is laid out anew."""
        self._laid_out.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    # what is the learner's

    def build(self, name: str, source: Source) -> Steps:
        """Build it into the library. Raises RuntimeFailure, DockerfileError, OSError."""
        self._free(name, "BuildFailed")
        with self.library.building():
            config = yield from Builder(self.library.layers, self._any).build(source)
            self.library.put(name, config)
            return config

    def save(self, names: Sequence[str], file: Path) -> None:
        """Write images into a file; no names: all of the library. Raises RuntimeFailure(NotFound | SaveFailed)."""
        wanted = dict.fromkeys(map(reference, names)) or [kept.name for kept in self.library.all()]
        if not wanted:
            raise RuntimeFailure("SaveFailed", "there is no image to save: none has been built or loaded")
        for name in wanted:
            self._free(name, "SaveFailed")
        with self.library.building():
            found = [kept for name in wanted if (kept := self.library.find(name))]
            if missing := set(wanted) - {kept.name for kept in found}:
                raise RuntimeFailure("NotFound", self._unknown(min(missing)))
            try:
                archive.write(file, found, self.library.layers)
            except OSError as problem:
                raise RuntimeFailure("SaveFailed", f"{file} cannot be written: {problem.strerror}") from problem

    def load(self, file: Path) -> list[str]:
        """Take in what `save` wrote; the names. Raises RuntimeFailure(LoadFailed), and then nothing is taken in."""
        with self.library.building():
            try:
                found = archive.read(file, self.library.layers)
            except OSError as problem:
                raise RuntimeFailure("LoadFailed", f"{file} cannot be read: {problem.strerror}") from problem
            for kept in found:
                self._free(kept.name, "LoadFailed")
            for kept in found:
                self.library.put(kept.name, kept.config, kept.created)
        return [kept.name for kept in found]

    def remove(self, name: str) -> None:
        """Forget one of the library. Raises RuntimeFailure(NotFound | RemoveFailed)."""
        self._free(name, "RemoveFailed")
        if self.library.find(name) is None:
            raise RuntimeFailure("NotFound", self._unknown(name))
        self.library.remove(name)

    def _free(self, name: str, reason: str) -> None:
        """Names of ours stay ours: lessons rely upon them."""
        if name in self._sources:
            raise RuntimeFailure(reason, f'"{name}" {OURS}: choose a name of your own, such as "shop:v1"')

    def _ours(self, name: str) -> Source | None:
        try:
            return self._sources.get(reference(name))
        except RuntimeFailure:
            return None

    def _any(self, name: str) -> Config | Source | None:
        if source := self._ours(name):
            return source
        try:
            kept = self.library.find(reference(name))
        except RuntimeFailure:
            return None
        return kept.config if kept else None

    def _image(self, config: Config, layers: Layers) -> Image:
        return Image(config, config.id, tuple(map(layers.path, config.layers)))

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches  # only for those who mistype

        near = get_close_matches(name, self.names(), 1, 0.7)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        return f'there is no image "{name}" here.{meant} The local runtime has: {", ".join(self.names()) or "none"}'


def _name(info: ImageInfo) -> str:
    return info.name
