"""A watch tells every change once, in order, as its selection sees it; and says so when it cannot."""

from __future__ import annotations

import asyncio
import json

import pytest

from k8slab.api.kinds import KINDS
from k8slab.apiserver import watch
from k8slab.apiserver.selection import Selection
from k8slab.clock import Clock

CONFIGMAP = KINDS["ConfigMap"]


def config(name="c", **labels):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {}}


def request(since, labels="", **more):
    return watch.WatchRequest(CONFIGMAP, "default", Selection(CONFIGMAP, labels), since, **more)


async def told(verbs, wanted, count, form=None):
    """The first `count` events of a watch, as (type, name)."""
    stream = watch.lines(verbs.store, Clock(), wanted, form)
    events = [json.loads(await asyncio.wait_for(anext(stream), 5)) for _ in range(count)]
    await stream.aclose()
    return events


def names(events):
    return [(event["type"], event["object"]["metadata"].get("name")) for event in events]


def label(verbs, name, **labels):
    def change(obj):
        obj["metadata"]["labels"] = labels
        return obj

    verbs.update(CONFIGMAP, name, "default", change)


async def test_what_happened_since_a_revision(verbs):
    start = verbs.store.revision
    verbs.create(CONFIGMAP, config("a"), "default")
    label(verbs, "a", tier="x")
    verbs.delete(CONFIGMAP, "a", "default")
    assert names(await told(verbs, request(start), 3)) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_without_a_revision_what_is_there_comes_first(verbs):
    verbs.create(CONFIGMAP, config("a"), "default")
    events = await told(verbs, request(None, mark_initial_end=True), 2)
    assert names(events) == [("ADDED", "a"), ("BOOKMARK", None)]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert events[1]["object"]["metadata"]["resourceVersion"] == str(verbs.store.revision)


async def test_what_leaves_the_selection_is_deleted_and_what_enters_is_added(verbs):
    start = verbs.store.revision
    verbs.create(CONFIGMAP, config("a", tier="x"), "default")
    label(verbs, "a", tier="y")
    label(verbs, "a", tier="y", more="z")
    label(verbs, "a", tier="x")
    events = await told(verbs, request(start, "tier=x"), 3)
    assert names(events) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_other_namespaces_are_not_told(verbs):
    start = verbs.store.revision
    verbs.create(CONFIGMAP, config("there"), "kube-public")
    verbs.create(CONFIGMAP, config("here"), "default")
    assert names(await told(verbs, request(start), 1)) == [("ADDED", "here")]


async def test_all_watchers_hear_the_same_order(verbs):
    start = verbs.store.revision
    watchers = [asyncio.ensure_future(told(verbs, request(start), 30)) for _ in range(10)]
    await asyncio.sleep(0)
    for n in range(30):
        verbs.create(CONFIGMAP, config(f"c{n}"), "default")
        if n % 7 == 0:
            await asyncio.sleep(0)
    heard = [names(events) for events in await asyncio.gather(*watchers)]
    assert all(other == heard[0] for other in heard)
    assert heard[0] == [("ADDED", f"c{n}") for n in range(30)]


async def test_history_that_is_gone_is_410_in_the_stream(verbs):
    verbs.create(CONFIGMAP, config("a"), "default")
    verbs.store.compact(verbs.store.revision)
    (event,) = await told(verbs, request(1), 1)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"] == f"too old resource version: 1 ({verbs.store.revision})"


async def test_it_ends_when_the_client_said_so(verbs):
    stream = watch.lines(verbs.store, Clock(), request(None, timeout=0.05), None)
    assert [line async for line in stream] == []


@pytest.mark.parametrize("count", [1, 50])
async def test_a_watcher_that_goes_away_is_freed(verbs, count):
    streams = [watch.lines(verbs.store, Clock(), request(None), None) for _ in range(count)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await asyncio.sleep(0)
    assert len(verbs.store._watches["configmaps"]) == count
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    assert not verbs.store._watches["configmaps"]
