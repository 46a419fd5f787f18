"""HTTP through the API server: `pods/NAME/proxy`, `services/NAME/proxy`, `nodes/NAME/proxy`, and all paths below them.

`app.py` routes here. Who is meant is found as in pkg/registry/core/{pod,service,node} (ResourceLocation), what is
passed on is apimachinery/pkg/util/proxy's. Pods are asked directly; a node's answers come from its kubelet.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from k8slab.api.errors import BadRequest, NotFound, ServiceUnavailable
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj
from k8slab.apiserver.connect import Streams
from k8slab.apiserver.verbs import Verbs

if TYPE_CHECKING:
    import httpx

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PATH = re.compile(r"/api/v1/(?:namespaces/([^/]+)/(pods|services)|nodes)/([^/]+)/proxy(/.*)?")
PROXIED = re.compile(r"/api/v1/(namespaces/[^/]+/(pods|services)|nodes)/[^/]+/proxy(/|$)")
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade",
}  # fmt: skip
NOT_PASSED_ON = HOP_BY_HOP | {"authorization", "host", "content-length", "accept-encoding"}
CONNECT_SECONDS = 5.0


class Backend(NamedTuple):
    """Where a request goes: `http` or `https`, an address, a port."""

    scheme: str
    address: str
    port: int


class Proxy:
    """Passes HTTP requests on."""

    def __init__(self, verbs: Verbs, streams: Streams) -> None:
        self._verbs, self._streams = verbs, streams
        self._http: httpx.AsyncHTTPTransport | None = None

    def routes(self) -> list[Route]:
        """To be tried before the routes of objects."""
        bases = ("namespaces/{namespace}/pods", "namespaces/{namespace}/services", "nodes")
        paths = (f"/api/v1/{base}/{{name}}/proxy{rest}" for base in bases for rest in ("", "/{path:path}"))
        return [Route(path, self._handle, methods=METHODS) for path in paths]

    async def _handle(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        if (found := PATH.fullmatch(raw)) is None:
            raise NotFound.path()
        namespace, plural, name, path = found.groups()
        if plural is None:
            return self._node(name, path or "/")
        locate = self._pod if plural == "pods" else self._service
        backend = locate(namespace, name)
        if not path and request.method in ("GET", "HEAD"):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{raw}/{query}", 301)
        self._streams.need_network()
        return await self._pass_on(request, backend, path or "", prefix=raw.removesuffix(path or ""))

    # ---- who is meant ---------------------------------------------------------------------------------------------

    def _pod(self, namespace: str, id: str) -> Backend:
        scheme, name, port = split("pod", id)
        pod = self._verbs.get(KINDS["Pod"], name, namespace)
        ports = [p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
        address = (pod.get("status") or {}).get("podIP")
        if not address:
            raise BadRequest("address not allowed")
        if port and not port.isdigit():
            raise BadRequest(f'invalid pod request "{id}"')
        return Backend(scheme, address, int(port) if port else ports[0] if ports else _default(scheme))

    def _service(self, namespace: str, id: str) -> Backend:
        scheme, name, port = split("service", id)
        if port.isdigit():
            service = self._verbs.get(KINDS["Service"], name, namespace)
            named = [p.get("name", "") for p in service["spec"].get("ports") or () if p["port"] == int(port)]
            if not named:
                raise ServiceUnavailable(f'no service port {port} found for service "{name}"')
            port = named[0]
        endpoints = self._verbs.get(KINDS["Endpoints"], name, namespace)
        if not endpoints.get("subsets"):
            raise ServiceUnavailable(f'no endpoints available for service "{name}"')
        if choice := list(backends(endpoints["subsets"], port)):
            return Backend(scheme, *random.choice(choice))
        raise ServiceUnavailable(f'no endpoints available for service "{id}"')

    def _node(self, id: str, path: str) -> Response:
        _, name, _ = split("node", id)
        self._verbs.get(KINDS["Node"], name)
        try:
            media, body = self._streams.node(name, path)
        except NotFound as error:
            return Response(f"{error.message}\n", 404, media_type="text/plain; charset=utf-8")
        return Response(body, media_type=media)

    # ---- passing on -----------------------------------------------------------------------------------------------

    async def _pass_on(self, request: Request, backend: Backend, path: str, prefix: str) -> Response:
        import httpx

        if self._http is None:  # the transport alone: a client would keep cookies, and follow where it is sent
            self._http = httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=httpx.Limits())
        at = f"{backend.address}:{backend.port}"
        query = f"?{request.url.query}" if request.url.query else ""
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        asked = httpx.Request(
            request.method,
            f"{backend.scheme}://{at}{path}{query}",
            headers=passed_on(request),
            content=request.stream() if has_body else None,
            extensions={"timeout": {"connect": CONNECT_SECONDS}},
        )
        try:
            answer = await self._http.handle_async_request(asked)
        except httpx.TransportError as error:
            raise ServiceUnavailable(f"error trying to reach service: {why(at, error)}") from error
        return _relayed(answer, backend, prefix)


def passed_on(request: Request) -> list[tuple[str, str]]:
    """The client's headers, but for those between the two of us; whoever asks for no encoding gets none."""
    headers = [(name, value) for name, value in request.headers.items() if name not in NOT_PASSED_ON]
    headers += [("accept-encoding", request.headers.get("accept-encoding", "identity"))]
    if length := request.headers.get("content-length"):
        headers += [("content-length", length)]
    if request.client:
        headers += [("x-forwarded-for", request.client.host)]
    return [*headers, ("x-forwarded-uri", request.url.path), ("x-forwarded-host", request.headers.get("host", ""))]


def _relayed(answer: httpx.Response, backend: Backend, prefix: str) -> Response:
    """The backend's answer as it comes; a redirect of its own stays behind the proxy."""
    relayed = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
    del relayed.headers["content-type"]
    for name, value in answer.headers.multi_items():
        if name.lower() not in HOP_BY_HOP:
            relayed.headers.append(name, redirected(value, backend, prefix) if name.lower() == "location" else value)
    return relayed


def split(kind: str, id: str) -> tuple[str, str, str]:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port` (SplitSchemeNamePort). Raises BadRequest."""
    parts = id.replace("%3A", ":").replace("%3a", ":").split(":")
    scheme, name, port = {1: ["", *parts, ""], 2: ["", *parts], 3: parts}.get(len(parts), ["", "", ""])
    if scheme not in ("", "http", "https") or not name:
        raise BadRequest(f'invalid {kind} request "{id}"')
    return scheme or "http", name, port


def backends(subsets: Iterable[Obj], port: str) -> Iterable[tuple[str, int]]:
    """Every ready address behind a Service's port of this name."""
    for subset in subsets:
        for entry in subset.get("ports") or ():
            if entry.get("name", "") == port:
                yield from ((address["ip"], entry["port"]) for address in subset.get("addresses") or ())


def redirected(location: str, backend: Backend, prefix: str) -> str:
    """A backend's `Location`, seen through the proxy; one that leads elsewhere stays as it is."""
    parts = urlsplit(location)
    ours = parts.netloc in ("", backend.address, f"{backend.address}:{backend.port}")
    if not ours or not parts.path.startswith("/"):
        return location
    return prefix + parts._replace(scheme="", netloc="").geturl()


def why(at: str, error: Exception) -> str:
    """A connection's trouble in the words of Go's dialer."""
    text = str(error).lower()
    if "refused" in text or "all connection attempts failed" in text:
        return f"dial tcp {at}: connect: connection refused"
    if "timeout" in type(error).__name__.lower():
        return f"dial tcp {at}: i/o timeout"
    return f"{at}: {error or type(error).__name__}"


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
