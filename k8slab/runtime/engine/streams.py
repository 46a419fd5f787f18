"""Talking to processes in an engine's containers: a command (`exec`), or the first one (`attach`).

The engine turns an HTTP connection into a two-way pipe; from there on it is read and written by the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from k8slab.clock import Clock
from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.engine.frames import Frames, Stream, Whole
from k8slab.runtime.engine.link import Link, Missing, Refused
from k8slab.runtime.engine.specs import exec_refused

CHUNK = 1 << 15
LOOK = 0.005  # real seconds between two looks at whether a command has begun
NOT_BEGUN = (126, 127)  # what the engine calls the exit code of a command that could not be started


class Pipe:
    """Both directions of a taken-over connection. Keeps the promises of `base.Exec`, but for how it ends."""

    def __init__(self, link: Link, *, tty: bool) -> None:
        self._link, self._tty = link, tty
        self._frames: Frames | Whole = Whole() if tty else Frames()
        self._early: list[tuple[Stream, bytes]] = []
        self._asking: set[asyncio.Task[Any]] = set()

    async def take(self, taken: Any) -> None:
        """Read and write from now on what the SDK has taken over."""
        sock, early = _bare(taken)
        self._reader, self._writer = await asyncio.open_connection(sock=sock)
        self._early += self._frames.feed(early)

    async def write(self, data: bytes) -> None:
        """Type something. What comes after its end is lost, as on any terminal."""
        if self._asking:  # a new size, asked for over another connection: who types has seen it already
            await asyncio.wait({*self._asking})
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._writer.write(data)
            await self._writer.drain()

    async def close_stdin(self) -> None:
        """No more will be typed; on a terminal that is ctrl-D."""
        if self._tty:
            await self.write(b"\x04")
        else:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.write_eof()

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """What comes, until no more can."""
        while self._early:
            yield self._early.pop(0)
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(CHUNK):
                for piece in self._frames.feed(data):
                    yield piece

    def drop(self) -> None:
        """Hang up."""
        self._writer.close()

    def ask(self, question: Awaitable[Any]) -> None:
        """Send what nobody waits for the answer of."""

        async def asked() -> None:
            with contextlib.suppress(Missing, Refused, RuntimeFailure, OSError):
                await question

        task = asyncio.ensure_future(asked())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)


class EngineExec(Pipe):
    """A command inside a container."""

    async def start(self, container: str, command: Sequence[str], *, stdin: bool) -> None:
        """Have it started. Raises RuntimeFailure."""
        tty, argv = self._tty, list(command)
        try:
            made = await self._link.do(lambda api: api.exec_create(container, argv, stdin=stdin, tty=tty))
            self._id, self._container = made["Id"], container
            await self.take(await self._link.do(lambda api: api.exec_start(self._id, tty=tty, socket=True)))
        except (Missing, Refused) as failure:
            raise RuntimeFailure("NotFound", _why(str(failure))) from failure
        if not stdin:
            await self.close_stdin() if not tty else None
        await self._begun()

    async def _begun(self) -> None:
        """Wait until it runs, or has: what could not be started says so in what it prints."""
        clock = Clock()
        while True:
            told = await self._told()
            if told.get("Pid") or (told.get("ExitCode") is not None and not told.get("Running")):
                break
            await clock.sleep(LOOK)
        if told.get("ExitCode") in NOT_BEGUN and not told.get("Pid"):
            printed = b"".join([data async for _, data in self.output()]).decode(errors="replace").strip()
            if exec_refused(printed) or "OCI runtime" in printed:
                self.drop()
                raise RuntimeFailure("NotFound", _why(printed))
            self._early = [("stdout", printed.encode())] if printed else []

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size now."""
        if self._tty:
            self.ask(self._link.do(lambda api: api.exec_resize(self._id, height=rows, width=columns)))

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        clock, pause = Clock(), LOOK
        while (told := await self._told()).get("Running"):
            await clock.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return int(told.get("ExitCode") or 0)

    def close(self) -> None:
        """End it: hang up, and kill it where its process is one of this machine's that we may signal."""
        self.drop()
        self.ask(self._kill())

    async def _kill(self) -> None:
        told = await self._told()
        if told.get("Running") and (pid := told.get("Pid")):
            group = await asyncio.to_thread(Path(f"/proc/{pid}/cgroup").read_text)
            if self._container in group:  # the number is of this machine, not of a virtual one's
                os.kill(pid, signal.SIGKILL)

    async def _told(self) -> dict[str, Any]:
        try:
            return dict(await self._link.do(lambda api: api.exec_inspect(self._id)))
        except Missing:  # its container is gone
            return {"ExitCode": 137, "Running": False}


class EngineAttach(Pipe):
    """A container's own streams."""

    def __init__(self, link: Link, container: str, over: Callable[[], Awaitable[int]], *, tty: bool) -> None:
        super().__init__(link, tty=tty)
        self._container, self._over = container, over

    async def start(self, *, stdin: bool) -> None:
        """Have the engine carry. Raises RuntimeFailure."""
        wanted = {"stdin": int(stdin), "stdout": 1, "stderr": 1, "stream": 1}
        try:
            await self.take(await self._link.do(lambda api: api.attach_socket(self._container, wanted)))
        except (Missing, Refused) as failure:
            raise RuntimeFailure("NotFound", str(failure)) from failure

    def resize(self, columns: int, rows: int) -> None:
        """The container's terminal, if it has one, has another size now."""
        if self._tty:
            self.ask(self._link.do(lambda api: api.resize(self._container, height=rows, width=columns)))

    async def wait(self) -> int:
        """The container's exit code, once it has ended."""
        return await self._over()

    def close(self) -> None:
        """Let go."""
        self.drop()


def _bare(taken: Any) -> tuple[socket.socket, bytes]:
    """The socket below what the SDK returns, and what http.client has read of it beyond the answer's head."""
    sock = getattr(taken, "_sock", taken)
    if type(sock) is not socket.socket:
        raise RuntimeFailure("NotSupported", "exec and attach need an engine reached without TLS, such as over ssh://")
    ours = sock.dup()
    for each in (ours, sock):
        each.setblocking(False)
    response = getattr(taken, "_response", None)
    early = b""
    if response is not None:
        early = response.raw._fp.fp.read1(1 << 16) or b""
        response.close()
    return ours, early


def _why(printed: str) -> str:
    refused = exec_refused(printed)
    if not refused:
        return printed.removeprefix("OCI runtime exec failed: ")
    return f"unable to start container process: {refused}"
