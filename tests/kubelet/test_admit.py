"""Which pods a node does not take, and what it cannot give those it takes."""

from __future__ import annotations

from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.objects import Obj
from k8slab.kubelet.admit import matches, refusal
from k8slab.kubelet.security import not_kept, wish
from k8slab.runtime.base import FENCES, Abilities

CAPACITY = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "3"}
NODE: Obj = {"metadata": {"name": "node-1", "labels": {"disk": "ssd", "gen": "7"}}}


def asking(cpu: str, **spec: Any) -> Obj:
    return pod(containers=[container(resources={"requests": {"cpu": cpu}})], **spec)


def ported(number: int, protocol: str = "TCP", **port: Any) -> Obj:
    return pod(
        containers=[container(ports=[{"containerPort": 8080, "hostPort": number, "protocol": protocol, **port}])]
    )


def affinity(**term: Any) -> Obj:
    terms = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


@pytest.mark.parametrize(
    ("asked", "others", "reason", "message"),
    [
        (asking("4"), [], "", ""),
        (asking("3"), [asking("2")], "OutOfcpu", "cpu, requested: 3000, used: 2000, capacity: 4000"),
        (pod(), [pod()] * 3, "OutOfpods", "pods, requested: 1, used: 3, capacity: 3"),
        (pod(nodeSelector={"disk": "hdd"}), [], "NodeAffinity", "didn't match Pod's node affinity/selector"),
        (pod(securityContext={"sysctls": [{"name": "kernel.msgmax"}]}), [], "SysctlForbidden", "kernel.msgmax"),
        (ported(80), [ported(81), ported(80, "UDP")], "", ""),
        (ported(80), [ported(80)], "NodePorts", "node(s) didn't have free ports for the requested pod ports"),
        (ported(80, hostIP="127.0.0.1"), [ported(80)], "NodePorts", "Predicate NodePorts failed: "),
        (ported(80, hostIP="127.0.0.1"), [ported(80, hostIP="127.0.0.2")], "", ""),
    ],
)
def test_refusals(asked: Obj, others: list[Obj], reason: str, message: str) -> None:
    found = refusal(asked, NODE, others, CAPACITY, [])
    assert (found.reason if found else "") == reason
    assert found is None or (message in found.message and found.message.startswith("Pod was rejected: "))


def test_a_node_short_of_memory_takes_no_best_effort_pod() -> None:
    found = refusal(pod(), NODE, [], CAPACITY, ["MemoryPressure"])
    assert found
    assert (found.reason, found.message) == (
        "Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. "
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "ok"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        (affinity(matchExpressions=[{"key": "gen", "operator": "Gt", "values": ["6"]}]), True),
        (affinity(matchExpressions=[{"key": "gen", "operator": "Lt", "values": ["6"]}]), False),
        (affinity(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]), True),
        (affinity(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]), False),
        (affinity(), False),
    ],
)
def test_nodes_that_match(spec: Obj, ok: bool) -> None:
    assert matches(spec, NODE) is ok


async def test_a_pod_bound_past_the_scheduler_fails() -> None:
    world = await World().start()
    await world.run(asking("5"))
    status = world.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert "containerStatuses" not in status
    assert world.events.reasons() == ["OutOfcpu"]
    assert world.runtime.specs == []
    world.client.delete("Pod", "web", "default")
    await world.after(1)
    assert not world.has()


async def test_a_running_pod_is_not_asked_again() -> None:
    world = await World().start()
    await world.run(asking("3"))
    await world.restart()
    assert world.pod()["status"]["phase"] == "Running"


async def test_a_wish_that_is_not_kept_is_told_once() -> None:
    world = await World().start()
    await world.run(pod(shareProcessNamespace=True))
    world.runtime.end("web", 1)
    await world.after(1)
    (said,) = world.events.messages("NotHonoured")
    assert said == "The pod runs without shareProcessNamespace: its containers do not see each other's processes"


def test_wishes() -> None:
    told = pod(securityContext={"runAsUser": 1000, "runAsNonRoot": True})
    box = container(securityContext={"runAsUser": 2000})
    assert [wish(told, box, field) for field in ("runAsUser", "runAsNonRoot", "runAsGroup")] == [2000, True, None]
    strict = pod(containers=[container(securityContext={"runAsUser": 5, "readOnlyRootFilesystem": True})])
    assert not_kept(strict, Abilities(True, frozenset(FENCES))) == []
    bare = not_kept(strict, Abilities(True, missing={"user": "no bubblewrap", "mount": "no bubblewrap"}))
    assert bare == ["runAsUser: no bubblewrap", "readOnlyRootFilesystem: no bubblewrap"]
