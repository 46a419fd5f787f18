"""Loops held below one object: set aside, turned once, and given back."""

from __future__ import annotations

import pytest

from k8slab.api.errors import Conflict
from k8slab.api.objects import Key
from k8slab.controllers.deployment import DeploymentController
from k8slab.controllers.replicaset import ReplicaSetController
from k8slab.controllers.turning import LONGEST, Turning
from tests.controllers.world import Cluster, deployment

WEB = Key("default", "web")


async def start(cluster: Cluster) -> Turning:
    cluster.kubelet()
    turning = Turning(cluster.client)
    turning._real = cluster.clock
    for make in (DeploymentController, ReplicaSetController):
        loop = make(cluster.client, cluster.clock)
        turning.take(loop)
        cluster.run(loop)
    for name in ("web", "api"):
        obj = deployment()
        obj["metadata"]["name"] = name
        cluster.client.create(obj)
    await cluster.settle()
    turning.hold("Deployment", WEB)
    return turning


def scale(cluster: Cluster, replicas: int) -> None:
    cluster.client.patch("Deployment", "web", "default", {"spec": {"replicas": replicas}})


def wishes(cluster: Cluster) -> list[int]:
    sets = cluster.all("ReplicaSet")
    return [rs["spec"]["replicas"] for rs in sets if rs["metadata"]["ownerReferences"][0]["name"] == "web"]


async def test_held_loops_do_nothing_and_turn_one_by_one(cluster: Cluster) -> None:
    turning = await start(cluster)
    before, (was,) = len(cluster.all("Pod")), wishes(cluster)
    scale(cluster, was + 1)
    await cluster.settle()
    assert wishes(cluster) == [was]
    assert turning.waiting[0] == ("Deployment", WEB)
    wrote = await turning.turn("Deployment", WEB)
    assert {"was": was, "now": was + 1}.items() <= next(one for one in wrote if one["kind"] == "ReplicaSet").items()
    await cluster.settle()
    assert (wishes(cluster), len(cluster.all("Pod"))) == ([was + 1], before)
    kind, key = turning.waiting[0]  # the owned one, though its owner was woken too
    assert kind == "ReplicaSet"
    wrote = await turning.turn(kind, key)
    assert [one["kind"] for one in wrote if one["verb"] == "created"] == ["Pod"]
    assert len(cluster.all("Pod")) == before + 1


async def test_release_and_the_end_of_the_time_give_back_what_was_set_aside(cluster: Cluster) -> None:
    turning = await start(cluster)
    (was,) = wishes(cluster)
    scale(cluster, was + 1)
    await cluster.settle()
    turning.release()
    await cluster.settle()
    assert wishes(cluster) == [was + 1]
    turning.hold("Deployment", WEB)
    scale(cluster, was)
    await cluster.settle()
    assert wishes(cluster) == [was + 1]
    await cluster.clock.advance(LONGEST + 1)
    await cluster.settle()
    assert wishes(cluster) == [was]


async def test_loops_of_others_go_on(cluster: Cluster) -> None:
    turning = await start(cluster)
    cluster.client.patch("Deployment", "api", "default", {"spec": {"replicas": 7}})
    await cluster.settle()
    assert any(rs["spec"]["replicas"] == 7 for rs in cluster.all("ReplicaSet"))
    assert not any(key.name.startswith("api") for _, key in turning.waiting)


async def test_what_cannot_be_held_says_so(cluster: Cluster) -> None:
    turning = await start(cluster)
    with pytest.raises(Conflict, match="cannot be held"):
        await turning.ask("hold", "Service", WEB)
    turning.release()
    with pytest.raises(Conflict, match="nothing to turn"):
        await turning.ask("turn", "Deployment", WEB)


async def test_a_hold_is_that_of_one_object(cluster: Cluster) -> None:
    turning = await start(cluster)
    assert (await turning.ask("look", "Deployment", WEB))["held"]
    await turning.ask("hold", "Deployment", Key("default", "api"))
    assert not (await turning.ask("look", "Deployment", WEB))["held"]
