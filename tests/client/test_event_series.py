"""The scheduler's events: the newer kind, told when they come, when they become a series, and when that is over."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import NotFound
from k8slab.api.objects import Obj
from k8slab.client.event_series import SeriesRecorder
from k8slab.clock import VirtualClock

POD: Obj = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}


class Events:
    """As much of a client as a recorder needs."""

    def __init__(self) -> None:
        self.stored: dict[str, Obj] = {}

    def create(self, obj: Obj) -> Obj:
        self.stored[obj["metadata"]["name"]] = {**obj, "metadata": dict(obj["metadata"])}
        return obj

    def patch(self, kind: str, name: str, namespace: str, patch: Any) -> Obj:
        if name not in self.stored:
            raise NotFound.of("", "events", name)
        self.stored[name] |= patch
        return self.stored[name]

    def counts(self) -> list[int]:
        return [event.get("series", {}).get("count", 1) for event in self.stored.values()]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def recorder(events: Events, clock: VirtualClock) -> SeriesRecorder:
    return SeriesRecorder(events, clock, "default-scheduler", "here")  # type: ignore[arg-type]


def fail(recorder: SeriesRecorder, message: str = "no room", version: str = "7") -> None:
    pod = {**POD, "metadata": {**POD["metadata"], "resourceVersion": version}}
    recorder.event(pod, "Warning", "FailedScheduling", "Scheduling", message)


def test_an_event_reads_as_a_real_schedulers(recorder: SeriesRecorder, events: Events, clock: VirtualClock) -> None:
    other = {**POD, "metadata": {"name": "big", "namespace": "shop", "uid": "u2"}}
    recorder.event(POD, "Normal", "Preempted", "Preempting", "Preempted by pod u2 on node node-1", related=other)
    (event,) = events.stored.values()
    assert event.pop("metadata")["name"].startswith("web.")
    assert event == {
        "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": "Preempted", "action": "Preempting",
        "message": "Preempted by pod u2 on node node-1", "eventTime": clock.micro_timestamp(),
        "firstTimestamp": None, "lastTimestamp": None, "source": {},
        "reportingComponent": "default-scheduler", "reportingInstance": "default-scheduler-here",
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "shop", "uid": "u1",
                           "resourceVersion": "7"},
        "related": {"apiVersion": "v1", "kind": "Pod", "name": "big", "namespace": "shop", "uid": "u2"},
    }  # fmt: skip


def test_the_second_makes_a_series_and_the_others_wait(recorder: SeriesRecorder, events: Events) -> None:
    for _ in range(5):
        fail(recorder)
    assert events.counts() == [2]


def test_other_words_are_no_other_event_but_another_version_of_the_object_is(
    recorder: SeriesRecorder, events: Events
) -> None:
    fail(recorder)
    fail(recorder, "still no room")
    assert [event["message"] for event in events.stored.values()] == ["no room"]
    fail(recorder, "still no room", version="8")
    assert [event["message"] for event in events.stored.values()] == ["no room", "still no room"]


async def test_a_series_is_told_again_after_half_an_hour(
    recorder: SeriesRecorder, events: Events, clock: VirtualClock
) -> None:
    for _ in range(36):
        fail(recorder)
        await clock.advance(60)
    assert events.counts() == [32]


async def test_its_end_is_told_and_then_it_begins_anew(
    recorder: SeriesRecorder, events: Events, clock: VirtualClock
) -> None:
    for _ in range(3):
        fail(recorder)
    await clock.advance(400)
    fail(recorder)
    assert events.counts() == [3, 1]


async def test_one_that_has_expired_is_written_anew(
    recorder: SeriesRecorder, events: Events, clock: VirtualClock
) -> None:
    fail(recorder)
    events.stored.clear()
    fail(recorder)
    (event,) = events.stored.values()
    assert event["series"] == {"count": 2, "lastObservedTime": clock.micro_timestamp()}


def test_a_long_message_ends_in_dots(recorder: SeriesRecorder, events: Events) -> None:
    fail(recorder, "x" * 2000)
    (event,) = events.stored.values()
    assert (len(event["message"]), event["message"][-5:]) == (1024, "x ...")
