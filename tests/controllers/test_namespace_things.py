"""What every namespace has: an account and the cluster's certificate, put back when they go."""

from __future__ import annotations

from k8slab.controllers.rootca import RootCAController
from k8slab.controllers.serviceaccounts import ServiceAccountController
from tests.controllers.world import Cluster, names


def namespace(name: str = "shop") -> dict:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "spec": {"finalizers": ["kubernetes"]}}


async def start(cluster: Cluster) -> None:
    cluster.run(ServiceAccountController(cluster.client, cluster.clock))
    cluster.run(RootCAController(cluster.client, cluster.clock, "PEM"))
    cluster.client.create(namespace())
    await cluster.settle()


async def test_they_come_with_the_namespace(cluster: Cluster) -> None:
    await start(cluster)
    assert names(cluster.all("ServiceAccount", "shop")) == ["default"]
    (trust,) = cluster.all("ConfigMap", "shop")
    assert (trust["metadata"]["name"], trust["data"]) == ("kube-root-ca.crt", {"ca.crt": "PEM"})


async def test_they_come_back(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.delete("ServiceAccount", "default", "shop")
    cluster.client.patch("ConfigMap", "kube-root-ca.crt", "shop", {"data": {"ca.crt": "forged"}})
    await cluster.settle()
    assert names(cluster.all("ServiceAccount", "shop")) == ["default"]
    assert cluster.all("ConfigMap", "shop")[0]["data"] == {"ca.crt": "PEM"}
    cluster.client.delete("ConfigMap", "kube-root-ca.crt", "shop")
    await cluster.settle()
    assert names(cluster.all("ConfigMap", "shop")) == ["kube-root-ca.crt"]


async def test_not_in_a_namespace_that_is_going(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.delete("Namespace", "shop")
    cluster.client.delete("ServiceAccount", "default", "shop")
    await cluster.settle()
    assert cluster.all("ServiceAccount", "shop") == []
