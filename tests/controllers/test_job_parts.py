from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.objects import Obj, annotations_of, labels_of
from k8slab.clock import Clock, VirtualClock, to_timestamp
from k8slab.controllers import job_indexes, job_look, job_policy, job_status
from k8slab.controllers.job_backoff import Backoff, ended_at
from k8slab.controllers.job_pods import TRACKING, new_pod, too_many
from tests.controllers.world import job, names, pod

CLOCK = VirtualClock()
INDEX = "batch.kubernetes.io/job-completion-index"


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", set()),
        ("3", {3}),
        ("1,2", {1, 2}),
        ("0-3,5,7,8", {0, 1, 2, 3, 5, 7, 8}),
    ],
)
def test_indexes_as_text(text: str, indexes: set[int]) -> None:
    assert job_indexes.parse(text, 10) == indexes
    assert job_indexes.written(indexes) == text


def test_indexes_beyond_the_end_and_rubbish_are_left_out() -> None:
    assert job_indexes.parse("1-5,9", 4) == {1, 2, 3}
    assert job_indexes.parse("x,1,2-y", 9) == {1}
    assert job_indexes.parse(None, 9) == frozenset()


@given(st.frozensets(st.integers(0, 60)))
def test_written_indexes_can_be_read_again(indexes: frozenset[int]) -> None:
    assert job_indexes.parse(job_indexes.written(indexes), 61) == indexes


def test_pending_indexes_are_the_lowest_free_ones() -> None:
    assert job_indexes.pending(5, 2, frozenset({0, 2})) == [1, 3]
    assert job_indexes.pending(3, 9, frozenset({0, 1, 2})) == []


# Pods


def ended(name: str, code: int = 1, at: float = 0.0, index: int = -1, failures: int = 0, **fields: Any) -> Obj:
    """A pod that has ended with this code, `at` seconds ago, not counted yet."""
    made = pod(name, "node-1")
    moment = to_timestamp(CLOCK.time() - at)
    state = {"terminated": {"exitCode": code, "finishedAt": moment}}
    made["status"] = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": "c", "state": state}],
        "conditions": fields.get("conditions", []),
    }
    made["metadata"]["finalizers"] = [TRACKING]
    if index >= 0:
        made["metadata"]["annotations"] = {
            INDEX: str(index),
            "batch.kubernetes.io/job-index-failure-count": str(failures),
        }
    return made


def running(name: str, index: int = -1, **fields: Any) -> Obj:
    made = pod(name, "node-1", ready=fields.get("ready", True))
    made["metadata"]["finalizers"] = [TRACKING]
    if index >= 0:
        made["metadata"]["annotations"] = {INDEX: str(index)}
    if fields.get("going"):
        made["metadata"]["deletionTimestamp"] = CLOCK.timestamp()
    return made


def indexed(completions: int = 3, **spec: Any) -> Obj:
    return job(completions=completions, parallelism=completions, completionMode="Indexed", **spec)


def test_a_new_pod_is_tracked() -> None:
    made = new_pod(job())
    assert made["metadata"]["finalizers"] == [TRACKING]
    assert made["metadata"]["generateName"] == "many-"
    assert "hostname" not in made["spec"]


def test_a_new_pod_of_an_index_knows_it() -> None:
    made = new_pod(indexed(backoffLimitPerIndex=2), 1)
    assert made["metadata"]["generateName"] == "many-1-"
    assert made["spec"]["hostname"] == "many-1"
    assert labels_of(made)[INDEX] == annotations_of(made)[INDEX] == "1"
    assert annotations_of(made)["batch.kubernetes.io/job-index-failure-count"] == "0"
    assert made["spec"]["containers"][0]["env"] == [
        {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}}
    ]
    again = new_pod(indexed(backoffLimitPerIndex=2), 1, ended("x", index=1, failures=1))
    assert annotations_of(again)["batch.kubernetes.io/job-index-failure-count"] == "2"
    long = new_pod({**indexed(), "metadata": {**indexed()["metadata"], "name": "n" * 63, "uid": "u"}}, 12)
    assert long["metadata"]["generateName"] == "n" * 54 + "-12-"


def test_too_many() -> None:
    assert names(too_many(job(), [running("a"), running("b", ready=False)], 1, CLOCK)) == ["b"]
    assert too_many(job(), [running("a")], 2, CLOCK) == []
    doubled = [running("a", 0), running("b", 0, ready=False), running("c", 7), running("d")]
    assert sorted(names(too_many(indexed(), doubled, 3, CLOCK))) == ["b", "c", "d"]


# Back-off


@pytest.mark.parametrize(
    ("failures", "ago", "left"),
    [(0, 0, 0), (1, 0, 10), (1, 4, 6), (1, 10, 0), (2, 0, 20), (3, 0, 40), (6, 0, 320), (7, 0, 360), (99, 0, 360)],
)
def test_back_off(failures: int, ago: float, left: float) -> None:
    assert Backoff(failures, CLOCK.time() - ago).left(CLOCK) == left


def test_a_success_ends_the_back_off() -> None:
    start = Backoff(3, CLOCK.time() - 100)
    assert start.after([], [], CLOCK) == start
    assert start.after([], [ended("a", at=5), ended("b", at=2)], CLOCK) == Backoff(5, CLOCK.time() - 2)
    assert start.after([ended("a", 0, at=5)], [], CLOCK) == Backoff()
    assert start.after([ended("a", 0, at=5)], [ended("b", at=9), ended("c", at=2)], CLOCK) == Backoff(
        1, CLOCK.time() - 2
    )


def test_when_a_pod_has_ended() -> None:
    made = pod("p", "node-1")
    made["metadata"]["creationTimestamp"] = to_timestamp(CLOCK.time() - 99)
    made["status"]["conditions"] = []
    assert ended_at(made, CLOCK) == CLOCK.time() - 99
    made["metadata"] |= {"deletionTimestamp": to_timestamp(CLOCK.time() + 10), "deletionGracePeriodSeconds": 30}
    assert ended_at(made, CLOCK) == CLOCK.time() - 20
    made["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "lastTransitionTime": to_timestamp(CLOCK.time() - 5)}
    ]
    assert ended_at(made, CLOCK) == CLOCK.time() - 5


class Fast(Clock):
    """Twenty times as fast."""

    def __init__(self, now: float) -> None:
        super().__init__(speed=20.0)
        self.now = now

    def time(self) -> float:
        return self.now


def test_a_fast_lab_does_not_lose_its_back_off_to_whole_seconds() -> None:
    end = CLOCK.time() + 0.9
    failed = ended("a", at=0)  # its timestamp says .0
    record = Backoff().after([], [failed], Fast(end + 0.05))
    assert record.left(Fast(end + 0.05)) == pytest.approx(10, abs=1.1)
    assert record.left(Fast(end + 0.55)) == 0


# Policies

BY_CODE = {"rules": [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
    {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [43]}},
    {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [7]}},
]}  # fmt: skip
DISRUPTED = {"type": "DisruptionTarget", "status": "True"}


@pytest.mark.parametrize(
    ("failed", "action", "counts"),
    [
        (ended("p", 42), "FailJob", True),
        (ended("p", 42, conditions=[DISRUPTED]), "Ignore", False),  # the first rule that fits
        (ended("p", 43), "FailIndex", True),
        (ended("p", 1), "Count", True),
        (ended("p", 7), "", True),
        (ended("p", 0), "", True),
    ],
)
def test_ruling(failed: Obj, action: str, counts: bool) -> None:
    found = job_policy.ruling(job(podFailurePolicy=BY_CODE), failed)
    assert (found.action, found.counts) == (action, counts)
    told = "Container c for pod default/p failed with exit code 42 matching FailJob rule at index 1"
    assert found.message == (told if action == "FailJob" else "")


@pytest.mark.parametrize(
    ("rule", "succeeded", "met"),
    [
        ({"succeededCount": 2}, {0}, False),
        ({"succeededCount": 2}, {0, 4}, True),
        ({"succeededIndexes": "0-1"}, {0}, False),
        ({"succeededIndexes": "0-1"}, {0, 1}, True),
        ({"succeededIndexes": "0-3", "succeededCount": 1}, {2}, True),
        ({"succeededIndexes": "0-3", "succeededCount": 1}, {4}, False),
    ],
)
def test_success_policy(rule: Obj, succeeded: set[int], met: bool) -> None:
    found = job_policy.success(indexed(5, successPolicy={"rules": [rule]}), frozenset(succeeded))
    assert found == ("Matched rules at index 0" if met else "")


# A look


def wished(of: Obj, *pods: Obj, backoff: Backoff | None = None) -> tuple[list[str], list[int], float | None]:
    found = job_look.wish(job_look.look(of, list(pods), CLOCK), backoff or Backoff(), CLOCK)
    return names(found.delete), found.create, found.wait


def status(of: Obj, **fields: Any) -> Obj:
    return {**of, "status": fields}


REPLACE_LATE = {"podReplacementPolicy": "Failed"}


@pytest.mark.parametrize(
    ("of", "pods", "expected"),
    [
        (job(completions=3, parallelism=2), [], ([], [-1, -1], None)),
        (status(job(completions=3, parallelism=2), succeeded=2), [], ([], [-1], None)),
        (job(completions=3, parallelism=2), [ended("a", 0), running("b")], ([], [-1], None)),
        (status(job(completions=3, parallelism=9), succeeded=2), [running("b")], ([], [], None)),
        (job(completions=None, parallelism=2), [running("a")], ([], [-1], None)),
        (job(completions=None, parallelism=2), [ended("a", 0)], ([], [], None)),  # the queue is empty
        (job(parallelism=0), [running("a")], (["a"], [], None)),
        (job(suspend=True), [running("a")], (["a"], [], None)),
        (job(suspend=True), [], ([], [], None)),
        (job(), [running("a", going=True)], ([], [-1], None)),
        (job(**REPLACE_LATE), [running("a", going=True)], ([], [], None)),
        (indexed(), [running("a", 1)], ([], [0, 2], None)),
        (status(indexed(), completedIndexes="0"), [running("a", 1)], ([], [2], None)),
        (indexed(), [running("a", 0), running("b", 0, ready=False)], (["b"], [], None)),
        (indexed(**REPLACE_LATE), [running("a", 1, going=True)], ([], [0, 2], None)),
        # an index that failed waits by itself, the others go on
        (indexed(backoffLimitPerIndex=2), [ended("a", index=0, at=4)], ([], [1, 2], 6)),
        (indexed(backoffLimitPerIndex=2), [ended("a", index=0, at=4, failures=1)], ([], [1, 2], 16)),
        (indexed(backoffLimitPerIndex=2), [ended("a", index=0, at=40, failures=2)], ([], [1, 2], None)),  # lost
        (indexed(backoffLimitPerIndex=2), [ended("a", index=0, at=10)], ([], [0, 1, 2], None)),
    ],
)  # fmt: skip
def test_wish(of: Obj, pods: list[Obj], expected: Any) -> None:
    assert wished(of, *pods) == expected


def test_no_new_pod_before_the_back_off_is_over() -> None:
    assert wished(job(), backoff=Backoff(2, CLOCK.time() - 5)) == ([], [], 15)


def verdict(of: Obj, *pods: Obj, started: float = 0) -> tuple[str, str] | None:
    found = job_look.verdict(job_look.look(of, list(pods), CLOCK), to_timestamp(CLOCK.time() - started), CLOCK)
    return (found["type"], found["reason"]) if found else None


def restarting(times: int) -> Obj:
    made = running("r")
    made["status"]["containerStatuses"] = [{"name": "c", "restartCount": times}]
    return made


def on_failure(**spec: Any) -> Obj:
    made = job(**spec)
    made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    return made


TOO_OFTEN = ("FailureTarget", "BackoffLimitExceeded")


@pytest.mark.parametrize(
    ("of", "pods", "expected"),
    [
        (job(backoffLimit=1), [ended("a")], None),
        (job(backoffLimit=1), [ended("a"), ended("b")], TOO_OFTEN),
        (job(backoffLimit=0), [running("a", going=True)], TOO_OFTEN),  # deleting one counts
        (job(backoffLimit=0, **REPLACE_LATE), [running("a", going=True)], None),
        (status(job(backoffLimit=1), failed=1), [ended("a")], TOO_OFTEN),
        (job(backoffLimit=0, podFailurePolicy=BY_CODE), [ended("a", 9, conditions=[DISRUPTED])], None),
        (job(podFailurePolicy=BY_CODE), [ended("a", 42)], ("FailureTarget", "PodFailurePolicy")),
        (on_failure(backoffLimit=3), [restarting(2)], None),
        (on_failure(backoffLimit=3), [restarting(3)], TOO_OFTEN),
        (on_failure(backoffLimit=0), [restarting(0)], None),
        (on_failure(backoffLimit=0), [restarting(1)], TOO_OFTEN),
        (indexed(backoffLimitPerIndex=0, backoffLimit=99), [ended("a", index=0)], None),  # the others go on
        (indexed(2, backoffLimitPerIndex=0, backoffLimit=99), [ended("a", index=0), ended("b", 0, index=1)], ("FailureTarget", "FailedIndexes")),
        (indexed(3, backoffLimitPerIndex=0, backoffLimit=99, maxFailedIndexes=1), [ended("a", index=0), ended("b", index=1)], ("FailureTarget", "MaxFailedIndexesExceeded")),
        (indexed(3, backoffLimitPerIndex=5, backoffLimit=99, podFailurePolicy=BY_CODE, maxFailedIndexes=0), [ended("a", 43, index=0)], ("FailureTarget", "MaxFailedIndexesExceeded")),
        (indexed(3, successPolicy={"rules": [{"succeededCount": 1}]}), [ended("a", 0, index=2)], ("SuccessCriteriaMet", "SuccessPolicy")),
        (status(job(), conditions=[{"type": "FailureTarget", "status": "True", "reason": "R"}]), [], ("Failed", "R")),
    ],
)  # fmt: skip
def test_verdict(of: Obj, pods: list[Obj], expected: Any) -> None:
    assert verdict(of, *pods) == expected


def test_the_deadline() -> None:
    assert verdict(job(activeDeadlineSeconds=30), started=29) is None
    assert verdict(job(activeDeadlineSeconds=30), started=30) == ("FailureTarget", "DeadlineExceeded")
    assert verdict(job(activeDeadlineSeconds=30, suspend=True), started=99) is None


# Counting


def test_pods_are_written_down_before_they_are_counted() -> None:
    of = job(completions=3)
    found = job_look.look(of, [ended("a", 0), ended("b"), running("c")], CLOCK)
    tracked = job_status.track(found, {}, None)
    assert tracked.status["uncountedTerminatedPods"] == {"succeeded": ["uid-of-a"], "failed": ["uid-of-b"]}
    assert names(tracked.release) == ["a", "b"]
    half = job_status.counted(tracked.status, ["uid-of-b"])  # the finalizer of b could not be taken off
    assert half == {"succeeded": 1, "failed": 0, "uncountedTerminatedPods": {"failed": ["uid-of-b"]}}
    again = job_look.look(status(of, **half), [ended("b"), running("c")], CLOCK)
    assert (again.succeeded, again.failed) == (1, 1)  # counted once, also when looked at twice
    assert job_status.track(again, half, None).status["uncountedTerminatedPods"] == {"failed": ["uid-of-b"]}


def test_what_still_runs_when_the_job_fails_is_a_failure() -> None:
    found = job_look.look(job(completions=2), [running("a", going=True), ended("b", 0)], CLOCK)
    lost = job_look.entry("FailureTarget", "DeadlineExceeded", "", CLOCK)
    won = job_look.entry("SuccessCriteriaMet", "CompletionsReached", "", CLOCK)
    uncounted = job_status.track(found, {}, lost).status["uncountedTerminatedPods"]
    assert uncounted == {"succeeded": ["uid-of-b"], "failed": ["uid-of-a"]}
    late = job_look.look(job(completions=2, **REPLACE_LATE), [running("a", going=True), ended("b", 0)], CLOCK)
    assert job_status.track(late, {}, won).status["uncountedTerminatedPods"] == {"succeeded": ["uid-of-b"]}


def test_indexes_are_counted_once() -> None:
    of = status(indexed(4), completedIndexes="0", succeeded=1)
    found = job_look.look(of, [ended("a", 0, index=0), ended("b", 0, index=2), ended("c", 0, index=9)], CLOCK)
    told = job_status.track(found, of["status"], None).status
    assert (told["succeeded"], told["completedIndexes"]) == (2, "0,2")
    assert told["uncountedTerminatedPods"] == {}
