"""The subresources that connect a client with a pod: log, exec, attach, portforward. (Plain HTTP goes by `proxy.py`.)

Here is checked what Kubernetes' API server checks (pkg/registry/core/pod/strategy.go: LogLocation, streamLocation); the
rest is asked of the kubelets, which `server.py` hands in as `Streams`. `channels.py` and `portforward.py` talk.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from k8slab.api.errors import ApiError, BadRequest
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj, encode
from k8slab.api.options import ExecOptions, LogOptions
from k8slab.apiserver import channels, portforward
from k8slab.apiserver.requests import query_flag, query_int
from k8slab.apiserver.verbs import Verbs

POD = "/api/v1/namespaces/{namespace}/pods/{name}/"
READERS = tuple(channels.Subprotocol(name, text=name.startswith("base64.")) for name in (
    "", "binary.k8s.io", "base64.binary.k8s.io"))  # fmt: skip
SPDY_ALONE = (
    "unable to upgrade connection: this server speaks WebSocket, not SPDY, for exec, attach and port-forward: "
    "use kubectl 1.30 or newer (1.31 or newer for port-forward), or a client library that speaks WebSocket"
)


class Streams(Protocol):
    """What the nodes' kubelets answer through the API server. Every method raises ApiError."""

    async def logs(self, pod: Obj, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """What a container has printed."""
        ...

    async def exec(self, pod: Obj, container: str, options: ExecOptions) -> channels.Process:
        """A command, started in a running container."""
        ...

    async def attach(self, pod: Obj, container: str, options: ExecOptions) -> channels.Process:
        """A running container's own process."""
        ...

    async def connect(self, pod: Obj, port: int) -> portforward.Connection:
        """A TCP connection to a pod's port."""
        ...

    def need_network(self) -> None:
        """Raises ServiceUnavailable where pods have no addresses that lead anywhere."""
        ...

    def node(self, name: str, path: str) -> tuple[str, bytes]:
        """A page of a kubelet's own HTTP API: its media type and its body. Raises NotFound."""
        ...


class Connect:
    """Answers requests for a pod's streams."""

    def __init__(self, verbs: Verbs, streams: Streams) -> None:
        self._verbs, self._streams = verbs, streams

    def routes(self) -> list[Route | WebSocketRoute]:
        """To be tried before the routes of objects."""
        talks = {"exec": self._exec, "attach": self._attach, "portforward": self._forward, "log": self._log_socket}
        sockets = [WebSocketRoute(POD + name, _guarded(talk)) for name, talk in talks.items()]
        refused = [Route(POD + name, self._spdy, methods=["GET", "POST"]) for name in talks if name != "log"]
        return [*sockets, *refused, Route(POD + "log", self._log, methods=["GET"])]

    def _pod(self, at: Request | WebSocket) -> Obj:
        return self._verbs.get(KINDS["Pod"], at.path_params["name"], at.path_params["namespace"])

    # ---- log ----------------------------------------------------------------------------------------------------

    async def _log(self, request: Request) -> Response:
        return StreamingResponse(await self._lines(request), media_type="text/plain")

    async def _log_socket(self, socket: WebSocket) -> None:
        """Over WebSocket: each message a piece, without channels (wsstream.Reader)."""
        how = channels.negotiate(socket.scope["subprotocols"], READERS)
        lines = await self._lines(socket)
        await socket.accept(how.name or None)
        tasks = [asyncio.create_task(_gone(socket)), asyncio.create_task(_send(socket, how, lines))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await channels.stop(tasks)

    async def _lines(self, at: Request | WebSocket) -> AsyncIterator[bytes]:
        options = log_options(at.query_params)
        options.check()
        pod = self._pod(at)
        container = container_of(pod, at.query_params.get("container", ""))
        if not pod["spec"].get("nodeName"):
            return _nothing()
        return await self._streams.logs(pod, container, options)

    # ---- exec, attach, portforward ------------------------------------------------------------------------------

    async def _exec(self, socket: WebSocket) -> None:
        await self._talk(socket, self._streams.exec, exits=True)

    async def _attach(self, socket: WebSocket) -> None:
        await self._talk(socket, self._streams.attach, exits=False)

    async def _talk(
        self, socket: WebSocket, start: Callable[[Obj, str, ExecOptions], Awaitable[channels.Process]], *, exits: bool
    ) -> None:
        pod, container, options = self._wanted(socket, command=exits)
        wire = await channels.Wire.open(
            socket, channels.negotiate(socket.scope["subprotocols"], channels.REMOTE_COMMAND)
        )
        await channels.serve(wire, options, lambda: start(pod, container, options), exits)

    async def _forward(self, socket: WebSocket) -> None:
        pod = self._placed(socket)
        await portforward.serve(socket, ports(socket.query_params), lambda port: self._streams.connect(pod, port))

    async def _spdy(self, request: Request) -> Response:
        """A client that cannot speak WebSocket, or does not ask for it; what else is wrong comes first."""
        if request.url.path.endswith("/portforward"):
            self._placed(request)
        else:
            self._wanted(request, command=request.url.path.endswith("/exec"))
        if request.headers.get("upgrade", "").lower().startswith("spdy/"):
            raise BadRequest(SPDY_ALONE)
        raise BadRequest("unable to upgrade connection: Upgrade request required: use a WebSocket client")

    def _wanted(self, at: Request | WebSocket, *, command: bool) -> tuple[Obj, str, ExecOptions]:
        pod = self._placed(at, at.query_params.get("container", ""))
        options = exec_options(at.query_params, command=command)
        options.check()
        return pod, container_of(pod, at.query_params.get("container", "")), options

    def _placed(self, at: Request | WebSocket, container: str | None = None) -> Obj:
        """The pod, on a node. Raises NotFound, BadRequest."""
        pod = self._pod(at)
        if container is not None:
            container_of(pod, container)
        if not pod["spec"].get("nodeName"):
            raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
        return pod


def container_of(pod: Obj, name: str) -> str:
    """The container meant: the only one when none is named. Raises BadRequest (strategy.go: validateContainer)."""
    spec, about = pod["spec"], pod["metadata"]["name"]
    groups = ("initContainers", "containers", "ephemeralContainers")
    known = [str(container["name"]) for group in groups for container in spec.get(group) or ()]
    if name and name not in known:
        raise BadRequest(f"container {name} is not valid for pod {about}")
    if name:
        return name
    if len(spec["containers"]) == 1:
        return str(spec["containers"][0]["name"])
    raise BadRequest(f"a container name must be specified for pod {about}, choose one of: [{' '.join(known)}]")


def log_options(query: QueryParams) -> LogOptions:
    """PodLogOptions as the query has them. Raises BadRequest."""
    return LogOptions(
        follow=query_flag(query, "follow"),
        previous=query_flag(query, "previous"),
        timestamps=query_flag(query, "timestamps"),
        tail_lines=query_int(query, "tailLines"),
        limit_bytes=query_int(query, "limitBytes"),
        since_seconds=query_int(query, "sinceSeconds"),
        since_time=query.get("sinceTime") or None,
        stream=query.get("stream") or "All",
    )


def exec_options(query: QueryParams, *, command: bool) -> ExecOptions:
    """PodExecOptions (or PodAttachOptions) as the query has them; a terminal has no stderr of its own."""
    tty = query_flag(query, "tty")
    words = tuple(query.getlist("command")) if command else ()
    if command and not words:
        raise BadRequest("you must specify at least one command to execute")
    return ExecOptions(
        query_flag(query, "stdin"), query_flag(query, "stdout"), query_flag(query, "stderr") and not tty, tty, words
    )


def ports(query: QueryParams) -> list[int]:
    """PodPortForwardOptions' ports: `ports=80,81` and `ports=80&ports=81` alike. Raises BadRequest."""
    words = [word for text in query.getlist("ports") for word in text.split(",") if word]
    for word in words:
        if not word.isdigit() or not 0 < int(word) < 1 << 16:
            raise BadRequest(f'unable to parse port "{word}": it is not a number from 1 to 65535')
    return [int(word) for word in words]


def _guarded(talk: Callable[[WebSocket], Awaitable[None]]) -> Callable[[WebSocket], Awaitable[None]]:
    """What is refused before the upgrade is answered like any request; a client that has gone needs no answer."""

    async def endpoint(socket: WebSocket) -> None:
        try:
            await talk(socket)
        except ApiError as error:
            body: Any = encode(error.status())
            await socket.send_denial_response(Response(body, error.code, media_type="application/json"))
        except WebSocketDisconnect:
            return

    return endpoint


async def _gone(socket: WebSocket) -> None:
    """Returns when the client has hung up; what it says meanwhile is not for us."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(socket: WebSocket, how: channels.Subprotocol, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        await (socket.send_text(base64.b64encode(piece).decode()) if how.text else socket.send_bytes(piece))
    await socket.close()


async def _nothing() -> AsyncIterator[bytes]:
    """The log of a pod that no node runs."""
    return
    yield b""
