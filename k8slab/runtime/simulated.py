"""The simulated runtime: a container is a record that follows a script. For scale, tests, and what a machine cannot do.

Any image "runs". Containers of pods that restart always run for ever, others end well after about a second; the tag
`does-not-exist` cannot be pulled. It is cheap on purpose: a hundred and fifty thousand of them fit beside the cluster.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import k8slab
from k8slab.clock import Clock
from k8slab.runtime.addresses import Addresses
from k8slab.runtime.base import (
    Abilities,
    ContainerSpec,
    ContainerState,
    Exec,
    ImageInfo,
    LogLine,
    PodConfig,
    RuntimeFailure,
    Usage,
)
from k8slab.runtime.dockerfile import DockerfileError, parse
from k8slab.runtime.images import reference

RUN = 1.0  # Kubernetes seconds until a container ends that is not to run for ever
NOT_REAL = "containers of the simulated runtime are records, not processes"


class SimulatedRuntime:
    """Keeps the promises of `base.Runtime` without a process."""

    name = "simulated"
    version = k8slab.__version__
    abilities = Abilities(real=False, networked=False, missing={"processes": NOT_REAL})

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._addresses = Addresses()
        self._states: dict[str, ContainerState] = {}
        self._pods: dict[str, list[str]] = {}  # uid -> its containers' ids
        self._timers: dict[str, Callable[[], None]] = {}
        self._waiting: dict[str, asyncio.Event] = {}  # of those who follow a log
        self._pulled: dict[str, str] = {}
        self._built: dict[str, str] = {}
        self._changed: list[Callable[[str], None]] = []

    async def open(self) -> None:
        """Nothing of an earlier server is left: records end with the process that keeps them; see `restore`."""

    async def close(self, *, leave_running: bool) -> None:
        for uid in list(self._pods):
            await self.remove_pod(uid)

    async def pull(self, image: str, hear: Callable[[str], None] | None = None) -> str:
        name = reference(image)
        if name.endswith(":does-not-exist"):
            domain = "docker.io/" if "/" in name else "docker.io/library/"
            full = name if "." in name.partition("/")[0] else domain + name
            raise RuntimeFailure(
                "ErrImagePull",
                f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
                f'failed to resolve reference "{full}": {full}: not found',
            )
        if name not in self._pulled:
            self._pulled[name] = "sha256:" + hashlib.sha256(name.encode()).hexdigest()
        return self._pulled[name]

    async def images(self) -> list[str]:
        return sorted(self._pulled)

    async def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        """Only reads the Dockerfile: a mistake in it is told, a record of the image is kept."""
        full = reference(name)
        try:
            text = await asyncio.to_thread((folder / "Dockerfile").read_text)
            recipe = parse(text, arguments)[-1]
        except DockerfileError as problem:
            raise RuntimeFailure("BuildFailed", str(problem)) from problem
        except (OSError, UnicodeDecodeError) as problem:
            told = f"{folder} has no Dockerfile that can be read ({problem}): name the folder that holds yours"
            raise RuntimeFailure("BuildFailed", told) from problem
        yield f"FROM {recipe.base}"
        self._pulled[full] = self._built[full] = "sha256:" + hashlib.sha256(f"{full}\n{text}".encode()).hexdigest()
        yield f"{full} is noted and not built: {NOT_REAL}"

    async def image_list(self) -> list[ImageInfo]:
        return [ImageInfo(name, id, 0, 0.0) for name, id in sorted(self._pulled.items())]

    async def save_images(self, names: Sequence[str], file: Path) -> None:
        raise RuntimeFailure("SaveFailed", f"{NOT_REAL}: its images have no files to save")

    async def load_images(self, file: Path) -> list[str]:
        raise RuntimeFailure("LoadFailed", f"{NOT_REAL}: it has no use for the files of images")

    async def remove_image(self, name: str) -> None:
        full = reference(name)
        if self._built.pop(full, None) is None:
            raise RuntimeFailure("NotFound", f'no image "{full}" has been built here')
        del self._pulled[full]

    async def run_pod(self, pod: PodConfig) -> str:
        self._pods.setdefault(pod.uid, [])
        return self._addresses.give(pod.uid, pod.cidr)

    def restore(self, pod: PodConfig, address: str, containers: Iterable[tuple[ContainerState, bool]]) -> None:
        if pod.uid in self._pods:
            return
        self._addresses.keep(pod.uid, address)
        self._pods[pod.uid] = []
        for state, runs_on in containers:
            self._states[state.id] = state
            self._pods[pod.uid].append(state.id)
            if state.phase == "running" and not runs_on:
                self._end_in(state.id, RUN - self._clock.since(state.started))

    async def remove_pod(self, uid: str) -> None:
        for id in list(self._pods.get(uid, ())):
            await self.remove(id)
        self._pods.pop(uid, None)
        self._addresses.free(uid)

    def pods(self) -> dict[str, str]:
        return self._addresses.all()

    async def start(self, spec: ContainerSpec) -> None:
        if spec.id in self._states:
            return
        if spec.pod_uid not in self._pods:
            raise RuntimeFailure("CreateContainerError", f"container {spec.id}: its pod has no sandbox")
        self._states[spec.id] = ContainerState(
            spec.id, spec.pod_uid, spec.name, spec.attempt, "running",
            started=self._clock.time(), image_id=await self.pull(spec.image),
        )  # fmt: skip
        self._pods[spec.pod_uid].append(spec.id)
        if not spec.runs_on:
            self._end_in(spec.id, RUN)
        self._tell(spec.pod_uid)

    async def stop(self, id: str, grace: float) -> None:
        self._end(id, 0 if grace > 0 else 137)

    async def signal(self, id: str, number: int) -> None:
        self._end(id, 128 + number)

    async def remove(self, id: str) -> None:
        self._end(id, 137)
        state = self._states.pop(id, None)
        if state is not None:
            self._pods[state.pod_uid].remove(id)

    def containers(self, pod_uid: str) -> list[ContainerState]:
        return [self._states[id] for id in self._pods.get(pod_uid, ())]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        self._changed.append(changed)

    async def logs(self, id: str, *, follow: bool = False) -> AsyncIterator[LogLine]:
        state = self._states.get(id)
        if state is None:
            raise RuntimeFailure("NotFound", f"container {id} is gone, and its log with it")
        yield LogLine(state.started, "stdout", f"({NOT_REAL}: this one prints nothing)".encode())
        if follow and state.phase == "running":
            await self._waiting.setdefault(id, asyncio.Event()).wait()

    async def exec(self, id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False) -> Exec:
        raise RuntimeFailure("NotSupported", f"{NOT_REAL}: start a lab with `--runtime local` to run commands in them")

    async def reach(self, address: str, port: int) -> tuple[str, int]:
        return address, port

    async def pod_at(self, client: tuple[str, int], server: tuple[str, int]) -> str | None:
        return None

    async def rename(self, uid: str, hosts: str) -> None:
        """Records resolve no names."""

    async def attach(self, id: str, *, stdin: bool = False, once: bool = False) -> Exec:
        raise RuntimeFailure("NotSupported", f"{NOT_REAL}: start a lab with `--runtime local` to talk to them")

    async def written(self, id: str) -> int:
        return 0

    async def usage(self, id: str) -> Usage | None:
        state = self._states.get(id)
        return Usage(0.0, 0) if state and state.phase == "running" else None

    def _end_in(self, id: str, seconds: float) -> None:
        self._timers[id] = self._clock.call_later(seconds, lambda: self._end(id, 0))

    def _end(self, id: str, code: int) -> None:
        state = self._states.get(id)
        if state is None or state.phase != "running":
            return
        if cancel := self._timers.pop(id, None):
            cancel()
        reason = "Completed" if code == 0 else "Error"
        self._states[id] = replace(
            state, phase="exited", exit_code=code, reason=reason, finished=self._clock.time()
        )  # fmt: skip
        if followed := self._waiting.pop(id, None):
            followed.set()
        self._tell(state.pod_uid)

    def _tell(self, pod_uid: str) -> None:
        for changed in self._changed:
            changed(pod_uid)
