from __future__ import annotations

import asyncio

import pytest

from k8slab.client.workqueue import WorkQueue
from k8slab.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> WorkQueue[str]:
    return WorkQueue(clock)


async def drain(queue: WorkQueue[str]) -> list[str]:
    found = []
    while len(queue):
        found.append(await queue.get())
        queue.done(found[-1])
    return found


async def test_each_key_once_in_order(queue: WorkQueue[str]) -> None:
    for key in "abacb":
        queue.add(key)
    assert await drain(queue) == ["a", "b", "c"]


async def test_a_key_being_worked_on_comes_again_afterwards(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0  # nobody else may have it now
    queue.done("a")
    assert await drain(queue) == ["a"]


async def test_the_earliest_of_several_wishes_stands(queue: WorkQueue[str], clock: VirtualClock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await clock.advance(4.9)
    assert len(queue) == 0
    await clock.advance(0.1)
    assert await drain(queue) == ["a"]
    await clock.advance(60)
    assert len(queue) == 0
    queue.add_after("a", 0)
    assert await drain(queue) == ["a"]


async def test_back_off_doubles_up_to_a_limit_and_is_forgotten(queue: WorkQueue[str], clock: VirtualClock) -> None:
    waits = []
    for _ in range(40):
        waits.append(queue.retry("a"))
        await clock.advance(waits[-1])
        assert await drain(queue) == ["a"]
    assert waits[:4] == [0.005, 0.01, 0.02, 0.04]
    assert waits[-1] == 1000
    assert queue.retry("b") == 0.005
    queue.forget("a")
    assert queue.retry("a") == 0.005


async def test_workers_wait_and_are_woken_one_a_key(queue: WorkQueue[str], clock: VirtualClock) -> None:
    workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await clock.settle()
    queue.add("a")
    queue.add("b")
    await clock.settle()
    assert sorted(w.result() for w in workers if w.done()) == ["a", "b"]
    (waiting,) = (w for w in workers if not w.done())
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    queue.add("c")
    assert await queue.get() == "c"


async def test_a_worker_cancelled_in_the_act_leaves_the_key_to_others(
    queue: WorkQueue[str], clock: VirtualClock
) -> None:
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await clock.settle()
    queue.add("a")
    first.cancel()
    await clock.settle()
    assert second.done()
    assert second.result() == "a"
