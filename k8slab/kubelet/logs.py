"""What containers have said: `kubectl logs`.

`streams.py` asks for the API server, which has already looked at the options and the container's name. The errors and
their words are those of pkg/kubelet (validateContainerLogStatus).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from k8slab.api.errors import BadRequest
from k8slab.api.objects import Obj
from k8slab.api.options import LogOptions
from k8slab.clock import Clock, from_timestamp
from k8slab.kubelet.view import statuses
from k8slab.runtime.base import LogLine, Runtime

CHUNK = 32 * 1024  # bytes sent together when nobody waits for each line

WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Logs:
    """Reads the output of this lab's containers."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock = runtime, clock

    def read(self, pod: Obj, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """What to send. Raises BadRequest, before its first byte, when there is nothing to read."""
        return self._read(self._container_id(pod, container, options.previous), options)

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
        wanted = "" if options.stream == "All" else options.stream.lower()
        async for line in self._runtime.logs(id, follow=options.follow):
            if line.time < after or (wanted and line.stream != wanted):
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


def _written(line: LogLine, timestamps: bool) -> bytes:
    if not timestamps:
        return line.text + b"\n"
    when = datetime.fromtimestamp(line.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return when.encode() + b" " + line.text + b"\n"
