"""Somebody at a container's own streams (`kubectl attach`): what they type goes to it, what it prints to them, too.

`keeper.py` makes these out of the pipes that come with an `attach` request. Nobody is waited for: what one side has not
taken yet is kept, and until it has, no more is read from the other, as on any terminal.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from functools import partial
from typing import Protocol

CHUNK = 64 << 10


class Loop(Protocol):
    """What `keeper.py` does with file descriptors."""

    def watch(
        self, fd: int, reader: Callable[[], object], events: int = ..., writer: Callable[[], object] | None = ...
    ) -> None: ...
    def expect(self, fd: int, events: int) -> None: ...
    def forget(self, fd: int) -> None: ...
    def unwatch(self, fd: int) -> None: ...


class Typing:
    """A container's stdin, and the pipes of those who type into it."""

    def __init__(self, stdin: int, loop: Loop) -> None:
        self._stdin, self._loop = stdin, loop
        self._sources: set[int] = set()
        self._held = b""  # typed, and not taken yet
        self._ending = self._waits = False
        os.set_blocking(stdin, False)

    def add(self, source: int, *, once: bool) -> None:
        """Somebody types; `once`: when they go, the container's stdin ends."""
        os.set_blocking(source, False)
        self._sources.add(source)
        self._loop.watch(source, partial(self._read, source, once))

    def close(self) -> None:
        """The container has ended."""
        self._held, self._ending = b"", True
        self._push()
        for source in self._sources:
            self._loop.unwatch(source)
        self._sources.clear()

    def _read(self, source: int, once: bool) -> None:
        try:
            data = os.read(source, CHUNK)
        except BlockingIOError:
            return
        self._held += data
        if not data:
            self._sources.discard(source)
            self._loop.unwatch(source)
            self._ending |= once
        self._push()

    def _push(self) -> None:
        """Give the container what it takes."""
        try:
            while self._held and self._stdin >= 0:
                self._held = self._held[os.write(self._stdin, self._held) :]
        except BlockingIOError:
            pass
        except OSError:  # it has closed its stdin
            self._held, self._ending = b"", True
        if self._stdin < 0:
            self._held = b""
        self._wait(bool(self._held))
        if self._ending and not self._held and self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def _wait(self, waits: bool) -> None:
        if waits == self._waits:
            return
        self._waits = waits
        if waits:
            self._loop.watch(self._stdin, self._push, select.POLLOUT, self._push)
        else:
            self._loop.forget(self._stdin)
        for source in self._sources:
            self._loop.expect(source, 0 if waits else select.POLLIN)


class Listeners:
    """Those who see what a container prints, while it prints it. `outputs` are its own ends, by file descriptor."""

    def __init__(self, outputs: dict[int, bytes], loop: Loop) -> None:
        self._outputs, self._loop = outputs, loop
        self._pipes: dict[int, bytes] = {}  # file descriptor -> stream
        self._behind: dict[int, bytes] = {}  # what it has not taken yet
        self._over = False

    def add(self, pipes: dict[int, bytes]) -> None:
        """Somebody listens, with a pipe for each stream."""
        for fd, stream in pipes.items():
            os.set_blocking(fd, False)
            self._pipes[fd], self._behind[fd] = stream, b""
            self._loop.watch(fd, partial(self._drop, fd), 0, partial(self._flush, fd))  # an error: nobody reads it

    def take(self, stream: bytes, data: bytes) -> None:
        """The container has printed this."""
        for fd in [fd for fd, wanted in self._pipes.items() if wanted == stream]:
            self._behind[fd] += data
            self._flush(fd)

    def close(self) -> None:
        """The container has ended: hang up, on each once it has taken everything."""
        self._over = True
        for fd in list(self._pipes):
            self._flush(fd)

    def _flush(self, fd: int) -> None:
        try:
            while left := self._behind[fd]:
                self._behind[fd] = left[os.write(fd, left) :]
        except BlockingIOError:
            self._loop.expect(fd, select.POLLOUT)
        except OSError:
            self._drop(fd)
            return
        else:
            self._loop.expect(fd, 0)
            if self._over:
                self._drop(fd)
        self._hold()

    def _drop(self, fd: int) -> None:
        del self._pipes[fd], self._behind[fd]
        self._loop.unwatch(fd)
        self._hold()

    def _hold(self) -> None:
        """Read from the container only while nobody is behind."""
        behind = any(self._behind.values())
        for fd in self._outputs:
            self._loop.expect(fd, 0 if behind else select.POLLIN)
