"""What containers have said, for the API server: `kubectl logs`.

`server.py` hands `Streams` to the API server, which knows no kubelet. The errors and their words are those of
pkg/kubelet (validateContainerLogStatus) and pkg/registry/core/pod.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
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

    @classmethod
    def of(cls, query: Mapping[str, str]) -> LogOptions:
        """As a request's query has them. Raises BadRequest and Invalid."""
        if "sinceSeconds" in query and "sinceTime" in query:
            raise _invalid("sinceSeconds", "Forbidden", "at most one of `sinceTime` or `sinceSeconds` may be specified")
        try:
            if "sinceTime" in query:
                from_timestamp(query["sinceTime"])
        except ValueError:
            raise BadRequest(f'sinceTime: "{query["sinceTime"]}" is not an RFC 3339 time') from None
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            tail_lines=_number(query, "tailLines", 0),
            limit_bytes=_number(query, "limitBytes", 1),
            since_seconds=_number(query, "sinceSeconds", 1),
            since_time=query.get("sinceTime"),
        )


class Streams:
    """Reads the output of this lab's containers."""

    def __init__(self, client: Client, runtime: Runtime, clock: Clock) -> None:
        self._client, self._runtime, self._clock = client, runtime, clock

    async def logs(self, namespace: str, pod: str, container: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """What to send, or an error before its first byte: NotFound, BadRequest, Invalid."""
        options = LogOptions.of(query)
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


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("true", "True", "1", "t")


def _number(query: Mapping[str, str], name: str, least: int) -> int | None:
    if name not in query:
        return None
    try:
        number = int(query[name])
    except ValueError:
        raise BadRequest(f'{name}: "{query[name]}" is not a whole number') from None
    if number < least:
        more = "greater than 0" if least else "greater than or equal to 0"
        raise _invalid(name, "Invalid value", f"{number}: must be {more}")
    return number


def _invalid(name: str, what: str, words: str) -> Invalid:
    reason = "FieldValueForbidden" if what == "Forbidden" else "FieldValueInvalid"
    return Invalid.of("", "PodLogOptions", "", [Cause(reason, f"{what}: {words}", name)])


def _written(line: LogLine, timestamps: bool) -> bytes:
    if not timestamps:
        return line.text + b"\n"
    when = datetime.fromtimestamp(line.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return when.encode() + b" " + line.text + b"\n"
