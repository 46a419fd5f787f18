"""The rules for Services and for what stands behind them: ports, addresses, what may change.

Tables for `validation.py`. Source: pkg/apis/core/validation/validation.go, pkg/apis/discovery/validation. One rule of
Kubernetes is left out on purpose: endpoints may be loopback addresses, for that is where the lab's pods live.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from k8slab.api import names
from k8slab.api.causes import duplicate, forbidden, invalid, required, too_many, unsupported
from k8slab.api.checks import REQUIRED, Required, Table, label_map, named, one_of, port, port_or_name, unique
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.validation_containers import PROTOCOLS

NODE_PORTS = range(30000, 32768)
MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS = 1000, 100, 20000
FAMILIES = {"IPv4": 4, "IPv6": 6}
_DAY = 86400
ONCE_SET = "may not change once set"


def _type(spec: Obj, path: str) -> Iterable[Cause]:
    """What each type of Service needs and cannot have."""
    type_, headless = spec.get("type"), spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and type_ != "ExternalName":
        yield required(f"{path}.ports")
    if headless and type_ in ("NodePort", "LoadBalancer"):
        yield invalid(f"{path}.clusterIPs[0]", "None", f"may not be set to 'None' for {type_} services")
    if type_ == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield forbidden(f"{path}.{field}", "may not be set for ExternalName services")
        if name := spec.get("externalName", "").removesuffix("."):
            yield from named(names.dns_subdomain)(name, f"{path}.externalName")
        else:
            yield required(f"{path}.externalName")
    elif type_ == "ClusterIP":
        for index, exposed in enumerate(spec.get("ports") or ()):
            if exposed.get("nodePort"):
                yield forbidden(f"{path}.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")


def _named_if_many(ports: list[Obj], path: str) -> Iterable[Cause]:
    for index, exposed in enumerate(ports):
        if len(ports) > 1 and not exposed.get("name"):
            yield required(f"{path}[{index}].name")


def _ports(ports: list[Obj], path: str) -> Iterable[Cause]:
    """Several ports need names; a number is used once for each protocol."""
    yield from _named_if_many(ports, path)
    yield from unique("name")(ports, path)
    seen = set()
    for index, exposed in enumerate(ports):
        protocol = exposed.get("protocol", "")
        node = (protocol, "node", exposed.get("nodePort", 0))
        if node[2] and node in seen:
            yield duplicate(f"{path}[{index}].nodePort", node[2])
        number = (protocol, "port", exposed.get("port", 0))
        if number in seen:
            yield duplicate(f"{path}[{index}]", _as_go_has_it(protocol, number[2]))
        seen |= {node, number}


def _as_go_has_it(protocol: str, number: int) -> Obj:
    """The two fields that were compared, as Kubernetes' internal struct prints them."""
    empty = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number}
    return {**empty, "TargetPort": 0, "NodePort": 0}


def _node_port(value: int, path: str) -> Iterable[Cause]:
    """In the range that the server hands out (pkg/registry/core/service/portallocator)."""
    if value not in NODE_PORTS:
        detail = (
            f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
        )
        yield invalid(path, value, detail)


def _affinity(spec: Obj, path: str) -> Iterable[Cause]:
    config, where = spec.get("sessionAffinityConfig"), f"{path}.sessionAffinityConfig"
    if spec.get("sessionAffinity") == "None":
        if config is not None:
            yield forbidden(where, "must not be set when session affinity is None")
    elif spec.get("sessionAffinity") == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            yield required(where, "when session affinity type is ClientIP")
        elif not 0 < seconds <= _DAY:
            yield invalid(f"{where}.clientIP.timeoutSeconds", seconds, f"must be greater than 0 and less than {_DAY}")


def _addresses(spec: Obj, path: str) -> Iterable[Cause]:
    first, listed = spec.get("clusterIP"), spec.get("clusterIPs") or []
    if first and listed and listed[0] != first:
        yield invalid(f"{path}.clusterIPs", listed, "first value must match `clusterIP`")
    for index, address in enumerate(listed):
        if address != "None":
            yield from named(names.ip_address)(address, f"{path}.clusterIPs[{index}]")


def _each_ip(addresses: list[str], path: str) -> Iterable[Cause]:
    for index, address in enumerate(addresses):
        yield from named(names.ip_address)(address, f"{path}[{index}]")


def _traffic(spec: Obj, path: str) -> Iterable[Cause]:
    policy, where = spec.get("externalTrafficPolicy"), f"{path}.externalTrafficPolicy"
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        if not policy:
            yield required(where)
        elif policy not in ("Cluster", "Local"):
            yield unsupported(where, policy, ["Cluster", "Local"])
    elif policy and not spec.get("externalIPs"):
        yield invalid(where, policy, "may only be set for externally-accessible services")
    if spec.get("allocateLoadBalancerNodePorts") is not None and spec.get("type") != "LoadBalancer":
        yield forbidden(f"{path}.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'")


def _address_kept(service: Obj, old: Obj) -> Iterable[Cause]:
    """A cluster IP stays as long as the Service has one."""
    new, before = service["spec"], old["spec"]
    if "ExternalName" in (new.get("type"), before.get("type")):
        return
    listed = new.get("clusterIPs") or [address for address in (new.get("clusterIP"),) if address]
    held = before.get("clusterIPs") or []
    if held and not listed:
        yield invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")
    elif held and listed[0] != held[0]:
        yield invalid("spec.clusterIPs[0]", listed, ONCE_SET)
    families, had = new.get("ipFamilies") or [], before.get("ipFamilies") or []
    if had and families and families[0] != had[0]:
        yield invalid("spec.ipFamilies[0]", families, ONCE_SET)


def _addresses_of_type(piece: Obj, path: str) -> Iterable[Cause]:
    """The slice's addresses are of the type it says."""
    if len(piece.get("endpoints") or ()) > MOST_ENDPOINTS:
        yield too_many("endpoints", len(piece["endpoints"]), MOST_ENDPOINTS)
    for index, endpoint in enumerate(piece.get("endpoints") or ()):
        for place, address in enumerate(endpoint.get("addresses") or ()):
            yield from _of_type(address, piece.get("addressType", ""), f"endpoints[{index}].addresses[{place}]")


def _of_type(address: str, type_: str, path: str) -> Iterable[Cause]:
    if type_ == "FQDN":
        yield from named(names.dns_subdomain)(address.removesuffix("."), path)
    elif version := FAMILIES.get(type_):
        try:
            fits = ipaddress.ip_address(address).version == version
        except ValueError:
            fits = False
        if not fits:
            yield invalid(path, address, f"must be a valid {type_} address")


def _unique_or_empty(ports: list[Obj], path: str) -> Iterable[Cause]:
    seen = set()
    for index, exposed in enumerate(ports):
        if (name := exposed.get("name", "")) in seen:
            yield duplicate(f"{path}[{index}].name", name)
        seen.add(name)


def _some_address(subset: Obj, path: str) -> Iterable[Cause]:
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        yield required(path, "must specify `addresses` or `notReadyAddresses`")


def _address_type_kept(piece: Obj, old: Obj) -> Iterable[Cause]:
    if piece.get("addressType") != old.get("addressType"):
        yield invalid("addressType", piece.get("addressType"), "field is immutable")


TABLE: Table = {
    "core.v1.ServiceSpec": {
        "": (_type, _affinity, _addresses, _traffic),
        "ports": (_ports,),
        "selector": (label_map,),
        "sessionAffinity": (REQUIRED, one_of("ClientIP", "None")),
        "externalIPs": (_each_ip,),
        "type": (REQUIRED, one_of("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")),
        "internalTrafficPolicy": (one_of("Cluster", "Local"),),
        "ipFamilyPolicy": (one_of("PreferDualStack", "RequireDualStack", "SingleStack"),),
        "trafficDistribution": (one_of("PreferClose", "PreferSameNode", "PreferSameZone"),),
    },
    "core.v1.ServicePort": {
        "name": (named(names.dns_label),),
        "port": (port,),
        "protocol": (REQUIRED, PROTOCOLS),
        "targetPort": (port_or_name,),
        "nodePort": (_node_port,),
        "appProtocol": (named(names.qualified_name),),
    },
    "core.v1.EndpointSubset": {"": (_some_address,), "ports": (_named_if_many,)},
    "core.v1.EndpointAddress": {"ip": (REQUIRED, named(names.ip_address)), "hostname": (named(names.dns_label),)},
    "core.v1.EndpointPort": {"name": (named(names.dns_label),), "port": (port,), "protocol": (REQUIRED, PROTOCOLS)},
    "discovery.v1.EndpointSlice": {
        "addressType": (REQUIRED, one_of("FQDN", "IPv4", "IPv6")),
        "": (_addresses_of_type,),
        "ports": (_unique_or_empty,),
    },
    "discovery.v1.Endpoint": {
        "addresses": (Required("must contain at least 1 address"),),
        "hostname": (named(names.dns_label),),
    },
    "discovery.v1.EndpointPort": {
        "name": (named(names.dns_label),),
        "port": (port,),
        "protocol": (REQUIRED, PROTOCOLS),
        "appProtocol": (named(names.qualified_name),),
    },
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "core.v1.Service": _address_kept,
    "discovery.v1.EndpointSlice": _address_type_kept,
}
