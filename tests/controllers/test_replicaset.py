from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj, condition
from k8slab.clock import VirtualClock, to_timestamp
from k8slab.controllers.replicaset import ReplicaSetController, at_once, surplus
from tests.controllers.world import Cluster, names, pod, replica_set

NOW = VirtualClock()


def ago(seconds: float) -> str:
    return to_timestamp(NOW.time() - seconds)


def changed(base: Obj, ready_for: float | None = None, **fields: Any) -> Obj:
    if ready_for is not None:
        base["status"]["conditions"][0]["lastTransitionTime"] = ago(ready_for)
    if "cost" in fields:
        base["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": fields["cost"]}
    if "restarts" in fields:
        base["status"]["containerStatuses"] = [{"restartCount": fields["restarts"]}]
    if "age" in fields:
        base["metadata"]["creationTimestamp"] = ago(fields["age"])
    return base


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (pod("unassigned"), pod("pending", "node-1")),
        (pod("pending", "node-1"), pod("running", "node-1", ready=True)),
        (changed(pod("cheap", "node-1", ready=True), cost="-5"), pod("dear", "node-1", ready=True)),
        (
            changed(pod("odd", "node-1", ready=True), cost="rubbish"),
            changed(pod("dear", "node-1", ready=True), cost="1"),
        ),
        (pod("crowded", "node-1", ready=True), pod("alone", "node-2", ready=True)),
        (
            changed(pod("fresh", "node-1", ready=True), ready_for=10),
            changed(pod("tried", "node-1", ready=True), ready_for=99),
        ),
        (
            changed(pod("shaky", "node-1", ready=True), restarts=3),
            changed(pod("solid", "node-1", ready=True), restarts=0),
        ),
        (changed(pod("young", "node-1", ready=True), age=10), changed(pod("old", "node-1", ready=True), age=1000)),
    ],
)
def test_who_goes_first(goes: Obj, stays: Obj) -> None:
    for pods in ([goes, stays], [stays, goes]):
        assert names(surplus(pods, 1, {"node-1": 2, "node-2": 1}, NOW)) == [goes["metadata"]["name"]]


def test_surplus_of_all_is_all() -> None:
    assert names(surplus([pod("a"), pod("b")], 2, {}, NOW)) == ["a", "b"]


async def start(cluster: Cluster, rs: Obj | None = None) -> None:
    cluster.run(ReplicaSetController(cluster.client, cluster.clock))
    cluster.client.create(rs or replica_set())
    await cluster.settle()


def status(cluster: Cluster) -> Obj:
    found: Obj = cluster.client.get("ReplicaSet", "web-1", "default")["status"]
    return found


async def test_pods_and_status(cluster: Cluster) -> None:
    cluster.kubelet()
    await start(cluster)
    assert status(cluster) == {
        "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
        "terminatingReplicas": 0, "observedGeneration": 1,
    }  # fmt: skip
    one = cluster.all("Pod")[0]
    assert one["metadata"]["generateName"] == "web-1-"
    assert len(one["metadata"]["name"]) == len("web-1-") + 5
    assert one["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert one["metadata"]["labels"] == {"app": "web"}


async def test_a_lost_pod_is_replaced_and_finished_ones_do_not_count(cluster: Cluster) -> None:
    cluster.kubelet()
    await start(cluster)
    first, second = cluster.all("Pod")
    cluster.client.delete("Pod", first["metadata"]["name"], "default")
    failed = {"status": {"phase": "Failed"}}
    cluster.client.patch("Pod", second["metadata"]["name"], "default", failed, "status")
    await cluster.settle()
    running = [p for p in cluster.all("Pod") if p["status"]["phase"] == "Running"]
    assert len(running) == 2
    assert status(cluster)["readyReplicas"] == 2


async def test_terminating_pods_are_counted_apart(cluster: Cluster) -> None:
    kubelet = cluster.kubelet()
    await start(cluster)
    kubelet.dead = set(kubelet.nodes)
    cluster.client.delete("Pod", names(cluster.all("Pod"))[0], "default")
    await cluster.settle()
    assert status(cluster)["terminatingReplicas"] == 1
    assert status(cluster)["replicas"] == 2  # the new one is there, Pending
    assert status(cluster)["readyReplicas"] == 1


async def test_adopts_orphans_and_releases_what_escaped(cluster: Cluster) -> None:
    orphan = pod("orphan", "node-1", ready=True)
    cluster.client.create(orphan)
    cluster.kubelet()
    await start(cluster)
    assert len(cluster.all("Pod")) == 2
    assert cluster.client.get("Pod", "orphan", "default")["metadata"]["ownerReferences"][0]["name"] == "web-1"
    cluster.client.patch("Pod", "orphan", "default", {"metadata": {"labels": {"app": "escaped"}}})
    await cluster.settle()
    assert len(cluster.all("Pod")) == 3
    assert "ownerReferences" not in cluster.client.get("Pod", "orphan", "default")["metadata"]
    cluster.client.patch("Pod", "orphan", "default", {"metadata": {"labels": {"app": "web"}}})
    await cluster.settle()
    assert len(cluster.all("Pod")) == 2  # come back: one too many now


async def test_refused_pods_are_told_once_a_try_and_tried_again(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("no") if obj["kind"] == "Pod" else None
    await start(cluster, replica_set(100))
    failure = condition({"status": status(cluster)}, "ReplicaFailure")
    assert failure
    assert (failure["reason"], failure["message"]) == ("FailedCreate", "no")
    assert cluster.events() == ["Warning FailedCreate Error creating: no"]
    (event,) = cluster.all("Event")
    assert event["count"] < 10  # one a try, not one a pod
    cluster.client.refuse = lambda obj: None
    await cluster.advance(60)
    assert len(cluster.all("Pod")) == 100
    assert "conditions" not in status(cluster)


async def test_in_an_ending_namespace_it_keeps_quiet(cluster: Cluster) -> None:
    no = Forbidden("pods is forbidden: unable to create new content in namespace x because it is being terminated")
    cluster.client.refuse = lambda obj: no if obj["kind"] == "Pod" else None
    await start(cluster)
    assert cluster.events() == []
    assert "conditions" not in status(cluster)


async def test_more_than_a_burst_comes_in_steps(cluster: Cluster) -> None:
    await start(cluster, replica_set(1200))
    assert len(cluster.all("Pod")) == 1200


async def test_a_set_being_deleted_makes_nothing(cluster: Cluster) -> None:
    rs = replica_set()
    rs["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    await start(cluster, rs)
    assert cluster.all("Pod") == []


def test_a_very_large_set_is_emptied_in_few_goes() -> None:
    """It is ranked before each: with five hundred at a time, 150,000 pods would be ranked three hundred times."""
    there, goes = 150_000, 0
    while there > 0:
        there -= at_once([{}] * there)
        goes += 1
    assert goes < 40
    assert at_once([]) == 500
