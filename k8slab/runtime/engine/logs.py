"""A container's log, as the engine keeps it: lines with the time they came at, stdout and stderr apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from k8slab.runtime.base import LogLine, RuntimeFailure
from k8slab.runtime.engine.frames import Frames, Lines, Whole
from k8slab.runtime.engine.link import Link, Missing


class _Pieces:
    """The bytes of an answer that goes on, as they come; `close` wakes who waits for them."""

    def __init__(self, response: Any) -> None:
        from docker.types import CancellableStream

        response.raise_for_status()
        self._stream = CancellableStream(response.raw.stream(1 << 16, decode_content=False), response)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return bytes(next(self._stream))

    def close(self) -> None:
        self._stream.close()


async def read(link: Link, container: str, *, tty: bool, follow: bool) -> AsyncIterator[LogLine]:
    """From the beginning; with `follow`, until the container has ended. Raises RuntimeFailure."""
    asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow)}

    def ask(api: Any) -> Iterator[bytes]:
        url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
        response = api.get(url, params=asked, stream=True, timeout=None if follow else api.timeout)
        if response.status_code == 404:
            raise Missing(container)
        return _Pieces(response)

    frames: Frames | Whole = Whole() if tty else Frames()
    lines = Lines(tty=tty)
    try:
        async for data in link.stream(ask):
            for stream, piece in frames.feed(data):
                for line in lines.feed(stream, piece):
                    yield line
    except Missing:
        raise RuntimeFailure("NotFound", f"container {container} is gone, and its log with it") from None
    for line in lines.rest():
        yield line
