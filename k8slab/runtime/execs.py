"""A command run inside a container of the local runtime (`kubectl exec`): the shim starts it, we hold its streams."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal
from uuid import uuid4

from k8slab.runtime.shimclient import ShimClient, ShimGone

Stream = Literal["stdout", "stderr"]
CHUNK, AHEAD = 1 << 15, 16  # bytes read at once; how many of those are kept for a slow reader


class ShimExec:
    """Keeps the promises of `base.Exec`."""

    def __init__(self, *, tty: bool, stdin: bool) -> None:
        self.id = f"exec-{uuid4()}"
        self._tty = tty
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue()
        self._reading: dict[int, Stream] = {}
        self._paused: set[int] = set()
        self._stdin = -1
        self._shim: ShimClient | None = None
        self._killing: asyncio.Task[Any] | None = None
        self._theirs = self._terminal() if tty else self._pipes(stdin)

    def _terminal(self) -> list[int]:
        ours, theirs = os.openpty()
        self._reading[ours] = "stdout"
        self._stdin = os.dup(ours)
        return [theirs, os.dup(theirs), os.dup(theirs)]

    def _pipes(self, stdin: bool) -> list[int]:
        if stdin:
            source, self._stdin = os.pipe()
        else:
            source = os.open(os.devnull, os.O_RDONLY)
        (out, out_in), (err, err_in) = os.pipe(), os.pipe()
        self._reading = {out: "stdout", err: "stderr"}
        return [source, out_in, err_in]

    async def start(self, shim: ShimClient, container: str, meta: Mapping[str, Any], command: Sequence[str]) -> None:
        """Have it started, with the container's environment and working folder. Raises RuntimeFailure."""
        self._shim = shim
        env = {**meta["env"], "TERM": "xterm"} if self._tty else meta["env"]
        wanted = {"id": self.id, "join": container, "argv": list(command), "env": env, "cwd": meta["cwd"]}
        wanted |= {"tty": self._tty, "fenced": False, "contained": True, "enter": meta["cgroups"]}
        loop = asyncio.get_running_loop()
        try:
            await shim.ask("start", self._theirs, container=wanted)
        except BaseException:
            for fd in (*self._reading, self._stdin):
                close(fd)
            raise
        finally:
            for fd in self._theirs:
                close(fd)
        for fd in self._reading:
            os.set_blocking(fd, False)
            loop.add_reader(fd, self._read, fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal whose other side has closed
            data = b""
        loop = asyncio.get_running_loop()
        if data:
            self._queue.put_nowait((self._reading[fd], data))
            if self._queue.qsize() >= AHEAD:
                self._paused.add(fd)
                loop.remove_reader(fd)
            return
        loop.remove_reader(fd)
        del self._reading[fd]
        close(fd)
        if not self._reading:
            self._queue.put_nowait(None)

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """What it prints, until nobody is left who could print."""
        while (piece := await self._queue.get()) is not None:
            for fd in self._paused:
                asyncio.get_running_loop().add_reader(fd, self._read, fd)
            self._paused.clear()
            yield piece

    async def write(self, data: bytes) -> None:
        """Type something. What comes after its end is lost, as on any terminal."""
        loop = asyncio.get_running_loop()
        while data and self._stdin >= 0:
            room = loop.create_future()
            loop.add_writer(self._stdin, lambda room=room: room.done() or room.set_result(None))  # type: ignore[misc]
            try:
                await room
                os.set_blocking(self._stdin, False)
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                continue
            except OSError:
                return
            finally:
                loop.remove_writer(self._stdin)

    async def close_stdin(self) -> None:
        """No more will be typed; on a terminal that is ctrl-D."""
        if self._tty:
            await self.write(b"\x04")
            return
        close(self._stdin)
        self._stdin = -1

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size now."""
        if self._tty and self._stdin >= 0:
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self._code)

    def kill(self) -> None:
        """End it by force."""
        if self._shim and not self._code.done():
            self._killing = asyncio.ensure_future(self._send_kill(self._shim))

    async def _send_kill(self, shim: ShimClient) -> None:
        with contextlib.suppress(ShimGone):
            await shim.ask("signal", container=self.id, number=int(signal.SIGKILL))

    def ended(self, code: int) -> None:
        """The shim has seen it end."""
        if not self._code.done():
            self._code.set_result(code)
        close(self._stdin)
        self._stdin = -1


def close(fd: int) -> None:
    """Close it, if there is one."""
    if fd >= 0:
        os.close(fd)
