"""What should be open, and where it leads: Services, EndpointSlices and node addresses in, a table out. Pure.

`proxy.py` compares the table with what is open. The rules are kube-proxy's (pkg/proxy/topology.go, KEP-1669).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    """Where connections to a route go: one of these, none at all, and for how many seconds to the same one."""

    backends: tuple[Backend, ...]
    sticky: float = 0.0


def wanted(services: Iterable[Obj], slices: Iterable[Obj], node_addresses: Iterable[str]) -> dict[Route, Target]:
    """Every TCP route of these Services: its cluster IP, and its node port on each node's address."""
    of_service: dict[Key, list[Obj]] = {}
    for slice_ in slices:
        of_service.setdefault(service_of(slice_), []).append(slice_)
    nodes = tuple(node_addresses)
    return {
        route: target
        for service in services
        for port in tcp_ports(service)
        for target in [_target(service, port, of_service.get(key_of(service), []))]
        for route in _routes(service, port, nodes)
    }


def service_of(slice_: Obj) -> Key:
    """The Service whose endpoints these are."""
    return Key(slice_["metadata"].get("namespace", ""), labels_of(slice_).get(SERVICE, ""))


def cluster_ip(service: Obj) -> str:
    """The Service's address; nothing for a headless one or an ExternalName."""
    address = service["spec"].get("clusterIP") or ""
    return "" if address == "None" else str(address)


def tcp_ports(service: Obj) -> Iterator[Obj]:
    """The ports that can be served."""
    return (port for port in service["spec"].get("ports") or () if port.get("protocol", "TCP") == "TCP")


def other_ports(service: Obj) -> list[str]:
    """The ports that cannot: `53/UDP`."""
    ports = service["spec"].get("ports") or ()
    return [f"{port['port']}/{port['protocol']}" for port in ports if port.get("protocol", "TCP") != "TCP"]


def _routes(service: Obj, port: Obj, nodes: Iterable[str]) -> Iterator[Route]:
    if address := cluster_ip(service):
        yield Route(address, port["port"])
        if port.get("nodePort"):
            yield from (Route(node, port["nodePort"]) for node in nodes)


def _target(service: Obj, port: Obj, slices: Iterable[Obj]) -> Target:
    spec = service["spec"]
    sticky = 0.0
    if spec.get("sessionAffinity") == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        sticky = float(config.get("timeoutSeconds") or STICKY)
    return Target(_backends(port.get("name", ""), slices), sticky)


def _backends(name: str, slices: Iterable[Obj]) -> tuple[Backend, ...]:
    """The ready endpoints. While there is none, those on their way out that still serve are better than nobody."""
    ready: list[Backend] = []
    leaving: list[Backend] = []
    for slice_ in slices:
        numbers = [port["port"] for port in slice_.get("ports") or () if _serves(port, name)]
        for endpoint in slice_.get("endpoints") or () if numbers else ():
            conditions = endpoint.get("conditions") or {}
            found = [Backend(endpoint["addresses"][0], number) for number in numbers]
            if conditions.get("ready") is not False:
                ready += found
            elif conditions.get("serving") and conditions.get("terminating"):
                leaving += found
    return tuple(dict.fromkeys(ready or leaving))


def _serves(port: Obj, name: str) -> bool:
    return (port.get("name") or "") == name and port.get("protocol", "TCP") == "TCP" and bool(port.get("port"))
