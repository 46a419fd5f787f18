from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.metrics import ContainerUsage, PodUsage
from k8slab.api.objects import Obj, condition, copy
from k8slab.controllers.podautoscaler import HorizontalPodAutoscalerController
from tests.controllers.world import Cluster, deployment, pod, replica_set

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


class Load:
    """What every pod uses, and when it was measured: just now."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.cores, self.containers = cluster, 0.0, ("c",)
        self.silent: set[str] = set()

    def __call__(self, namespace: str) -> list[PodUsage]:
        used = [ContainerUsage(name, self.cores, 100 << 20) for name in self.containers]
        names = [p["metadata"]["name"] for p in self.cluster.all("Pod", namespace)]
        now = self.cluster.clock.time()
        return [PodUsage(namespace, name, now, 15.0, used) for name in names if name not in self.silent]


def autoscaler(*metrics: Obj, least: int = 3, most: int = 7, target: Obj | None = None, **spec: Any) -> Obj:
    ref = target or {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": ref, "minReplicas": least, "maxReplicas": most, "metrics": [*metrics] or [CPU], **spec,
        },
        "status": {"desiredReplicas": 0},
    }  # fmt: skip


def a_pod(name: str, request: str = "1") -> Obj:
    one = pod(name, "node-1", ready=True)
    one["spec"]["containers"][0]["resources"] = {"requests": {"cpu": request}}
    one["status"]["startTime"] = "2025-12-31T00:00:00Z"
    one["status"]["conditions"][0]["lastTransitionTime"] = "2025-12-31T00:00:00Z"
    return one


class World:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.client, self.load = cluster, cluster.client, Load(cluster)

    async def start(self, hpa: Obj, size: int = 3) -> None:
        self.client.create(replica_set(size))
        self.resize()
        cluster = self.cluster
        cluster.run(HorizontalPodAutoscalerController(cluster.client, cluster.clock, self.load))
        self.client.create(hpa)
        await cluster.settle()

    def resize(self) -> None:
        """What the ReplicaSet's controller and the kubelets would do."""
        have = [p["metadata"]["name"] for p in self.cluster.all("Pod")]
        wanted = [f"p-{n}" for n in range(self.size)]
        for name in set(wanted) - set(have):
            self.client.create(a_pod(name))
        for name in set(have) - set(wanted):
            self.client.delete("Pod", name, "default", grace=0)

    @property
    def size(self) -> int:
        return int(self.client.get("ReplicaSet", "web-1", "default")["spec"]["replicas"])

    @property
    def hpa(self) -> Obj:
        return self.client.get("HorizontalPodAutoscaler", "web", "default")

    def says(self, type_: str) -> tuple[str, str, str]:
        found = condition(self.hpa, type_) or {}
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")


@pytest.fixture
def world(cluster: Cluster) -> World:
    return World(cluster)


async def test_three_five_seven_and_back(world: World) -> None:
    await world.start(autoscaler())
    world.load.cores = 0.5
    await world.cluster.advance(14.9)
    assert "conditions" not in world.hpa["status"]
    await world.cluster.advance(0.1)
    assert world.says("ScalingLimited") == (
        "False", "DesiredWithinRange", "the desired count is within the acceptable range",
    )  # fmt: skip
    world.load.cores = 0.8
    await world.cluster.advance(15)
    assert world.size == 5
    assert world.cluster.events() == [
        "Normal SuccessfulRescale New size: 5; reason: cpu resource utilization (percentage of request) above target"
    ]
    world.resize()
    world.load.cores = 0.9
    await world.cluster.advance(15)
    assert world.size == 7
    assert world.says("ScalingLimited")[:2] == ("True", "TooManyReplicas")
    world.resize()
    world.load.cores = 0.2
    await world.cluster.advance(300)
    assert world.size == 7
    assert world.says("AbleToScale") == (
        "True", "ScaleDownStabilized",
        "recent recommendations were higher than current one, applying the highest recent recommendation",
    )  # fmt: skip
    await world.cluster.advance(15)
    assert world.size == 3
    assert "Normal SuccessfulRescale New size: 3; reason: All metrics below target" in world.cluster.events()


async def test_what_the_status_says(world: World) -> None:
    await world.start(autoscaler())
    world.load.cores = 0.8
    await world.cluster.advance(15)
    status = world.hpa["status"]
    assert status["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 80, "averageValue": "800m"}}}
    ]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 5)
    assert status["lastScaleTime"] == world.cluster.clock.timestamp()
    assert world.says("AbleToScale") == (
        "True", "SucceededRescale", "the HPA controller was able to update the target scale to 5",
    )  # fmt: skip
    assert world.says("ScalingActive") == (
        "True", "ValidMetricFound",
        "the HPA was able to successfully calculate a replica count from "
        "cpu resource utilization (percentage of request)",
    )  # fmt: skip
    await world.cluster.advance(15)
    written = len(world.client.log)
    await world.cluster.advance(60)
    assert len(world.client.log) == written  # nothing new, nothing written


@pytest.mark.parametrize(
    ("size", "least", "expected", "reason"),
    [
        (2, 3, 3, "Current number of replicas below Spec.MinReplicas"),
        (9, 3, 7, "Current number of replicas above Spec.MaxReplicas"),
    ],
)
async def test_minimum_and_maximum_need_no_metric(
    world: World, size: int, least: int, expected: int, reason: str
) -> None:
    await world.start(autoscaler(least=least), size)
    world.load.silent = {f"p-{n}" for n in range(9)}
    await world.cluster.advance(15)
    assert world.size == expected
    assert world.cluster.events() == [f"Normal SuccessfulRescale New size: {expected}; reason: {reason}"]
    assert world.hpa["status"]["currentReplicas"] == size


async def test_no_replicas_means_off(world: World) -> None:
    await world.start(autoscaler(), 0)
    await world.cluster.advance(30)
    assert world.size == 0
    assert world.says("ScalingActive") == (
        "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero",
    )  # fmt: skip


async def test_without_metrics(world: World) -> None:
    await world.start(autoscaler())
    world.load.silent = {"p-0", "p-1", "p-2"}
    await world.cluster.advance(15)
    why = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
        "no metrics returned from resource metrics API"
    )
    assert world.cluster.events() == [
        f"Warning FailedGetResourceMetric {why}",
        "Warning FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: "
        f"failed to get cpu resource metric value: {why}",
    ]
    assert world.says("ScalingActive") == (
        "False", "FailedGetResourceMetric", f"the HPA was unable to compute the replica count: {why}",
    )  # fmt: skip
    assert world.says("AbleToScale")[1] == "SucceededGetScale"
    assert (world.hpa["status"]["currentReplicas"], world.hpa["status"]["desiredReplicas"]) == (3, 0)
    await world.cluster.advance(60)
    counts = [e["count"] for e in world.cluster.all("Event")]
    assert counts == [5, 5]


PODS = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1k"}}}
OBJECT = {
    "type": "Object",
    "object": {
        "metric": {"name": "hits"}, "describedObject": {"kind": "Ingress", "name": "main"},
        "target": {"type": "Value", "value": "1k"},
    },
}  # fmt: skip
EXTERNAL = {
    "type": "External",
    "external": {
        "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
        "target": {"type": "AverageValue", "averageValue": "30"},
    },
}
CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"


@pytest.mark.parametrize(
    ("metric", "reason", "message"),
    [
        (PODS, "FailedGetPodsMetric", f"unable to get metric hits: {CUSTOM}"),
        (OBJECT, "FailedGetObjectMetric", f"unable to get metric hits: Ingress on default main/{CUSTOM}"),
        (
            EXTERNAL, "FailedGetExternalMetric",
            "unable to get external metric default/queue/&LabelSelector{MatchLabels:map[string]string{q: a,},"
            "MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: "
            "the server could not find the requested resource (get queue.external.metrics.k8s.io)",
        ),
    ],
)  # fmt: skip
async def test_metrics_nobody_serves(world: World, metric: Obj, reason: str, message: str) -> None:
    await world.start(autoscaler(metric, CPU))
    world.load.cores = 0.2
    await world.cluster.advance(15)
    assert f"Warning {reason} {message}" in world.cluster.events()
    assert world.size == 3
    assert world.says("ScalingActive")[:2] == ("False", reason)  # one metric fails: it may grow, and not shrink
    world.load.cores = 0.8
    await world.cluster.advance(15)
    assert world.size == 5
    assert world.says("ScalingActive")[1] == "ValidMetricFound"


async def test_of_several_metrics_the_highest_counts(world: World) -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "50Mi"}},
    }
    side = {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "c",
            "target": {"type": "Utilization", "averageUtilization": 50},
        },
    }
    await world.start(autoscaler(side, CPU, memory))
    world.load.cores = 0.6
    await world.cluster.advance(15)
    assert world.size == 6
    assert world.cluster.events() == ["Normal SuccessfulRescale New size: 6; reason: memory resource above target"]
    kinds = [next(iter(set(m) - {"type"})) for m in world.hpa["status"]["currentMetrics"]]
    assert kinds == ["containerResource", "resource", "resource"]
    assert world.hpa["status"]["currentMetrics"][2]["resource"]["current"] == {"averageValue": "104857600"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, 'deployments.apps "x" not found'),
        ({"apiVersion": "apps/v1", "kind": "Thing", "name": "x"}, 'no matches for kind "Thing" in group "apps"'),
        ({"kind": "Deployment", "name": "x"}, 'no matches for kind "Deployment" in group ""'),
        (
            {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "x"},
            "the server could not find the requested resource",
        ),
    ],
)
async def test_nothing_to_scale(world: World, target: Obj, message: str) -> None:
    await world.start(autoscaler(target=target))
    await world.cluster.advance(15)
    assert world.cluster.events() == [f"Warning FailedGetScale {message}"]
    assert world.says("AbleToScale") == (
        "False", "FailedGetScale", f"the HPA controller was unable to get the target's current scale: {message}",
    )  # fmt: skip


async def test_two_autoscalers_of_the_same_pods(world: World) -> None:
    other = autoscaler()
    other["metadata"]["name"] = "also"
    await world.start(autoscaler())
    world.client.create(other)
    await world.cluster.advance(15)
    said = "pods by selector app=web are controlled by multiple HPAs: [default/also default/web]"
    assert world.says("ScalingActive") == ("False", "AmbiguousSelector", said)
    assert f"Warning AmbiguousSelector {said}" in world.cluster.events()


async def test_a_refused_rescale_is_told(world: World) -> None:
    await world.start(autoscaler())
    world.load.cores = 1.0
    patch, refusal = world.client.patch, Forbidden("no")

    def refuse(kind: str, *rest: Any) -> Obj:
        if kind == "ReplicaSet":
            raise refusal
        return patch(kind, *rest)

    world.client.patch = refuse  # type: ignore[method-assign]
    await world.cluster.advance(15)
    message = "New size: 6; reason: cpu resource utilization (percentage of request) above target; error: no"
    assert f"Warning FailedRescale {message}" in world.cluster.events()
    assert world.says("AbleToScale")[:2] == ("False", "FailedUpdateScale")


async def test_a_deployment_and_the_default_tolerance(world: World) -> None:
    cluster = world.cluster
    cluster.client.create(deployment(3))
    for n in range(3):
        cluster.client.create(a_pod(f"p-{n}"))
    cluster.run(HorizontalPodAutoscalerController(cluster.client, cluster.clock, world.load))
    hpa = autoscaler(target={"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})
    cluster.client.create(copy(hpa))
    world.load.cores = 0.55
    await cluster.advance(15)
    assert cluster.client.get("Deployment", "web", "default")["spec"]["replicas"] == 3
    world.load.cores = 0.56
    await cluster.advance(15)
    assert cluster.client.get("Deployment", "web", "default")["spec"]["replicas"] == 4
