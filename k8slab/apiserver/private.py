"""What only a lab can do, beside the Kubernetes API under `/k8slab`: reset, broken, asked why or what if, followed.

The routes are handed the `Hooks` by `server.py`, which alone knows all the parts they reach. They stand behind the same
token as everything else; `app.py` mounts them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from k8slab.api.errors import BadRequest, NotFound
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj
from k8slab.apiserver.requests import checked, read_object
from k8slab.trace import Tracer

LIMIT = 4096  # bytes of a request's body
SLOWEST = 60_000  # milliseconds
FOLLOWING = ("follow", "leave")
LOOPS = ("hold", "look", "turn", "release")
FAULTS = ("freeze", "partition", "disk")  # a late heartbeat, a cut line to the API, a full disk


class Hooks(Protocol):
    """What the lab's server can be asked."""

    tracer: Tracer

    async def status(self) -> dict[str, Any]:
        """What the lab is: its name, nodes, runtime, what is real about it."""
        ...

    async def reset(self) -> None:
        """Back to an empty cluster; done when it returns."""
        ...

    async def shutdown(self) -> None:
        """Take the lab down, soon after the answer has left."""
        ...

    async def crash(self, namespace: str, pod: str, container: str) -> None:
        """Kill the first process of a pod's container (its first, if none is named). Raises NotFound, Conflict."""
        ...

    async def power(self, node: str, on: bool) -> None:
        """Pull a node's plug, or put it back. Raises NotFound."""
        ...

    def fault(self, what: str, node: str, on: bool) -> None:
        """One of FAULTS of a node, on or off. Raises NotFound."""
        ...

    def slow(self, namespace: str, service: str, seconds: float) -> None:
        """Delay what a Service answers by so many real seconds; 0 ends it. Raises NotFound."""
        ...

    async def loop(self, do: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """Hold, release or turn the loops below an object, or look at what waits. Raises NotFound, Conflict."""
        ...

    def explain(self, namespace: str, pod: str) -> dict[str, Any]:
        """Why the scheduler decided as it did about a pod. Raises NotFound for a decision it does not remember."""
        ...

    def what_if(self, pod: Obj) -> dict[str, Any]:
        """What the scheduler would decide now about a pod like this one, on no node yet; nothing is kept or bound.

        Raises as creating the pod would: Invalid, Forbidden, NotFound.
        """
        ...


Endpoint = Callable[[Request], Awaitable[Response]]


def routes(hooks: Hooks) -> list[Route]:
    """The routes, to be mounted at the root."""
    doors = [("GET", _asked(hooks)), ("POST", _supposed(hooks)), ("POST", _done(hooks)), ("POST", _faults(hooks))]
    return [
        Route(f"/k8slab/{name}", endpoint, methods=[method])
        for method, endpoints in doors
        for name, endpoint in endpoints.items()
    ]


def _asked(hooks: Hooks) -> dict[str, Endpoint]:
    """What is, and why."""

    async def status(request: Request) -> Response:
        return _answer(await hooks.status())

    async def explain(request: Request) -> Response:
        query = request.query_params
        return _answer(hooks.explain(_word(query, "namespace"), _word(query, "pod")))

    async def trace(request: Request) -> Response:
        return _answer(_traced(hooks.tracer, request.query_params))

    return {"status": status, "explain": explain, "trace": trace}


def _supposed(hooks: Hooks) -> dict[str, Endpoint]:
    """What would be, what is to be written down, and loops held by hand."""

    async def what_if(request: Request) -> Response:
        text, kind = await request.body(), KINDS["Pod"]
        sent = read_object(text, request.headers.get("content-type", ""))
        return _answer(hooks.what_if(checked(sent, kind, text, "Strict")))

    async def trace(request: Request) -> Response:
        return _answer(_followed(hooks.tracer, await _body(request)))

    async def loop(request: Request) -> Response:
        body = await _body(request)
        if body.get("do") not in LOOPS:
            raise BadRequest(f"do: one of {', '.join(LOOPS)} is needed")
        return _answer(await hooks.loop(*(_word(body, field) for field in ("do", "kind", "namespace", "name"))))

    return {"explain": what_if, "trace": trace, "loop": loop}


def _done(hooks: Hooks) -> dict[str, Endpoint]:
    """What is done to the lab, or to a part of it."""

    async def reset(request: Request) -> Response:
        await hooks.reset()
        return _answer({})

    async def shutdown(request: Request) -> Response:
        await hooks.shutdown()
        return _answer({})

    async def crash(request: Request) -> Response:
        body = await _body(request)
        container = _word(body, "container") if body.get("container") else ""
        await hooks.crash(_word(body, "namespace"), _word(body, "pod"), container)
        return _answer({})

    async def power(request: Request) -> Response:
        await hooks.power(*await _switch(request))
        return _answer({})

    return {"reset": reset, "shutdown": shutdown, "crash": crash, "power": power}


def _followed(tracer: Tracer, body: Mapping[str, Any]) -> dict[str, Any]:
    """Follow an object from its next apply on, or leave it."""
    if body.get("do") not in FOLLOWING:
        raise BadRequest(f"do: one of {', '.join(FOLLOWING)} is needed")
    what = _word(body, "kind"), Key(_word(body, "namespace"), _word(body, "name"))
    (tracer.follow if body["do"] == "follow" else tracer.leave)(*what)
    return {}


def _traced(tracer: Tracer, query: Mapping[str, str]) -> dict[str, Any]:
    """The hops of the last apply, those after the ones that are known."""
    kind, key = _word(query, "kind"), Key(_word(query, "namespace"), _word(query, "name"))
    counts = [query.get(field, "0") for field in ("journey", "since")]
    if not all(count.isascii() and count.isdigit() and len(count) < 10 for count in counts):
        raise BadRequest("journey, since: numbers are needed")
    try:
        return tracer.journey(kind, key, *map(int, counts))
    except KeyError:
        raise NotFound(f"nobody follows {kind} {key} here, so nothing was written down of its way") from None


def _faults(hooks: Hooks) -> dict[str, Endpoint]:
    """The faults that are switched on and off, and slowness, which has a measure."""

    def switch(what: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            hooks.fault(what, *await _switch(request))
            return _answer({})

        return endpoint

    async def slow(request: Request) -> Response:
        body = await _body(request)
        ms = body.get("ms")
        if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms <= SLOWEST:
            raise BadRequest(f"ms: milliseconds between 0 and {SLOWEST} are needed")
        hooks.slow(_word(body, "namespace"), _word(body, "service"), ms / 1000)
        return _answer({})

    return {"slow": slow, **{what: switch(what) for what in FAULTS}}


def _answer(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


async def _body(request: Request) -> dict[str, Any]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > LIMIT:
            raise BadRequest(f"the request is larger than {LIMIT} bytes")
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"a JSON object is needed: {error}") from error


async def _switch(request: Request) -> tuple[str, bool]:
    """The node that is meant, and on or off."""
    body = await _body(request)
    if not isinstance(body.get("on"), bool):
        raise BadRequest("on: true or false is needed")
    return _word(body, "node"), body["on"]


def _word(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{field}: a name is needed")
    return value
