"""What should be open, and where it leads: Services, EndpointSlices and node addresses in, a table out. Pure.

`proxy.py` compares the table with what is open. The rules are kube-proxy's (pkg/proxy/topology.go, KEP-1669, KEP-2086).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from k8slab.api.objects import Key, Obj, key_of, labels_of
from k8slab.kubeproxy.balance import Backend

SERVICE = "kubernetes.io/service-name"
STICKY = 10800.0  # seconds: the default of sessionAffinityConfig.clientIP.timeoutSeconds


class Route(NamedTuple):
    """An address and port that a Service is reached by, as its object says."""

    address: str
    port: int


@dataclass(frozen=True)
class Target:
    """Where connections to a route go: one of these, none at all, and for how many seconds to the same one.

    `near`: a client on a node goes to that node's own pods alone (`internalTrafficPolicy: Local`), by node.
    """

    backends: tuple[Backend, ...]
    sticky: float = 0.0
    near: Mapping[str, tuple[Backend, ...]] | None = None


class Endpoint(NamedTuple):
    """A pod behind a port."""

    backend: Backend
    node: str
    ready: bool


def wanted(services: Iterable[Obj], slices: Iterable[Obj], nodes: Mapping[str, str]) -> dict[Route, Target]:
    """Every TCP route of these Services: its cluster IP, its outer addresses, and its node port on each node's address
    (`nodes`: name -> address)."""
    of_service: dict[Key, list[Obj]] = {}
    for slice_ in slices:
        of_service.setdefault(service_of(slice_), []).append(slice_)
    return {
        route: target
        for service in services
        for port in tcp_ports(service)
        for route, target in _routes(service, port, _endpoints(port, of_service.get(key_of(service), [])), nodes)
    }


def service_of(slice_: Obj) -> Key:
    """The Service whose endpoints these are."""
    return Key(slice_["metadata"].get("namespace", ""), labels_of(slice_).get(SERVICE, ""))


def cluster_ip(service: Obj) -> str:
    """The Service's address; nothing for a headless one or an ExternalName."""
    address = service["spec"].get("clusterIP") or ""
    return "" if address == "None" else str(address)


def outer_ips(service: Obj) -> list[str]:
    """Its load balancer's addresses, and those it says lead here."""
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    given = [str(each["ip"]) for each in balancer.get("ingress") or () if each.get("ip")]
    own = given if service["spec"].get("type") == "LoadBalancer" else []
    return [*own, *(service["spec"].get("externalIPs") or ())]


def tcp_ports(service: Obj) -> Iterator[Obj]:
    """The ports that can be served."""
    return (port for port in service["spec"].get("ports") or () if port.get("protocol", "TCP") == "TCP")


def other_ports(service: Obj) -> list[str]:
    """The ports that cannot: `53/UDP`."""
    ports = service["spec"].get("ports") or ()
    return [f"{port['port']}/{port['protocol']}" for port in ports if port.get("protocol", "TCP") != "TCP"]


def _routes(
    service: Obj, port: Obj, endpoints: list[Endpoint], nodes: Mapping[str, str]
) -> Iterator[tuple[Route, Target]]:
    spec = service["spec"]
    if not (address := cluster_ip(service)):
        return
    sticky, everywhere = _sticky(spec), _backends(endpoints)
    near = _by_node(endpoints, nodes) if spec.get("internalTrafficPolicy") == "Local" else None
    yield Route(address, port["port"]), Target(everywhere, sticky, near)
    for outer in outer_ips(service):  # a load balancer sends to nodes that have a pod, so that the policy is kept
        yield Route(outer, port["port"]), Target(everywhere, sticky)
    own = _by_node(endpoints, nodes) if spec.get("externalTrafficPolicy") == "Local" else {}
    for node, at in nodes.items() if port.get("nodePort") else ():
        yield Route(at, port["nodePort"]), Target(own.get(node, everywhere), sticky)


def _by_node(endpoints: Iterable[Endpoint], nodes: Iterable[str]) -> dict[str, tuple[Backend, ...]]:
    there: dict[str, list[Endpoint]] = {node: [] for node in nodes}
    for endpoint in endpoints:
        there.setdefault(endpoint.node, []).append(endpoint)
    return {node: _backends(every) for node, every in there.items()}


def _sticky(spec: Obj) -> float:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0.0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return float(config.get("timeoutSeconds") or STICKY)


def _backends(endpoints: Iterable[Endpoint]) -> tuple[Backend, ...]:
    """The ready endpoints. While there is none, those on their way out that still serve are better than nobody."""
    every = [*endpoints]
    ready = [endpoint.backend for endpoint in every if endpoint.ready]
    return tuple(dict.fromkeys(ready or [endpoint.backend for endpoint in every]))


def _endpoints(port: Obj, slices: Iterable[Obj]) -> list[Endpoint]:
    """Who is ready, and who is leaving but serves still."""
    found = []
    for slice_ in slices:
        numbers = [each["port"] for each in slice_.get("ports") or () if _serves(each, port.get("name", ""))]
        for endpoint in slice_.get("endpoints") or () if numbers else ():
            conditions = endpoint.get("conditions") or {}
            ready = conditions.get("ready") is not False
            if ready or (conditions.get("serving") and conditions.get("terminating")):
                node = endpoint.get("nodeName", "")
                found += [Endpoint(Backend(endpoint["addresses"][0], number), node, ready) for number in numbers]
    return found


def _serves(port: Obj, name: str) -> bool:
    return (port.get("name") or "") == name and port.get("protocol", "TCP") == "TCP" and bool(port.get("port"))
