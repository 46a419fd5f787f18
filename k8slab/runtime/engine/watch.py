"""Hears what happens in the engine, and says when everything has to be looked at again.

An event only says which container to look at. Whenever the stream begins, also after the engine was away, all of them
are: what happened meanwhile is seen by comparing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from k8slab.clock import Clock
from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.engine.link import Link, Missing, Refused
from k8slab.runtime.engine.specs import LAB

log = logging.getLogger(__name__)

AGAIN = 0.5  # real seconds until a lost engine is asked again
HEARD = ("start", "die", "destroy", "remove", "pause", "unpause")  # Podman's word for destroy is remove


class Watch:
    """Follows the events of one lab's containers until it is closed.

    `happened` gets the engine's id of a container and what happened to it; `look` compares everything.
    """

    def __init__(
        self, link: Link, lab: str, happened: Callable[[str, str], object], look: Callable[[], Awaitable[None]]
    ) -> None:
        self._link, self._lab, self._happened, self._look = link, lab, happened, look
        self._task: asyncio.Task[None] | None = None
        self.lost = ""  # why the engine is not heard now

    async def start(self) -> None:
        """Returns once everything has been looked at."""
        looked = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(looked), name="engine events")
        await looked

    async def close(self) -> None:
        """Hear nothing more."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, looked: asyncio.Future[None]) -> None:
        clock = Clock()
        while True:
            try:
                await self._follow(looked)
            except (RuntimeFailure, Refused, Missing) as error:
                if not looked.done():
                    looked.set_exception(error)
                    return
                self._note(str(error))
            except Exception as error:
                log.exception("the engine's events are not followed")
                if not looked.done():
                    looked.set_exception(error)
                    return
            await clock.sleep(AGAIN)

    async def _follow(self, looked: asyncio.Future[None]) -> None:
        """The stream is begun first, then everything looked at: nothing falls between."""
        await self._link.do(lambda api: api.ping())
        stream = self._link.stream(self._events)
        async with contextlib.aclosing(stream):
            await anext(stream)
            await self._look()
            self._note("")
            if not looked.done():
                looked.set_result(None)
            async for event in stream:
                what, id = event.get("Action") or event.get("status") or "", event.get("id") or ""
                if what in HEARD and id:
                    self._happened(id, what)
        self._note("its events have ended")

    def _events(self, api: Any) -> Iterator[dict[str, Any]]:
        return _Begun(api.events(filters={"label": f"{LAB}={self._lab}", "type": "container"}, decode=True))

    def _note(self, lost: str) -> None:
        if bool(lost) != bool(self.lost):
            log.info("the engine is lost: %s", lost) if lost else log.info("the engine is back")
        self.lost = lost


class _Begun:
    """The events, after one of our own that says the stream is open. `close` wakes who waits."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._first = stream, True

    def __iter__(self) -> _Begun:
        return self

    def __next__(self) -> dict[str, Any]:
        if self._first:
            self._first = False
            return {}
        return dict(next(self._stream))

    def close(self) -> None:
        self._stream.close()
