"""What only the store on disk can get wrong."""

from __future__ import annotations

import asyncio
import sqlite3
import stat

import pytest

from k8slab.api.objects import Key
from k8slab.store.base import Full
from k8slab.store.memory import HISTORY
from k8slab.store.sqlite import TRIM, SqliteStore

A = Key("default", "a")
POD = {"metadata": {"name": "a", "namespace": "default"}}


def test_the_file_is_the_owners_alone(tmp_path):
    SqliteStore(tmp_path / "store.db").close()
    assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600


def test_superseded_rows_leave_the_disk(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.create("pods", A, POD)
    for _ in range(1000):
        store.update("pods", A, POD)
    store.compact(store.revision - 10)
    assert store._db.execute("select count(*) from log").fetchone()[0] <= 12
    store.close()


def test_a_full_disk_changes_nothing_and_says_what_to_do(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.create("pods", A, POD)
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count={pages}")
    heard = []
    store.subscribe(heard.append)
    with pytest.raises(Full, match="make room on the disk"):
        store.update("pods", A, {**POD, "spec": {"text": "x" * 100_000}})
    assert store.get("pods", A) == {"metadata": {**POD["metadata"], "resourceVersion": "1"}}
    assert (store.revision, heard) == (1, [])
    store._db.execute("pragma max_page_count=100000")
    assert store.update("pods", A, POD)["metadata"]["resourceVersion"] == "2"
    store.close()


def test_no_room_to_tidy_up_fails_no_write_that_is_done(tmp_path):
    """Deleting takes room, too; and a transaction left open would take every later write with it when we die."""
    store, heard = SqliteStore(tmp_path / "store.db"), []
    store.subscribe(heard.append)
    store.create("pods", A, POD)

    class NoRoom:
        """A connection that can add rows, and no more."""

        def __init__(self, db):
            self.db = db

        def __getattr__(self, name):
            return getattr(self.db, name)

        def executemany(self, statement, rows):
            raise sqlite3.OperationalError("database or disk is full")

    db, store._db = store._db, NoRoom(store._db)
    for _ in range(HISTORY + 2 * TRIM):
        store.update("pods", A, POD)
    assert len(heard) == store.revision
    assert not db.in_transaction
    store._db = db
    for _ in range(2 * TRIM):
        store.update("pods", A, POD)
    assert db.execute("select count(*) from log").fetchone()[0] < HISTORY + 2 * TRIM
    crashed = SqliteStore(tmp_path / "store.db")  # as a server started after ours was killed would find it
    assert (crashed.revision, crashed.get("pods", A)) == (store.revision, store.get("pods", A))
    crashed.close()
    store.close()


def on_disk(path):
    """The revisions that a server started after ours was killed would find."""
    with sqlite3.connect(path) as db:
        return [revision for (revision,) in db.execute("select revision from log order by revision")]


async def test_what_is_gathered_is_on_the_disk_before_anybody_it_wakes_has_his_turn(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    watch, found = store.watch("pods", 0), []

    async def woken():
        await anext(watch)
        found.append(on_disk(tmp_path / "store.db"))

    waiting = asyncio.create_task(woken())
    await asyncio.sleep(0)
    with store.gathering:
        store.create("pods", A, POD)
        store.update("pods", A, POD)
    assert (store.revision, on_disk(tmp_path / "store.db")) == (2, [])
    await waiting
    assert found == [[1, 2]]
    store.close()


async def test_what_is_written_otherwise_takes_what_was_gathered_along_in_order(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    with store.gathering:
        store.create("pods", A, POD)
    store.update("pods", A, POD)
    assert on_disk(tmp_path / "store.db") == [1, 2]
    with store.gathering:
        store.update("pods", A, POD)
    store.flush()
    assert on_disk(tmp_path / "store.db") == [1, 2, 3]
    with store.gathering:
        store.update("pods", A, POD)
    store.close()
    assert on_disk(tmp_path / "store.db") == [1, 2, 3, 4]


def test_without_a_loop_there_is_nothing_to_wait_for(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    with store.gathering:
        store.create("pods", A, POD)
    assert on_disk(tmp_path / "store.db") == [1]
    store.close()


async def test_what_was_gathered_waits_for_room_and_nothing_new_is_taken_meanwhile(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.create("pods", A, POD)
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count={pages}")
    with store.gathering:
        store.update("pods", A, {**POD, "spec": {"text": "x" * 100_000}})
    await asyncio.sleep(0)
    assert (store.revision, on_disk(tmp_path / "store.db")) == (2, [1])
    for gathered in (True, False):
        with pytest.raises(Full, match="make room on the disk"):
            if gathered:
                with store.gathering:
                    store.update("pods", A, POD)
            else:
                store.update("pods", A, POD)
    assert (store.revision, store.gathering.depth) == (2, 0)
    store._db.execute("pragma max_page_count=100000")
    with store.gathering:
        store.update("pods", A, POD)
    await asyncio.sleep(0)
    assert on_disk(tmp_path / "store.db") == [1, 2, 3]
    store.close()
