"""Kubernetes' moments, as a table: what is done at second 0, what is looked at, and at which seconds it changes.

A whole cluster in virtual time (`tests/virtual.py`): an hour takes a second or less, and every moment is exact. The
times are Kubernetes 1.36's defaults, or those of the spec in the row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from k8slab.api.metrics import ContainerUsage, PodUsage
from k8slab.api.objects import Obj, condition, is_pod_ready, is_terminating
from k8slab.controllers.podautoscaler import HorizontalPodAutoscalerController
from k8slab.runtime.base import ContainerSpec
from k8slab.runtime.simulated import SimulatedRuntime
from tests.virtual import VirtualLab, container, meta, virtual_lab

Fact = Callable[[Obj], Any]
Moments = list[tuple[float, Any]]


class Diary:
    """When what changed: seconds since it was opened, and what it was then."""

    def __init__(self, lab: VirtualLab) -> None:
        self.lab, self.begun = lab, lab.clock.time()
        self.last: dict[tuple[str, str], Any] = {}

    def now(self) -> float:
        return round(self.lab.clock.time() - self.begun, 3)

    def follow(self, kind: str, name: str, fact: Fact) -> Moments:
        """The moments at which the fact about these objects (those whose name begins so) was a new one."""
        seen: Moments = []

        def look(before: Obj | None, after: Obj | None) -> None:
            about = after or before or {}
            if about["metadata"]["name"].startswith(name):
                said = fact(after) if after else "gone"
                if said is not None and said != self.last.get((kind, name)):
                    self.last[kind, name] = said
                    seen.append((self.now(), said))

        self.lab.client.informer(kind).subscribe(look)
        seen.clear()  # what was so already
        return seen

    def births(self, kind: str, name: str) -> list[float]:
        """The moments at which objects came whose names begin so."""
        seen: list[float] = []

        def look(before: Obj | None, after: Obj | None) -> None:
            if before is None and after and after["metadata"]["name"].startswith(name):
                seen.append(self.now())

        self.lab.client.informer(kind).subscribe(look)
        seen.clear()
        return seen


def crashing(lab: VirtualLab, lives: Callable[[ContainerSpec], float | None]) -> None:
    """Containers end badly so many seconds after they were started; None: they do not."""
    start = lab.runtime.start

    async def start_and_end(spec: ContainerSpec) -> None:
        await start(spec)
        if (seconds := lives(spec)) is not None:
            lab.clock.call_later(seconds, lambda: asyncio.ensure_future(lab.runtime.signal(spec.id, 9)))

    lab.runtime.start = start_and_end  # type: ignore[method-assign]


def starts(lab: VirtualLab, diary: Diary) -> list[float]:
    """When containers were started."""
    seen: list[float] = []
    start = lab.runtime.start

    async def note(spec: ContainerSpec) -> None:
        seen.append(diary.now())
        await start(spec)

    lab.runtime.start = note  # type: ignore[method-assign]
    return seen


def stubborn(lab: VirtualLab) -> None:
    """Containers do not end by themselves, nor hear SIGTERM: they end when their grace is over."""

    async def stop(id: str, grace: float) -> None:
        done = asyncio.get_running_loop().create_future()
        lab.clock.call_later(grace, lambda: done.done() or done.set_result(None))
        await done
        await SimulatedRuntime.stop(lab.runtime, id, 0)

    lab.runtime.stop = stop  # type: ignore[method-assign]
    lab.runtime._end_in = lambda id, seconds: None  # type: ignore[method-assign]


def job(name: str, **spec: Any) -> Obj:
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    return {"apiVersion": "batch/v1", "kind": "Job", **meta(name), "spec": {"template": template, **spec}}


def cron_job(name: str, **spec: Any) -> Obj:
    of = {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", **meta(name), "spec": {"jobTemplate": {"spec": of}, **spec}}


# ---- the kubelet ------------------------------------------------------------------------------------------------


async def crash_back_off(lab: VirtualLab, diary: Diary) -> list[float]:
    """Ends at once, every time."""
    crashing(lab, lambda spec: 0)
    seen = starts(lab, diary)
    lab.pod("p")
    await lab.after(1000)
    return seen


async def crash_back_off_is_forgotten(lab: VirtualLab, diary: Diary) -> list[float]:
    """Its fourth life is a good one, of more than ten minutes; then it is as if nothing had been."""
    crashing(lab, lambda spec: 601 if spec.attempt == 3 else 0)
    seen = starts(lab, diary)
    lab.pod("p")
    await lab.after(680)
    return seen


async def crash_back_off_is_not_forgotten_so_soon(lab: VirtualLab, diary: Diary) -> list[float]:
    crashing(lab, lambda spec: 599 if spec.attempt == 3 else 0)
    seen = starts(lab, diary)
    lab.pod("p")
    await lab.after(680)
    return seen


async def image_pull_back_off(lab: VirtualLab, diary: Diary) -> list[float]:
    seen: list[float] = []
    pull = lab.runtime.pull

    async def note(image: str, hear: Callable[[str], None] | None = None) -> str:
        seen.append(diary.now())
        return await pull(image, hear)

    lab.runtime.pull = note  # type: ignore[method-assign]
    lab.pod("p", containers=[{"name": "c", "image": "nginx:does-not-exist"}])
    await lab.after(1000)
    return seen


async def grace_of_a_container_that_does_not_hear(lab: VirtualLab, diary: Diary) -> Moments:
    return await ended(lab, diary)


async def grace_of_its_own(lab: VirtualLab, diary: Diary) -> Moments:
    return await ended(lab, diary, terminationGracePeriodSeconds=5)


async def grace_and_prestop(lab: VirtualLab, diary: Diary) -> Moments:
    """The hook's time is the grace's."""
    slow = container() | {"lifecycle": {"preStop": {"sleep": {"seconds": 12}}}}
    return await ended(lab, diary, containers=[slow])


async def ended(lab: VirtualLab, diary: Diary, **spec: Any) -> Moments:
    stubborn(lab)
    lab.pod("p", **spec)
    await lab.settle()
    seen = diary.follow("Pod", "p", lambda pod: "terminating" if is_terminating(pod) else None)
    lab.client.delete("Pod", "p", "default")
    await lab.after(100)
    return seen


async def deadline_of_a_pod(lab: VirtualLab, diary: Diary) -> Moments:
    seen = diary.follow("Pod", "p", lambda pod: pod["status"].get("reason"))
    lab.pod("p", activeDeadlineSeconds=45)
    await lab.after(100)
    return seen


# ---- nodes ------------------------------------------------------------------------------------------------------


async def heartbeats(lab: VirtualLab, diary: Diary) -> list[float]:
    seen = diary.follow("Lease", "node-1", lambda lease: lease["spec"]["renewTime"])
    await lab.after(60)
    beats = [moment for moment, _ in seen]
    return [late - early for early, late in pairwise(beats)]


async def a_node_loses_its_power(lab: VirtualLab, diary: Diary) -> Moments:
    """Counted from its last heartbeat, which came when it was reset."""
    return await without_power(lab, diary)


async def without_power(lab: VirtualLab, diary: Diary, **spec: Any) -> Moments:
    lab.deployment("web", 3, **spec)
    await lab.settle()
    beat = diary.follow("Lease", "node-1", lambda lease: lease["spec"]["renewTime"])
    while not beat:
        await lab.after(1)
    diary.begun += beat[-1][0]
    seen = diary.follow("Node", "node-1", lambda node: (condition(node, "Ready") or {})["status"])
    went: list[float] = []

    def look(before: Obj | None, after: Obj | None) -> None:
        if before and after and is_terminating(after) and not is_terminating(before):
            went.append(diary.now())

    lab.client.informer("Pod").subscribe(look)
    came = diary.births("Pod", "web")
    await lab.kubelets.power_off("node-1")
    await lab.after(600)
    seen += [*((moment, "terminating") for moment in went), *((moment, "replaced") for moment in came)]
    lost = [pod for pod in lab.pods(app="web") if is_terminating(pod)]
    assert len(lost) == 1  # nobody can confirm its end: it stays until the node is back
    return seen


async def a_toleration_of_its_own(lab: VirtualLab, diary: Diary) -> Moments:
    bears = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}
        for key in ("unreachable", "not-ready")
    ]
    return await without_power(lab, diary, tolerations=bears)


# ---- controllers ------------------------------------------------------------------------------------------------


async def progress_deadline(lab: VirtualLab, diary: Diary) -> Moments:
    """Looked at again a second after it, as in Kubernetes ("to avoid milliseconds skew")."""
    return await stuck(lab, diary)


async def progress_deadline_of_its_own(lab: VirtualLab, diary: Diary) -> Moments:
    return await stuck(lab, diary, progressDeadlineSeconds=30)


async def stuck(lab: VirtualLab, diary: Diary, **spec: Any) -> Moments:
    seen = diary.follow("Deployment", "web", lambda d: (condition(d, "Progressing") or {}).get("reason"))
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container() | {"image": "x:does-not-exist"}]},
    }
    wish = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    lab.client.create({"apiVersion": "apps/v1", "kind": "Deployment", **meta("web"), "spec": wish})
    await lab.after(1000)
    return [(moment, what) for moment, what in seen if what != "ReplicaSetUpdated"]


async def min_ready_seconds(lab: VirtualLab, diary: Diary) -> Moments:
    """Two pods, one after the other, each twenty seconds on trial."""
    lab.deployment("web", 1)
    await lab.settle()
    seen = diary.follow("Deployment", "web", lambda d: (condition(d, "Progressing") or {}).get("reason"))
    template = {"metadata": {"annotations": {"again": "1"}}}
    lab.client.patch("Deployment", "web", "default", {"spec": {"minReadySeconds": 20, "template": template}})
    await lab.after(100)
    return [(moment, what) for moment, what in seen if what == "NewReplicaSetAvailable"][-1:]


async def job_back_off(lab: VirtualLab, diary: Diary) -> list[float]:
    crashing(lab, lambda spec: 0)
    seen = diary.births("Pod", "fails")
    lab.client.create(job("fails", backoffLimit=8))
    await lab.after(2000)
    found = lab.find("Job", "fails")
    assert (condition(found or {}, "Failed") or {})["reason"] == "BackoffLimitExceeded"
    return seen


async def job_deadline(lab: VirtualLab, diary: Diary) -> Moments:
    """Its pods are told to end; it has failed when the last is gone, and changes were collected for a second."""
    seen = diary.follow("Job", "long", lambda found: (condition(found, "Failed") or {}).get("reason"))
    stubborn(lab)
    box = {"restartPolicy": "Never", "containers": [container()], "terminationGracePeriodSeconds": 10}
    lab.client.create(job("long", activeDeadlineSeconds=40, template={"spec": box}))
    await lab.after(200)
    return seen


async def ttl_after_finished(lab: VirtualLab, diary: Diary) -> Moments:
    """The record runs for a second, and the controller collects changes for another (syncJobBatchPeriod)."""
    seen = diary.follow("Job", "short", lambda found: "complete" if condition(found, "Complete") else None)
    lab.client.create(job("short", ttlSecondsAfterFinished=100))
    await lab.after(200)
    return seen


async def every_five_minutes(lab: VirtualLab, diary: Diary) -> list[float]:
    """And a tenth of a second, by which Kubernetes is sure not to come too early (nextScheduleDelta)."""
    diary.begun = 1_767_225_600.0  # midnight, UTC
    seen = diary.births("Job", "tick")
    lab.client.create(cron_job("tick", schedule="*/5 * * * *"))
    await lab.after(1000)
    return seen


async def in_another_time_zone(lab: VirtualLab, diary: Diary) -> list[float]:
    """Half past six in the morning in India is one o'clock at night."""
    diary.begun = 1_767_225_600.0
    seen = diary.births("Job", "tick")
    lab.client.create(cron_job("tick", schedule="30 6 * * *", timeZone="Asia/Kolkata"))
    await lab.after(4000)
    return seen


async def a_cronjob_suspended(lab: VirtualLab, diary: Diary) -> list[float]:
    """Of the moments that went by, the last one is made good at once, unless it is older than its deadline."""
    diary.begun = 1_767_225_600.0
    seen = diary.births("Job", "tick")
    lab.client.create(cron_job("tick", schedule="*/5 * * * *", suspend=True))
    await lab.after(700)
    lab.client.patch("CronJob", "tick", "default", {"spec": {"suspend": False}})
    await lab.after(300)
    return seen


# ---- the autoscaler ---------------------------------------------------------------------------------------------


async def autoscaled(lab: VirtualLab, diary: Diary, cores: Callable[[], float], **behavior: Any) -> Moments:
    """Sizes of a Deployment of three whose pods ask for a core each, and together use so many; 50% are the aim."""
    lab.deployment("web", 3, containers=[container("1")])
    await lab.after(600)  # its pods' start is long ago

    def usage(namespace: str) -> list[PodUsage]:
        pods = [pod["metadata"]["name"] for pod in lab.pods(app="web") if is_pod_ready(pod)]
        each = [ContainerUsage("c", cores() / len(pods), 0)]
        return [PodUsage(namespace, name, lab.clock.time(), 15.0, each) for name in pods]

    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 3, "maxReplicas": 20, "metrics": [{"type": "Resource", "resource": cpu}], "behavior": behavior or None,
    }  # fmt: skip
    diary.begun = lab.clock.time()
    seen = diary.follow("Deployment", "web", lambda d: d["spec"]["replicas"])
    loop = asyncio.create_task(HorizontalPodAutoscalerController(lab.client, lab.clock, usage).run())
    try:
        made = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", **meta("web"), "spec": spec}
        lab.client.create(made)
        await lab.after(900)
    finally:
        loop.cancel()
    return seen


async def three_five_seven_and_back(lab: VirtualLab, diary: Diary) -> Moments:
    """2.4 cores, from the second minute on 3.4, from the third on nearly none.

    The last look that asked for seven was at 105, and it counts for five minutes.
    """
    return await autoscaled(lab, diary, lambda: 2.4 if diary.now() < 60 else 3.4 if diary.now() < 120 else 0.3)


async def at_most_twice_as_many_at_once(lab: VirtualLab, diary: Diary) -> Moments:
    return await autoscaled(lab, diary, lambda: 10)


async def windows_and_policies(lab: VirtualLab, diary: Diary) -> Moments:
    """Up by one a minute after a minute's doubt, down by two a minute without any."""
    one, two = {"type": "Pods", "value": 1, "periodSeconds": 60}, {"type": "Pods", "value": 2, "periodSeconds": 60}
    return await autoscaled(
        lab, diary, lambda: 3.0 if diary.now() < 270 else 0.3,
        scaleUp={"stabilizationWindowSeconds": 60, "policies": [one]},
        scaleDown={"stabilizationWindowSeconds": 0, "policies": [two]},
    )  # fmt: skip


TABLE: list[tuple[Callable[[VirtualLab, Diary], Awaitable[Any]], Any]] = [
    (crash_back_off, [0, 0, 10, 30, 70, 150, 310, 610, 910]),
    (crash_back_off_is_forgotten, [0, 0, 10, 30, 631, 641, 661]),
    (crash_back_off_is_not_forgotten_so_soon, [0, 0, 10, 30, 669]),
    (image_pull_back_off, [0, 10, 30, 70, 150, 310, 610, 910]),
    (grace_of_a_container_that_does_not_hear, [(0, "terminating"), (30, "gone")]),
    (grace_of_its_own, [(0, "terminating"), (5, "gone")]),
    (grace_and_prestop, [(0, "terminating"), (30, "gone")]),
    (deadline_of_a_pod, [(45, "DeadlineExceeded")]),
    (heartbeats, [10, 10, 10, 10, 10]),
    (a_node_loses_its_power, [(50, "Unknown"), (350, "terminating"), (350, "replaced")]),
    (a_toleration_of_its_own, [(50, "Unknown"), (70, "terminating"), (70, "replaced")]),
    (progress_deadline, [(0, "NewReplicaSetCreated"), (601, "ProgressDeadlineExceeded")]),
    (progress_deadline_of_its_own, [(0, "NewReplicaSetCreated"), (31, "ProgressDeadlineExceeded")]),
    (min_ready_seconds, [(20, "NewReplicaSetAvailable")]),
    (job_back_off, [0, 10, 30, 70, 150, 310, 630, 990, 1350]),
    (job_deadline, [(51, "DeadlineExceeded")]),
    (ttl_after_finished, [(2, "complete"), (102, "gone")]),
    (every_five_minutes, [300.1, 600.1, 900.1]),
    (in_another_time_zone, [3600.1]),
    (a_cronjob_suspended, [711, 900.1]),
    (three_five_seven_and_back, [(15, 5), (60, 7), (420, 3)]),
    (at_most_twice_as_many_at_once, [(15, 6), (30, 12), (45, 20)]),
    (windows_and_policies, [(75, 4), (135, 5), (195, 6), (270, 4), (330, 3)]),
]


@pytest.mark.parametrize(("story", "moments"), TABLE, ids=[story.__name__ for story, _ in TABLE])
async def test_moments(story: Callable[[VirtualLab, Diary], Awaitable[Any]], moments: Any) -> None:
    async with virtual_lab() as lab:
        assert await story(lab, Diary(lab)) == moments
