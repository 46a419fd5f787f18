"""Talking to processes in containers of the local runtime: a command (`kubectl exec`), or the first one (`attach`).

The shim starts the command, or carries what the container prints; here are our ends of the pipes (or the terminal).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.sandbox import here
from k8slab.runtime.shimclient import ShimClient, ShimGone

Stream = Literal["stdout", "stderr"]
NO_SUCH_PROGRAM = ": " + os.strerror(errno.ENOENT)
Ends = tuple[dict[int, Stream], int, list[int]]  # ours to read, ours to write (or -1), the process's three
CHUNK, AHEAD = 1 << 15, 16  # bytes read at once; how many of those are kept for a slow reader


class Pipes:
    """Our ends: one to write to, one or two to read from. What comes is kept until somebody asks for `output`."""

    def __init__(self, reading: Mapping[int, Stream], stdin: int) -> None:
        self._reading = dict(reading)
        for fd in reading:
            os.set_blocking(fd, False)
        self._stdin = stdin
        self._queue: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue()
        self._paused: set[int] = set()
        self._room: asyncio.Future[None] | None = None  # of who waits to write

    def open(self) -> None:
        """Read from now on."""
        for fd in self._reading:
            asyncio.get_running_loop().add_reader(fd, self._read, fd)

    def drop(self) -> None:
        """Close everything; `output` ends."""
        for fd in list(self._reading):
            self._end(fd)
        self.end_input()

    def drain(self) -> None:
        """Read what is there, and no more: whoever else holds the other ends is not the one we listened to."""
        for fd in list(self._reading):
            while fd in self._reading and self._read(fd):
                pass
            if fd in self._reading:
                self._end(fd)

    def _read(self, fd: int) -> bool:
        """Read once; whether something came."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose other side has closed
            data = b""
        if not data:
            self._end(fd)
            return False
        self._queue.put_nowait((self._reading[fd], data))
        if self._queue.qsize() >= AHEAD:
            self._paused.add(fd)
            asyncio.get_running_loop().remove_reader(fd)
        return True

    def _end(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        self._paused.discard(fd)
        del self._reading[fd]
        close(fd)
        if not self._reading:
            self._queue.put_nowait(None)

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """What comes, until no more can."""
        while (piece := await self._queue.get()) is not None:
            for fd in self._paused:
                asyncio.get_running_loop().add_reader(fd, self._read, fd)
            self._paused.clear()
            yield piece

    async def write(self, data: bytes) -> None:
        """Type something. What comes after its end is lost, as on any terminal."""
        loop = asyncio.get_running_loop()
        while data and (fd := self._stdin) >= 0:
            os.set_blocking(fd, False)
            try:
                data = data[os.write(fd, data) :]
                continue
            except BlockingIOError:
                self._room = room = loop.create_future()
            except OSError:
                return
            loop.add_writer(fd, lambda room=room: room.done() or room.set_result(None))  # type: ignore[misc]
            try:
                await room
            finally:
                if fd == self._stdin:
                    loop.remove_writer(fd)

    def set_size(self, columns: int, rows: int) -> None:
        """Of a terminal."""
        if self._stdin >= 0:
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end_input(self) -> None:
        """No more will be typed, and nobody waits for room to."""
        fd, self._stdin = self._stdin, -1
        if fd >= 0:
            asyncio.get_running_loop().remove_writer(fd)
            close(fd)
        if self._room and not self._room.done():
            self._room.set_result(None)


class ShimExec(Pipes):
    """A command inside a container. Keeps the promises of `base.Exec`."""

    def __init__(self, *, tty: bool, stdin: bool) -> None:
        ours, typing, self._theirs = terminal() if tty else pipes(stdin)
        super().__init__(ours, typing)
        self.id = f"exec-{uuid4()}"
        self._tty = tty
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._shim: ShimClient | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self, shim: ShimClient, container: str, meta: Mapping[str, Any], command: Sequence[str]) -> None:
        """Have it started, with the container's environment and working folder. Raises RuntimeFailure."""
        self._shim = shim
        env = {**meta["env"], "TERM": "xterm"} if self._tty else meta["env"]
        words = [here(word, Path(meta["root"])) for word in command] if meta.get("root") else list(command)
        wanted = {"id": self.id, "join": container, "argv": words, "env": env, "cwd": meta["cwd"]}
        wanted |= {"tty": self._tty, "fenced": False, "contained": True, "enter": meta["cgroups"]}
        wanted |= {"walls": meta.get("walls"), "filtered": meta.get("filtered")}
        wanted |= {"network": meta.get("network")}
        try:
            await shim.ask("start", self._theirs, container=wanted)
        except BaseException as failure:
            self.drop()
            if isinstance(failure, RuntimeFailure) and str(failure).endswith(NO_SUCH_PROGRAM):
                where = "no such file or directory" if "/" in command[0] else "executable file not found in $PATH"
                said = f'unable to start container process: exec: "{command[0]}": {where}'
                raise RuntimeFailure(failure.reason, said) from failure
            raise
        finally:
            for fd in self._theirs:
                close(fd)
        self.open()

    async def close_stdin(self) -> None:
        """No more will be typed; on a terminal that is ctrl-D."""
        if self._tty:
            await self.write(b"\x04")
        else:
            self.end_input()

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size now."""
        if self._tty:
            self.set_size(columns, rows)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._code)

    def close(self) -> None:
        """End it by force."""
        if self._shim and not self._code.done():
            _ask(self._asking, self._shim.ask("signal", container=self.id, number=int(signal.SIGKILL)))

    def ended(self, code: int) -> None:
        """The shim has seen it end."""
        if not self._code.done():
            self._code.set_result(code)
        self.end_input()
        if not self._tty:  # a terminal is hung up by the kernel, after its last word
            self.drain()


class ShimAttach(Pipes):
    """A container's own streams, carried by the shim. Keeps the promises of `base.Exec`."""

    def __init__(self, over: Callable[[], Awaitable[int]]) -> None:
        ours, typing, self._theirs = pipes(stdin=True)
        super().__init__(ours, typing)
        self._over = over
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self, shim: ShimClient, container: str, *, stdin: bool, once: bool) -> None:
        """Have the shim carry. Raises RuntimeFailure."""
        self._shim, self._container = shim, container
        try:
            await shim.ask("attach", self._theirs, container=container, stdin=stdin, once=once)
        except BaseException:
            self.drop()
            raise
        finally:
            for fd in self._theirs:
                close(fd)
        self.open()

    async def close_stdin(self) -> None:
        """We type no more. It is the container's own end of input only if it was attached to with `once`."""
        self.end_input()

    def resize(self, columns: int, rows: int) -> None:
        """The container's terminal, if it has one, has another size now."""
        _ask(self._asking, self._shim.ask("resize", container=self._container, columns=columns, rows=rows))

    async def wait(self) -> int:
        """The container's exit code, once it has ended."""
        return await self._over()

    def close(self) -> None:
        """Let go."""
        self.drop()


def _ask(asking: set[asyncio.Task[None]], question: Coroutine[Any, Any, Any]) -> None:
    """Send a request to the shim whose answer nobody waits for."""

    async def ask() -> None:
        with contextlib.suppress(RuntimeFailure, ShimGone):
            await question

    task = asyncio.ensure_future(ask())
    asking.add(task)
    task.add_done_callback(asking.discard)


def terminal() -> Ends:
    """A terminal: our side of it, and the three ends that a process gets."""
    ours, theirs = os.openpty()
    return {ours: "stdout"}, os.dup(ours), [theirs, os.dup(theirs), os.dup(theirs)]


def pipes(stdin: bool) -> Ends:
    """Two or three pipes: our ends, and the other ones."""
    (source, typed) = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
    (out, out_in), (err, err_in) = os.pipe(), os.pipe()
    return {out: "stdout", err: "stderr"}, typed, [source, out_in, err_in]


def close(fd: int) -> None:
    """Close it, if there is one."""
    if fd >= 0:
        os.close(fd)
