from __future__ import annotations

import pytest

from k8slab.api.objects import Obj
from k8slab.kubeproxy.balance import Backend
from k8slab.kubeproxy.rules import Route, Target, other_ports, wanted

from .world import service, slice_of

A, B = Backend("127.1.1.1", 8080), Backend("127.1.1.2", 8080)
IP, NODES = "127.1.240.5", {"node-1": "127.1.1.1", "node-2": "127.1.2.1"}
HTTP, NAMED = {"port": 80}, {"name": "http", "port": 80}
LEAVING = {"ready": False, "serving": True, "terminating": True}


def moved(slice_: Obj, name: str) -> Obj:
    return slice_ | {"metadata": slice_["metadata"] | {"name": name}}


@pytest.mark.parametrize(
    ("given", "slices", "table"),
    [
        (service(IP, HTTP), [slice_of(A, B)], {Route(IP, 80): Target((A, B))}),
        (service(IP, HTTP), [], {Route(IP, 80): Target(())}),
        (service(IP, NAMED), [slice_of(A, port="http")], {Route(IP, 80): Target((A,))}),
        (service(IP, NAMED), [slice_of(A, port="admin")], {Route(IP, 80): Target(())}),
        (service(IP, HTTP), [slice_of(A, ready=False)], {Route(IP, 80): Target(())}),
        (service(IP, HTTP), [slice_of(A, **LEAVING)], {Route(IP, 80): Target((A,))}),
        (service(IP, HTTP), [slice_of(A, **LEAVING), moved(slice_of(B), "b")], {Route(IP, 80): Target((B,))}),
        (service(IP, HTTP), [slice_of(A), moved(slice_of(A), "b")], {Route(IP, 80): Target((A,))}),
        (service(IP, HTTP), [slice_of(A, name="other")], {Route(IP, 80): Target(())}),
        (
            service(IP, HTTP | {"nodePort": 30080}),
            [slice_of(A)],
            {Route(at, port): Target((A,)) for at, port in ((IP, 80), *((node, 30080) for node in NODES.values()))},
        ),
        (service(IP, HTTP, sessionAffinity="ClientIP"), [slice_of(A)], {Route(IP, 80): Target((A,), 10800.0)}),
        (
            service(IP, HTTP, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}}),
            [],
            {Route(IP, 80): Target((), 5.0)},
        ),
        (service("None", HTTP), [slice_of(A)], {}),
        (service("", HTTP, type="ExternalName"), [], {}),
        (service(IP, {"port": 53, "protocol": "UDP"}), [], {}),
    ],
)
def test_wanted(given: Obj, slices: list[Obj], table: dict[Route, Target]) -> None:
    assert wanted([given], slices, NODES) == table


def test_several_ports_lead_to_their_own_targets() -> None:
    admin = Backend("127.1.1.1", 9000)
    both = service(IP, NAMED, {"name": "admin", "port": 9000})
    slices = [slice_of(A, port="http"), moved(slice_of(admin, port="admin"), "b")]
    assert wanted([both], slices, {}) == {Route(IP, 80): Target((A,)), Route(IP, 9000): Target((admin,))}


def local(which: str) -> Obj:
    spec = {f"{which}TrafficPolicy": "Local"}
    return service(IP, HTTP | {"nodePort": 30080}, type="LoadBalancer", **spec) | {
        "status": {"loadBalancer": {"ingress": [{"ip": "127.1.232.1"}]}}
    }


def there(slice_: Obj, *nodes: str) -> Obj:
    return slice_ | {"endpoints": [e | {"nodeName": node} for e, node in zip(slice_["endpoints"], nodes, strict=True)]}


def test_external_traffic_stays_on_the_node_it_came_to() -> None:
    table = wanted([local("external")], [there(slice_of(A, B), "node-1", "node-1")], NODES)
    assert table == {
        Route(IP, 80): Target((A, B)),
        Route("127.1.232.1", 80): Target((A, B)),
        Route(NODES["node-1"], 30080): Target((A, B)),
        Route(NODES["node-2"], 30080): Target(()),
    }
    leaving = there(slice_of(A, B, **LEAVING), "node-1", "node-2")
    assert wanted([local("external")], [leaving], NODES)[Route(NODES["node-2"], 30080)] == Target((B,))


def test_internal_traffic_stays_on_the_clients_node() -> None:
    table = wanted([local("internal")], [there(slice_of(A, B), "node-1", "node-2")], NODES)
    assert table[Route(IP, 80)] == Target((A, B), near={"node-1": (A,), "node-2": (B,)})
    assert table[Route(NODES["node-2"], 30080)] == Target((A, B))


def test_outer_addresses_are_those_of_a_load_balancer_and_those_it_names() -> None:
    given = local("external")
    given["spec"]["externalIPs"] = ["127.1.99.1"]
    assert {route.address for route in wanted([given], [slice_of(A)], {})} == {IP, "127.1.232.1", "127.1.99.1"}
    given["spec"]["type"] = "ClusterIP"
    assert {route.address for route in wanted([given], [slice_of(A)], {})} == {IP, "127.1.99.1"}


def test_what_is_not_tcp_is_named() -> None:
    assert other_ports(service(IP, HTTP, {"port": 53, "protocol": "UDP"})) == ["53/UDP"]
