"""What every store promises, held against each of them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slab.api.objects import Key
from k8slab.store.base import Compacted, Exists, Missing, Stale
from k8slab.store.memory import BACKLOG, HISTORY, MemoryStore
from k8slab.store.sqlite import SqliteStore

PODS = "pods"
A, B = Key("default", "a"), Key("default", "b")


def obj(name="a", **more):
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "default"}, **more}


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


def revision(found):
    return int(found["metadata"]["resourceVersion"])


def test_every_write_takes_the_next_revision(store):
    first = store.create(PODS, A, obj())
    second = store.update(PODS, A, obj(spec={}))
    third = store.delete(PODS, A)
    assert [revision(o) for o in (first, second, third)] == [1, 2, 3]
    assert store.revision == 3


def test_get_and_list(store):
    store.create(PODS, B, obj("b"))
    store.create(PODS, A, obj("a"))
    store.create(PODS, Key("other", "c"), obj("c"))
    store.create("nodes", Key("", "n"), obj("n"))
    assert store.get(PODS, A)["metadata"]["name"] == "a"
    assert store.get(PODS, Key("default", "nobody")) is None
    assert [o["metadata"]["name"] for o in store.list(PODS)] == ["a", "b", "c"]
    assert [o["metadata"]["name"] for o in store.list(PODS, "other")] == ["c"]
    assert store.list("services") == []
    assert list(store.resources()) == ["nodes", "pods"]


def test_a_taken_name_and_a_missing_one(store):
    store.create(PODS, A, obj())
    with pytest.raises(Exists):
        store.create(PODS, A, obj())
    with pytest.raises(Missing):
        store.update(PODS, B, obj("b"))
    with pytest.raises(Missing):
        store.delete(PODS, B)
    assert store.revision == 1


def test_optimistic_concurrency(store):
    first = store.create(PODS, A, obj())
    store.update(PODS, A, obj(spec={"n": 1}), revision(first))
    with pytest.raises(Stale):
        store.update(PODS, A, obj(spec={"n": 2}), revision(first))
    with pytest.raises(Stale):
        store.delete(PODS, A, revision(first))
    assert store.get(PODS, A)["spec"] == {"n": 1}


def test_what_was_given_is_not_changed(store):
    given_obj = obj()
    store.create(PODS, A, given_obj)
    assert "resourceVersion" not in given_obj["metadata"]


async def test_watch_tells_history_and_then_follows_in_order(store):
    store.create(PODS, A, obj())
    store.update(PODS, A, obj(spec={"n": 1}))
    store.create("nodes", Key("", "n"), obj("n"))
    watch = store.watch(PODS, 1)
    store.delete(PODS, A)
    events = [await anext(watch) for _ in range(2)]
    assert [(e.type, e.revision) for e in events] == [("MODIFIED", 2), ("DELETED", 4)]
    assert events[1].before["spec"] == {"n": 1}
    assert b'"resourceVersion":"4"' in events[1].raw


async def test_a_closed_watch_ends(store):
    watch = store.watch(PODS, 0)
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    watch.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    store.create(PODS, A, obj())  # nobody is told, and nothing fails


def test_compaction_answers_the_past_with_compacted(store):
    for n in range(5):
        (store.create if n == 0 else store.update)(PODS, A, obj(spec={"n": n}))
    store.compact(3)
    assert store.compacted == 3
    assert [e.revision for e in store.history(PODS, 3)] == [4, 5]
    with pytest.raises(Compacted):
        store.watch(PODS, 2)
    assert store.get(PODS, A)["spec"] == {"n": 4}


def test_history_is_bounded(store):
    store.create(PODS, A, obj())
    for n in range(HISTORY + 10):
        store.update(PODS, A, obj(spec={"n": n}))
    assert store.compacted == 11
    assert len(store.history(PODS, store.compacted)) == HISTORY


async def test_a_watcher_that_sleeps_is_dropped_and_told(store):
    watch = store.watch(PODS, 0)
    store.create(PODS, A, obj())
    for n in range(BACKLOG):
        store.update(PODS, A, obj(spec={"n": n}))
    with pytest.raises(Compacted):
        await anext(watch)


def test_listeners_hear_inside_the_write(store):
    heard = []
    store.subscribe(lambda event: heard.append((event.type, event.key, store.get(PODS, A) is not None)))
    store.create(PODS, A, obj())
    store.delete(PODS, A)
    assert heard == [("ADDED", A, True), ("DELETED", A, False)]


def play(store, moves):
    """Random writes, and what a dict would hold after them."""
    model = {}
    for verb, name in moves:
        key = Key("default", name)
        if verb == "delete" and name in model:
            store.delete(PODS, key)
            del model[name]
        elif verb == "write":
            model[name] = obj(name, spec={"at": store.revision})
            (store.update if store.get(PODS, key) else store.create)(PODS, key, model[name])
        elif verb == "compact":
            store.compact(store.revision // 2)
    return model


MOVES = st.lists(
    st.tuples(st.sampled_from(["write", "write", "delete", "compact"]), st.sampled_from("abcd")), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_sqlite_reopened_is_as_it_was(tmp_path_factory, moves):
    path = tmp_path_factory.mktemp("store") / "store.db"
    store = SqliteStore(path)
    model = play(store, moves)
    before = (
        store.revision,
        store.compacted,
        store.list(PODS),
        [e.revision for e in store.history(PODS, store.compacted)],
    )
    # Opened again without a goodbye, as after kill -9.
    again = SqliteStore(path)
    after = (
        again.revision,
        again.compacted,
        again.list(PODS),
        [e.revision for e in again.history(PODS, again.compacted)],
    )
    assert after[2] == before[2]
    assert {o["metadata"]["name"]: o["spec"] for o in after[2]} == {n: o["spec"] for n, o in model.items()}
    assert after[0] == before[0]
    assert set(after[3]) <= set(before[3]) or after[1] <= before[1]
    store.close()
    again.close()


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_history_replayed_gives_the_objects(moves):
    store = MemoryStore()
    play(store, [m for m in moves if m[0] != "compact"])
    replayed = {}
    for event in store.history(PODS, 0):
        if event.type == "DELETED":
            del replayed[event.key]
        else:
            replayed[event.key] = event.after
    assert replayed == {Key("default", o["metadata"]["name"]): o for o in store.list(PODS)}
