"""The API over HTTPS on a loopback socket: uvicorn, inside the event loop that everything else runs on.

`app.py` is what it serves. Here is also noticed how long nobody has spoken to the lab.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from k8slab.clock import Clock

KEEP_SECONDS = 90  # a connection on which nothing is asked (apiserver/pkg/server/secure_serving.go: IdleTimeout)
HEAD_SECONDS = 32  # for the first lines of a request to come in (the same: ReadHeaderTimeout)
DRAIN_SECONDS = 0.3  # for requests under way when the server stops; watches never end by themselves


class HttpServer:
    """Serves an ASGI application until `stop`."""

    def __init__(self, app: Any, listener: socket.socket, certificate: Path, key: Path, clock: Clock) -> None:
        self._app = app
        self._listener = listener
        self._clock = clock
        self._open = 0
        self._last = clock.monotonic()
        config = uvicorn.Config(
            self._heard,
            http=_Connection,
            ws=_websocket,  # type: ignore[arg-type] # a callable that makes the protocol is as good as its class
            ws_ping_interval=None,  # whoever is still there is seen by the connection; a pong may wait behind stdin
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_SECONDS,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=DRAIN_SECONDS,  # type: ignore[arg-type] # a fraction will do as well
        )
        self._uvicorn = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve; every request from now on is answered."""
        self._task = asyncio.create_task(self._uvicorn.serve(sockets=[self._listener]), name="https")
        started = asyncio.create_task(self._uvicorn.answering.wait())
        await asyncio.wait((self._task, started), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            started.cancel()
            await self._task

    async def stop(self) -> None:
        """Answer what was asked, then close the port."""
        self._uvicorn.should_exit = True
        if self._task is not None:
            await self._task

    def idle(self) -> float:
        """Real seconds since somebody spoke to the lab; 0 while a request, such as a watch, is open."""
        return 0.0 if self._open else self._clock.monotonic() - self._last

    async def _heard(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = self._clock.monotonic()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which are the lab's; it says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


class _Connection(HttpToolsProtocol):
    """A connection; one whose client says nothing, or does not come to the end of a request's head, is closed."""

    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._relax()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._relax()
        self._overdue = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _relax(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()


def _websocket(**given: Any) -> Any:
    """Made for the first upgrade only: start-up does not wait for its imports."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    made = WebSocketsSansIOProtocol(**given)
    # kubectl offers `SPDY/3.1+portforward.k8s.io`, which the handshake takes for ill-formed because of its slash. The
    # application chooses the subprotocol anyway, so the handshake need not look at the header.
    made.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]
    return made


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1: on `port` if it is free, else on any that is."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # our own port, a moment after our last server
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        if port == 0:
            raise
        listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener
