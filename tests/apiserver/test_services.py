"""What the server writes into Services: addresses and ports that are free, and what a new type leaves behind."""

from __future__ import annotations

import pytest

from k8slab.apiserver.bootstrap import announce_dns, bootstrap

SERVICES = "/api/v1/namespaces/default/services"
MERGE = {"Content-Type": "application/merge-patch+json"}
NOT_OURS = "the provided network does not match the current range"
TAKEN = "provided IP is already allocated"


def create(http, name="web", ports=({"port": 80},), **spec):
    return http.post(SERVICES, json={"metadata": {"name": name}, "spec": {"ports": list(ports), **spec}})


def change(http, name="web", **spec):
    return http.patch(f"{SERVICES}/{name}", json={"spec": spec}, headers=MERGE)


def said(answer):
    return [f"{cause['field']}: {cause['message']}" for cause in answer.json()["details"]["causes"]]


def test_an_address_is_one_of_the_clusters_and_free(http):
    wrong = create(http, clusterIP="1.2.3.4")
    assert (wrong.status_code, said(wrong)) == (
        422, [f'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: {NOT_OURS}'],
    )  # fmt: skip
    first = create(http, clusterIP="10.96.0.77")
    assert first.json()["spec"]["clusterIPs"] == ["10.96.0.77"]
    second = create(http, "other", clusterIP="10.96.0.77")
    assert said(second) == [
        f'spec.clusterIPs: Invalid value: ["10.96.0.77"]: failed to allocate IP 10.96.0.77: {TAKEN}'
    ]
    http.delete(f"{SERVICES}/web")
    assert create(http, "other", clusterIP="10.96.0.77").status_code == 201


def test_a_node_port_belongs_to_one_service(http):
    assert create(http, type="NodePort", ports=[{"port": 80, "nodePort": 30080}]).status_code == 201
    other = create(http, "other", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    assert said(other) == ["spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"]
    assert change(http, ports=[{"port": 81, "nodePort": 30080}]).status_code == 200, "its own it may keep"


CLUSTER = {"clusterIPs", "clusterIP", "ipFamilies", "ipFamilyPolicy"}
ON_NODES = CLUSTER | {"externalTrafficPolicy"}
FIELDS = {
    "ClusterIP": CLUSTER,
    "ExternalName": {"externalName"},
    "LoadBalancer": ON_NODES | {"allocateLoadBalancerNodePorts"},
    "NodePort": ON_NODES,
}


@pytest.mark.parametrize("before", FIELDS)
@pytest.mark.parametrize("after", FIELDS)
def test_a_service_may_become_one_of_another_type(http, before, after):
    name = {"externalName": "example.com"}
    assert create(http, type=before, **(name if before == "ExternalName" else {})).status_code == 201
    changed = change(http, type=after, externalName="example.com" if after == "ExternalName" else None)
    assert changed.status_code == 200, changed.text
    spec = changed.json()["spec"]
    assert {*spec} - {"type", "ports", "selector", "sessionAffinity", "internalTrafficPolicy"} == FIELDS[after]
    assert ("nodePort" in spec["ports"][0]) == (after in ("NodePort", "LoadBalancer"))


def test_a_node_port_is_for_services_on_nodes(http):
    refused = create(http, ports=[{"port": 80, "nodePort": 30080}])
    assert said(refused) == ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]


def test_a_node_keeps_the_addresses_it_gives_out(http):
    http.post("/api/v1/nodes", json={"metadata": {"name": "n"}, "spec": {"podCIDR": "10.1.0.0/24"}})
    assert http.get("/api/v1/nodes/n").json()["spec"]["podCIDRs"] == ["10.1.0.0/24"]
    refused = http.patch("/api/v1/nodes/n", json={"spec": {"podCIDR": "10.2.0.0/24"}}, headers=MERGE)
    assert said(refused) == ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']


def test_a_server_that_starts_again_finds_its_own_services(http, verbs):
    assert announce_dns(verbs, there=True)
    assert create(http, clusterIP=verbs.allocator.dns).status_code == 422
    bootstrap(verbs, "127.0.0.1", 7000)
    assert announce_dns(verbs, there=True)
    assert http.get(f"{SERVICES}/kubernetes").json()["spec"]["clusterIP"] == verbs.allocator.first
    endpoints = http.get("/api/v1/namespaces/default/endpoints/kubernetes").json()
    assert endpoints["subsets"][0]["ports"][0]["port"] == 7000
