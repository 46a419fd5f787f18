"""How much of a quota is used, and what an object costs."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj
from k8slab.api.quota import applies, increase, pod_resources, usage
from k8slab.controllers.quota import ResourceQuotaController, measured
from tests.controllers.world import Cluster, pod


def quota(**spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": spec,
    }


def container(**resources: Any) -> Obj:
    return {"name": "c", "resources": resources}


def asking(cpu: str, **spec: Any) -> Obj:
    return {"spec": {"containers": [container(requests={"cpu": cpu})], **spec}}


POD, SERVICE, CLAIM = KINDS["Pod"], KINDS["Service"], KINDS["PersistentVolumeClaim"]


@pytest.mark.parametrize(
    ("kind", "obj", "costs"),
    [
        ("ConfigMap", {}, {"count/configmaps": "1", "configmaps": "1"}),
        ("Deployment", {}, {"count/deployments.apps": "1"}),
        ("Job", {}, {"count/jobs.batch": "1"}),
        (
            "Pod",
            {"spec": {"containers": [container(requests={"cpu": "1", "gpu.io/x": "2"}, limits={"memory": "1Gi"})]}},
            {"count/pods": "1", "pods": "1", "cpu": "1", "requests.cpu": "1", "requests.gpu.io/x": "2",
             "limits.memory": "1Gi"},
        ),
        ("Pod", {**asking("1"), "status": {"phase": "Succeeded"}}, {"count/pods": "1"}),
        (
            "Service",
            {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 81}]}},
            {"count/services": "1", "services": "1", "services.nodeports": "2", "services.loadbalancers": "1"},
        ),
        (
            "PersistentVolumeClaim",
            {"metadata": {}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}},
            {"count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "2Gi",
             "fast.storageclass.storage.k8s.io/requests.storage": "2Gi",
             "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1"},
        ),
    ],
)  # fmt: skip
def test_what_an_object_costs(kind, obj, costs):
    assert usage(KINDS[kind], obj) == costs


def test_init_containers_run_before_the_others_and_sidecars_beside_them():
    init = [
        {**container(requests={"cpu": "100m"}), "restartPolicy": "Always"},
        container(requests={"cpu": "2", "memory": "1Gi"}),
    ]
    spec = {"initContainers": init, "containers": [container(requests={"cpu": "500m", "memory": "512Mi"})]}
    assert pod_resources(spec, "requests") == {"cpu": "2100m", "memory": "1Gi"}
    assert pod_resources({**spec, "overhead": {"cpu": "100m"}}, "requests")["cpu"] == "2200m"


def test_only_what_grows_is_charged():
    assert increase({"a": "3", "b": "1", "c": "500m"}, {"a": "1", "b": "2"}) == {"a": "2", "c": "500m"}


@pytest.mark.parametrize(
    ("spec", "obj", "counts"),
    [
        ({}, asking("1"), True),
        ({"scopes": ["NotBestEffort"]}, asking("1"), True),
        ({"scopes": ["BestEffort"]}, asking("1"), False),
        ({"scopes": ["Terminating"]}, asking("1", activeDeadlineSeconds=5), True),
        ({"scopes": ["NotTerminating", "BestEffort"]}, {"spec": {"containers": [{"name": "c"}]}}, True),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                }
            },
            asking("1", priorityClassName="a"),
            True,
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}},
            asking("1", priorityClassName="a"),
            False,
        ),
        ({"scopes": ["CrossNamespacePodAffinity"]}, asking("1"), False),
    ],
)
def test_which_pods_a_quota_is_about(spec, obj, counts):
    assert applies(quota(**spec), POD, obj) is counts


def test_scopes_are_about_pods_only():
    assert not applies(quota(scopes=["BestEffort"]), SERVICE, {"spec": {}})


def test_the_status_tells_what_is_limited():
    found = quota(hard={"pods": "5", "requests.cpu": "4", "unheard-of": "1"})
    status = measured(found, [(POD, asking("1")), (POD, asking("500m"))])
    assert status["used"] == {"pods": "2", "requests.cpu": "1500m"}
    assert status["hard"] == found["spec"]["hard"]


async def test_it_follows_the_life_of_a_pod(cluster: Cluster) -> None:
    cluster.client.create(pod("a"))
    cluster.run(ResourceQuotaController(cluster.client, cluster.clock))
    cluster.client.create(quota(hard={"pods": "5", "count/configmaps": "2"}))
    await cluster.settle()
    assert used(cluster) == {"pods": "1", "count/configmaps": "0"}
    cluster.client.create(pod("b"))
    await cluster.settle()
    assert used(cluster)["pods"] == "2"
    cluster.client.patch("Pod", "b", "default", {"status": {"phase": "Succeeded"}}, "status")
    await cluster.settle()
    assert used(cluster)["pods"] == "1"
    cluster.client.delete("Pod", "a", "default", grace=0)
    await cluster.settle()
    assert used(cluster)["pods"] == "0"


def used(cluster: Cluster) -> Obj:
    return dict(cluster.all("ResourceQuota")[0]["status"]["used"])
