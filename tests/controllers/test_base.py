from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from k8slab.api.errors import ApiError, Conflict
from k8slab.api.objects import Key
from k8slab.controllers.base import Controller, Wakes, drop_empty, itself, owners_of, rest_after
from tests.controllers.world import Cluster, pod


class Counting(Controller[Key]):
    """Fails as often as it is told to, then asks to be called again once."""

    name = "counting"
    failures: list[Exception]
    seen: int = 0

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Pod": itself}

    async def reconcile(self, key: Key) -> float | None:
        self.seen += 1
        if self.failures:
            raise self.failures.pop(0)
        return 30 if self.seen < 5 else None


@pytest.mark.parametrize(
    ("failure", "level"),
    [(Conflict("late"), logging.DEBUG), (ApiError("full"), logging.INFO), (RuntimeError("bug"), logging.ERROR)],
)
async def test_failures_are_retried_and_told_by_weight(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, failure: Exception, level: int
) -> None:
    controller = Counting(cluster.client, cluster.clock)
    controller.failures = [failure] * 3
    with caplog.at_level(logging.DEBUG, "k8slab.controllers"):
        cluster.run(controller)
        cluster.client.create(pod())
        await cluster.settle()
        assert controller.seen == 1
        await cluster.advance(0.1)
    assert controller.seen == 4
    assert {record.levelno for record in caplog.records} == {level}


async def test_it_looks_again_when_asked(cluster: Cluster) -> None:
    controller = Counting(cluster.client, cluster.clock)
    controller.failures = []
    cluster.client.create(pod())  # there before it starts
    cluster.run(controller)
    await cluster.advance(59)
    assert controller.seen == 2
    await cluster.advance(300)
    assert controller.seen == 5


def test_owners_of_both_sides_of_a_change() -> None:
    before, after = pod(), pod()
    before["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "old", "uid": "1", "controller": True}]
    after["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "new", "uid": "2", "controller": True}]
    assert list(owners_of("ReplicaSet")(before, after)) == [Key("default", "old")]
    assert list(owners_of("Job")(before, after)) == [Key("default", "new")]


def test_drop_empty_writes_as_go_does() -> None:
    status = {"replicas": 0, "readyReplicas": 0, "conditions": [], "collisionCount": None, "availableReplicas": 2}
    assert drop_empty(status, keep=("replicas",)) == {"replicas": 0, "availableReplicas": 2}


async def test_a_key_behind_which_are_very_many_objects_rests_between_looks(cluster: Cluster) -> None:
    """Else a look through n objects at each of their n changes would take n²."""
    controller = Counting(cluster.client, cluster.clock)
    controller.failures = []
    controller.rest = lambda key: rest_after(100_500)  # type: ignore[method-assign]
    cluster.run(controller)
    cluster.client.create(pod())
    await cluster.settle()
    for number in range(20):
        cluster.client.patch("Pod", "p", "default", {"metadata": {"labels": {"n": str(number)}}})
        await cluster.settle()
    assert controller.seen == 1
    await cluster.advance(5.9)
    assert controller.seen == 1
    await cluster.advance(0.2)
    assert controller.seen == 2
    assert rest_after(500) == 0
