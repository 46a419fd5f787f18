"""The store in memory: shelves of objects (`shelf.py`), a log of events, and the watches that follow it.

`sqlite.py` is the same with a diary: it only adds `_persist`. The API server is the sole caller.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from k8slab import trace
from k8slab.api.objects import Key, Obj
from k8slab.store.base import Compacted, Event, EventType, Exists, Missing, Stale
from k8slab.store.shelf import Shelf

HISTORY = 4096  # events kept for watchers that come back; a real API server keeps some minutes' worth
BACKLOG = 8192  # events a watcher may lag behind before it is dropped and must list again


class MemoryWatch:
    """Events queued for one watcher."""

    def __init__(self, store: MemoryStore, resource: str, backlog: Iterable[Event]) -> None:
        self._store = store
        self.resource = resource
        self._events: deque[Event] = deque(backlog)
        self._waiting: asyncio.Future[None] | None = None
        self._ended: type[Exception] | None = None

    def push(self, event: Event) -> None:
        if len(self._events) >= BACKLOG:
            self._end(Compacted)
        else:
            self._events.append(event)
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _end(self, why: type[Exception]) -> None:
        self._events.clear()
        self._ended = why
        self._store._watches[self.resource].discard(self)
        self._wake()

    def close(self) -> None:
        if self._ended is None:
            self._end(StopAsyncIteration)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended is not None:
                raise self._ended()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._events.popleft()


class MemoryStore:
    """Keeps everything in this process, for tests, simulations and as the heart of `SqliteStore`."""

    gathering: AbstractContextManager[None] = nullcontext()

    def __init__(self) -> None:
        self._objects: dict[str, Shelf] = {}
        self._log: deque[Event] = deque()
        self._watches: dict[str, set[MemoryWatch]] = {}
        self._heard: list[Callable[[Event], None]] = []
        self._revision = 0
        self._compacted = 0

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def compacted(self) -> int:
        return self._compacted

    def get(self, resource: str, key: Key) -> Obj | None:
        shelf = self._objects.get(resource)
        return shelf.get(key) if shelf else None

    def list(self, resource: str, namespace: str = "") -> list[Obj]:
        shelf = self._objects.get(resource)
        return shelf.list(namespace) if shelf else []

    def resources(self) -> Sequence[str]:
        return sorted(self._objects)

    def create(self, resource: str, key: Key, obj: Obj) -> Obj:
        if self.get(resource, key) is not None:
            raise Exists
        return self._write("ADDED", resource, key, None, obj)

    def update(self, resource: str, key: Key, obj: Obj, expect: int | None = None) -> Obj:
        return self._write("MODIFIED", resource, key, self._current(resource, key, expect), obj)

    def delete(self, resource: str, key: Key, expect: int | None = None) -> Obj:
        before = self._current(resource, key, expect)
        return self._write("DELETED", resource, key, before, before)

    def history(self, resource: str, after: int) -> Sequence[Event]:
        if after < self._compacted:
            raise Compacted
        return [event for event in self._log if event.revision > after and event.resource == resource]

    def watch(self, resource: str, after: int) -> MemoryWatch:
        watch = MemoryWatch(self, resource, self.history(resource, after))
        self._watches.setdefault(resource, set()).add(watch)
        return watch

    def subscribe(self, heard: Callable[[Event], None]) -> None:
        self._heard.append(heard)

    def compact(self, revision: int) -> None:
        self._forget(lambda event: event.revision <= revision)
        self._compacted = max(self._compacted, min(revision, self._revision))

    def flush(self) -> None:
        """There is no disk."""

    def close(self) -> None:
        for watches in list(self._watches.values()):
            for watch in list(watches):
                watch.close()

    def _current(self, resource: str, key: Key, expect: int | None) -> Obj:
        found = self.get(resource, key)
        if found is None:
            raise Missing
        if expect is not None and revision_of(found) != expect:
            raise Stale
        return found

    def _write(self, type_: EventType, resource: str, key: Key, before: Obj | None, obj: Obj) -> Obj:
        revision = self._revision + 1
        after = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
        event = Event(type_, revision, resource, key, before, after)
        self._persist(event)
        if type_ != "DELETED":
            trace.hop("stored", after, before=before)
        self._apply(event)
        self._publish(event)
        return after

    def _apply(self, event: Event) -> None:
        self._revision = event.revision
        shelf = self._objects.get(event.resource)
        if shelf is None:
            shelf = self._objects[event.resource] = Shelf()
        if event.type == "DELETED":
            shelf.drop(event.key)
        else:
            shelf.put(event.key, event.after)
        self._log.append(event)

    def _publish(self, event: Event) -> None:
        if len(self._log) > HISTORY:
            oldest = self._log[0].revision
            self._forget(lambda event: event.revision <= oldest)
            self._compacted = oldest
        for watch in list(self._watches.get(event.resource, ())):
            watch.push(event)
        for heard in self._heard:
            heard(event)

    def _forget(self, old: Callable[[Event], bool]) -> None:
        while self._log and old(self._log[0]):
            self._dropped(self._log.popleft())

    def _persist(self, event: Event) -> None:
        """Before anybody hears of it: the place for a diary."""

    def _dropped(self, event: Event) -> None:
        """No longer part of the history."""


def revision_of(obj: Obj) -> int:
    """The revision at which an object was last written."""
    return int(obj["metadata"]["resourceVersion"])
