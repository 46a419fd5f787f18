"""The door: HTTP requests in, verbs called, answers and Status objects out.

Reads what is asked (`requests.py`), calls the verbs (`verbs.py`), answers in the client's form (`table.py`,
`watch.py`). Discovery and OpenAPI have files of their own; what comes from the nodes, handed in as `streams`, goes by
`connect.py` and `proxy.py`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from k8slab import trace
from k8slab.api.errors import ApiError, MethodNotAllowed, NotAcceptable, NotFound, Unauthorized
from k8slab.api.objects import Obj, encode
from k8slab.apiserver import discovery, health, resources
from k8slab.apiserver.asked import Asked, Metrics
from k8slab.apiserver.connect import Connect, Streams
from k8slab.apiserver.eviction import Evictions
from k8slab.apiserver.proxy import PROXIED, Proxy
from k8slab.apiserver.requests import MAX_BODY, too_large
from k8slab.apiserver.tokens import Tokens
from k8slab.apiserver.verbs import Verbs
from k8slab.apiserver.warnings import Warnings

log = logging.getLogger(__name__)

VERSION = {
    "major": "1", "minor": "36", "gitVersion": "v1.36.0+k8slab", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z", "goVersion": "", "compiler": "python", "platform": "linux/amd64",
}  # fmt: skip
BEARER = "base64url.bearer.authorization.k8s.io."
OWNER = {"username": "k8slab", "groups": ["system:masters", "system:authenticated"]}  # whoever has the lab's token
OPEN_PATHS = (*health.PATHS, "/version")  # as system:public-info-viewer lets anybody read


class Answer(Response):
    """A JSON answer, encoded the fast way."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else encode(content)


def build(
    verbs: Verbs,
    token: str,
    streams: Streams,
    extra: list[Route | Mount] | None = None,
    metrics: Metrics | None = None,
) -> ASGIApp:
    """The ASGI application. `extra` routes (the lab's own) come first and need the token like everything else."""
    tokens = Tokens(verbs, token)
    api = resources.Resources(verbs, Asked(verbs, tokens, metrics))
    routes: list[BaseRoute] = [
        *(extra or []),
        *health.ROUTES,
        Route("/version", _constant(lambda _: VERSION)),
        *_both("/api", _discovery(lambda request: discovery.core_versions(request.url.netloc), named=False)),
        *_both("/apis", _discovery(lambda _: discovery.group_list(), named=True)),
        Route("/openapi/v2", _openapi_v2),
        Route("/openapi/v3", _openapi_index),
        Route("/openapi/v3/{path:path}", _openapi_v3),
        *_both("/apis/{group}", _constant(lambda request: discovery.group(request.path_params["group"]))),
        *_both("/api/{version}", _constant(lambda r: discovery.resource_list("", r.path_params["version"]))),
        *_both(
            "/apis/{group}/{version}",
            _constant(lambda r: discovery.resource_list(r.path_params["group"], r.path_params["version"])),
        ),
        *Connect(verbs, streams).routes(),
        *Proxy(verbs, streams).routes(),
        *Evictions(verbs).routes(),
        Route("/api/{path:path}", api.handle, methods=list(resources.METHODS)),
        Route("/apis/{path:path}", api.handle, methods=list(resources.METHODS)),
        Route("/", _constant(lambda _: {"paths": _paths()})),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={ApiError: _refusal, 404: _no_such_path, 405: _no_such_method, Exception: _crash},
    )
    return Guard(Warnings(app), token, tokens, verbs.store.flush)


class Guard:
    """Lets in who has the token or one of a ServiceAccount's, and no body larger than an object may be; lets nothing
    out that tells of what is not on the disk yet (`flush`)."""

    def __init__(self, app: ASGIApp, token: str, tokens: Tokens, flush: Callable[[], None]) -> None:
        self._app = app
        self._token = token.encode()
        self._tokens = tokens
        self._flush = flush

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            self._flush()
            await send(message)

        headers = dict(scope["headers"])
        refusal: ApiError | None = None
        scope["user"] = user = self._user(headers.get(b"authorization", b""))
        if user is None and scope["path"] not in OPEN_PATHS:
            refusal = None if self._known_socket(scope) else Unauthorized("Unauthorized")
        elif (length := headers.get(b"content-length", b"0")).isdigit() and int(length) > MAX_BODY:
            refusal = None if PROXIED.match(scope["path"]) else too_large(MAX_BODY)
        if refusal is None:
            if trace.listening():
                agent = headers.get(b"user-agent", b"").decode("latin-1")
                trace.arrives(method=scope.get("method", ""), path=scope["path"], agent=agent)
            open_ended = scope["type"] == "websocket" or PROXIED.match(scope["path"])
            await self._app(scope, receive if open_ended else _limited(receive), sent)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(Answer(refusal.status(), refusal.code))
        else:
            await Answer(refusal.status(), refusal.code)(scope, receive, send)

    def _user(self, header: bytes) -> Obj | None:
        scheme, _, token = header.partition(b" ")
        return self._holder(token.strip()) if scheme.lower() == b"bearer" else None

    def _known_socket(self, scope: Scope) -> bool:
        """A WebSocket may bring its token as a subprotocol, as browsers must (authentication/request/websocket)."""
        for name in scope.get("subprotocols", ()) if scope["type"] == "websocket" else ():
            if name.startswith(BEARER):
                text = name.removeprefix(BEARER)
                with contextlib.suppress(binascii.Error, ValueError):
                    return self._holder(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) is not None
        return False

    def _holder(self, token: bytes) -> Obj | None:
        return OWNER if hmac.compare_digest(token, self._token) else self._tokens.holder(token)


def _both(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> list[Route]:
    """With and without a slash at the end, as in Kubernetes."""
    return [Route(path, endpoint), Route(f"{path}/", endpoint)]


def _limited(receive: Receive) -> Receive:
    """A body sent in chunks says no length: it is counted as it comes. Raises TooLarge in whoever reads it."""
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise too_large(MAX_BODY)
        return message

    return received


def _constant(make: Callable[[Request], Obj]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return Answer(make(request))
        except KeyError:
            raise NotFound.path() from None

    return endpoint


def _discovery(plain: Callable[[Request], Obj], *, named: bool) -> Callable[[Request], Awaitable[Response]]:
    """/api and /apis: aggregated for clients that ask for it (they say which version they read), plain for others."""

    async def endpoint(request: Request) -> Response:
        for part in request.headers.get("accept", "").split(","):
            if f"g={discovery.AGGREGATED}" in part:
                version = "v2beta1" if "v=v2beta1" in part else "v2"
                body = encode(discovery.aggregated(version, named))
                tag = f'"{resources.digest(body)}"'
                head = {
                    "Content-Type": f"application/json;g={discovery.AGGREGATED};v={version};as=APIGroupDiscoveryList"
                }
                if request.headers.get("if-none-match") == tag:
                    return Response(status_code=304, headers={"ETag": tag})
                return Response(body, headers={**head, "ETag": tag, "Vary": "Accept", "Cache-Control": "public"})
        return Answer(plain(request))

    return endpoint


async def _openapi_v2(request: Request) -> Response:
    """JSON, or the binary form, which kubectl asks for when it knows no better."""
    from k8slab.apiserver import openapi, openapi_v2_protobuf

    accept = request.headers.get("accept", "")
    if any(name in accept for name in openapi_v2_protobuf.ASKED):
        return Response(openapi.v2_protobuf(), media_type=openapi_v2_protobuf.MEDIA_TYPE)
    if accept and not any(form in accept for form in ("json", "*/*", "application/*")):
        known = f"application/json, {openapi_v2_protobuf.MEDIA_TYPE}"
        raise NotAcceptable(f"only the following media types are accepted: {known}")
    return Response(openapi.v2(), media_type="application/json")


async def _openapi_index(request: Request) -> Response:
    from k8slab.apiserver import openapi

    return Answer(openapi.v3_index())


async def _openapi_v3(request: Request) -> Response:
    """A document is named by its hash, so it may be cached for ever."""
    from k8slab.apiserver import openapi

    try:
        body = openapi.v3(request.path_params["path"])
    except KeyError:
        raise NotFound.path() from None
    return Response(body, media_type="application/json", headers={"Cache-Control": "public, immutable"})


def _paths() -> list[str]:
    groups = [f"/apis/{name}" for name in discovery.groups()]
    return [
        "/api",
        "/api/v1",
        "/apis",
        *groups,
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    trace.hop("refused", message=error.message, code=error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    return Answer(error.status(), error.code, {"Retry-After": str(seconds)} if seconds else None)


async def _no_such_path(request: Request, error: Exception) -> Response:
    return Answer(NotFound.path().status(), 404)


async def _no_such_method(request: Request, error: Exception) -> Response:
    return Answer(MethodNotAllowed("the server does not allow this method on the requested resource", {}).status(), 405)


async def _crash(request: Request, error: Exception) -> Response:
    """Our mistake: the log has the whole story, the client a word."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Answer(
        ApiError(f"Internal error occurred: {type(error).__name__} (the server's log has the details)").status(), 500
    )
