from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj
from k8slab.clock import Clock, VirtualClock, from_timestamp, to_timestamp
from k8slab.controllers.cron_times import Calendar, due, next_in, schedule_of
from k8slab.controllers.cronjob import CronJobController, name_at, new_job
from tests.controllers.world import Cluster, cron_job, names

START = VirtualClock().time()  # 2026-01-01T00:00:00Z


def at(seconds: float) -> VirtualClock:
    return VirtualClock(START + seconds)


def since_start(schedule: str, last: float | None = None, **spec: Any) -> Obj:
    made = cron_job(schedule, **spec)
    made["metadata"]["creationTimestamp"] = to_timestamp(START)
    made["status"] = {"lastScheduleTime": to_timestamp(START + last)} if last is not None else {}
    return made


MINUTE, HOUR = 60.0, 3600.0


@pytest.mark.parametrize(
    ("of", "now", "moment", "too_many", "left"),
    [
        (since_start("*/5 * * * *"), 299, None, False, 1),
        (since_start("*/5 * * * *"), 300, 300, False, 300),
        (since_start("*/5 * * * *"), 301, 300, False, 299),
        (since_start("*/5 * * * *", last=300), 310, None, False, 290),
        (since_start("*/5 * * * *"), 1000, 900, False, 200),  # of several missed ones, the last
        (since_start("*/5 * * * *"), 100 * 300, 100 * 300, False, 300),
        (since_start("*/5 * * * *"), 101 * 300, 101 * 300, True, 300),
        (since_start("*/5 * * * *", startingDeadlineSeconds=60), 101 * 300, 101 * 300, False, 300),
        (since_start("*/5 * * * *", startingDeadlineSeconds=60), 101 * 300 + 61, None, False, 239),  # too late
        (since_start("0 12 * * *", timeZone="Asia/Tokyo"), 3 * HOUR, 3 * HOUR, False, 24 * HOUR),
        (since_start("30 6-16/4 * * 1-5"), 35 * HOUR, 34.5 * HOUR, False, 4 * HOUR - 0.5 * HOUR),  # Friday 11:00
        (since_start("@every 90s"), 200, 180, False, 70),
    ],
)
def test_what_is_due(of: Obj, now: float, moment: float | None, too_many: bool, left: float) -> None:
    calendar, schedule = Calendar(of, at(now)), schedule_of(of)
    found = due(of, schedule, calendar)
    assert found.moment == (None if moment is None else START + moment)
    assert found.too_many is too_many
    assert next_in(of, schedule, calendar) == pytest.approx(left)


def test_a_schedule_that_never_comes() -> None:
    of = since_start("0 0 31 2 *")
    with pytest.raises(ValueError, match="less than 1 second"):
        due(of, schedule_of(of), Calendar(of, at(0)))
    assert next_in(of, schedule_of(of), Calendar(of, at(0))) is None


class Fast(Clock):
    """Sixty times as fast, a minute in a second."""

    def __init__(self, now: float) -> None:
        super().__init__(speed=60.0)
        self.now = START + now

    def time(self) -> float:
        return self.now


def test_the_calendar_runs_as_fast_as_the_lab() -> None:
    of = since_start("*/5 * * * *")
    calendar = Calendar(of, Fast(5))
    found = due(of, schedule_of(of), calendar)
    assert found.moment == START + 300
    assert calendar.wall(START + 300) == START + 5
    assert name_at(of, START + 300) != name_at(of, START + 600)
    of["status"] = {"lastScheduleTime": to_timestamp(calendar.wall(START + 300))}
    assert due(of, schedule_of(of), Calendar(of, Fast(9.9))).moment is None
    assert due(of, schedule_of(of), Calendar(of, Fast(10))).moment == START + 600
    assert next_in(of, schedule_of(of), Calendar(of, Fast(9))) == pytest.approx(60)  # Kubernetes seconds


def test_the_job_of_a_moment() -> None:
    of = since_start("*/5 * * * *", timeZone="Asia/Tokyo")
    of["metadata"]["uid"] = "u"
    made = new_job(of, START + 300)
    assert made["metadata"]["name"] == f"tick-{int(START + 300) // 60}"
    assert made["metadata"]["labels"] == {"from": "tick"}
    stamp = made["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp == "2026-01-01T09:05:00+09:00"
    assert new_job(since_utc(), START)["metadata"]["annotations"].popitem()[1] == "2026-01-01T00:00:00Z"
    assert made["metadata"]["ownerReferences"][0]["controller"] is True


def since_utc() -> Obj:
    of = since_start("*/5 * * * *")
    of["metadata"]["uid"] = "u"
    return of


# Lives: Jobs do nothing by themselves here; `finish` ends them.


async def start(cluster: Cluster, of: Obj) -> list[str]:
    """Returns the moments at which Jobs come, as they come."""
    came: list[str] = []

    def note(before: Obj | None, after: Obj | None) -> None:
        if before is None:
            came.append(datetime.fromtimestamp(cluster.clock.time(), UTC).strftime("%H:%M:%S.%f")[:-5])

    cluster.client.informer("Job").subscribe(note)
    cluster.run(CronJobController(cluster.client, cluster.clock))
    cluster.client.create(of)
    await cluster.settle()
    return came


async def finish(cluster: Cluster, name: str, how: str = "Complete") -> None:
    now = cluster.clock.timestamp()
    status = {"conditions": [{"type": how, "status": "True"}], "startTime": now}
    status |= {"completionTime": now} if how == "Complete" else {}
    cluster.client.patch("Job", name, "default", {"status": status}, "status")
    await cluster.settle()


def status(cluster: Cluster) -> Obj:
    found: Obj = cluster.client.get("CronJob", "tick", "default")["status"]
    return found


async def test_jobs_come_just_after_their_moment(cluster: Cluster) -> None:
    came = await start(cluster, cron_job("*/20 * * * *"))
    await cluster.advance(HOUR + 1)
    assert came == ["00:20:00.1", "00:40:00.1", "01:00:00.1"]
    assert status(cluster)["lastScheduleTime"] == "2026-01-01T01:00:00Z"
    assert [ref["name"] for ref in status(cluster)["active"]] == names(cluster.all("Job"))
    one = status(cluster)["active"][0]
    assert (one["kind"], one["apiVersion"], one["namespace"]) == ("Job", "batch/v1", "default")
    assert cluster.events()[0] == f"Normal SuccessfulCreate Created job tick-{int(START + 1200) // 60}"


async def test_a_finished_job_leaves_the_list_and_the_oldest_go(cluster: Cluster) -> None:
    await start(cluster, cron_job("* * * * *", successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1))
    for number in range(6):
        await cluster.advance(MINUTE)
        await cluster.advance(1)
        await finish(cluster, status(cluster)["active"][0]["name"], "Failed" if number % 2 else "Complete")
    ends = [job["status"]["conditions"][0]["type"] for job in cluster.all("Job")]
    assert sorted(ends) == ["Complete", "Complete", "Failed"]
    assert "active" not in status(cluster)
    assert from_timestamp(status(cluster)["lastSuccessfulTime"]) == START + 5 * MINUTE + 5
    said = cluster.events()
    assert f"Normal SawCompletedJob Saw completed job: tick-{int(START) // 60 + 1}, condition: Complete" in said
    assert f"Normal SuccessfulDelete Deleted job tick-{int(START) // 60 + 1}" in said


async def test_allow_runs_them_side_by_side(cluster: Cluster) -> None:
    """Conformance: "should schedule multiple jobs concurrently"."""
    await start(cluster, cron_job("* * * * *"))
    await cluster.advance(3 * MINUTE + 1)
    assert len(status(cluster)["active"]) == 3


async def test_forbid_waits_for_the_one_before(cluster: Cluster) -> None:
    await start(cluster, cron_job("* * * * *", concurrencyPolicy="Forbid"))
    await cluster.advance(3 * MINUTE + 1)
    assert len(cluster.all("Job")) == 1
    assert any("JobAlreadyActive Not starting job because prior execution is running" in e for e in cluster.events())
    await finish(cluster, names(cluster.all("Job"))[0])
    assert len(cluster.all("Job")) == 2  # the latest moment that was missed
    assert status(cluster)["lastScheduleTime"] == "2026-01-01T00:03:00Z"


async def test_replace_ends_the_one_before(cluster: Cluster) -> None:
    """Conformance: "should replace jobs when ReplaceConcurrent"."""
    await start(cluster, cron_job("* * * * *", concurrencyPolicy="Replace"))
    await cluster.advance(MINUTE + 1)
    first = names(cluster.all("Job"))
    await cluster.advance(MINUTE)
    assert len(cluster.all("Job")) == 1
    assert names(cluster.all("Job")) != first
    assert len(status(cluster)["active"]) == 1


async def test_suspended_it_does_nothing_and_then_the_last_moment_missed(cluster: Cluster) -> None:
    await start(cluster, cron_job("* * * * *", suspend=True))
    await cluster.advance(10 * MINUTE + 30)
    assert cluster.all("Job") == []
    cluster.client.patch("CronJob", "tick", "default", {"spec": {"suspend": False}})
    await cluster.settle()
    assert names(cluster.all("Job")) == [f"tick-{int(START) // 60 + 10}"]


async def test_a_new_schedule_holds_at_once(cluster: Cluster) -> None:
    came = await start(cluster, cron_job("0 12 * * *"))
    await cluster.advance(MINUTE)
    cluster.client.patch("CronJob", "tick", "default", {"spec": {"schedule": "*/10 * * * *"}})
    await cluster.advance(10 * MINUTE)
    assert came == ["00:10:00.1"]


async def test_a_job_that_goes_missing_and_one_that_appears(cluster: Cluster) -> None:
    await start(cluster, cron_job("* * * * *", suspend=False))
    await cluster.advance(MINUTE + 1)
    cluster.client.delete("Job", names(cluster.all("Job"))[0], "default")
    await cluster.settle()
    assert "active" not in status(cluster)
    assert any("MissingJob Active job went missing: tick-" in e for e in cluster.events())
    now = new_job(cluster.client.get("CronJob", "tick", "default"), START)
    now["metadata"]["name"] = "now"  # kubectl create job --from=cronjob/tick now
    cluster.client.create(now)
    await cluster.settle()
    assert any(
        e == "Warning UnexpectedJob Saw a job that the controller did not create or forgot: now"
        for e in cluster.events()
    )
    assert "active" not in status(cluster)


@pytest.mark.parametrize(
    ("of", "event"),
    [
        (cron_job("every day"), 'Warning UnparseableSchedule unparseable schedule: "every day" : expected exactly 5'),
        (cron_job("0 0 31 2 *"), "Warning InvalidSchedule invalid schedule: 0 0 31 2 * : time difference"),
        (cron_job(timeZone="Mars/Base"), 'Warning UnknownTimeZone invalid timeZone: "Mars/Base": unknown time zone'),
        (cron_job("TZ=UTC 0 0 * * *"), 'Warning UnsupportedSchedule CRON_TZ or TZ used in schedule "TZ=UTC 0 0 * * *"'),
    ],
)
async def test_schedules_that_cannot_be_kept(cluster: Cluster, of: Obj, event: str) -> None:
    await start(cluster, of)
    assert cluster.events()[0].startswith(event)
    assert cluster.all("Job") == []


async def test_a_refused_job_is_told_and_tried_again(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("exceeded quota") if obj["kind"] == "Job" else None
    await start(cluster, cron_job("* * * * *"))
    await cluster.advance(MINUTE + 1)
    assert cluster.events()[0] == "Warning FailedCreate Error creating job: exceeded quota"
    cluster.client.refuse = lambda obj: None
    await cluster.advance(20)
    assert len(cluster.all("Job")) == 1
