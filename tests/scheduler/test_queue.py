from __future__ import annotations

from k8slab.api.objects import Key
from k8slab.clock import VirtualClock
from k8slab.scheduler.queue import SchedulingQueue, Waiting

FIT = frozenset({"NodeResourcesFit"})


def key(name: str) -> Key:
    return Key("default", name)


def queue() -> tuple[SchedulingQueue, VirtualClock]:
    clock = VirtualClock()
    return SchedulingQueue(clock, lambda: None), clock


def names(queue: SchedulingQueue) -> list[str]:
    found = []
    while entry := queue.pop():
        found.append(entry.key.name)
    return found


async def test_priority_goes_before_age() -> None:
    q, _ = queue()
    for name, priority in (("old", 0), ("young", 0), ("vip", 1000)):
        q.add(key(name), priority)
    q.add(key("old"))
    q.add(key("gone"))
    q.remove(key("gone"))
    assert names(q) == ["vip", "old", "young"]


def refused(q: SchedulingQueue, name: str, by: frozenset[str]) -> Waiting:
    q.add(key(name))
    entry = q.pop()
    assert entry
    assert entry.key.name == name
    q.park(entry, by)
    return entry


async def test_a_parked_pod_wakes_for_what_may_help_it() -> None:
    q, _ = queue()
    refused(q, "big", FIT)
    refused(q, "picky", frozenset({"NodeAffinity"}))
    assert names(q) == []
    q.moved(frozenset({"labels"}))
    assert names(q) == ["picky"]
    q.moved(frozenset({"freed"}))
    assert names(q) == ["big"]


async def test_backing_off_pods_wait_only_for_others() -> None:
    q, clock = queue()
    refused(q, "first", FIT)
    q.moved(frozenset({"added"}))
    q.add(key("second"))
    assert names(q) == ["second", "first"]
    late = refused(q, "third", FIT)
    q.moved(frozenset({"added"}))
    q.add(key("fourth"))
    await clock.advance(late.backoff)
    assert names(q) == ["third", "fourth"]  # its second is over, and it is older


async def test_after_five_minutes_a_parked_pod_is_tried_anyway() -> None:
    q, clock = queue()
    refused(q, "early", FIT)
    await clock.advance(100)
    refused(q, "late", FIT)
    await clock.advance(199)
    assert names(q) == []
    await clock.advance(1)
    assert names(q) == ["early"]
    await clock.advance(100)
    assert names(q) == ["late"]


async def test_an_error_is_retried_after_1_2_4_8_10_seconds() -> None:
    q, clock = queue()
    q.add(key("p"))
    for seconds in (1, 2, 4, 8, 10, 10):
        entry = q.pop()
        assert entry
        q.retry(entry)
        await clock.advance(seconds - 0.1)
        assert q.pop() is None
        await clock.advance(0.1)


async def test_a_removed_pod_never_comes_back() -> None:
    q, clock = queue()
    entry = refused(q, "p", FIT)
    q.moved(frozenset({"freed"}))
    q.remove(key("p"))
    q.remove(key("p"))
    q.add(key("q"))
    other = q.pop()
    assert other
    q.retry(other)
    q.remove(key("q"))
    await clock.advance(1000)
    assert names(q) == []
    assert entry.place == ""
    assert len(q) == 0
