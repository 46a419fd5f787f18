from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj, condition, is_pod_ready
from k8slab.clock import VirtualClock
from k8slab.controllers import node_health
from k8slab.controllers.nodelifecycle import NodeLifecycleController, TaintEvictionController
from tests.controllers.world import Cluster, names, pod

T0 = "2026-01-01T00:00:00Z"
FOR_A_WHILE = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def node(name: str = "node-1", **conditions: str) -> Obj:
    found = [
        {"type": t, "status": s, "lastHeartbeatTime": T0, "lastTransitionTime": T0, "reason": "KubeletReady"}
        for t, s in (conditions or {"Ready": "True"}).items()
    ]
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "creationTimestamp": T0}, "spec": {},
        "status": {"conditions": found},
    }  # fmt: skip


def lease(name: str) -> Obj:
    meta = {"name": name, "namespace": "kube-node-lease"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {"renewTime": T0}}


async def start(cluster: Cluster, count: int = 2) -> None:
    cluster.run(
        NodeLifecycleController(cluster.client, cluster.clock), TaintEvictionController(cluster.client, cluster.clock)
    )
    for n in range(1, count + 1):
        cluster.client.create(node(f"node-{n}"))
        cluster.client.create(lease(f"node-{n}"))
    await cluster.settle()


async def live(cluster: Cluster, seconds: int, *alive: str) -> None:
    """Let time pass, in which these nodes renew their leases every 10 s."""
    for _ in range(seconds // 10):
        await cluster.advance(10)
        for name in alive:
            patch = {"spec": {"renewTime": cluster.clock.micro_timestamp()}}
            cluster.client.patch("Lease", name, "kube-node-lease", patch)
    await cluster.advance(seconds % 10)


def a_pod(name: str, **spec: Any) -> Obj:
    one = pod(name, "node-1", ready=True)
    one["spec"] |= {"tolerations": FOR_A_WHILE} | spec
    one["status"]["conditions"].append({"type": "PodScheduled", "status": "True", "lastTransitionTime": T0})
    return one


def taints(cluster: Cluster, name: str = "node-1") -> list[str]:
    found = cluster.client.get("Node", name)["spec"].get("taints") or []
    return [f"{t['key'].removeprefix('node.kubernetes.io/')}:{t['effect']}" for t in found]


def ready(cluster: Cluster, name: str = "node-1") -> str:
    return node_health.ready_status(cluster.client.get("Node", name))


async def test_silent_for_50_seconds_then_evicted_after_300(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.create(a_pod("web"))
    await live(cluster, 49, "node-2")
    assert (ready(cluster), taints(cluster)) == ("True", [])
    await live(cluster, 1, "node-2")
    assert ready(cluster) == "Unknown"
    why = condition(cluster.client.get("Node", "node-1"), "Ready")
    assert why
    assert (why["reason"], why["message"]) == ("NodeStatusUnknown", "Kubelet stopped posting node status.")
    assert taints(cluster) == ["unreachable:NoSchedule", "unreachable:NoExecute"]
    assert not is_pod_ready(cluster.client.get("Pod", "web", "default"))
    assert "Normal NodeNotReady Node node-1 status is now: NodeNotReady" in cluster.events()
    assert "Warning NodeNotReady Node is not ready" in cluster.events()
    assert taints(cluster, "node-2") == []
    await live(cluster, 299, "node-2")
    assert "deletionTimestamp" not in cluster.client.get("Pod", "web", "default")["metadata"]
    await live(cluster, 1, "node-2")
    gone = cluster.client.get("Pod", "web", "default")
    assert gone["metadata"]["deletionTimestamp"]
    target = condition(gone, "DisruptionTarget")
    assert target
    assert target["reason"] == "DeletionByTaintManager"
    assert "Normal TaintManagerEviction Marking for deletion Pod default/web" in cluster.events()


async def test_a_node_that_comes_back_keeps_its_pods(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.create(a_pod("web"))
    await live(cluster, 100, "node-2")
    back = node()["status"]["conditions"][0] | {"lastHeartbeatTime": cluster.clock.timestamp()}
    cluster.client.patch("Node", "node-1", "", {"status": {"conditions": [back]}}, "status")
    await live(cluster, 400, "node-1", "node-2")
    assert (ready(cluster), taints(cluster)) == ("True", [])
    assert "deletionTimestamp" not in cluster.client.get("Pod", "web", "default")["metadata"]
    assert "Normal TaintManagerEviction Cancelling deletion of Pod default/web" in cluster.events()


async def test_leases_alone_keep_a_node_alive(cluster: Cluster) -> None:
    await start(cluster, 1)
    await live(cluster, 600, "node-1")
    assert ready(cluster) == "True"
    await live(cluster, 50)
    assert ready(cluster) == "Unknown"


async def test_when_all_are_silent_nobody_is_evicted(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.create(a_pod("web"))
    await live(cluster, 600)
    assert taints(cluster) == taints(cluster, "node-2") == ["unreachable:NoSchedule"]
    assert "deletionTimestamp" not in cluster.client.get("Pod", "web", "default")["metadata"]
    one = node()["status"]["conditions"][0] | {"lastHeartbeatTime": cluster.clock.timestamp()}
    cluster.client.patch("Node", "node-2", "", {"status": {"conditions": [one]}}, "status")
    await cluster.settle()
    assert taints(cluster) == ["unreachable:NoSchedule", "unreachable:NoExecute"]
    assert taints(cluster, "node-2") == []


async def test_a_kubelet_that_says_not_ready_is_believed(cluster: Cluster) -> None:
    await start(cluster)
    said = {"type": "Ready", "status": "False", "lastHeartbeatTime": "2026-01-01T00:00:01Z", "lastTransitionTime": T0}
    cluster.client.patch("Node", "node-1", "", {"status": {"conditions": [said]}}, "status")
    await cluster.settle()
    assert taints(cluster) == ["not-ready:NoSchedule", "not-ready:NoExecute"]
    await live(cluster, 60, "node-2")
    assert taints(cluster) == ["unreachable:NoSchedule", "unreachable:NoExecute"]


async def test_a_node_nobody_ever_heard_of_has_a_minute(cluster: Cluster) -> None:
    await start(cluster, 1)
    fresh = node("node-9")
    fresh["status"] = {}
    cluster.client.create(fresh)
    await live(cluster, 59, "node-1")
    assert condition(cluster.client.get("Node", "node-9"), "Ready") is None
    await live(cluster, 1, "node-1")
    found = condition(cluster.client.get("Node", "node-9"), "Ready")
    assert found
    assert (found["reason"], found["message"]) == ("NodeStatusNeverUpdated", "Kubelet never posted node status.")


async def test_cordon_and_own_taints(cluster: Cluster) -> None:
    await start(cluster, 1)
    cluster.client.patch(
        "Node", "node-1", "", {"spec": {"unschedulable": True, "taints": [{"key": "gpu", "effect": "NoSchedule"}]}}
    )
    await cluster.settle()
    assert taints(cluster) == ["gpu:NoSchedule", "unschedulable:NoSchedule"]
    cluster.client.patch("Node", "node-1", "", {"spec": {"unschedulable": None}})
    await cluster.settle()
    assert cluster.client.get("Node", "node-1")["spec"]["taints"] == [{"key": "gpu", "effect": "NoSchedule"}]


async def test_a_taint_by_hand_evicts_at_once_or_never(cluster: Cluster) -> None:
    await start(cluster, 1)
    cluster.client.create(a_pod("leaves"))
    cluster.client.create(a_pod("stays", tolerations=[{"operator": "Exists"}]))
    taint = {"key": "out", "value": "now", "effect": "NoExecute"}
    cluster.client.patch("Node", "node-1", "", {"spec": {"taints": [taint]}})
    await cluster.settle()
    assert [p["metadata"]["name"] for p in cluster.all("Pod") if "deletionTimestamp" in p["metadata"]] == ["leaves"]
    late = a_pod("late", tolerations=[{"key": "out", "operator": "Exists", "tolerationSeconds": 20}])
    cluster.client.create(late)
    await live(cluster, 19, "node-1")
    assert "deletionTimestamp" not in cluster.client.get("Pod", "late", "default")["metadata"]
    await live(cluster, 1, "node-1")
    assert "deletionTimestamp" in cluster.client.get("Pod", "late", "default")["metadata"]


async def test_nodes_that_come_and_go_are_told(cluster: Cluster) -> None:
    await start(cluster, 1)
    cluster.client.delete("Node", "node-1")
    await cluster.settle()
    assert cluster.events() == [
        "Normal RegisteredNode Node node-1 event: Registered Node node-1 in Controller",
        "Normal RemovingNode Node node-1 event: Removing Node node-1 from Controller",
    ]
    assert names(cluster.all("Node")) == []


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k"}, False),
        ({"key": "x", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, False),
        ({}, False),
    ],
)
def test_tolerates(toleration: Obj, expected: bool) -> None:
    assert node_health.tolerates(toleration, {"key": "k", "value": "v", "effect": "NoExecute"}) is expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"Ready": "True", "DiskPressure": "True"}, ["disk-pressure:NoSchedule"]),
        ({"Ready": "True", "MemoryPressure": "False"}, []),
        ({"Ready": "False"}, ["not-ready:NoSchedule", "not-ready:NoExecute"]),
        ({"Ready": "Unknown"}, ["unreachable:NoSchedule", "unreachable:NoExecute"]),
    ],
)
def test_taints_of_conditions(conditions: dict[str, str], expected: list[str]) -> None:
    found = node_health.taints(node(**conditions), T0, evict=True)
    assert [f"{t['key'].removeprefix('node.kubernetes.io/')}:{t['effect']}" for t in found] == expected


def test_the_shortest_toleration_counts() -> None:
    clock = VirtualClock()
    one, place = a_pod("p"), node()
    place["spec"]["taints"] = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": T0}]
    assert node_health.leaves_in(one, place, clock, clock.time()) == 300
    one["spec"]["tolerations"] = [*FOR_A_WHILE, {"operator": "Exists", "tolerationSeconds": 7}]
    assert node_health.leaves_in(one, place, clock, clock.time()) == 7
    one["spec"]["tolerations"] = []
    assert node_health.leaves_in(one, place, clock, clock.time()) == 0
    place["spec"]["taints"] = []
    assert node_health.leaves_in(one, place, clock, clock.time()) is None
