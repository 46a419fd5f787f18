"""`kubectl port-forward`: TCP connections to a pod's ports, through one WebSocket.

Two languages. kubectl opens SPDY streams inside the WebSocket (`spdy.py`), two for each connection: one for data, one
for errors. Python's clients use two channels for each port (`channels.py`), and so one connection a port. `connect.py`
routes here; the connections are the kubelet's to make (`Dial`). Rules: httpstream.go and websocket.go of pkg/kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from starlette.websockets import WebSocket

from k8slab.api.errors import ApiError, BadRequest
from k8slab.apiserver import spdy
from k8slab.apiserver.channels import PLAIN, V4, Wire, negotiate, stop
from k8slab.apiserver.spdy import Data, GoAway, Opened, Ping, Reset, SpdyError

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = (PLAIN[0], *V4)
CHUNK, AHEAD = 1 << 15, 16  # bytes read at once; pieces from the client kept for a slow pod
CONNECTIONS = 512  # at a time, of one client

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[int], Awaitable[Connection]]  # a port -> a connection to the pod. Raises ApiError, with words
Inbox = asyncio.Queue[bytes | None]  # what the client sends; None is its end


async def serve(socket: WebSocket, ports: Sequence[int], dial: Dial) -> None:
    """Forward until the client has gone. Raises BadRequest before the connection stands."""
    if TUNNEL in socket.scope["subprotocols"]:
        await socket.accept(TUNNEL)
        await Tunnel(socket, dial).run()
        return
    how = negotiate(socket.scope["subprotocols"], CHANNELS)
    if not ports:
        raise BadRequest("you must specify at least 1 port")
    await _serve_channels(await Wire.open(socket, how), ports, dial)


async def carry(connection: Connection, inbox: Inbox, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Everything from the client to the pod and back, until the pod has closed its side."""
    reader, writer = connection

    async def to_pod() -> None:
        with contextlib.suppress(OSError):
            while (data := await inbox.get()) is not None:
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    sending = asyncio.create_task(to_pod())
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await send(data)
    finally:
        sending.cancel()
        writer.close()


# ---- two channels a port ------------------------------------------------------------------------------------------


async def _serve_channels(wire: Wire, ports: Sequence[int], dial: Dial) -> None:
    inboxes = [Inbox(AHEAD) for _ in ports]
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await wire.send(channel, struct.pack("<H", port))

    async def forward(index: int, port: int) -> None:
        try:
            connection = await dial(port)
        except ApiError as error:
            await wire.send(2 * index + 1, error.message.encode())
            return
        await carry(connection, inboxes[index], lambda data: wire.send(2 * index, data))

    async def listen() -> None:
        while True:
            channel, data = await wire.receive()
            if channel % 2 == 0 and channel // 2 < len(ports) and data:
                await inboxes[channel // 2].put(data)

    async def forward_all() -> None:
        await asyncio.gather(*(forward(index, port) for index, port in enumerate(ports)))

    forwards, listening = asyncio.create_task(forward_all()), asyncio.create_task(listen())
    try:
        await asyncio.wait([forwards, listening], return_when=asyncio.FIRST_COMPLETED)
        if forwards.done() and not listening.done():
            await wire.close()
    finally:
        await stop([forwards, listening])


# ---- SPDY inside the WebSocket --------------------------------------------------------------------------------------


@dataclass
class Pair:
    """One forwarded connection: its two streams, which come one after the other."""

    port: int
    data: int = 0
    error: int = 0
    reset: bool = False  # the client wants no more of its data
    inbox: Inbox = field(default_factory=lambda: Inbox(AHEAD))
    task: asyncio.Task[None] | None = None


class Tunnel:
    """The server's end of SPDY inside a WebSocket."""

    def __init__(self, socket: WebSocket, dial: Dial) -> None:
        self._socket, self._dial = socket, dial
        self._session = spdy.Session()
        self._pairs: dict[str, Pair] = {}  # by request id
        self._streams: dict[int, Pair] = {}
        self._last = 0

    async def run(self) -> None:
        """Until the client hangs up, or says what is not SPDY."""
        try:
            while (message := await self._socket.receive())["type"] == "websocket.receive":
                for event in self._session.receive(message.get("bytes") or b""):
                    await self._hear(event)
        except SpdyError:
            await self._send(self._session.goaway(self._last))
            await self._socket.close(1002)
        finally:
            await stop([pair.task for pair in self._pairs.values() if pair.task])

    async def _hear(self, event: spdy.Event) -> None:
        match event:
            case Opened():
                await self._opened(event)
            case Data(stream, data, fin):
                pair = self._streams.get(stream)
                if pair and stream == pair.data:
                    await self._give(pair, data, fin)
            case Reset(stream):
                pair = self._streams.get(stream)
                if pair and stream == pair.data and pair.task:
                    pair.reset = True
                    pair.task.cancel()
            case Ping(id):
                if id % 2:  # the client's own are odd
                    await self._send(self._session.ping(id))
            case GoAway():
                return

    async def _opened(self, event: Opened) -> None:
        self._last = max(self._last, event.stream)
        headers = {name.lower(): value for name, value in event.headers.items()}
        kind, port, request = (headers.get(name, "") for name in ("streamtype", "port", "requestid"))
        if kind not in ("data", "error") or not port.isdigit() or not 0 < int(port) < 1 << 16:
            await self._send(self._session.reset(event.stream, spdy.PROTOCOL_ERROR))
            return
        if request not in self._pairs and len(self._pairs) >= CONNECTIONS:
            await self._send(self._session.reset(event.stream, spdy.REFUSED_STREAM))
            return
        pair = self._streams[event.stream] = self._pairs.setdefault(request, Pair(int(port)))
        setattr(pair, kind, event.stream)
        await self._send(self._session.reply(event.stream))
        if pair.data and pair.error and pair.task is None:
            pair.task = asyncio.create_task(self._forward(request, pair))
        if event.fin and kind == "data":
            await self._give(pair, b"", True)

    async def _give(self, pair: Pair, data: bytes, fin: bool) -> None:
        """Hand on what came. A pod that does not read holds up the whole tunnel, as with Kubernetes."""
        if data:
            await pair.inbox.put(data)
        if fin:
            await pair.inbox.put(None)

    async def _forward(self, request: str, pair: Pair) -> None:
        said = b""
        try:
            connection = await self._dial(pair.port)
            await carry(connection, pair.inbox, lambda data: self._send(self._session.data(pair.data, data)))
        except ApiError as error:
            said = error.message.encode()
        except asyncio.CancelledError:
            if not pair.reset:  # the tunnel ends
                raise
        finally:
            self._forget(request, pair)
        if not pair.reset:
            await self._send(self._session.data(pair.data, b"", fin=True))
        await self._send(self._session.data(pair.error, said, fin=True))  # kubectl waits for it, even after a reset

    def _forget(self, request: str, pair: Pair) -> None:
        """What still comes for this connection is dropped; nobody waits for room in its inbox."""
        self._pairs.pop(request, None)
        for stream in (pair.data, pair.error):
            self._streams.pop(stream, None)
        while not pair.inbox.empty():
            pair.inbox.get_nowait()

    async def _send(self, data: bytes) -> None:
        await self._socket.send({"type": "websocket.send", "bytes": data})
