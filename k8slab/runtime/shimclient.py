"""The server's end of the wire to the shim (`shim/`): start one or find the one that runs, ask, and hear of ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.shim.daemon import SOCKET

PROGRAM = Path(__file__).parent / "shim"


class ShimGone(RuntimeFailure):
    """The shim has died or been killed, and its containers with it."""

    def __init__(self) -> None:
        super().__init__("ContainerStatusUnknown", "the process that held the containers has ended")


class ShimClient:
    """A connection to the shim of one lab. `on_event` gets what comes unasked, `on_gone` is called if it dies."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None], on_gone: Callable[[], None]) -> None:
        self._on_event = on_event
        self._on_gone = on_gone
        self._sock: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._sending = asyncio.Lock()
        self._inbox = b""
        self._count = 0

    @property
    def connected(self) -> bool:
        """Whether there is a shim at the other end."""
        return self._sock is not None

    async def connect(self, folder: Path) -> bool:
        """Join the shim that runs in this folder; False if none does."""
        sock = socket.socket(socket.AF_UNIX)
        opened = os.open(folder, os.O_PATH)  # a way to name the socket in fewer than the 108 bytes a path may have here
        try:
            sock.connect(f"/proc/self/fd/{opened}/{SOCKET}")
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return False
        finally:
            os.close(opened)
        sock.setblocking(False)
        self._sock = sock
        asyncio.get_running_loop().add_reader(sock, self._receive)
        return True

    async def start(self, folder: Path, lab: str) -> None:
        """Join the lab's shim, started if need be. Raises RuntimeFailure, with the shim's own words."""
        if await self.connect(folder):
            return
        with (folder / "shim.log").open("wb") as errors:
            shim = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-E", str(PROGRAM), str(folder), lab,
                stdin=asyncio.subprocess.DEVNULL, stdout=errors, stderr=errors, env={"PATH": os.defpath},
            )  # fmt: skip
            await shim.wait()  # it goes on in the background as soon as it listens
        if not await self.connect(folder):
            said = (folder / "shim.log").read_text(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeFailure("CreateContainerError", f"the process that holds containers did not start: {said}")

    async def signal(self, container: str, number: int) -> None:
        """Send a signal to a container's first process. No error when its shim is gone: it is dead already."""
        with contextlib.suppress(ShimGone):
            await self.ask("signal", container=container, number=int(number))

    def growth(self, container: str) -> Callable[[int], Awaitable[tuple[int, bool]]]:
        """How long a container's log is once it is longer than what was seen of it, and whether it has ended."""

        async def grown(seen: int) -> tuple[int, bool]:
            try:
                told = await self.ask("log", container=container, seen=seen)
            except ShimGone:
                return seen, True
            return told["written"], told["ended"]

        return grown

    async def ask(self, op: str, fds: Sequence[int] = (), **details: Any) -> Any:
        """The answer to a request. Raises RuntimeFailure with the shim's words, ShimGone if it dies meanwhile."""
        if self._sock is None:
            raise ShimGone
        self._count += 1
        number = self._count
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "op": op, "fds": len(fds), **details}).encode() + b"\n"
        async with self._sending:
            with contextlib.suppress(ConnectionError):  # reading will notice, and answer everybody who waits
                await self._send(line, fds)
        try:
            outcome = await answer
        finally:
            self._waiting.pop(number, None)
        if "error" in outcome:
            raise RuntimeFailure("RunContainerError", outcome["error"])
        return outcome["ok"]

    async def _send(self, line: bytes, fds: Sequence[int]) -> None:
        assert self._sock is not None
        if fds:
            sent = socket.send_fds(self._sock, [line], fds)
            line = line[sent:]
        await asyncio.get_running_loop().sock_sendall(self._sock, line)

    def close(self) -> None:
        """Hang up. The shim and its containers go on."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ShimGone())

    def _receive(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(1 << 16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._on_gone()
            return
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message)
            return
        answer = self._waiting.get(message["id"])
        if answer is not None and not answer.done():
            answer.set_result(message)
