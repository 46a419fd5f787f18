"""Endpoints written by hand become slices (pkg/controller/endpointslicemirroring)."""

from __future__ import annotations

import pytest

from k8slab.api.objects import Obj
from k8slab.controllers.mirroring import EndpointSliceMirroringController, is_mirrored, mirrored
from tests.controllers.world import Cluster

PORT = {"port": 80, "protocol": "TCP"}


def endpoints(*subsets: Obj, labels: Obj | None = None, annotations: Obj | None = None) -> Obj:
    meta = {"name": "db", "namespace": "default", "uid": "u", "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": list(subsets)}


def subset(*ips: str, waiting: tuple[str, ...] = (), **port: object) -> Obj:
    ready, not_ready = ([{"ip": ip} for ip in some] for some in (ips, waiting))
    return {"addresses": ready, "notReadyAddresses": not_ready, "ports": [{**PORT, **port}]}


def service(**spec: object) -> Obj:
    meta = {"name": "db", "namespace": "default", "uid": "s"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [PORT], **spec}}


def test_a_slice_reads_as_in_kubernetes() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "who": "me"}
    (slice_,) = mirrored(endpoints(subset("1.2.3.4", waiting=("1.2.3.5",)), labels={"a": "b"}, annotations=notes))
    assert slice_ == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "db-",
            "namespace": "default",
            "labels": {
                "a": "b",
                "kubernetes.io/service-name": "db",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            },
            "annotations": {"who": "me"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Endpoints", "name": "db", "uid": "u", "controller": True,
                 "blockOwnerDeletion": True}
            ],
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["1.2.3.4"], "conditions": {"ready": True}},
            {"addresses": ["1.2.3.5"], "conditions": {"ready": False}},
        ],
    }  # fmt: skip


def test_a_slice_for_each_family_and_each_set_of_ports() -> None:
    found = mirrored(endpoints(subset("1.2.3.4", "::1"), subset("1.2.3.6", port=81), subset("1.2.3.7")))
    shapes = [(s["addressType"], s["ports"][0]["port"], len(s["endpoints"])) for s in found]
    assert shapes == [("IPv4", 80, 2), ("IPv6", 80, 1), ("IPv4", 81, 1)]


@pytest.mark.parametrize(
    ("made", "behind", "wanted"),
    [
        (endpoints(), service(), True),
        (endpoints(), service(selector={"app": "db"}), False),
        (endpoints(labels={"endpointslice.kubernetes.io/skip-mirror": "true"}), service(), False),
        (endpoints(annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}), service(), False),
    ],
)
def test_which_endpoints_are_mirrored(made: Obj, behind: Obj, wanted: bool) -> None:
    assert is_mirrored(made, behind) == wanted


async def test_slices_follow_and_go(cluster: Cluster) -> None:
    cluster.run(EndpointSliceMirroringController(cluster.client, cluster.clock))
    cluster.client.create(service())
    cluster.client.create(endpoints(subset("1.2.3.4")))
    await cluster.settle()
    (slice_,) = cluster.all("EndpointSlice")
    now = cluster.client.get("Endpoints", "db", "default")
    cluster.client.update({**now, "subsets": [subset("1.2.3.9")]})
    await cluster.settle()
    (changed,) = cluster.all("EndpointSlice")
    assert changed["metadata"]["name"] == slice_["metadata"]["name"]
    assert changed["endpoints"][0]["addresses"] == ["1.2.3.9"]
    written = len(cluster.client.log)
    cluster.client.patch("Service", "db", "default", {"metadata": {"annotations": {"note": "x"}}})
    await cluster.settle()
    assert len(cluster.client.log) == written + 1
    cluster.client.delete("Endpoints", "db", "default")
    await cluster.settle()
    assert cluster.all("EndpointSlice") == []
