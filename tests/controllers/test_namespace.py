from __future__ import annotations

from k8slab.api.errors import ApiError
from k8slab.api.objects import Obj, condition
from k8slab.controllers.namespace import NamespaceController, conditions
from tests.controllers.world import Cluster, names, pod

RESOURCES = {"Pod": "pods.", "ConfigMap": "configmaps.", "Deployment": "deployments.apps"}


async def start(cluster: Cluster) -> None:
    cluster.run(NamespaceController(cluster.client, cluster.clock, RESOURCES))
    for name in ("doomed", "kept"):
        cluster.client.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
        )
        cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": name}})
        one = pod("p", "node-1")
        one["metadata"]["namespace"] = name
        cluster.client.create(one)
    await cluster.settle()


def doomed(cluster: Cluster) -> Obj:
    return cluster.client.get("Namespace", "doomed")


async def test_empties_pods_first_then_lets_go(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.delete("Namespace", "doomed")
    await cluster.settle()
    status = doomed(cluster)["status"]
    assert status["phase"] == "Terminating"
    remaining = condition(doomed(cluster), "NamespaceContentRemaining")
    assert remaining
    assert remaining["message"] == ("Some resources are remaining: pods. has 1 resource instances")
    cluster.kubelet()
    await cluster.settle()
    assert names(cluster.all("Namespace")) == ["kept"]
    assert len(cluster.all("ConfigMap")) == len(cluster.all("Pod")) == 1
    gone = [line for line in cluster.client.log if line.startswith("deleted")]
    assert gone == ["deleted Pod p", "deleted ConfigMap c", "deleted Namespace doomed"]


async def test_a_finalizer_is_named(cluster: Cluster) -> None:
    await start(cluster)
    cluster.kubelet()
    cluster.client.patch("ConfigMap", "c", "doomed", {"metadata": {"finalizers": ["somebody.example/holds"]}})
    cluster.client.delete("Namespace", "doomed")
    await cluster.settle()
    held = condition(doomed(cluster), "NamespaceFinalizersRemaining")
    assert held
    assert (held["status"], held["reason"]) == ("True", "SomeFinalizersRemain")
    assert held["message"].endswith("finalizers remaining: somebody.example/holds in 1 resource instances")
    cluster.client.patch("ConfigMap", "c", "doomed", {"metadata": {"finalizers": None}})
    await cluster.settle()
    assert names(cluster.all("Namespace")) == ["kept"]


def test_conditions_when_all_is_gone() -> None:
    found = conditions(RESOURCES, {}, [])
    assert [(c["type"], c["status"]) for c in found] == [
        ("NamespaceDeletionDiscoveryFailure", "False"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False"),
        ("NamespaceDeletionContentFailure", "False"),
        ("NamespaceContentRemaining", "False"),
        ("NamespaceFinalizersRemaining", "False"),
    ]
    assert found[3]["message"] == "All content successfully removed"


def test_conditions_when_something_refuses() -> None:
    found = conditions(RESOURCES, {}, [ApiError("disk full")])
    assert found[2]["reason"] == "ContentDeletionFailed"
    assert "disk full" in found[2]["message"]
