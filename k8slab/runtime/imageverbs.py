"""What the local runtime does with images, beside starting containers from them: build, list, save, load, remove.

A part of `local.py`'s class. A RUN is a container like any other, with its fences and limits: started from what the
build has come to so far, and what it changed in its root is the next layer (`layers.changes`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from k8slab.runtime import layers
from k8slab.runtime.base import ContainerSpec, ContainerState, ImageInfo, LogLine, PodConfig, RuntimeFailure
from k8slab.runtime.building import Steps, Task
from k8slab.runtime.dockerfile import DockerfileError
from k8slab.runtime.images import Config, Image, Source, reference
from k8slab.runtime.imagestore import ImageStore
from k8slab.runtime.isolation import Isolation

MEMORY = 2 << 30  # bytes a RUN may use
OWN = ("bin", "etc", "include", "lib", "sbin", "share")  # of /usr/local: a RUN may install there
HINTS = (  # words of a command that failed, and what helps
    (("apt-get", "apt", "apk", "dnf", "yum"), "a package goes to /usr, which is this machine's, and read-only in a "
     "local container: install it on the machine, or build with `--runtime docker`"),
    (("pip", "pip3"), "the local runtime's python comes without pip and packages: COPY the modules, "
     "or build with `--runtime docker`"),
)  # fmt: skip


class ImageVerbs:
    """The verbs of `base.Runtime` that are about images."""

    subnet: IPv4Network
    _store: ImageStore
    _isolation: Isolation
    run_pod: Callable[[PodConfig], Any]
    remove_pod: Callable[[str], Any]
    containers: Callable[[str], list[ContainerState]]
    logs: Callable[..., AsyncIterator[LogLine]]
    _records: Mapping[str, Any]
    _folder: Callable[[ContainerState], Path]
    _pod_folder: Callable[[str], Path]
    _start: Callable[[ContainerSpec, Image, Callable[[dict[str, Any]], None]], Any]
    _images_in_use: Callable[[], Mapping[str, str]]  # id -> a container of it

    async def pull(self, image: str, hear: Callable[[str], None] | None = None) -> str:
        return self._store.get(image).id

    async def images(self) -> list[str]:
        return self._store.names()

    async def image_list(self) -> list[ImageInfo]:
        return await asyncio.to_thread(self._store.infos)

    async def save_images(self, names: Sequence[str], file: Path) -> None:
        await asyncio.to_thread(self._store.save, names, file)

    async def load_images(self, file: Path) -> list[str]:
        return await asyncio.to_thread(self._store.load, file)

    async def remove_image(self, name: str) -> None:
        full = reference(name)
        kept = self._store.library.find(full)
        if kept and (user := self._images_in_use().get(kept.config.id)):
            raise RuntimeFailure("RemoveFailed", f'"{full}" is in use by container {user}: delete its pod first')
        await asyncio.to_thread(self._store.remove, full)

    async def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        full = reference(name)
        steps = self._store.build(full, Source(folder, arguments))
        answer: str | None = None
        try:
            while not isinstance(done := await asyncio.to_thread(_next, steps, answer), Config):
                answer = None
                if isinstance(done, str):
                    yield done
                    continue
                yield f"RUN {done.run.instruction.rest}"
                said = Said()
                async for line in self._carry_out(done, said):
                    yield f"  {line}"
                answer = said.layer
        except DockerfileError as problem:
            raise RuntimeFailure("BuildFailed", str(problem)) from problem
        except OSError as problem:
            raise RuntimeFailure("BuildFailed", f"{full} cannot be built: {problem}") from problem
        finally:
            steps.close()
        yield f"{full} is built ({done.id[:19]})"

    async def _carry_out(self, task: Task, said: Said) -> AsyncIterator[str]:
        """Run it; what it prints. Its layer is said in the end. Raises DockerfileError when it fails."""
        at, run = task.run.instruction, task.run
        if not self._isolation.bubblewrap:
            why = self._isolation.missing.get("mount", "")
            problem = f"needs a root of its own, which a container has not here ({why}): COPY what it would make"
            raise at.error(problem)
        cidr = str(next(self.subnet.subnets(new_prefix=max(24, self.subnet.prefixlen))))
        pod = PodConfig(f"build-{uuid.uuid4().hex}", "build", "build", "build", cidr, "build", host_network=True)
        config = replace(task.image, env=run.env, workdir=run.workdir, user=run.user, entrypoint=(), command=run.argv)
        spec = ContainerSpec(pod.uid, pod.uid, "run", "build", memory=MEMORY)
        state = ContainerState(spec.id, pod.uid, spec.name, 0, "created")
        root = self._folder(state) / "root"
        before: dict[str, layers.Seen] = {}
        hidden: set[str] = set()

        def laid_out(order: dict[str, Any]) -> None:
            before.update(layers.snapshot(root))
            hidden.update(mounted(order["options"]))

        try:
            await self.run_pod(pod)
            for name in OWN:
                (root / "usr" / "local" / name).mkdir(parents=True, exist_ok=True)
            await self._start(spec, self._store.interim(config), laid_out)
            async for line in self.logs(spec.id, follow=True):
                yield line.text.decode(errors="replace")
            await self._records[spec.id].over.wait()  # its log may end a moment before its end is heard of
            (ended,) = self.containers(pod.uid)
            if ended.exit_code != 0:
                raise at.error(_failed(run.argv, ended))
            said.layer = await asyncio.to_thread(self._capture, root, before, hidden, task.step)
        except RuntimeFailure as problem:
            raise at.error(str(problem)) from problem
        finally:  # even when nobody listens any more
            await asyncio.shield(asyncio.ensure_future(self.remove_pod(pod.uid)))

    def _capture(self, root: Path, before: Mapping[str, layers.Seen], hidden: set[str], step: str) -> str:
        kept = self._store.library.layers
        with kept.making() as making:
            layers.changes(root, before, hidden, making)
            return kept.keep(making, step)


class Said:
    """What a RUN has come to."""

    layer = ""


def _next(steps: Steps, answer: str | None) -> str | Task | Config:
    """The build's next word; its last is the image."""
    try:
        return steps.send(answer)
    except StopIteration as end:
        config: Config = end.value
        return config


def mounted(options: Sequence[str]) -> set[str]:
    """Where bubblewrap mounts something over the root, as paths in it."""
    found = set()
    for at, word in enumerate(options):
        if word in ("--bind", "--ro-bind"):
            found.add(options[at + 2].strip("/"))
        elif word in ("--tmpfs", "--proc", "--dev"):
            found.add(options[at + 1].strip("/"))
    return found - {""}


def _failed(argv: Sequence[str], ended: ContainerState) -> str:
    """How it ended, and what may help."""
    words = argv[-1].replace("&&", " ").replace(";", " ").split() if argv[0] == "/bin/sh" else argv
    hint = next((hint for names, hint in HINTS if any(word.rpartition("/")[2] in names for word in words)), "")
    how = "was killed: it used more memory than there is for a step" if ended.reason == "OOMKilled" else ""
    how = how or f"ended with exit code {ended.exit_code}; what it printed says why"
    return f"{argv[-1] if argv[0] == '/bin/sh' else ' '.join(argv)}: {how}{f' ({hint})' if hint else ''}"
