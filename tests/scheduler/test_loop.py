from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Obj, condition
from k8slab.clock import VirtualClock
from k8slab.scheduler.loop import Scheduler

from .world import FakeClient, FakeSeriesRecorder, node, pod


class World:
    def __init__(self, *objects: Obj) -> None:
        self.client, self.recorder, self.clock = FakeClient(*objects), FakeSeriesRecorder(), VirtualClock()
        self.scheduler = Scheduler(self.client, self.clock, self.recorder)  # type: ignore[arg-type]

    def said(self, name: str) -> list[tuple[str, str]]:
        return [(reason, message) for key, _, reason, message in self.recorder.events if key.name == name]


@asynccontextmanager
async def scheduling(*objects: Obj) -> AsyncIterator[World]:
    world = World(*objects)
    task = asyncio.create_task(world.scheduler.run())
    await world.clock.settle()
    yield world
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


THREE = [node(f"node-{i}") for i in (1, 2, 3)]


async def test_pods_are_bound_and_it_is_said() -> None:
    async with scheduling(*THREE, pod("early")) as world:
        for number in range(3):
            world.client.create(pod(f"web-{number}", owner="rs"))
        await world.clock.settle()
        assert world.client.node_of("early") == "node-1"
        assert sorted(world.client.node_of(f"web-{i}") for i in range(3)) == ["node-1", "node-2", "node-3"]
        assert world.said("early") == [("Scheduled", "Successfully assigned default/early to node-1")]


async def test_nobody_can_place_it_then_a_label_lets_it() -> None:
    async with scheduling(*THREE, pod("picky", nodeSelector={"disk": "ssd"})) as world:
        said = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. "
        said += "no new claims to deallocate, preemption: "
        said += "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        assert world.said("picky") == [("FailedScheduling", said)]
        waiting = condition(world.client.find("Pod", "picky"), "PodScheduled")
        assert waiting
        assert (waiting["status"], waiting["reason"], waiting["message"]) == ("False", "Unschedulable", said)
        world.client.change("Node", "node-2", metadata={"labels": {"disk": "ssd"}})
        await world.clock.settle()
        assert world.client.node_of("picky") == "node-2"


async def test_a_pod_that_ends_or_goes_makes_room() -> None:
    half = {"requests": {"cpu": "3"}}
    async with scheduling(node("n"), pod("a", **half), pod("b", **half), pod("c", **half)) as world:
        assert [world.client.node_of(name) for name in "abc"] == ["n", "", ""]
        world.client.change("Pod", "a", status={"phase": "Succeeded"})
        await world.clock.settle()
        assert [world.client.node_of(name) for name in "bc"] == ["n", ""]
        world.client.delete("Pod", "b")
        await world.clock.settle()
        assert world.client.node_of("c") == "n"


async def test_uncordon_untaint_and_new_nodes_wake() -> None:
    tainted = node("tainted", taints=[{"key": "k", "effect": "NoSchedule"}], pods="1")
    async with scheduling(node("n", unschedulable=True, pods="1"), tainted) as world:
        for name in "abc":
            world.client.create(pod(name))
        await world.clock.settle()
        assert [world.client.node_of(name) for name in "abc"] == ["", "", ""]
        world.client.change("Node", "n", spec={"unschedulable": False})
        await world.clock.settle()
        world.client.change("Node", "tainted", spec={"taints": []})
        await world.clock.settle()
        world.client.create(node("new"))
        await world.clock.settle()
        assert [world.client.node_of(name) for name in "abc"] == ["n", "tainted", "new"]


async def test_pods_of_others_and_gated_ones_are_left_alone() -> None:
    gated = pod("gated", schedulingGates=[{"name": "wait"}])
    async with scheduling(*THREE, gated, pod("other", schedulerName="mine"), pod("static", nodeName="node-3")) as world:
        assert world.client.bound == []
        assert world.recorder.events == []
        world.client.change("Pod", "gated", spec={"schedulingGates": []})
        await world.clock.settle()
        assert world.client.bound == [("gated", "node-1")]


async def test_without_nodes_it_waits_for_one() -> None:
    async with scheduling(pod("p")) as world:
        assert world.said("p") == [("FailedScheduling", "no nodes available to schedule pods")]
        world.client.create(node("n"))
        await world.clock.settle()
        assert world.client.node_of("p") == "n"


async def failing_bind(error: ApiError, after: Callable[[World], None] = lambda world: None) -> World:
    world = World(node("n"), pod("p"))
    bind = world.client.bind
    errors = [error]

    def fail_once(*args: str) -> None:
        if errors:
            after(world)
            raise errors.pop()
        bind(*args)

    world.client.bind = fail_once  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(world.scheduler.run())
    await world.clock.settle()
    assert world.client.bound == []
    await world.clock.advance(1)
    task.cancel()
    return world


async def test_a_failed_bind_is_tried_again_a_second_later() -> None:
    for error in (Conflict("lost"), ApiError("disk full")):
        assert (await failing_bind(error)).client.bound == [("p", "n")]


async def test_a_pod_deleted_while_it_is_bound_is_forgotten() -> None:
    world = await failing_bind(NotFound("gone"), lambda world: world.client.delete("Pod", "p"))
    assert world.client.bound == []
    assert len(world.scheduler.queue) == 0


async def test_a_service_spreads_pods_that_nobody_owns() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"}}
    crowd = [pod(f"x-{i}", nodeName="node-2") for i in range(3)]
    async with scheduling(*THREE, *crowd, service | {"spec": {"selector": {"app": "web"}}}) as world:
        for number in range(6):
            world.client.create(pod(f"web-{number}", labels={"app": "web", "n": str(number)}))
        await world.clock.settle()
        assert set(Counter(world.client.node_of(f"web-{i}") for i in range(6)).values()) == {2}


async def test_explains_its_last_decisions() -> None:
    async with scheduling(*THREE, pod("p", requests={"cpu": "1"})) as world:
        why = world.scheduler.explain("default", "p")
        assert why
        assert (why["node"], [each["verdict"] for each in why["nodes"]]) == ("node-1", ["fits"] * 3)
        scores = {"NodeResourcesFit": 86, "NodeResourcesBalancedAllocation": 87}
        assert why["nodes"][0] == {"name": "node-1", "verdict": "fits", "scores": scores, "total": 173}
        assert world.scheduler.explain("default", "unknown") is None


def stripped(why: dict[str, Any]) -> tuple[str, list[str]]:
    return why["node"], [each["verdict"] for each in why["nodes"]]


async def test_what_if_is_thought_through_and_nothing_is_done() -> None:
    async with scheduling(*THREE, pod("p", requests={"cpu": "1"})) as world:
        before = list(world.recorder.events), list(world.client.bound)
        bigger = pod("p", requests={"cpu": "5"})
        why = world.scheduler.what_if(bigger)
        assert (stripped(why), why["message"][:51]) == (
            ("", ["refused"] * 3),
            "0/3 nodes are available: 3 Insufficient cpu. no new",
        )
        assert why["filters"] == ["NodeUnschedulable", "TaintToleration", "NodeResourcesFit"]
        assert (world.recorder.events, world.client.bound) == before
        assert stripped(world.scheduler.explain("default", "p") or {}) == ("node-1", ["fits"] * 3)
        assert len(world.scheduler.queue) == 0


async def test_what_if_thinks_the_pod_away_from_the_node_it_is_on() -> None:
    async with scheduling(node("n"), pod("p", requests={"cpu": "3"})) as world:
        there = world.client.find("Pod", "p")
        again = {**there, "spec": {k: v for k, v in there["spec"].items() if k != "nodeName"}}
        taken = dict(world.scheduler.cache.infos["n"].requested)
        assert stripped(world.scheduler.what_if(again)) == ("n", ["fits"])
        assert stripped(world.scheduler.what_if(pod("p", requests={"cpu": "3"}))) == ("", ["refused"])  # another uid
        assert world.scheduler.cache.infos["n"].requested == taken == {"cpu": 3000}


async def test_what_if_says_who_would_have_to_leave() -> None:
    async with scheduling(node("n"), pod("low", requests={"cpu": "3"})) as world:
        why = world.scheduler.what_if(pod("high", priority=100, requests={"cpu": "3"}))
        assert why["preemption"] == {"node": "n", "victims": ["default/low"], "message": ""}
        assert "deletionTimestamp" not in world.client.find("Pod", "low")["metadata"]


async def test_what_if_without_nodes() -> None:
    async with scheduling() as world:
        assert world.scheduler.what_if(pod("p"))["message"] == "no nodes available to schedule pods"


async def test_a_more_important_pod_takes_the_place_of_a_lesser_one() -> None:
    """SchedulerPreemption validates basic preemption works."""
    half = {"requests": {"cpu": "3"}}
    async with scheduling(node("n"), pod("low", priority=1, **half)) as world:
        waits: list[Obj] = []
        delete = world.client.delete

        def ask_to_go(kind: str, name: str, namespace: str = "", **more: object) -> None:
            world.client.change(kind, name, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
            waits.append(world.client.find(kind, name))

        world.client.delete = ask_to_go  # type: ignore[method-assign, assignment]
        high = world.client.create(pod("high", priority=100, **half))
        await world.clock.settle()
        assert [victim["metadata"]["name"] for victim in waits] == ["low"]
        target = condition(waits[0], "DisruptionTarget")
        assert target
        assert (target["reason"], target["message"]) == (
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
        )
        assert world.said("low")[-1] == ("Preempted", f"Preempted by pod {high['metadata']['uid']} on node n")
        short = "0/1 nodes are available: 1 Insufficient cpu."
        assert world.said("high")[0] == ("FailedScheduling", short)
        assert world.client.find("Pod", "high")["status"]["nominatedNodeName"] == "n"
        why = world.scheduler.explain("default", "high")
        assert why
        assert why["preemption"] == {"node": "n", "victims": ["default/low"], "message": ""}

        world.client.change("Node", "n", metadata={"labels": {"kubernetes.io/hostname": "n", "new": "1"}})
        world.client.create(
            pod("late", priority=2, requests={"cpu": "1"})
        )  # no room: it is kept for the one that waits
        world.client.change("Pod", "high", metadata={"labels": {"touched": "yes"}})
        await world.clock.settle()
        said = f"{short} no new claims to deallocate, preemption: "
        said += "not eligible due to a terminating pod on the nominated node."
        assert world.said("high")[-1] == ("FailedScheduling", said)
        assert world.client.find("Pod", "high")["status"]["nominatedNodeName"] == "n"

        delete("Pod", "low")
        await world.clock.advance(2)
        assert world.client.node_of("high") == "n"
        assert world.client.node_of("late") == "n"
        assert world.scheduler.cache.nominated == {}


async def test_who_may_not_preempt_waits() -> None:
    half = {"requests": {"cpu": "3"}}
    async with scheduling(node("n"), pod("low", **half)) as world:
        world.client.create(pod("high", priority=100, preemptionPolicy="Never", **half))
        await world.clock.settle()
        assert world.said("high")[-1][1].endswith("preemption: not eligible due to preemptionPolicy=Never.")
        assert world.client.find("Pod", "low")


async def test_a_pod_that_comes_wakes_those_who_want_to_be_near_it() -> None:
    near = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    async with scheduling(*THREE, pod("web", affinity=affinity)) as world:
        assert world.client.node_of("web") == ""
        world.client.create(pod("db", labels={"app": "db"}, nodeSelector={"kubernetes.io/hostname": "node-2"}))
        await world.clock.settle()
        assert world.client.node_of("web") == "node-2"


async def test_apart_on_a_large_cluster() -> None:
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    world = World(*(node(f"node-{i}") for i in range(300)))
    for number in range(200):
        world.client.create(pod(f"db-{number}", labels={"app": "db"}, affinity=affinity))
    task = asyncio.create_task(world.scheduler.run())
    begun = time.process_time()
    while len(world.client.bound) < 200:
        await asyncio.sleep(0)
    assert time.process_time() - begun < 3
    assert len({at for _, at in world.client.bound}) == 200
    task.cancel()


async def test_a_thousand_nodes_and_five_thousand_pods() -> None:
    world = World(*(node(f"node-{i}", pods="6") for i in range(1000)))
    for number in range(5000):
        world.client.create(pod(f"p-{number}", {"cpu": "10m"}, owner=f"rs-{number // 500}"))
    begun = time.process_time()
    task = asyncio.create_task(world.scheduler.run())
    while len(world.client.bound) < 5000:
        await asyncio.sleep(0)
    assert time.process_time() - begun < 5  # half a second on an idle machine: 0.1 ms a pod
    assert set(Counter(at for _, at in world.client.bound).values()) == {5}
    task.cancel()
