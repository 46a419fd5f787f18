"""Images over HTTP, beside the Kubernetes API under `/k8slab/images`: build (told line by line), list, carry, remove.

`server.py` hands in what the nodes do about them (kubelet/images.py). Files are named by their paths on this machine,
so only who holds the lab's own token may ask: a container with a ServiceAccount's must not reach them this way.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from k8slab.api.errors import ApiError, BadRequest, Forbidden

LINES = "application/x-ndjson"


class Images(Protocol):
    """What can be asked. Every failure is an ApiError whose message is meant for the learner."""

    async def list(self) -> list[dict[str, Any]]:
        """Name, id, size in bytes and time of each."""
        ...

    def build(self, name: str, folder: Path, arguments: Mapping[str, str]) -> AsyncIterator[str]:
        """Lines of progress; it is built when they end."""
        ...

    async def save(self, names: Sequence[str], file: Path) -> None:
        """Into a file; no names: all that were built or loaded."""
        ...

    async def load(self, file: Path) -> Sequence[str]:
        """From a file; the names."""
        ...

    async def remove(self, name: str) -> None:
        """Forget one."""
        ...


class Wish(msgspec.Struct):
    """What a request may carry."""

    name: str = ""
    names: list[str] = []
    folder: str = ""
    file: str = ""
    arguments: dict[str, str] = {}


def routes(images: Images, token: str) -> list[Route]:
    """The routes, to be mounted at the root."""

    async def listed(request: Request, wish: Wish) -> Response:
        return _answer({"items": await images.list()})

    async def build(request: Request, wish: Wish) -> Response:
        lines = images.build(wish.name, _path("folder", wish.folder), wish.arguments)
        return StreamingResponse(_told(lines), media_type=LINES)

    async def save(request: Request, wish: Wish) -> Response:
        await images.save(wish.names, _path("file", wish.file))
        return _answer({})

    async def load(request: Request, wish: Wish) -> Response:
        return _answer({"names": [*await images.load(_path("file", wish.file))]})

    async def remove(request: Request, wish: Wish) -> Response:
        await images.remove(wish.name)
        return _answer({})

    posts = {"build": build, "save": save, "load": load, "remove": remove}
    asked = [Route(f"/k8slab/images/{verb}", _owners(do, token), methods=["POST"]) for verb, do in posts.items()]
    return [Route("/k8slab/images", _owners(listed, token), methods=["GET"]), *asked]


Endpoint = Callable[[Request, Wish], Awaitable[Response]]


def _owners(do: Endpoint, token: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            raise Forbidden("images are files of this machine: only who started the lab may ask for them")
        try:
            wish = msgspec.json.decode(await request.body() or b"{}", type=Wish)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the request cannot be read: {error}") from error
        return await do(request, wish)

    return endpoint


async def _told(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """One JSON object a line; the last says how it went."""
    last: dict[str, Any] = {"done": True}
    async with aclosing(lines):  # type: ignore[type-var]  # they are a generator's
        try:
            async for line in lines:
                yield msgspec.json.encode({"line": line}) + b"\n"
        except ApiError as error:
            last = {"error": error.status()}
    yield msgspec.json.encode(last) + b"\n"


def _path(field: str, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or "\0" in text:
        raise BadRequest(f"{field}: an absolute path is needed")
    return path


def _answer(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
