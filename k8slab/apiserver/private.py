"""What only a lab can do, beside the Kubernetes API under `/k8slab`: be reset, be told to crash a pod, be shut down.

The routes are handed the `Hooks` by `server.py`, which alone knows all the parts they reach. They stand behind the same
token as everything else; `app.py` mounts them.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from k8slab.api.errors import BadRequest

LIMIT = 4096  # bytes of a request's body


class Hooks(Protocol):
    """What the lab's server can be asked."""

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


def routes(hooks: Hooks) -> list[Route]:
    """The routes, to be mounted at the root."""

    async def status(request: Request) -> Response:
        return _answer(await hooks.status())

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
        body = await _body(request)
        if not isinstance(body.get("on"), bool):
            raise BadRequest("on: true or false is needed")
        await hooks.power(_word(body, "node"), body["on"])
        return _answer({})

    posts = {"reset": reset, "shutdown": shutdown, "crash": crash, "power": power}
    asked = [Route(f"/k8slab/{name}", endpoint, methods=["POST"]) for name, endpoint in posts.items()]
    return [Route("/k8slab/status", status, methods=["GET"]), *asked]


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


def _word(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{field}: a name is needed")
    return value
