"""Which endpoints a Service should have, and how they lie in slices: decided here, carried out in `endpoints.py`.

Pure. The rules are Kubernetes' (staging/src/k8s.io/endpointslice/reconciler.go and utils.go, pkg/controller/endpoint).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from k8slab.api.objects import Obj, controller_ref, copy, encode, is_pod_ready, is_terminating, key_of, labels_of

SERVICE = "kubernetes.io/service-name"
MANAGED_BY, MANAGER = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ENDPOINTS_MANAGED_BY, ENDPOINTS_MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
ZONE = "topology.kubernetes.io/zone"
MOST_IN_SLICE, MOST_IN_ENDPOINTS = 100, 1000

Ports = list[Obj]


@dataclass
class Plan:
    """What to do about a Service's slices."""

    create: list[Obj] = field(default_factory=list)
    update: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)


def ports_of(service: Obj, pod: Obj) -> Ports:
    """The Service's ports as this pod serves them: a named targetPort is looked up in its containers, or left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        number = _target(port, pod)
        if number is not None:
            entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            found.append(entry | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return found


def _target(port: Obj, pod: Obj) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for offered in container.get("ports") or []:
            if offered.get("name") == target and offered.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(offered["containerPort"])
    return None


def is_endpoint(pod: Obj, *, terminating: bool) -> bool:
    """Whether a pod has a place among endpoints: it has an address and has not ended."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed") or not status.get("podIP"):
        return False
    return terminating or not is_terminating(pod)


def _is_headless(service: Obj) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def _reference(pod: Obj) -> Obj:
    namespace, name = key_of(pod)
    return {"kind": "Pod", "namespace": namespace, "name": name, "uid": pod["metadata"]["uid"]}


def _hostname(service: Obj, pod: Obj) -> Obj:
    """The host name under the Service's domain, for a pod that asks for one (StatefulSets do)."""
    spec = pod["spec"]
    here = spec.get("subdomain") == service["metadata"]["name"]
    return {"hostname": spec["hostname"]} if here and spec.get("hostname") else {}


# EndpointSlices


def by_ports(service: Obj, pods: Iterable[Obj], zone_of: Callable[[str], str]) -> list[tuple[Ports, list[Obj]]]:
    """The endpoints, by the ports they serve; a pod for which none of the ports resolves is one without ports."""
    groups: dict[bytes, tuple[Ports, list[Obj]]] = {}
    for pod in pods:
        if is_endpoint(pod, terminating=True):
            ports = ports_of(service, pod)
            groups.setdefault(encode(ports), (ports, []))[1].append(_endpoint(service, pod, zone_of))
    return [*groups.values()]


def _endpoint(service: Obj, pod: Obj, zone_of: Callable[[str], str]) -> Obj:
    serving, terminating = is_pod_ready(pod), is_terminating(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    node = pod["spec"].get("nodeName", "")
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": _reference(pod),
    }
    where = {"nodeName": node, "zone": zone_of(node)}
    return endpoint | {name: value for name, value in where.items() if value} | _hostname(service, pod)


def plan(service: Obj, groups: list[tuple[Ports, list[Obj]]], current: list[Obj]) -> Plan:
    """The fewest writes from the current slices to the wanted endpoints: who has a place keeps it."""
    result, left = Plan(), defaultdict[bytes, list[Obj]](list)
    for slice_ in current:
        left[encode(slice_.get("ports") or [])].append(slice_)
    for ports, endpoints in groups:
        _fill(service, ports, endpoints, left.pop(encode(ports), []), result)
    unwanted = [slice_ for same in left.values() for slice_ in same]
    if not groups:  # a Service without endpoints has one empty slice, so that its readers know it was seen
        keep = unwanted[:1]
        empty = _slice(service, [], [], keep[0] if keep else None)
        unwanted = unwanted[1:]
        if not keep:
            result.create.append(empty)
        elif empty != keep[0]:
            result.update.append(empty)
    result.delete += unwanted
    return result


def _fill(service: Obj, ports: Ports, endpoints: list[Obj], slices: list[Obj], result: Plan) -> None:
    missing = {_identity(endpoint): endpoint for endpoint in endpoints}
    kept = []
    for slice_ in slices:
        stay = [missing.pop(_identity(e)) for e in slice_.get("endpoints") or [] if _identity(e) in missing]
        kept.append((slice_, stay))
    fresh = list(missing.values())
    for slice_, stay in kept:
        room = MOST_IN_SLICE - len(stay)
        stay, fresh = stay + fresh[:room], fresh[room:]
        after = _slice(service, ports, stay, slice_)
        if not stay:
            result.delete.append(slice_)
        elif after != slice_:
            result.update.append(after)
    for start in range(0, len(fresh), MOST_IN_SLICE):
        result.create.append(_slice(service, ports, fresh[start : start + MOST_IN_SLICE], None))


def _identity(endpoint: Obj) -> tuple[str, str]:
    return (endpoint.get("targetRef") or {}).get("uid", ""), endpoint["addresses"][0]


def _slice(service: Obj, ports: Ports, endpoints: list[Obj], before: Obj | None) -> Obj:
    namespace, name = key_of(service)
    labels = {k: v for k, v in labels_of(service).items() if k != HEADLESS}
    labels |= {SERVICE: name, MANAGED_BY: MANAGER} | ({HEADLESS: ""} if _is_headless(service) else {})
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    slice_: Obj = (
        copy(before)
        if before
        else {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{name}-",
                "namespace": namespace,
                "ownerReferences": [controller_ref(service)],
            },
            "addressType": families[0],
        }
    )
    slice_["metadata"]["labels"] = labels
    return slice_ | {"ports": ports, "endpoints": endpoints}


# Endpoints


def endpoints(service: Obj, pods: Iterable[Obj], current: Obj | None) -> Obj:
    """The Endpoints object as it should be; equal to the current one if it is so."""
    counted = [pod for pod in pods if _is_address(service, pod)]
    counted.sort(key=lambda pod: not is_pod_ready(pod))  # should there be too many, the ready ones stay
    namespace, name = key_of(service)
    result: Obj = copy(current) if current else {"apiVersion": "v1", "kind": "Endpoints"}
    meta = result.setdefault("metadata", {"name": name, "namespace": namespace})
    meta["labels"] = labels_of(service) | ({HEADLESS: ""} if _is_headless(service) else {})
    meta["labels"] |= {ENDPOINTS_MANAGED_BY: ENDPOINTS_MANAGER}
    notes = meta.setdefault("annotations", {})
    notes.pop(OVER_CAPACITY, None)
    if len(counted) > MOST_IN_ENDPOINTS:
        notes[OVER_CAPACITY] = "truncated"
    result["subsets"] = _subsets(service, counted[:MOST_IN_ENDPOINTS])
    if not result["subsets"]:
        del result["subsets"]
    return result


def _is_address(service: Obj, pod: Obj) -> bool:
    """Whether Endpoints list the pod: those that end only if the Service publishes what is not ready."""
    portless = _is_headless(service) and not service["spec"].get("ports")
    everybody = bool(service["spec"].get("publishNotReadyAddresses"))
    return is_endpoint(pod, terminating=everybody) and (portless or bool(ports_of(service, pod)))


def _subsets(service: Obj, pods: Iterable[Obj]) -> list[Obj]:
    """Ports with the same addresses share a subset (pkg/api/v1/endpoints/util.go); who is not ready is listed apart."""
    everybody = bool(service["spec"].get("publishNotReadyAddresses"))
    by_port: dict[bytes, tuple[Ports, list[Obj], list[Obj]]] = {}
    for pod in pods:
        for port in ports_of(service, pod) or [{}]:
            entry = by_port.setdefault(encode(port), ([port] if port else [], [], []))
            entry[1 if everybody or is_pod_ready(pod) else 2].append(_address(service, pod))
    subsets: dict[bytes, Obj] = {}
    for ports, ready, waiting in by_port.values():
        empty: Obj = {"addresses": ready, "notReadyAddresses": waiting, "ports": []}
        subset = subsets.setdefault(encode([ready, waiting]), empty)
        subset["ports"] += [{name: value for name, value in port.items() if value != ""} for port in ports]
    return [{name: value for name, value in subset.items() if value} for subset in subsets.values()]


def _address(service: Obj, pod: Obj) -> Obj:
    node = pod["spec"].get("nodeName")
    address = {"ip": pod["status"]["podIP"]} | ({"nodeName": node} if node else {})
    return address | {"targetRef": _reference(pod)} | _hostname(service, pod)
