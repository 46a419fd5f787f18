"""Several streams over one WebSocket, as `kubectl exec` and `attach` speak: a message's first byte is its channel.

`connect.py` decides who may talk to what; here is the talking. The subprotocols and their channels are those of
k8s.io/apimachinery/pkg/util/remotecommand and k8s.io/apiserver's wsstream; v5 (KEP-4006) added the half-closed stdin.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from k8slab.api.errors import ApiError, BadRequest
from k8slab.api.objects import Obj, encode
from k8slab.api.options import ExecOptions

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
OUTPUTS = {"stdout": STDOUT, "stderr": STDERR}
SUCCESS: Obj = {"metadata": {}, "status": "Success"}


class Process(Protocol):
    """The streams of a process in a container: of a command just started there, or of the container's first one."""

    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def output(self) -> AsyncIterator[tuple[Literal["stdout", "stderr"], bytes]]: ...
    async def wait(self) -> int: ...
    def close(self) -> None: ...


class Subprotocol(NamedTuple):
    """One way to write channels into messages."""

    name: str  # empty: the client asked for none
    text: bool = False  # messages are text: the channel's digit, then base64
    status: bool = True  # the error channel ends with a Status; before v4 it has words, and only about a failure
    half_close: bool = False  # channel 255 says that a channel gets no more


PLAIN = (Subprotocol("", status=False), Subprotocol("channel.k8s.io", status=False),
         Subprotocol("base64.channel.k8s.io", text=True, status=False))  # fmt: skip
V4 = (Subprotocol("v4.channel.k8s.io"), Subprotocol("v4.base64.channel.k8s.io", text=True))
V5 = Subprotocol("v5.channel.k8s.io", half_close=True)
REMOTE_COMMAND = (*PLAIN, *V4, V5)


def negotiate(offered: Iterable[str], known: Iterable[Subprotocol]) -> Subprotocol:
    """The first that the client offers and we know. Raises BadRequest."""
    by_name = {protocol.name: protocol for protocol in known}
    wishes = [name for name in offered if not name.startswith("base64url.bearer.")] or [""]
    for name in wishes:
        if name in by_name:
            return by_name[name]
    spoken = ", ".join(name for name in by_name if name)
    raise BadRequest(f"unable to upgrade: none of the subprotocols {wishes} is known here; this server speaks {spoken}")


def pack(how: Subprotocol, channel: int, data: bytes) -> Obj:
    """The ASGI message that carries `data` on a channel."""
    if how.text:
        return {"type": "websocket.send", "text": str(channel) + base64.b64encode(data).decode()}
    return {"type": "websocket.send", "bytes": bytes([channel]) + data}


def unpack(how: Subprotocol, message: Obj) -> tuple[int, bytes]:
    """Channel and data of a message that came; (-1, nothing) when it is neither.

    Whether a message is of text or of bytes says nothing: Python's official client sends channel 0 as text.
    """
    data: bytes = message.get("bytes") or (message.get("text") or "").encode()
    if not data:
        return -1, b""
    if not how.text:
        return data[0], bytes(data[1:])
    try:
        return int(data[:1]), base64.b64decode(data[1:], validate=True)
    except (binascii.Error, ValueError):
        return -1, b""


class Wire:
    """The server's end of a WebSocket with channels. Once the client has gone, all of it raises WebSocketDisconnect."""

    def __init__(self, socket: WebSocket, how: Subprotocol) -> None:
        self._socket, self.how = socket, how

    @classmethod
    async def open(cls, socket: WebSocket, how: Subprotocol) -> Wire:
        await socket.accept(how.name or None)
        return cls(socket, how)

    async def send(self, channel: int, data: bytes) -> None:
        await self._socket.send(pack(self.how, channel, data))

    async def receive(self) -> tuple[int, bytes]:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return unpack(self.how, dict(message))

    async def end(self, status: Obj) -> None:
        """Say how it ended, and hang up."""
        if self.how.status:
            await self.send(ERROR, encode(status))
        elif status["status"] != "Success":
            await self.send(ERROR, status["message"].encode())
        await self._socket.close()

    async def close(self) -> None:
        """Hang up without a word."""
        await self._socket.close()


async def serve(wire: Wire, options: ExecOptions, start: Callable[[], Awaitable[Process]], exits: bool) -> None:
    """Let a client talk to a process until one of them ends; `exits`: whether its exit code is the answer (exec)."""
    first = STDOUT if options.stdout else STDERR if options.stderr else ERROR
    await wire.send(first, b"")  # an empty message: the connection stands
    try:
        process = await start()
    except ApiError as error:
        await wire.end(error.status())
        return
    talking = [asyncio.create_task(_listen(wire, process, options)), asyncio.create_task(_tell(wire, process, options))]
    try:
        await asyncio.wait(talking, return_when=asyncio.FIRST_COMPLETED)
        if talking[1].done() and not talking[1].exception():
            code = await process.wait()
            await wire.end(exit_status(code, options.command) if exits else SUCCESS)
    finally:
        process.close()
        await stop(talking)


async def stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks that belong to a client who has gone; how they ended interests nobody."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        _ = task.cancelled() or task.exception()


async def _tell(wire: Wire, process: Process, options: ExecOptions) -> None:
    wanted = {"stdout": options.stdout, "stderr": options.stderr}
    async for stream, data in process.output():
        if wanted[stream]:
            await wire.send(OUTPUTS[stream], data)


async def _listen(wire: Wire, process: Process, options: ExecOptions) -> None:
    """What the client types, until it is gone."""
    while True:
        channel, data = await wire.receive()
        if channel == STDIN and options.stdin:
            await process.write(data)
        elif channel == CLOSE and wire.how.half_close and data == bytes([STDIN]) and options.stdin:
            await process.close_stdin()
        elif channel == RESIZE and options.tty and (size := terminal_size(data)):
            process.resize(*size)


def terminal_size(data: bytes) -> tuple[int, int] | None:
    """Columns and rows out of a TerminalSize: `{"Width":80,"Height":24}`."""
    try:
        size: Any = msgspec.json.decode(data)
        columns, rows = size["Width"], size["Height"]
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
        return None
    fits = all(isinstance(number, int) and 0 < number < 1 << 16 for number in (columns, rows))
    return (columns, rows) if fits else None


def exit_status(code: int, command: Iterable[str] = ()) -> Obj:
    """The Status for a command's exit code (apimachinery/pkg/util/remotecommand: NonZeroExitCode)."""
    if code == 0:
        return SUCCESS
    said = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: {said}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }  # fmt: skip
