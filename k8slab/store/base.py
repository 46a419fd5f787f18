"""What the API server needs of a store: objects under (resource, key), a counter of revisions, a history to follow.

The model is etcd's: every write takes the next revision and is an event; whoever watches gets the events after the
revision he names, or is told that so much history is not kept. Stores are synchronous: a write is done (and, for
SQLite, handed to the operating system; see `gathering`) when it returns. Objects go in and out without a copy: nobody
changes one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from k8slab.api.objects import Key, Obj, encode

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Event:
    """One write. `after` is the object as written; for DELETED as it last was, with the deletion's revision."""

    __slots__ = ("_raw", "after", "before", "key", "resource", "revision", "type")

    def __init__(
        self, type_: EventType, revision: int, resource: str, key: Key, before: Obj | None, after: Obj
    ) -> None:
        self.type = type_
        self.revision = revision
        self.resource = resource
        self.key = key
        self.before = before
        self.after = after
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        """`after` as JSON, encoded once however many watch it."""
        if self._raw is None:
            self._raw = encode(self.after)
        return self._raw


class Exists(Exception):
    """The key is taken."""


class Missing(Exception):
    """There is nothing under the key."""


class Stale(Exception):
    """The object is no longer at the revision the caller knows."""


class Compacted(Exception):
    """History from that revision on is not kept (or the watcher was too slow): list again."""


class Full(Exception):
    """The disk took no more; nothing has changed. The message says what to do."""


class Watch(Protocol):
    """The events of one resource after a revision, in order; raises Compacted when it fell behind too far."""

    def __aiter__(self) -> AsyncIterator[Event]: ...
    async def __anext__(self) -> Event: ...
    def close(self) -> None: ...


class Store(Protocol):
    """Objects and their history. `resource` is a kind's name in the store, `deployments.apps`."""

    @property
    def revision(self) -> int:
        """The revision of the last write, 0 before the first."""
        ...

    @property
    def compacted(self) -> int:
        """The newest revision that can no longer be watched from."""
        ...

    def get(self, resource: str, key: Key) -> Obj | None: ...

    def list(self, resource: str, namespace: str = "") -> Iterable[Obj]:
        """The objects of a namespace, or all of them, ordered by key."""
        ...

    def resources(self) -> Iterable[str]:
        """Every resource that has had an object."""
        ...

    def create(self, resource: str, key: Key, obj: Obj) -> Obj:
        """Write a new object and set its resourceVersion. Raises Exists."""
        ...

    def update(self, resource: str, key: Key, obj: Obj, expect: int | None = None) -> Obj:
        """Replace an object. Raises Missing, or Stale if it is not at revision `expect`."""
        ...

    def delete(self, resource: str, key: Key, expect: int | None = None) -> Obj:
        """Remove an object and return it as it last was, at the deletion's revision. Raises Missing, Stale."""
        ...

    def history(self, resource: str, after: int) -> Sequence[Event]:
        """The events of a resource after a revision. Raises Compacted."""
        ...

    def watch(self, resource: str, after: int) -> Watch:
        """The same, and then those to come. Raises Compacted."""
        ...

    def subscribe(self, heard: Callable[[Event], None]) -> None:
        """Call with every event of every resource, inside the write itself."""
        ...

    @property
    def gathering(self) -> AbstractContextManager[None]:
        """Inside it, a write may reach the disk only at the end of the event loop's turn, together with others: before
        any task that it wakes has its turn. Whoever tells the world outside in the same turn calls `flush` first."""
        ...

    def flush(self) -> None:
        """Hand over what was gathered. Without room for it, it is kept, and until there is, writes raise Full."""
        ...

    def compact(self, revision: int) -> None:
        """Forget the history up to and including a revision."""
        ...

    def close(self) -> None:
        """Let go of files; watches end."""
        ...
