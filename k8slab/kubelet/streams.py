"""What containers have said, for the API server: `kubectl logs`.

`server.py` hands `Streams` to the API server, which knows no kubelet. The errors and their words are those of
pkg/kubelet (validateContainerLogStatus) and pkg/registry/core/pod.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from k8slab.api.errors import BadRequest, Cause, Invalid, NotFound
from k8slab.api.objects import Obj
from k8slab.client.base import Client
from k8slab.clock import Clock, from_timestamp
from k8slab.kubelet.view import init_containers, main_containers, statuses
from k8slab.runtime.base import LogLine, Runtime

CHUNK = 32 * 1024  # bytes sent together when nobody waits for each line

WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


@dataclass(frozen=True)
class LogOptions:
    """Which lines, and how (PodLogOptions)."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: str | None = None

    def check(self) -> None:
        """Raises Invalid or BadRequest for what cannot be meant."""
        causes = [
            _wrong(name, f"Invalid value: {number}: must be greater than {'or equal to 0' if not least else '0'}")
            for name, number, least in (
                ("tailLines", self.tail_lines, 0),
                ("limitBytes", self.limit_bytes, 1),
                ("sinceSeconds", self.since_seconds, 1),
            )
            if number is not None and number < least
        ]
        if self.since_seconds is not None and self.since_time is not None:
            causes.append(_wrong("", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"))
        if causes:
            raise Invalid.of("", "PodLogOptions", "", causes)
        try:
            from_timestamp(self.since_time or "1970-01-01T00:00:00Z")
        except ValueError:
            raise BadRequest(f'sinceTime: "{self.since_time}" is not an RFC 3339 time') from None


class Streams:
    """Reads the output of this lab's containers."""

    def __init__(self, client: Client, runtime: Runtime, clock: Clock) -> None:
        self._client, self._runtime, self._clock = client, runtime, clock

    async def logs(self, namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """What to send, or an error before its first byte: NotFound, BadRequest, Invalid."""
        options.check()
        found = self._client.informer("Pod").get(pod, namespace)
        if found is None:
            raise NotFound.of("", "pods", pod)
        return self._read(self._container_id(found, _choose(found, container), options.previous), options)

    def _container_id(self, pod: Obj, name: str, previous: bool) -> str:
        meta = pod["metadata"]
        states = [state for state in self._runtime.containers(meta["uid"]) if state.name == name]
        begun = [state for state in states if state.phase != "created"]
        if previous and len(begun) > 1:
            return begun[-2].id
        if previous:
            raise BadRequest(f'previous terminated container "{name}" in pod "{meta["name"]}" not found')
        if begun:
            return begun[-1].id
        waiting = next(((s.get("state") or {}).get("waiting") for s in statuses(pod) if s["name"] == name), None)
        reason = (waiting or {}).get("reason", "ContainerCreating")
        why = WAITING.get(reason, reason)
        raise BadRequest(f'container "{name}" in pod "{meta["name"]}" is waiting to start: {why}')

    async def _read(self, id: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The lines, packed: many in one piece, unless somebody follows and waits for each."""
        after = self._after(options)
        skip = await self._skipped(id, options, after)
        left, held = options.limit_bytes, bytearray()
        async for line in self._runtime.logs(id, follow=options.follow):
            if line.time < after:
                continue
            if skip:
                skip -= 1
                continue
            held += _written(line, options.timestamps)
            if left is not None and len(held) >= left:
                yield bytes(held[:left])
                return
            if options.follow or len(held) >= CHUNK:
                left = None if left is None else left - len(held)
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)

    def _after(self, options: LogOptions) -> float:
        """Lines older than this moment are not asked for."""
        if options.since_time:
            return from_timestamp(options.since_time)
        return self._clock.time() - options.since_seconds if options.since_seconds else 0.0

    async def _skipped(self, id: str, options: LogOptions, after: float) -> int:
        """How many of the lines do not belong to the tail: what is there now is only ever added to."""
        if options.tail_lines is None:
            return 0
        there = [line.time >= after async for line in self._runtime.logs(id)]
        return max(0, sum(there) - options.tail_lines)


def _choose(pod: Obj, container: str) -> str:
    """The container meant. Raises BadRequest with Kubernetes' words."""
    name = pod["metadata"]["name"]
    if not pod["spec"].get("nodeName"):
        raise BadRequest(f"pod {name} does not have a host assigned")
    main, init = ([c["name"] for c in group] for group in (main_containers(pod), init_containers(pod)))
    if container:
        if container not in [*main, *init]:
            raise BadRequest(f"container {container} is not valid for pod {name}")
        return container
    if len(main) == 1:
        return str(main[0])
    choice = f"choose one of: [{' '.join(main)}]"
    if init:
        choice += f" or one of the init containers: [{' '.join(init)}]"
    raise BadRequest(f"a container name must be specified for pod {name}, {choice}")


def _wrong(name: str, words: str) -> Cause:
    return Cause("FieldValueForbidden" if words.startswith("Forbidden") else "FieldValueInvalid", words, name)


def _written(line: LogLine, timestamps: bool) -> bytes:
    if not timestamps:
        return line.text + b"\n"
    when = datetime.fromtimestamp(line.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return when.encode() + b" " + line.text + b"\n"
