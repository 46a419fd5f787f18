"""Images on an engine: a registry's, those that come with k8slab (built when first asked for), and learners' own.

What we build carries a label with what it was built from, so that a newer k8slab builds its own anew, and `save` knows
what is ours. `docker.py` hands its verbs on to here; `runtime/images.py` knows names and the built-in sources.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from k8slab.clock import Clock
from k8slab.runtime.base import ImageInfo, RuntimeFailure
from k8slab.runtime.dockerfile import instructions
from k8slab.runtime.engine import specs
from k8slab.runtime.engine.link import Link, Missing, Refused
from k8slab.runtime.engine.progress import BuildProgress, PullProgress
from k8slab.runtime.images import Source, builtin, reference

BASE = "python:3.12-slim"  # what built-in images are built upon, if nobody says otherwise
FROM = "k8slab.io/built-from"  # label of what we built: a hash of what it was built from
OURS = "k8slab/"  # no registry is asked for these
USED = re.compile(r"container (\w+) is using|image used by (\w+)")
CHUNK = 1 << 20


class EngineImages:
    """The images of one engine. `base` is given to builds as the argument BASE; empty: the default."""

    def __init__(self, link: Link, base: str = "", sources: Mapping[str, Source] | None = None) -> None:
        self._link, self.base = link, base or BASE
        self._sources = dict(builtin() if sources is None else sources)
        self._busy: dict[str, asyncio.Lock] = {}  # nobody pulls or builds the same one twice at a time
        self._sure: set[str] = set()  # built-in images that are known to be up to date

    async def names(self) -> list[str]:
        """What a container can be started from at once."""
        return sorted({name for each in await self._all() for name in specs.repository(each.get("RepoTags"))})

    async def get(self, image: str, hear: Callable[[str], None] | None = None) -> dict[str, Any]:
        """What the engine says of it; pulled or built if need be, and `hear` is told how far it is.

        Raises RuntimeFailure(ErrImagePull, …).
        """
        name = reference(image)
        name = image if "@" in image else name
        async with self._busy.setdefault(name, asyncio.Lock()):
            if name in self._sources and name not in self._sure:
                await self._have_built(name, self._sources[name])
            found = await self._find(name)
            if found is None and (name.startswith(OURS) or name in self._sources):
                raise RuntimeFailure("ErrImagePull", self._unknown(name))
            if found is None:
                await self._pull(name, hear or (lambda _: None))
                found = await self._find(name)
            if found is None:
                raise RuntimeFailure("ErrImagePull", f'image "{name}" was pulled, and is not there: pull it once more')
            return found

    async def _find(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(await self._link.do(lambda api: api.inspect_image(name)))
        except Missing:
            return None

    async def _pull(self, name: str, hear: Callable[[str], None]) -> None:
        repository, _, tag = name.partition("@") if "@" in name else name.rpartition(":")
        clock, failure = Clock(), ""
        progress = PullProgress(clock.monotonic())
        pulling = self._link.talk(lambda api: api.pull(repository, tag, stream=True, decode=True))
        try:
            async with aclosing(pulling):
                async for step in pulling:
                    failure = failure or str(step.get("error") or "")
                    if said := progress.feed(step, clock.monotonic()):
                        hear(said)
        except (Missing, Refused) as refused:
            failure = str(refused)
        if failure:
            raise RuntimeFailure("ErrImagePull", f'failed to pull image "{name}": {failure}. {self._there()}')

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches  # only for those who mistype

        near = get_close_matches(name, list(self._sources), 1, 0.7)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        return f'there is no image "{name}" here.{meant} {self._there()}'

    def _there(self) -> str:
        ours = ", ".join(sorted(self._sources)) or "none"
        return f"Of its own, k8slab has: {ours}; others come from a registry, or from `k8slab images build`."

    # ---- building -----------------------------------------------------------------------------------------------

    async def _have_built(self, name: str, source: Source) -> None:
        wanted = await asyncio.to_thread(fingerprint, source, self.base)
        found = await self._find(name)
        if not found or ((found.get("Config") or {}).get("Labels") or {}).get(FROM) not in (wanted, "load"):
            try:
                _ = [line async for line in self._build(name, source.folder, source.arguments, wanted)]
            except RuntimeFailure as failure:
                said = f'image "{name}" cannot be built: {failure}'
                hint = f"It is built upon {self.base}: K8SLAB_BASE_IMAGE may name any image here that has Python."
                raise RuntimeFailure("ErrImagePull", f"{said} {hint}") from failure
        self._sure.add(name)

    async def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        """Lines of progress; the image is there after the last."""
        full = reference(name)
        source = Source(folder, dict(arguments))
        if not (folder / "Dockerfile").is_file():
            raise RuntimeFailure("BuildFailed", f"{folder} has no Dockerfile: an image is built from a folder with one")
        wanted = await asyncio.to_thread(fingerprint, source, self.base)
        async with aclosing(self._build(full, folder, arguments, wanted)) as lines:
            async for line in lines:
                yield line
        self._sure.discard(full)
        if full in self._sources:  # a learner's own of this name: it stays theirs
            del self._sources[full]

    async def _build(
        self, name: str, folder: Path, arguments: Mapping[str, str], mark: str
    ) -> AsyncGenerator[str, None]:
        given = {"BASE": self.base, **arguments}
        text = await asyncio.to_thread((folder / "Dockerfile").read_text, errors="replace")
        progress = BuildProgress([*instructions(text)])

        def begin(api: Any) -> Iterator[dict[str, Any]]:
            return iter(
                api.build(
                    path=str(folder), tag=name, buildargs=given, labels={FROM: mark}, rm=True, forcerm=True, decode=True
                )
            )

        try:
            async with aclosing(self._link.talk(begin)) as pieces:
                async for piece in pieces:
                    for line in progress.feed(piece):
                        yield line
                    if "error" in piece:
                        raise RuntimeFailure("BuildFailed", progress.failure(str(piece["error"])))
        except (Missing, Refused, TypeError) as refused:
            raise RuntimeFailure("BuildFailed", progress.failure(str(refused))) from refused
        if not progress.id:
            raise RuntimeFailure("BuildFailed", progress.failure("the engine hung up in the middle: build it again"))
        yield f"{name} is built ({progress.id[:19]})"

    # ---- the shelf ----------------------------------------------------------------------------------------------

    async def _all(self) -> list[dict[str, Any]]:
        return [dict(each) for each in await self._link.do(lambda api: api.images())]

    async def shelf(self) -> list[ImageInfo]:
        """Everything the engine has a name for."""
        return sorted(
            (ImageInfo(name, each["Id"], int(each.get("Size") or 0), float(each.get("Created") or 0))
             for each in await self._all() for name in specs.repository(each.get("RepoTags"))),
            key=lambda info: info.name,
        )  # fmt: skip

    async def save(self, names: Sequence[str], file: Path) -> None:
        """One tar, as `docker save` writes it; without names, everything we built."""
        wanted = [reference(name) for name in names] or await self._built()
        if not wanted:
            raise RuntimeFailure("SaveFailed", "there is nothing to save: no image was built here. Name one of others")
        for name in wanted:
            if await self._find(name) is None:
                raise RuntimeFailure("NotFound", f'there is no image "{name}" here to save')

        def save(api: Any) -> None:
            url = f"{api.base_url}/v{api.api_version}/images/get"
            with api.get(url, params={"names": wanted}, stream=True) as response, file.open("wb") as out:
                if response.status_code != 200:
                    raise RuntimeFailure("SaveFailed", f"the engine does not save: {response.text[:300]}")
                for chunk in response.iter_content(CHUNK):
                    out.write(chunk)

        await self._link.do(save)

    async def _built(self) -> list[str]:
        ours = [each for each in await self._all() if FROM in (each.get("Labels") or {})]
        return sorted({name for each in ours for name in specs.repository(each.get("RepoTags"))})

    async def load(self, file: Path) -> list[str]:
        """What `docker save` (or `save`) wrote; the names of what is there now."""

        def load(api: Any) -> list[str]:
            if not file.is_file():
                raise RuntimeFailure("LoadFailed", f"{file} cannot be read: name a file that `save` wrote")
            with file.open("rb") as source:
                steps = list(api.load_image(source))
            if wrong := [step["error"] for step in steps if "error" in step]:
                raise RuntimeFailure("LoadFailed", f"{file} was not loaded: {wrong[0]}")
            said = "".join(str(step.get("stream", "")) for step in steps)
            return specs.repository(re.findall(r"Loaded image: (\S+)", said))

        try:
            return sorted(await self._link.do(load))
        except (Missing, Refused) as refused:
            raise RuntimeFailure("LoadFailed", f"{file} was not loaded: {refused}") from refused

    async def remove(self, name: str) -> None:
        """Take its name away; its files go with its last name."""
        full = reference(name)
        try:
            await self._link.do(lambda api: api.remove_image(full))
        except Missing:
            raise RuntimeFailure("NotFound", f'there is no image "{full}" here') from None
        except Refused as refused:
            used = USED.search(str(refused))
            by = f'"{full}" is in use by container {used[1] or used[2]}: delete its pod first' if used else str(refused)
            raise RuntimeFailure("RemoveFailed", by) from refused
        self._sure.discard(full)


def fingerprint(source: Source, base: str) -> str:
    """Of everything an image is built from."""
    made = hashlib.sha256(repr((base, sorted(source.arguments.items()))).encode())
    for path in sorted(source.folder.rglob("*")):
        if path.is_file():
            made.update(f"{path.relative_to(source.folder)}\0".encode() + path.read_bytes() + b"\0")
    return made.hexdigest()[:32]
