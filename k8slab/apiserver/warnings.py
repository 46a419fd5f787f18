"""Warnings that go with an answer, good or bad: headers that kubectl prints before it says anything else.

`app.py` wraps every request in `Warnings`; whoever notices something while it is answered calls `warn`. Writes of the
parts inside have no listener, so nothing is noticed for them. The rules are in `api/warnings.py`; the form is that of
apiserver/pkg/warning.
"""

from __future__ import annotations

from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_heard: ContextVar[dict[str, None] | None] = ContextVar("warnings", default=None)


def listening() -> bool:
    """Whether somebody will read what is warned of."""
    return _heard.get() is not None


def warn(*said: str) -> None:
    """Tell the client, once each."""
    heard = _heard.get()
    if heard is not None:
        heard.update(dict.fromkeys(said))


class Warnings:
    """Adds to each answer what was said while it was made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        heard: dict[str, None] = {}

        async def warned(message: Message) -> None:
            if message["type"] == "http.response.start" and heard:
                message["headers"] = [*message.get("headers", ()), *map(_header, heard)]
            await send(message)

        token = _heard.set(heard)
        try:
            await self._app(scope, receive, warned)
        finally:
            _heard.reset(token)


def _header(said: str) -> tuple[bytes, bytes]:
    plain = "".join(char for char in " ".join(said.split()) if char.isprintable())
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return b"warning", f'299 - "{escaped}"'.encode(errors="replace")
