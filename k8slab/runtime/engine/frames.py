"""An engine's multiplexed streams and its logs, taken apart: bytes in, pieces and lines out. Pure.

A frame is a head of eight bytes (1: stdout, 2: stderr; the length) and what was printed; a terminal's output has no
frames. `streams.py` and `logs.py` read with these. (docs.docker.com: "Attach to a container", stream format.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from k8slab.runtime.base import LogLine
from k8slab.runtime.engine.specs import seconds

Stream = Literal["stdout", "stderr"]
LONGEST = 1 << 20  # a line longer than this is given out in parts: one without end must not fill the memory


class Frames:
    """Takes frames out of what arrives in pieces of any size."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """The frames that are whole now."""
        self._left += data
        begin = 0
        while len(self._left) - begin >= 8:
            end = begin + 8 + int.from_bytes(self._left[begin + 4 : begin + 8], "big")
            if len(self._left) < end:
                break
            yield "stderr" if self._left[begin] == 2 else "stdout", bytes(self._left[begin + 8 : end])
            begin = end
        del self._left[:begin]


class Whole:
    """A terminal's output: everything is stdout."""

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        yield "stdout", data


class Lines:
    """Puts lines together. Each frame of a log begins with its time; one without a newline at its end goes on."""

    def __init__(self, *, tty: bool = False) -> None:
        self._tty = tty
        self._half = b""  # of a terminal, whose pieces end anywhere
        self._begun: dict[str, LogLine] = {}

    def feed(self, stream: Stream, data: bytes) -> Iterator[LogLine]:
        """The lines that are whole now."""
        pieces = [data]
        if self._tty:
            *pieces, self._half = (self._half + data).splitlines(keepends=True) or [b""]
            if self._half.endswith(b"\n"):
                pieces, self._half = [*pieces, self._half], b""
        for piece in pieces:
            yield from self._piece(stream, piece)

    def rest(self) -> Iterator[LogLine]:
        """What ended without a newline."""
        if self._half:
            yield from self._piece("stdout", self._half)
        yield from self._begun.values()
        self._begun = {}

    def _piece(self, stream: Stream, piece: bytes) -> Iterator[LogLine]:
        time, _, text = piece.partition(b" ")
        whole = text.endswith(b"\n")
        text = text.removesuffix(b"\n").removesuffix(b"\r") if whole else text
        before = self._begun.pop(stream, None)
        line = LogLine(before.time if before else seconds(time.decode("latin-1")), stream, text)
        if before:
            line = LogLine(before.time, stream, before.text + text)
        if whole or len(line.text) >= LONGEST:
            yield line
        else:
            self._begun[stream] = line
