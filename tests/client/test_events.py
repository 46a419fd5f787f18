from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import AlreadyExists, ApiError, NotFound
from k8slab.api.objects import Obj
from k8slab.client.events import Memory, Recorder
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
        self.fails: Exception | None = None

    def create(self, obj: Obj) -> Obj:
        if self.fails:
            raise self.fails
        name = obj["metadata"]["name"]
        if name in self.stored:
            raise AlreadyExists.of("", "events", name)
        self.stored[name] = {**obj, "metadata": dict(obj["metadata"])}
        return obj

    def patch(self, kind: str, name: str, namespace: str, patch: Any) -> Obj:
        if name not in self.stored:
            raise NotFound.of("", "events", name)
        self.stored[name] |= patch
        return self.stored[name]

    def texts(self) -> list[tuple[str, int]]:
        return [(event["message"], event["count"]) for event in self.stored.values()]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def recorder(events: Events, clock: VirtualClock) -> Recorder:
    return Recorder(events, clock, "kubelet", "node-1")  # type: ignore[arg-type]


def test_an_event_reads_as_in_kubernetes(recorder: Recorder, events: Events, clock: VirtualClock) -> None:
    recorder.event(POD, "Normal", "Started", "Container started")
    (event,) = events.stored.values()
    name, stamp = event.pop("metadata").pop("name").rsplit(".", 1)
    assert name == "web"
    assert len(stamp) == 16
    assert int(stamp, 16) == clock.time() * 1e9
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "shop", "resourceVersion": "7", "uid": "u1",
        },
        "reason": "Started",
        "message": "Container started",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
    }  # fmt: skip


def test_cluster_scoped_objects_speak_in_default_and_references_are_taken_as_they_are(
    recorder: Recorder, events: Events
) -> None:
    recorder.event({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}, "Normal", "A", "b")
    part = {"kind": "Pod", "name": "web", "namespace": "shop", "fieldPath": "spec.containers{c}"}
    recorder.event(part, "Normal", "A", "b")
    node, container = events.stored.values()
    assert node["metadata"]["namespace"] == "default"
    assert container["involvedObject"]["fieldPath"] == "spec.containers{c}"


async def test_the_same_again_is_counted(recorder: Recorder, events: Events, clock: VirtualClock) -> None:
    for _ in range(3):
        recorder.event(POD, "Warning", "BackOff", "back-off")
        await clock.advance(10)
    (event,) = events.stored.values()
    assert event["count"] == 3
    assert (event["firstTimestamp"], event["lastTimestamp"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z")


def test_an_expired_event_is_written_anew_with_its_count(recorder: Recorder, events: Events) -> None:
    recorder.event(POD, "Normal", "A", "b")
    events.stored.clear()
    recorder.event(POD, "Normal", "A", "b")
    assert events.texts() == [("b", 2)]


async def test_the_tenth_of_a_kind_is_folded(recorder: Recorder, events: Events, clock: VirtualClock) -> None:
    for n in range(12):
        recorder.event(POD, "Normal", "Scaled", f"to {n}")
    assert events.texts()[:9] == [(f"to {n}", 1) for n in range(9)]
    assert events.texts()[9:] == [("(combined from similar events): to 11", 3)]
    recorder.event(POD, "Normal", "Other", "x")
    recorder.event(POD, "Normal", "Scaled", "to 3")
    assert ("to 3", 2) in events.texts()
    await clock.advance(601)
    recorder.event(POD, "Normal", "Scaled", "to 99")
    assert ("to 99", 1) in events.texts()


async def test_who_talks_too_much_is_not_listened_to(recorder: Recorder, events: Events, clock: VirtualClock) -> None:
    for _ in range(40):
        recorder.event(POD, "Normal", "A", "b")
    assert events.texts() == [("b", 25)]
    other = {**POD, "metadata": {**POD["metadata"], "name": "other", "uid": "u2"}}
    recorder.event(other, "Normal", "A", "b")
    assert len(events.texts()) == 2
    await clock.advance(300)
    for _ in range(5):
        recorder.event(POD, "Normal", "A", "b")
    assert events.texts()[0] == ("b", 41)  # what was not written was counted


@pytest.mark.parametrize("failure", [ApiError("full"), RuntimeError("oh")])
def test_it_never_raises(recorder: Recorder, events: Events, failure: Exception) -> None:
    events.fails = failure
    recorder.event(POD, "Normal", "A", "b")
    recorder.event({"nonsense": 1}, "Normal", "A", "b")
    assert events.stored == {}


def test_two_recorders_do_not_take_each_others_names(events: Events, clock: VirtualClock) -> None:
    for n in range(3):
        Recorder(events, clock, f"c{n}").event(POD, "Normal", "A", "b")  # type: ignore[arg-type]
    assert len(events.stored) == 3


def test_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8slab.client.events.REMEMBERED", 2)
    memory: Memory[int] = Memory()
    memory.keep("a", 1)
    memory.keep("b", 2)
    assert memory.recall("a") == 1
    memory.keep("c", 3)
    assert list(memory) == ["a", "c"]


def test_a_lab_in_which_very_much_happens_leaves_normal_events_out_and_no_warnings(caplog):
    """Recorders that speak through one client share what may be written."""
    events, clock = Events(), VirtualClock()
    recorders = [Recorder(events, clock, name) for name in ("scheduler", "kubelet")]

    def happens(times: int, type_: str = "Normal") -> int:
        before = len(events.stored)
        for number in range(times):
            pod = {**POD, "metadata": {**POD["metadata"], "name": f"p{before}-{number}", "uid": f"{before}-{number}"}}
            recorders[number % 2].event(pod, type_, "Started", "Container started")
        return len(events.stored) - before

    assert happens(6000) == 5000
    assert happens(10, "Warning") == 10
    assert "not every normal event is written" in caplog.text
    assert Recorder(Events(), clock, "kubelet")._budget is not recorders[0]._budget


async def test_a_while_later_there_is_room_for_more():
    events, clock = Events(), VirtualClock()
    recorder = Recorder(events, clock, "kubelet")
    for number in range(5001):
        recorder.event({**POD, "metadata": {**POD["metadata"], "uid": str(number)}}, "Normal", "Started", "started")
    await clock.advance(10)
    before = len(events.stored)
    for number in range(2000):
        recorder.event({**POD, "metadata": {**POD["metadata"], "uid": f"l{number}"}}, "Normal", "Started", "started")
    assert len(events.stored) - before == 1000
