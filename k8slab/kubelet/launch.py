"""Acting, for one container: have its image, put its configuration together, start it. Every step leaves its event.

`workers.py` calls `Launcher.start` for each `Start` of a plan. What goes wrong is written into the container's note;
`plan.py` reads there when to try again, `status.py` what to say.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from k8slab import trace
from k8slab.api.errors import NotFound
from k8slab.api.objects import Obj, reference_to
from k8slab.api.quantities import parse
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet import lastwords
from k8slab.kubelet.environment import ConfigError, Facts, container_env, expand_all
from k8slab.kubelet.notes import PULL_FIRST, PULL_MOST, Note
from k8slab.kubelet.plan import Start
from k8slab.kubelet.record import Record
from k8slab.kubelet.resolver import NO_NAMES, Naming
from k8slab.kubelet.restarts import runs_on
from k8slab.kubelet.security import wish
from k8slab.kubelet.status import UNSTARTED, precise_duration
from k8slab.kubelet.volumes import mounts
from k8slab.runtime.base import ContainerSpec, ContainerState, Runtime, RuntimeFailure
from k8slab.runtime.images import reference


class Recorder(Protocol):
    """Writes Events (`client/events.py` does)."""

    def event(self, obj: Obj, type: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say that it happened to this object, or to what this ObjectReference names."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """The node a container is started on."""

    name: str
    address: str
    allocatable: Mapping[str, str]
    naming: Naming = NO_NAMES


class Launcher:
    """Starts containers on one node."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        recorder: Recorder,
        place: Place,
        images: Iterable[str] = (),
    ) -> None:
        self._client, self._runtime, self._clock = client, runtime, clock
        self.record, self.place = recorder, place
        self._images = set(images)  # those this node has had; says which event is true, never whether to ask

    @property
    def images(self) -> frozenset[str]:
        """The images this node has had."""
        return frozenset(self._images)

    def refresh(self, images: Iterable[str]) -> None:
        """These the node has now, and no others."""
        self._images = set(images)

    def facts(self, record: Record) -> Facts:
        """What the pod may be told of itself and of its namespace."""
        pod = record.pod
        namespace = pod["metadata"].get("namespace", "")

        def find(kind: str, name: str) -> Obj | None:
            try:
                return self._client.get(kind, name, "" if kind == "PersistentVolume" else namespace)
            except NotFound:
                return None

        return Facts(pod, record.address, self.place.address, self.place.allocatable, find, record.folders)

    async def start(self, record: Record, action: Start) -> str:
        """Pull, configure, start; the id of the container that runs now. If there is none, its note says why."""
        pod, container = record.pod, action.container
        note = record.note(container["name"])
        if not await self._pull(pod, container, note):
            return ""
        trace.hop("pulled", pod, image=container["image"])
        try:
            spec = self._spec(record, action)
        except ConfigError as error:
            self._fail(pod, container, note, "CreateContainerConfigError", str(error))
            return ""
        try:
            await self._runtime.start(spec)
        except RuntimeFailure as error:
            if error.reason == "RunContainerError":
                self._not_run(pod, action, note, spec.id, str(error))
            else:
                self._fail(pod, container, note, error.reason, str(error))
            return ""
        self._trace(pod, spec)
        self.tell(pod, container, "Normal", "Created", "Container created")
        self.tell(pod, container, "Normal", "Started", "Container started")
        note.succeeded()
        self._once_more(action, note)
        return spec.id

    def _trace(self, pod: Obj, spec: ContainerSpec) -> None:
        if trace.listening():
            pid = next((state.pid for state in self._runtime.containers(spec.pod_uid) if state.id == spec.id), None)
            trace.hop("started", pod, container=spec.name, runtime=self._runtime.name, pid=pid)

    def _once_more(self, action: Start, note: Note) -> None:
        if action.after is not None:
            note.restarted(action.after.finished, self._clock.time(), self._clock.since)

    def _not_run(self, pod: Obj, action: Start, note: Note, id: str, message: str) -> None:
        """It was made, and its command could not be run: an attempt like any other, that has ended (code 128)."""
        self.tell(pod, action.container, "Normal", "Created", "Container created")
        self.tell(pod, action.container, "Warning", "Failed", f"Error: {message}")
        note.reason, note.message, note.retry = "RunContainerError", message, None
        note.unstarted = ContainerState(
            id, pod["metadata"]["uid"], action.container["name"], action.attempt, "exited",
            finished=self._clock.time(), exit_code=128, reason=UNSTARTED, message=message,
        )  # fmt: skip
        self._once_more(action, note)

    def tell(self, pod: Obj, container: Obj, type_: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """An event about one container of a pod."""
        groups = ("initContainers", "ephemeralContainers")
        group = next((group for group in groups if container in (pod["spec"].get(group) or [])), "containers")
        path = f"spec.{group}{{{container['name']}}}"
        self.record.event({**reference_to(pod), "fieldPath": path}, type_, reason, message)

    # ------------------------------------------------------------------------------------------ image

    async def _pull(self, pod: Obj, container: Obj, note: Note) -> bool:
        image, policy = container["image"], container.get("imagePullPolicy", "IfNotPresent")
        known = tagged(image)
        if policy == "Never" and known not in self._images and known not in await self._runtime.images():
            message = f'Container image "{image}" is not present with pull policy of Never'
            self.tell(pod, container, "Warning", "ErrImageNeverPull", message)
            self.tell(pod, container, "Warning", "Failed", "Error: ErrImageNeverPull")
            note.failed("ErrImageNeverPull", message, self._clock.time())
            return False
        present = known in self._images and policy != "Always"
        if not present and policy != "Never":
            self.tell(pod, container, "Normal", "Pulling", f'Pulling image "{image}"')
        begun = self._clock.monotonic()

        def hear(said: str) -> None:
            self.tell(pod, container, "Normal", "Pulling", f'Pulling image "{image}": {said}')

        try:
            await self._runtime.pull(image, hear)
        except RuntimeFailure as error:
            self._images.discard(known)
            self._pull_failed(pod, container, note, error)
            return False
        took = precise_duration(self._clock.monotonic() - begun)
        if present or policy == "Never":
            said = f'Container image "{image}" already present on machine and can be accessed by the pod'
        else:
            said = f'Successfully pulled image "{image}" in {took} ({took} including waiting).'
        self._images.add(known)
        self.tell(pod, container, "Normal", "Pulled", said)
        return True

    def _pull_failed(self, pod: Obj, container: Obj, note: Note, error: RuntimeFailure) -> None:
        self.tell(pod, container, "Warning", "Failed", f'Failed to pull image "{container["image"]}": {error}')
        self.tell(pod, container, "Warning", "Failed", f"Error: {error.reason}")
        note.failed(error.reason, str(error), self._clock.time(), PULL_FIRST, PULL_MOST)

    def back_off_pulling(self, pod: Obj, container: Obj, note: Note) -> None:
        """The failed pull has been on show long enough: it is not tried all the time, and the status says so."""
        said = f'Back-off pulling image "{container["image"]}"'
        if note.reason != "ImagePullBackOff":
            note.message = f"{said}: {note.reason}: {note.message}"
            note.reason = "ImagePullBackOff"
        note.told = self._clock.time()
        self.tell(pod, container, "Normal", "BackOff", said)
        self.tell(pod, container, "Warning", "Failed", "Error: ImagePullBackOff")

    # ------------------------------------------------------------------------------------------ start

    def _spec(self, record: Record, action: Start) -> ContainerSpec:
        pod, container, id = record.pod, action.container, secrets.token_hex(32)
        if not self._runtime.abilities.real:  # a record needs no more
            uid, on = pod["metadata"]["uid"], runs_on(pod, container)
            return ContainerSpec(id, uid, container["name"], container["image"], action.attempt, runs_on=on)
        env = container_env(self.facts(record), container, self._services(pod))
        limits = (container.get("resources") or {}).get("limits") or {}
        return ContainerSpec(
            id=id,
            pod_uid=pod["metadata"]["uid"],
            name=container["name"],
            image=container["image"],
            attempt=action.attempt,
            command=expand_all(container.get("command"), env),
            args=expand_all(container.get("args"), env),
            env=env,
            workdir=container.get("workingDir", ""),
            mounts=[*mounts(container, record, env), *lastwords.mount(container, record.folder, id)],
            cpu=float(parse(limits["cpu"])) if "cpu" in limits else None,
            memory=int(parse(limits["memory"])) if "memory" in limits else None,
            tty=bool(container.get("tty")),
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")) and not container.get("tty"),
            stop_signal=(container.get("lifecycle") or {}).get("stopSignal", ""),
            user=wish(pod, container, "runAsUser"),
            non_root=bool(wish(pod, container, "runAsNonRoot")),
            read_only=bool(wish(pod, container, "readOnlyRootFilesystem")),
            runs_on=runs_on(pod, container),
        )

    def _services(self, pod: Obj) -> Iterable[Obj]:
        informer = self._client.informer("Service")
        namespace = pod["metadata"].get("namespace", "")
        master = informer.get("kubernetes", "default") if namespace != "default" else None
        return [*([master] if master else []), *informer.list(namespace)]

    def _fail(self, pod: Obj, container: Obj, note: Note, reason: str, message: str) -> None:
        self.tell(pod, container, "Warning", "Failed", f"Error: {message}")
        note.failed(reason, message, self._clock.time())


def tagged(image: str) -> str:
    """The name an image is listed by: `shop` is `shop:latest`. What is no name stays as it is: the pull says so."""
    try:
        return reference(image)
    except RuntimeFailure:
        return image
