from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj, condition, controller_ref
from k8slab.controllers import budgets
from k8slab.controllers.disruption import DisruptionController, StaleDisruptionController
from tests.controllers.world import Cluster, deployment, pod, replica_set


def budget(**spec: Any) -> Obj:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    }


def pods(cluster: Cluster, *ready: bool, owner: Obj | None = None) -> None:
    for number, is_ready in enumerate(ready):
        one = pod(f"p-{number}", "node-1", ready=is_ready)
        if owner:
            one["metadata"]["ownerReferences"] = [controller_ref(owner)]
        cluster.client.create(one)


async def run(cluster: Cluster, obj: Obj) -> Obj:
    cluster.run(DisruptionController(cluster.client, cluster.clock))
    cluster.client.create(obj)
    await cluster.settle()
    return numbers(cluster)


def numbers(cluster: Cluster) -> Obj:
    status = cluster.client.get("PodDisruptionBudget", "web", "default")["status"]
    return {
        field: status[field] for field in ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    }


def found(expected: int, desired: int, healthy: int, allowed: int) -> Obj:
    fields = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return dict(zip(fields, (expected, desired, healthy, allowed), strict=True))


@pytest.mark.parametrize(
    ("spec", "ready", "expected"),
    [
        ({"minAvailable": 2}, (True, True, True), found(3, 2, 3, 1)),
        ({"minAvailable": 2}, (True, True), found(2, 2, 2, 0)),
        ({"minAvailable": 2}, (True, False, False), found(3, 2, 1, 0)),
        ({"minAvailable": 0}, (True, False), found(2, 0, 1, 1)),
        ({"minAvailable": "50%"}, (True, True, True), found(5, 3, 3, 0)),
        ({"minAvailable": "20%"}, (True, True, True), found(5, 1, 3, 2)),
        ({"maxUnavailable": 1}, (True,) * 5, found(5, 4, 5, 1)),
        ({"maxUnavailable": "30%"}, (True,) * 5, found(5, 3, 5, 2)),
        ({"maxUnavailable": 9}, (True,) * 5, found(5, 0, 5, 5)),
        ({"maxUnavailable": 0}, (True,) * 5, found(5, 5, 5, 0)),
        ({"maxUnavailable": 1}, (True, True), found(5, 4, 2, 0)),
    ],
)
async def test_the_numbers(cluster: Cluster, spec: Obj, ready: tuple[bool, ...], expected: Obj) -> None:
    owner = cluster.client.create(replica_set(5))
    pods(cluster, *ready, owner=owner)
    assert await run(cluster, budget(**spec)) == expected
    status = cluster.client.get("PodDisruptionBudget", "web", "default")["status"]
    allowed = expected["disruptionsAllowed"] > 0
    assert status["observedGeneration"] == 1
    assert condition({"status": status}, "DisruptionAllowed") == {
        "type": "DisruptionAllowed", "status": str(allowed), "message": "", "observedGeneration": 1,
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "lastTransitionTime": cluster.clock.timestamp(),
    }  # fmt: skip


async def test_it_follows_pods_and_owners(cluster: Cluster) -> None:
    above = cluster.client.create(deployment(4))
    below = replica_set(2)
    below["metadata"]["ownerReferences"] = [controller_ref(above)]
    pods(cluster, True, True, True, True, owner=cluster.client.create(below))
    assert await run(cluster, budget(maxUnavailable="25%")) == found(4, 3, 4, 1)  # the Deployment's four
    cluster.client.patch("Deployment", "web", "default", {"spec": {"replicas": 8}})
    await cluster.settle()
    assert numbers(cluster) == found(8, 6, 4, 0)
    cluster.client.delete("Pod", "p-0", "default")
    await cluster.settle()
    assert numbers(cluster) == found(8, 6, 3, 0)
    cluster.client.delete("Deployment", "web", "default")
    await cluster.settle()
    status = cluster.client.get("PodDisruptionBudget", "web", "default")["status"]
    why = condition({"status": status}, "DisruptionAllowed") or {}
    assert (why["reason"], why["message"].rpartition(" ")[0]) == ("SyncFailed", "found no controllers for pod")
    assert status["disruptionsAllowed"] == 0


async def test_pods_without_an_owner(cluster: Cluster) -> None:
    pods(cluster, True, True)
    assert await run(cluster, budget(maxUnavailable=1)) == found(0, 0, 2, 0)
    (event,) = cluster.events()
    assert event.startswith(
        "Warning UnmanagedPods Pods selected by this PodDisruptionBudget (selector: "
        "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}) were"
    )


async def test_no_pods(cluster: Cluster) -> None:
    assert await run(cluster, budget(minAvailable=0)) == found(0, 0, 0, 0)
    assert cluster.events() == ["Normal NoPods No matching pods found"]


async def test_who_was_let_go_counts_as_gone_for_two_minutes(cluster: Cluster) -> None:
    pods(cluster, True, True, True)
    await run(cluster, budget(minAvailable=1))
    noted = {"p-0": cluster.clock.timestamp(), "gone-already": cluster.clock.timestamp()}
    cluster.client.patch("PodDisruptionBudget", "web", "default", {"status": {"disruptedPods": noted}}, "status")
    await cluster.settle()
    assert numbers(cluster) == found(3, 1, 2, 1)
    kept = cluster.client.get("PodDisruptionBudget", "web", "default")["status"]["disruptedPods"]
    assert kept == {"p-0": noted["p-0"]}
    await cluster.advance(120)
    assert numbers(cluster) == found(3, 1, 2, 1)
    await cluster.advance(1)
    assert numbers(cluster) == found(3, 1, 3, 2)
    assert "disruptedPods" not in cluster.client.get("PodDisruptionBudget", "web", "default")["status"]
    said = "Warning NotDeleted Pod was expected by PDB default/default to be deleted but it wasn't"
    assert said in cluster.events()


async def test_a_disruption_that_did_not_come(cluster: Cluster) -> None:
    cluster.run(StaleDisruptionController(cluster.client, cluster.clock))
    one = pod("p", "node-1", ready=True)
    now = cluster.clock.timestamp()
    one["status"]["conditions"].append(
        {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "lastTransitionTime": now}
    )
    cluster.client.create(one)
    await cluster.advance(119)
    assert condition(cluster.client.get("Pod", "p", "default"), "DisruptionTarget")["status"] == "True"  # type: ignore[index]
    await cluster.advance(1)
    assert condition(cluster.client.get("Pod", "p", "default"), "DisruptionTarget")["status"] == "False"  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "total", "expected"), [(3, 10, 3), ("30%", 10, 3), ("25%", 10, 3), ("100%", 7, 7), ("0%", 7, 0)]
)
def test_scaled(value: int | str, total: int, expected: int) -> None:
    assert budgets.scaled(value, total) == expected
