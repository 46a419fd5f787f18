"""Reads what `shim/log.py` writes: a container's log files in the format of the CRI, from the beginning and on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from k8slab.runtime.base import LogLine

LONGEST = 1 << 20  # a line longer than this is given out in parts: one without end must not fill the memory

Wait = Callable[[int], Awaitable[tuple[int, bool]]]  # bytes seen -> bytes ever written (more than seen), has it ended


async def read(path: Path, wait: Wait | None = None) -> AsyncIterator[LogLine]:
    """The lines from the beginning; with `wait`, also those to come, until the container has ended."""
    log = _Log(path)
    try:
        seen, ended = await wait(-1) if wait else (0, True)
        while True:
            for line in log.lines():
                yield line
            if ended or wait is None:
                break
            seen, ended = await wait(seen)
        for line in log.rest():
            yield line
    finally:
        log.close()


class _Log:
    """Where a reader is in a log that grows and is rotated meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._half = b""
        self._pieces: dict[str, LogLine] = {}

    def lines(self) -> Iterator[LogLine]:
        """Those that are there and not yet given out."""
        for data in self._new():
            *lines, self._half = (self._half + data).split(b"\n")
            for line in lines:
                yield from self._whole(line)

    def rest(self) -> Iterator[LogLine]:
        """What ended without a newline."""
        yield from self._pieces.values()
        self._pieces = {}

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _new(self) -> Iterator[bytes]:
        if self._file is None:
            self._file = self._first()
        while self._file:
            while data := self._file.read(1 << 16):
                yield data
            current = _open(self._path)
            if current is None or os.path.sameopenfile(current.fileno(), self._file.fileno()):
                if current:
                    current.close()
                return
            yield self._file.read()  # what came between our reading and its being put aside
            self._file.close()
            self._file = current

    def _first(self) -> IO[bytes] | None:
        newest = _open(self._path)  # before the older one: if they are exchanged between, it is the older one
        older = _open(self._path.with_name(self._path.name + ".1"))
        if older and newest:
            newest.close()
        return older or newest

    def _whole(self, line: bytes) -> Iterator[LogLine]:
        """Put the pieces of a long line together."""
        time, stream, tag, text = line.split(b" ", 3)
        name: Literal["stdout", "stderr"] = "stdout" if stream == b"stdout" else "stderr"
        begun = self._pieces.pop(name, None)
        if begun:
            found = LogLine(begun.time, name, begun.text + text)
        else:
            found = LogLine(datetime.fromisoformat(time.decode()).timestamp(), name, text)
        if tag == b"P" and len(found.text) < LONGEST:
            self._pieces[name] = found
        else:
            yield found


def _open(path: Path) -> IO[bytes] | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
