from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.errors import Forbidden
from k8slab.api.objects import Obj, labels_of
from k8slab.controllers import endpoint_slices as decide
from k8slab.controllers.endpoints import EndpointsController, EndpointSliceController
from tests.controllers.world import Cluster, names, pod


def service(name: str = "web", **spec: Any) -> Obj:
    meta = {"name": name, "namespace": "default", "labels": {"tier": "front"}, "uid": f"uid-of-{name}"}
    base = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": base | spec}


def at(address: str, name: str, *, ready: bool = True, ports: dict[str, int] | None = None, **meta: Any) -> Obj:
    one = pod(name, "node-1", ready=ready)
    one["status"]["podIP"] = address
    one["metadata"] |= meta
    one["spec"]["containers"][0]["ports"] = [{"name": n, "containerPort": p} for n, p in (ports or {}).items()]
    return one


def zone_of(node: str) -> str:
    return "a" if node == "node-1" else ""


def slices(svc: Obj, pods: list[Obj]) -> list[Obj]:
    return decide.plan(svc, decide.by_ports(svc, pods, zone_of), []).create


@pytest.mark.parametrize(
    ("target", "expected"),
    [(8080, [8080]), ("http", [3000]), ("nothing", []), (None, [80])],
)
def test_target_port(target: Any, expected: list[int]) -> None:
    port = {"port": 80, "name": "p"} | ({"targetPort": target} if target else {})
    found = decide.ports_of(service(ports=[port]), at("127.64.0.1", "a", ports={"http": 3000}))
    assert [p["port"] for p in found] == expected


@pytest.mark.parametrize(
    ("one", "publish", "expected"),
    [
        (at("127.64.0.1", "a"), False, (True, True, False)),
        (at("127.64.0.1", "a", ready=False), False, (False, False, False)),
        (at("127.64.0.1", "a", ready=False), True, (True, False, False)),
        (at("127.64.0.1", "a", deletionTimestamp="2026-01-01T00:00:00Z"), False, (False, True, True)),
    ],
)
def test_conditions_of_an_endpoint(one: Obj, publish: bool, expected: tuple[bool, bool, bool]) -> None:
    (slice_,) = slices(service(publishNotReadyAddresses=publish), [one])
    conditions = slice_["endpoints"][0]["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected


def test_a_slice_reads_as_in_kubernetes() -> None:
    (slice_,) = slices(service(), [at("127.64.0.1", "a")])
    assert slice_ == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "labels": {
                "tier": "front",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1", "kind": "Service", "name": "web", "uid": "uid-of-web", "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": ["127.64.0.1"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-of-a"},
                "nodeName": "node-1",
                "zone": "a",
            }
        ],
    }  # fmt: skip


def test_pods_that_have_ended_or_have_no_address_are_no_endpoints() -> None:
    ended, nowhere = at("127.64.0.1", "a"), at("", "b")
    ended["status"]["phase"] = "Succeeded"
    (slice_,) = slices(service(), [ended, nowhere])
    assert (slice_["endpoints"], slice_["ports"]) == ([], [])


def test_a_slice_for_each_set_of_ports() -> None:
    web = service(ports=[{"port": 80, "targetPort": "http"}])
    found = slices(
        web, [at("127.64.0.1", "a", ports={"http": 1}), at("127.64.0.2", "b", ports={"http": 2}), at("127.64.0.3", "c")]
    )
    assert [[p["port"] for p in s["ports"]] for s in found] == [[1], [2], []]


def test_a_hundred_endpoints_a_slice_and_everybody_keeps_a_place() -> None:
    pods = [at(f"127.64.{n // 250}.{n % 250 + 1}", f"p{n:03}") for n in range(250)]
    first = slices(service(), pods)
    assert [len(s["endpoints"]) for s in first] == [100, 100, 50]
    stored = [{**s, "metadata": s["metadata"] | {"name": f"web-{n}"}} for n, s in enumerate(first)]
    left = [p for p in pods if p["metadata"]["name"] != "p000"] + [at("127.64.9.9", "new")]
    plan = decide.plan(service(), decide.by_ports(service(), left, zone_of), stored)
    assert (names(plan.update), plan.create, plan.delete) == (["web-0"], [], [])
    assert len(plan.update[0]["endpoints"]) == 100
    same = decide.plan(service(), decide.by_ports(service(), pods, zone_of), stored)
    assert (same.create, same.update, same.delete) == ([], [], [])


def test_endpoints_share_subsets_by_address() -> None:
    web = service(ports=[{"port": 80, "targetPort": "http", "name": "http"}, {"port": 9000, "name": "admin"}])
    pods = [
        at("127.64.0.1", "a", ports={"http": 1}),
        at(
            "127.64.0.2",
            "b",
            ports={"http": 2},
        ),
        at("127.64.0.3", "c", ready=False),
    ]
    found = decide.endpoints(web, pods, None)
    shape = [
        (
            [a["ip"][-1] for a in s.get("addresses", [])],
            [a["ip"][-1] for a in s.get("notReadyAddresses", [])],
            [p["port"] for p in s["ports"]],
        )
        for s in found["subsets"]
    ]
    assert shape == [(["1"], [], [1]), (["1", "2"], ["3"], [9000]), (["2"], [], [2])]
    assert labels_of(found) == {"tier": "front", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def test_endpoints_are_cut_at_a_thousand() -> None:
    pods = [at(f"127.64.{n // 250}.{n % 250 + 1}", f"p{n}", ready=n > 5) for n in range(1003)]
    found = decide.endpoints(service(), pods, None)
    assert found["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}
    assert len(found["subsets"][0]["addresses"]) == 997
    assert len(found["subsets"][0]["notReadyAddresses"]) == 3


def test_headless_without_ports() -> None:
    peers = service("peers", clusterIP="None", ports=[])
    one = at("127.64.0.1", "db-0")
    one["spec"] |= {"hostname": "db-0", "subdomain": "peers"}
    found = decide.endpoints(peers, [one], None)
    assert found["subsets"][0]["addresses"][0]["hostname"] == "db-0"
    assert "ports" not in found["subsets"][0]
    assert labels_of(found)["service.kubernetes.io/headless"] == ""
    (slice_,) = slices(peers, [one])
    assert labels_of(slice_)["service.kubernetes.io/headless"] == ""
    assert slice_["endpoints"][0]["hostname"] == "db-0"


async def start(cluster: Cluster) -> None:
    cluster.kubelet()
    cluster.run(
        EndpointsController(cluster.client, cluster.clock), EndpointSliceController(cluster.client, cluster.clock)
    )
    cluster.client.create(service())
    for name in ("a", "b"):
        cluster.client.create(pod(name))
    await cluster.settle()


def ready_in_slices(cluster: Cluster) -> list[str]:
    return [
        e["targetRef"]["name"] for s in cluster.all("EndpointSlice") for e in s["endpoints"] if e["conditions"]["ready"]
    ]


async def test_follows_its_pods(cluster: Cluster) -> None:
    await start(cluster)
    assert ready_in_slices(cluster) == ["a", "b"]
    (found,) = cluster.all("Endpoints")
    assert names([a["targetRef"] and {"metadata": a["targetRef"]} for a in found["subsets"][0]["addresses"]]) == [
        "a",
        "b",
    ]
    assert decide.TRIGGER_TIME in found["metadata"]["annotations"]
    cluster.client.delete("Pod", "a", "default")
    await cluster.settle()
    assert ready_in_slices(cluster) == ["b"]
    cluster.client.patch("Pod", "b", "default", {"metadata": {"labels": {"app": "other"}}})
    await cluster.settle()
    assert ready_in_slices(cluster) == []
    assert "subsets" not in cluster.all("Endpoints")[0]
    assert len(cluster.all("EndpointSlice")) == 1


async def test_a_quiet_world_is_not_written_to(cluster: Cluster) -> None:
    await start(cluster)
    written = len(cluster.client.log)
    cluster.client.patch("Pod", "a", "default", {"metadata": {"annotations": {"note": "x"}}})
    cluster.client.patch("Service", "web", "default", {"metadata": {"annotations": {"note": "x"}}})
    await cluster.settle()
    assert len(cluster.client.log) == written + 2


async def test_a_deleted_slice_comes_back_and_endpoints_go_with_their_service(cluster: Cluster) -> None:
    await start(cluster)
    cluster.client.delete("EndpointSlice", names(cluster.all("EndpointSlice"))[0], "default")
    await cluster.settle()
    assert ready_in_slices(cluster) == ["a", "b"]
    cluster.client.delete("Service", "web", "default")
    await cluster.settle()
    assert cluster.all("Endpoints") == []


async def test_services_without_selector_are_left_alone(cluster: Cluster) -> None:
    cluster.run(
        EndpointsController(cluster.client, cluster.clock), EndpointSliceController(cluster.client, cluster.clock)
    )
    for name, spec in {"kubernetes": {"selector": None}, "elsewhere": {"type": "ExternalName"}}.items():
        cluster.client.create(service(name, **spec))
        cluster.client.create(
            {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": "default"}}
        )
    await cluster.settle()
    assert len(cluster.all("Endpoints")) == 2
    assert cluster.all("EndpointSlice") == []


async def test_a_refusal_is_told_on_the_service(cluster: Cluster) -> None:
    cluster.client.refuse = lambda obj: Forbidden("no") if obj["kind"] in ("Endpoints", "EndpointSlice") else None
    await start(cluster)
    assert {e.split(" ")[1] for e in cluster.events()} == {"FailedToCreateEndpoint", "FailedToUpdateEndpointSlices"}
    assert "Warning FailedToCreateEndpoint Failed to create endpoint for service default/web: no" in cluster.events()
