"""A watch over HTTP: the store's events after a revision, as this client's selection and form see them, a line each.

Called by `app.py`. An object that leaves the selection is told as DELETED, one that enters it as ADDED
(apiserver/pkg/storage/cacher). When history is gone, the stream says so with an ERROR event and ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from random import uniform

from k8slab.api.errors import Gone
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, encode
from k8slab.apiserver.selection import Selection
from k8slab.clock import Clock
from k8slab.store.base import Compacted, Event, Store

BOOKMARK_EVERY = 60.0  # real seconds; a client only hopes for them
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchRequest:
    """What a client asked for. `since` None: the objects that are there come first, as ADDED."""

    kind: Kind
    namespace: str
    selection: Selection
    since: int | None
    timeout: float | None = None  # seconds
    bookmarks: bool = False
    mark_initial_end: bool = False
    table: bool = False


def expired(revision: int, oldest: int) -> Gone:
    """The 410 for history that is not kept."""
    return Gone(f"too old resource version: {revision} ({oldest})")


def seen(request: WatchRequest, event: Event) -> str | None:
    """What this client is told of an event: ADDED, MODIFIED, DELETED, or nothing."""
    if request.namespace and event.key.namespace != request.namespace:
        return None
    matches = request.selection.matches
    if request.selection.everything:
        return event.type
    before = event.before is not None and matches(event.before)
    after = event.type != "DELETED" and matches(event.after)
    if before and after:
        return "MODIFIED"
    return "DELETED" if before else "ADDED" if after else None


async def lines(
    store: Store, clock: Clock, request: WatchRequest, form: Callable[[Obj], Obj] | None
) -> AsyncIterator[bytes]:
    """The stream. `form` makes what is sent of an object (a Table row, another version of it); None sends the object
    as it is, encoded once for all."""
    since = store.revision if request.since is None else request.since
    try:
        watch = store.watch(request.kind.stored.resource, since)
    except Compacted:
        yield error_line(expired(since, store.compacted))
        return
    try:
        if request.since is None:
            for obj in store.list(request.kind.stored.resource, request.namespace):
                if request.selection.matches(obj):
                    yield _line("ADDED", encode(form(obj) if form else obj))
            if request.mark_initial_end:
                yield _line("BOOKMARK", encode(_bookmark(request, store.revision, {INITIAL_EVENTS_END: "true"})))
        async for event in _until(watch.__anext__, store, clock, request):
            if event is None:
                yield _line("BOOKMARK", encode(_bookmark(request, store.revision, {})))
            elif type_ := seen(request, event):
                yield _line(type_, encode(form(event.after)) if form else event.raw)
    except Compacted:
        yield error_line(expired(since, store.compacted))
    finally:
        watch.close()


async def _until(
    following: Callable[[], Awaitable[Event]], store: Store, clock: Clock, request: WatchRequest
) -> AsyncIterator[Event | None]:
    """Events until the client's time is up; None now and then, when a bookmark is due."""
    timeout = request.timeout or uniform(1800, 3600)  # as a real server does: min-request-timeout, with a spread
    end = clock.monotonic() + timeout
    pending: asyncio.Future[Event] | None = None
    try:
        while (left := end - clock.monotonic()) > 0:
            pending = pending or asyncio.ensure_future(following())
            patience = min(left, BOOKMARK_EVERY) if request.bookmarks else left
            done, _ = await asyncio.wait((pending,), timeout=patience)
            if not done:
                if request.bookmarks:
                    yield None
                continue
            event, pending = pending.result(), None
            yield event
    except StopAsyncIteration:
        return
    finally:
        if pending:
            pending.cancel()


def _bookmark(request: WatchRequest, revision: int, annotations: dict[str, str]) -> Obj:
    meta: Obj = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    if request.table:
        kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
        return {**kind, "metadata": meta, "columnDefinitions": None, "rows": []}
    return {"kind": request.kind.kind, "apiVersion": request.kind.api_version, "metadata": meta}


def error_line(error: Gone) -> bytes:
    """The ERROR event a watch ends with."""
    return _line("ERROR", encode(error.status()))


def _line(type_: str, raw: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), raw)
