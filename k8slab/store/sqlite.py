"""The store with a diary on disk, so that a server that dies finds everything again.

One table, one row a revision (k3s-io/kine keeps its log so): the objects are its newest rows, the history all of
them. Everything is also in memory (`memory.py`, which does the work); the disk is read once, when it opens.
A storm of pods is thousands of writes a second: those that may be gathered become one transaction a turn of the loop.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from k8slab.api.objects import Key, decode
from k8slab.store.base import Event, Full
from k8slab.store.memory import HISTORY, MemoryStore, revision_of

log = logging.getLogger(__name__)

SCHEMA = """
create table if not exists log (
  revision integer primary key, type text not null, resource text not null,
  namespace text not null, name text not null, object blob not null);
create table if not exists meta (name text primary key, value integer not null);
"""
INSERT = "insert into log values (?, ?, ?, ?, ?, ?)"
TRIM = 256  # superseded rows are deleted in batches
MOST = 256  # gathered rows wait for the end of the turn, unless there are so many
PAGE = 16384  # bytes: several objects a page, since neighbours come and go together; with 4096 a row costs 2.2 times


class Gathering:
    """While it is entered, writes need not be on the disk before the turn of the event loop ends."""

    def __init__(self) -> None:
        self.depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


class SqliteStore(MemoryStore):
    """A `MemoryStore` that survives its process. A write is with the operating system when it returns, or, if it was
    gathered, before any task that it wakes has its turn."""

    gathering: Gathering

    def __init__(self, path: Path) -> None:
        """Open or make the file, readable by its owner alone. Raises Full when the disk has no room for it."""
        super().__init__()
        self._superseded: list[tuple[int]] = []
        self._trim_at = TRIM
        self.gathering = Gathering()
        self._gathered: list[Event] = []  # heard of, and not on the disk yet
        self._no_room = False
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._guard(f"pragma page_size={PAGE}")  # of a new file
        self._guard("pragma journal_mode=wal")
        self._guard("pragma synchronous=normal")  # safe against our death; a power cut may cost the last moments
        for statement in SCHEMA.split(";"):
            self._guard(statement)
        self._load()

    def close(self) -> None:
        super().close()
        self.flush()
        if self._superseded:
            self._trim()
        self._db.close()

    def _load(self) -> None:
        revisions: dict[str, int] = dict(self._db.execute("select name, value from meta"))
        rows = self._db.execute("select revision, type, resource, namespace, name, object from log order by revision")
        for revision, type_, resource, namespace, name, raw in rows:
            key = Key(namespace, name)
            self._apply(Event(type_, revision, resource, key, self.get(resource, key), decode(raw)))
        # Rows whose event was compacted but whose object lives on are state, not history.
        self._compacted = revisions.get("compacted", 0)
        while self._log and (self._log[0].revision <= self._compacted or len(self._log) > HISTORY):
            event = self._log.popleft()
            self._compacted = max(self._compacted, event.revision)
        self._revision = max(self._revision, revisions.get("revision", 0))

    def _persist(self, event: Event) -> None:
        if self.gathering.depth and self._gather(event):
            return
        if self._gathered:
            self._put_down()
        self._guard(INSERT, _row(event))

    def _gather(self, event: Event) -> bool:
        """Let it wait for others; False if there is no turn of a loop to wait for."""
        if len(self._gathered) >= MOST or self._no_room:
            self._put_down()
        if not self._gathered:
            try:
                asyncio.get_running_loop().call_soon(self.flush)  # ahead of whatever this write will wake
            except RuntimeError:
                return False
        self._gathered.append(event)
        return True

    def flush(self) -> None:
        """What was gathered goes to the disk, if it has room."""
        told = self._no_room
        try:
            self._put_down()
        except Full as error:
            if not told:
                log.warning("%s", error)

    def _put_down(self) -> None:
        """One transaction for all. They have been heard of, so they are kept until there is room: raises Full."""
        if not self._gathered:
            return
        self._no_room = True
        try:
            self._guard("begin")
            with _told_as_full():
                self._db.executemany(INSERT, map(_row, self._gathered))
            self._guard("commit")
        finally:
            if self._db.in_transaction:
                with suppress(sqlite3.OperationalError):
                    self._db.execute("rollback")
        self._gathered.clear()
        self._no_room = False

    def _dropped(self, event: Event) -> None:
        if event.before is not None:
            self._superseded.append((revision_of(event.before),))
        if event.type == "DELETED":
            self._superseded.append((event.revision,))
        if len(self._superseded) >= self._trim_at:
            self._trim()

    def compact(self, revision: int) -> None:
        super().compact(revision)
        self.flush()
        self._trim()

    def _trim(self) -> None:
        """One transaction: the marks first, so that a crash between leaves rows too many and never one too few.

        A write that is done must not fail because there is no room to tidy up: what is left is tried again later.
        """
        newest = max((revision for (revision,) in self._superseded), default=0)
        marks = (("compacted", max(self._compacted, newest)), ("revision", self._revision))
        try:
            self._db.execute("begin")
            self._db.executemany("insert or replace into meta values (?, ?)", marks)
            self._db.executemany("delete from log where revision = ?", self._superseded)
            self._db.execute("commit")
        except sqlite3.OperationalError as error:
            log.warning("old events stay on the disk for now: %s", error)
            if self._db.in_transaction:
                self._db.execute("rollback")
        else:
            self._superseded.clear()
        self._trim_at = len(self._superseded) + TRIM

    def _guard(self, statement: str, values: tuple[object, ...] = ()) -> None:
        with _told_as_full():
            self._db.execute(statement, values)


@contextmanager
def _told_as_full() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        why = f"the lab's state could not be written ({error}): make room on the disk, then try again"
        raise Full(why) from error


def _row(event: Event) -> tuple[object, ...]:
    return (event.revision, event.type, event.resource, *event.key, event.raw)
