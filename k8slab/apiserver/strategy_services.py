"""What the server writes into a Service: its addresses and ports, and what an old type leaves behind.

The row for Services in `strategy.py`; `allocator.py` hands out what is free. Sources: pkg/registry/core/service
(strategy.go, storage/alloc.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api.causes import invalid
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj, key_of
from k8slab.apiserver.allocator import Allocator, node_ports
from k8slab.apiserver.strategy_base import Strategy

ON_NODES = ("NodePort", "LoadBalancer")


class ServiceStrategy(Strategy):
    """A Service gets its cluster IP and node ports, and keeps them through updates that leave them out."""

    def __init__(self, services: Callable[[], Iterable[Obj]], allocator: Allocator) -> None:
        self._services = services
        self._allocator = allocator

    def create(self, obj: Obj) -> list[Cause]:
        obj.setdefault("spec", {})
        obj["status"] = {"loadBalancer": {}}
        return self._allocate(obj, None)

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        spec, before = obj["spec"], old["spec"]
        _keep(spec, before)
        _drop(spec, before)
        return self._allocate(obj, old)

    def _allocate(self, service: Obj, old: Obj | None) -> list[Cause]:
        own = key_of(service) if old else None
        others = [other for other in self._services() if key_of(other) != own]
        had = ((old or {}).get("spec") or {}).get("clusterIPs") or []
        return [*self._addresses(service["spec"], others, had), *self._node_ports(service["spec"], others)]

    def _addresses(self, spec: Obj, others: list[Obj], had: list[str]) -> Iterable[Cause]:
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            try:
                spec["clusterIP"] = self._allocator.address(others)
            except RuntimeError as error:
                yield invalid("spec.clusterIP", "", str(error))
                return
        elif spec["clusterIP"] != "None" and not had and (why := self._allocator.refusal(spec["clusterIP"], others)):
            asked = spec.get("clusterIPs") or [spec["clusterIP"]]
            yield invalid("spec.clusterIPs", asked, f"failed to allocate IP {spec['clusterIP']}: {why}")
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _node_ports(self, spec: Obj, others: list[Obj]) -> Iterable[Cause]:
        if spec.get("type") not in ON_NODES:
            return
        foreign = {*node_ports(others)}
        taken = {*foreign, *node_ports([{"spec": spec}])}
        for index, port in enumerate(spec.get("ports") or []):
            if port.get("nodePort") in foreign:
                yield invalid(f"spec.ports[{index}].nodePort", port["nodePort"], "provided port is already allocated")
            if not port.get("nodePort"):
                try:
                    port["nodePort"] = self._allocator.node_port(taken)
                except RuntimeError as error:
                    yield invalid(f"spec.ports[{index}].nodePort", 0, str(error))
                    return
                taken.add(port["nodePort"])


def _keep(spec: Obj, before: Obj) -> None:
    """What the server once filled in, a client that leaves it out need not repeat."""
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    held = {_named(port): port["nodePort"] for port in before.get("ports") or [] if "nodePort" in port}
    if spec.get("type") in ON_NODES:
        for port in spec.get("ports") or []:
            if number := held.get(_named(port)):
                port.setdefault("nodePort", number)


def _named(port: Obj) -> tuple[object, ...]:
    return port.get("name"), port.get("port"), port.get("protocol")


def _drop(spec: Obj, before: Obj) -> None:
    """With another type goes what only the old one has, unless the client says something new about it."""
    for fields, needed in OF_TYPES:
        if needed(before) and not needed(spec):
            for field in fields:
                if spec.get(field) == before.get(field):
                    spec.pop(field, None)
    now, then = ({*node_ports([{"spec": one}])} for one in (spec, before))
    if _on_nodes(before) and not _on_nodes(spec) and now <= then:
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)


def _has_address(spec: Obj) -> bool:
    return spec.get("type") != "ExternalName"


def _on_nodes(spec: Obj) -> bool:
    return spec.get("type") in ON_NODES


def _balanced(spec: Obj) -> bool:
    return spec.get("type") == "LoadBalancer"


def _reached_from_outside(spec: Obj) -> bool:
    return _on_nodes(spec) or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


OF_TYPES: tuple[tuple[tuple[str, ...], Callable[[Obj], bool]], ...] = (
    (("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"), _has_address),
    (("externalTrafficPolicy",), _reached_from_outside),
    (("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"), _balanced),
)
