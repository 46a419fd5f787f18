from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj
from k8slab.controllers.garbage import GarbageCollector
from k8slab.controllers.job import JobController
from k8slab.controllers.job_pods import TRACKING
from k8slab.controllers.job_release import JobPodReleaser
from k8slab.controllers.ttl_after_finished import TTLAfterFinishedController
from tests.controllers.world import Cluster, FakeWorker, job, names, pod


async def start(cluster: Cluster, of: Obj | None = None, lasts: float = 10.0) -> FakeWorker:
    worker = FakeWorker(cluster.client, cluster.clock, lasts)
    for make in (JobController, JobPodReleaser, TTLAfterFinishedController):
        cluster.run(make(cluster.client, cluster.clock))
    cluster.client.create(of or job())
    await cluster.settle()
    return worker


def status(cluster: Cluster, name: str = "many") -> Obj:
    found: Obj = cluster.client.get("Job", name, "default")["status"]
    return found


def conditions(cluster: Cluster) -> list[str]:
    return [f"{c['type']}={c['status']}({c['reason']})" for c in status(cluster).get("conditions", [])]


def phases(cluster: Cluster) -> list[str]:
    return sorted(p["status"]["phase"] for p in cluster.all("Pod"))


async def test_three_completions_two_at_a_time(cluster: Cluster) -> None:
    """The order of a real control plane, as recorded."""
    seen: list[str] = []

    def note(before: Obj | None, after: Obj | None) -> None:
        told = (after or {}).get("status") or {}
        counts = [told.get(name, 0) for name in ("active", "ready", "succeeded", "failed")]
        line = " ".join(map(str, [*counts, *(c["type"] for c in told.get("conditions", []))]))
        if after and line not in seen[-1:]:
            seen.append(line)

    cluster.client.informer("Job").subscribe(note)
    await start(cluster, job(completions=3, parallelism=2), lasts=3)
    await cluster.advance(60)
    assert seen == [
        "0 0 0 0",
        "2 0 0 0",
        "2 2 0 0",
        "1 0 0 0",
        "1 0 2 0",
        "1 1 2 0",
        "0 0 2 0 SuccessCriteriaMet",
        "0 0 3 0 SuccessCriteriaMet Complete",
    ]
    assert conditions(cluster) == ["SuccessCriteriaMet=True(CompletionsReached)", "Complete=True(CompletionsReached)"]
    assert status(cluster)["completionTime"] == status(cluster)["conditions"][1]["lastTransitionTime"]
    assert {k: status(cluster)[k] for k in ("ready", "terminating", "uncountedTerminatedPods", "succeeded")} == {
        "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}, "succeeded": 3,
    }  # fmt: skip
    assert "active" not in status(cluster)
    assert cluster.events()[-1] == "Normal Completed Job completed"
    assert all("finalizers" not in p["metadata"] for p in cluster.all("Pod"))


async def test_failures_come_ten_seconds_then_twice_as_far_apart(cluster: Cluster) -> None:
    """10 s, 20 s, 40 s, 80 s, 160 s, 320 s after the one before; the seventh failure is one too many."""
    await start(cluster, job(image="fails", backoffLimit=6), lasts=0.0)
    born: list[float] = []
    cluster.client.informer("Pod").subscribe(lambda old, new: born.append(cluster.clock.time()) if not old else None)
    await cluster.advance(900)
    gaps = [round(b - a) for a, b in pairwise(born)]
    assert gaps == [10, 20, 40, 80, 160, 320]
    assert conditions(cluster) == ["FailureTarget=True(BackoffLimitExceeded)", "Failed=True(BackoffLimitExceeded)"]
    assert status(cluster)["failed"] == 7
    assert "completionTime" not in status(cluster)
    assert cluster.events()[-1] == "Warning BackoffLimitExceeded Job has reached the specified backoff limit"
    assert phases(cluster) == ["Failed"] * 7


async def test_the_deadline_ends_a_job_and_its_pods(cluster: Cluster) -> None:
    await start(cluster, job(image="runs", parallelism=2, completions=2, activeDeadlineSeconds=30))
    await cluster.advance(29)
    assert conditions(cluster) == []
    await cluster.advance(1)
    assert conditions(cluster)[0] == "FailureTarget=True(DeadlineExceeded)"
    await cluster.advance(5)
    assert conditions(cluster) == ["FailureTarget=True(DeadlineExceeded)", "Failed=True(DeadlineExceeded)"]
    assert cluster.all("Pod") == []
    assert status(cluster)["failed"] == 2
    assert "Warning DeadlineExceeded Job was active longer than specified deadline" in cluster.events()


async def test_the_end_waits_for_pods_on_their_way_out(cluster: Cluster) -> None:
    worker = await start(cluster, job(image="runs", activeDeadlineSeconds=5))
    await cluster.advance(2)
    worker.dead = set(worker.nodes)
    await cluster.advance(30)
    assert conditions(cluster) == ["FailureTarget=True(DeadlineExceeded)"]
    assert status(cluster)["terminating"] == 1
    worker.dead = set()
    worker.step("default", names(cluster.all("Pod"))[0])
    await cluster.advance(5)
    assert conditions(cluster)[1:] == ["Failed=True(DeadlineExceeded)"]


async def test_suspend_and_resume(cluster: Cluster) -> None:
    await start(cluster, job(image="runs", parallelism=2, completions=2, suspend=True, activeDeadlineSeconds=100))
    assert cluster.all("Pod") == []
    assert "startTime" not in status(cluster)
    assert conditions(cluster) == ["Suspended=True(JobSuspended)"]
    await cluster.advance(200)  # the deadline does not run
    cluster.client.patch("Job", "many", "default", {"spec": {"suspend": False}})
    await cluster.settle()
    assert phases(cluster) == ["Running", "Running"]
    assert conditions(cluster) == ["Suspended=False(JobResumed)"]
    assert status(cluster)["startTime"] == cluster.clock.timestamp()
    cluster.client.patch("Job", "many", "default", {"spec": {"suspend": True}})
    await cluster.advance(5)
    assert cluster.all("Pod") == []
    assert status(cluster).get("failed", 0) == 0  # who is sent home has not failed
    told = [line for line in cluster.events() if "Job " in line]
    assert told == ["Normal Suspended Job suspended", "Normal Resumed Job resumed"]


async def test_every_index_once_with_its_own_name(cluster: Cluster) -> None:
    """Conformance: "should create pods for an Indexed job with completion indexes and specified hostname"."""
    await start(cluster, job(completions=4, parallelism=2, completionMode="Indexed"))
    await cluster.advance(60)
    assert status(cluster)["completedIndexes"] == "0-3"
    assert status(cluster)["succeeded"] == 4
    assert sorted(p["spec"]["hostname"] for p in cluster.all("Pod")) == ["many-0", "many-1", "many-2", "many-3"]
    assert conditions(cluster)[1] == "Complete=True(CompletionsReached)"


async def test_indexes_fail_on_their_own(cluster: Cluster) -> None:
    worker = await start(
        cluster,
        job(
            completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=1, backoffLimit=2**31 - 1,
            image="runs",
        ),
    )  # fmt: skip

    def fate(index: int) -> int:
        return 1 if index == 1 else 0

    def end_all() -> None:
        for p in cluster.all("Pod"):
            if p["status"]["phase"] == "Running":
                worker.end("default", p["metadata"]["name"], fate(int(p["spec"]["hostname"][-1])))

    end_all()
    await cluster.advance(9)
    assert status(cluster)["completedIndexes"] == "0,2"
    assert status(cluster)["failedIndexes"] == ""
    assert "Running" not in phases(cluster)  # index 1 waits ten seconds
    await cluster.advance(3)
    again = next(p for p in cluster.all("Pod") if p["status"]["phase"] == "Running")
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    end_all()
    await cluster.advance(3)
    assert status(cluster)["failedIndexes"] == "1"
    assert conditions(cluster) == ["FailureTarget=True(FailedIndexes)", "Failed=True(FailedIndexes)"]
    assert (status(cluster)["succeeded"], status(cluster)["failed"]) == (2, 2)


async def test_success_policy_ends_the_rest(cluster: Cluster) -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    worker = await start(
        cluster, job(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy, image="runs")
    )
    leader = next(p for p in cluster.all("Pod") if p["spec"]["hostname"] == "many-0")
    worker.end("default", leader["metadata"]["name"], 0)
    await cluster.advance(5)
    assert conditions(cluster) == ["SuccessCriteriaMet=True(SuccessPolicy)", "Complete=True(SuccessPolicy)"]
    assert names(cluster.all("Pod")) == [leader["metadata"]["name"]]
    assert (status(cluster)["succeeded"], status(cluster).get("failed", 0)) == (1, 0)  # the rest is sent home


async def test_pod_failure_policy_gives_up_at_once(cluster: Cluster) -> None:
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    worker = await start(cluster, job(podFailurePolicy={"rules": rules}, podReplacementPolicy="Failed"))
    worker.ends["ok"] = 42
    await cluster.advance(20)
    name = names(cluster.all("Pod"))[0]
    message = f"Container c for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
    assert status(cluster)["conditions"][1]["message"] == message
    assert conditions(cluster)[1] == "Failed=True(PodFailurePolicy)"


async def test_replacement_policy_failed_waits_for_the_end(cluster: Cluster) -> None:
    worker = await start(cluster, job(image="runs", podReplacementPolicy="Failed"))
    worker.dead = set(worker.nodes)
    name = names(cluster.all("Pod"))[0]
    cluster.client.delete("Pod", name, "default")
    await cluster.advance(30)
    assert names(cluster.all("Pod")) == [name]
    assert status(cluster)["terminating"] == 1
    worker.dead = set()
    worker.step("default", name)
    await cluster.advance(30)
    assert len(cluster.all("Pod")) == 1
    assert names(cluster.all("Pod")) != [name]
    assert status(cluster)["failed"] == 1


async def test_fewer_at_a_time_is_no_failure(cluster: Cluster) -> None:
    await start(cluster, job(image="runs", parallelism=3, completions=5))
    cluster.client.patch("Job", "many", "default", {"spec": {"parallelism": 1}})
    await cluster.advance(5)
    assert phases(cluster) == ["Running"]
    assert (status(cluster)["active"], status(cluster).get("failed", 0)) == (1, 0)


async def test_a_work_queue_is_done_when_one_says_so(cluster: Cluster) -> None:
    await start(cluster, job(completions=None, parallelism=3))
    await cluster.advance(30)
    assert status(cluster)["succeeded"] == 3
    assert conditions(cluster)[1] == "Complete=True(CompletionsReached)"


async def test_adopt_matching_orphans_and_release_non_matching_pods(cluster: Cluster) -> None:
    await start(cluster, job(image="runs"))
    name = names(cluster.all("Pod"))[0]
    cluster.client.patch("Pod", name, "default", {"metadata": {"ownerReferences": None}})
    await cluster.advance(2)
    adopted = cluster.client.get("Pod", name, "default")["metadata"]
    assert adopted["ownerReferences"][0]["name"] == "many"
    assert adopted["finalizers"] == [TRACKING]
    cluster.client.patch("Pod", name, "default", {"metadata": {"labels": {"job-name": "other"}}})
    await cluster.advance(2)
    released = cluster.client.get("Pod", name, "default")["metadata"]
    assert "ownerReferences" not in released
    assert "finalizers" not in released
    assert len(cluster.all("Pod")) == 2  # another took its place


async def test_a_pod_that_was_never_tracked_is_adopted_with_the_finalizer(cluster: Cluster) -> None:
    cluster.client.create(pod("orphan", "node-1", ready=True, **{"job-name": "many"}))
    await start(cluster, job(image="runs"))
    assert names(cluster.all("Pod")) == ["orphan"]
    assert cluster.client.get("Pod", "orphan", "default")["metadata"]["finalizers"] == [TRACKING]


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_deleting_a_job_takes_its_pods(cluster: Cluster, propagation: Any) -> None:
    cluster.run(GarbageCollector(cluster.client, cluster.clock, ["Job", "Pod"]))
    await start(cluster, job(image="runs", parallelism=2, completions=2))
    cluster.client.delete("Job", "many", "default", propagation=propagation)
    await cluster.advance(10)
    assert cluster.all("Job") == []
    assert cluster.all("Pod") == []


async def test_time_to_live(cluster: Cluster) -> None:
    cluster.run(GarbageCollector(cluster.client, cluster.clock, ["Job", "Pod"]))
    await start(cluster, job(ttlSecondsAfterFinished=100), lasts=0.0)
    while not status(cluster).get("completionTime"):
        await cluster.advance(0.5)
    ended = cluster.clock.time()
    while cluster.all("Job"):
        await cluster.advance(0.5)
    assert cluster.clock.time() - ended == pytest.approx(100, abs=1)
    await cluster.advance(5)
    assert cluster.all("Pod") == []


async def test_a_refused_pod_is_told_and_tried_again(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("exceeded quota") if obj["kind"] == "Pod" else None
    await start(cluster)
    assert cluster.events()[0] == "Warning FailedCreate Error creating: exceeded quota"
    assert status(cluster).get("active", 0) == 0
    cluster.client.refuse = lambda obj: None
    await cluster.advance(120)
    assert conditions(cluster)[1] == "Complete=True(CompletionsReached)"


async def test_somebody_elses_job_is_left_alone(cluster: Cluster) -> None:
    await start(cluster, job(managedBy="example.com/queue"))
    await cluster.advance(10)
    assert cluster.all("Pod") == []
    assert status(cluster) == {}
