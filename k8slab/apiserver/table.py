"""What `kubectl get` prints: the server makes the rows, kubectl only aligns them (KEP-2334's Table, pkg/printers).

A kind's columns are rows of `COLUMNS`, each with the function that fills the cell. `app.py` asks for a Table when
the client's Accept header does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from k8slab.api.objects import Obj, condition, labels_of
from k8slab.api.selectors import format_selector
from k8slab.apiserver.pod_columns import pod_ready, pod_restarts, pod_status
from k8slab.clock import from_timestamp

Cell = str | int | bool


@dataclass(frozen=True)
class Column:
    """One column: priority 0 is always shown, 1 with `-o wide`. `cell` gets the object and the time now."""

    name: str
    cell: Callable[[Obj, float], Cell]
    type: str = "string"
    format: str = ""
    priority: int = 0

    def header(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": self.priority,
        }


def human_duration(seconds: float) -> str:
    """`5m10s`: two figures where the first alone would be coarse (apimachinery/pkg/util/duration)."""
    if seconds < -1:
        return "<invalid>"
    s = max(0, int(seconds))
    minute, hour, day, year = 60, 3600, 86400, 365 * 86400
    if s < 2 * minute:
        return f"{s}s"
    for end, big, small, names in (
        (10 * minute, minute, 1, "ms"),
        (3 * hour, minute, 0, "m"),
        (8 * hour, hour, minute, "hm"),
        (2 * day, hour, 0, "h"),
        (8 * day, day, hour, "dh"),
        (2 * year, day, 0, "d"),
        (8 * year, year, day, "yd"),
    ):
        if s < end:
            rest = (s % big) // small if small else 0
            return f"{s // big}{names[0]}" + (f"{rest}{names[1]}" if rest else "")
    return f"{s // year}y"


def since(timestamp: str | None, now: float) -> str:
    """How long ago, for people."""
    return human_duration(now - from_timestamp(timestamp)) if timestamp else "<unknown>"


def limited(items: Iterable[str], most: int = 3) -> str:
    """The first few, and how many more."""
    every = list(items)
    more = f" + {len(every) - most} more..." if len(every) > most else ""
    return (",".join(every[:most]) + more) if every else "<none>"


def _name(obj: Obj, now: float) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Obj, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def _at(*path: str, default: Any = 0) -> Callable[[Obj, float], Any]:
    """A cell that shows a field as it is."""

    def cell(obj: Obj, now: float) -> Any:
        value: Any = obj
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return default if value in (None, "") else value

    return cell


def _containers(field: str) -> Callable[[Obj, float], str]:
    return lambda obj, now: ",".join(c.get(field, "") for c in obj["spec"]["template"]["spec"]["containers"])


def _selector(obj: Obj, now: float) -> str:
    return format_selector(obj["spec"].get("selector") or {}) or "<none>"


NAME = Column("Name", _name, format="name")
AGE = Column("Age", _age)
WORKLOAD = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector, priority=1),
)


# ---- pods ----------------------------------------------------------------------------------------------------------


def _readiness_gates(pod: Obj, now: float) -> str:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    met = sum((condition(pod, gate) or {}).get("status") == "True" for gate in gates)
    return f"{met}/{len(gates)}" if gates else "<none>"


# ---- deployments ---------------------------------------------------------------------------------------------------


def _deployment_ready(deployment: Obj, now: float) -> str:
    return f"{(deployment.get('status') or {}).get('readyReplicas', 0)}/{deployment['spec'].get('replicas', 1)}"


# ---- services, endpoints -------------------------------------------------------------------------------------------


def _external_ip(service: Obj, now: float) -> str:
    spec = service["spec"]
    external = spec.get("externalIPs") or []
    if spec.get("type") == "LoadBalancer":
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        every = [entry.get("ip") or entry.get("hostname", "") for entry in ingress] + external
        return ",".join(every) or "<pending>"
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    return ",".join(external) or "<none>"


def _service_ports(service: Obj, now: float) -> str:
    ports = service["spec"].get("ports") or []
    shown = (
        f"{p['port']}:{p['nodePort']}/{p.get('protocol', 'TCP')}"
        if p.get("nodePort")
        else f"{p['port']}/{p.get('protocol', 'TCP')}"
        for p in ports
    )
    return ",".join(shown) or "<none>"


def _endpoints(obj: Obj, now: float) -> str:
    """The ready addresses, each with each port, the first three (formatEndpoints)."""
    shown: list[str] = []
    for subset in obj.get("subsets") or []:
        addresses = [a["ip"] for a in subset.get("addresses") or []]
        ports = subset.get("ports") or []
        shown += [f"{ip}:{p['port']}" for p in ports for ip in addresses] if ports else addresses
    return limited(shown)


def _slice_ports(obj: Obj, now: float) -> str:
    return limited(str(port["port"]) if port.get("port") else "*" for port in obj.get("ports") or []).replace(
        "<none>", "<unset>"
    )


def _slice_addresses(obj: Obj, now: float) -> str:
    shown = limited(address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or [])
    return shown.replace("<none>", "<unset>")


# ---- nodes ---------------------------------------------------------------------------------------------------------


def _node_status(node: Obj, now: float) -> str:
    ready = condition(node, "Ready")
    words = ["Unknown" if ready is None or (ready["status"] == "Unknown" and not ready.get("type")) else
             "Ready" if ready["status"] == "True" else "NotReady"]  # fmt: skip
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Obj, now: float) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = {name[len(prefix) :] for name in labels_of(node) if name.startswith(prefix) and name != prefix}
    if role := labels_of(node).get("kubernetes.io/role"):
        roles.add(role)
    return ",".join(sorted(roles)) or "<none>"


def _node_address(type_: str) -> Callable[[Obj, float], str]:
    def cell(node: Obj, now: float) -> str:
        addresses = (node.get("status") or {}).get("addresses") or []
        return next((a["address"] for a in addresses if a["type"] == type_), "<none>")

    return cell


def _info(field: str) -> Callable[[Obj, float], str]:
    return _at("status", "nodeInfo", field, default="<unknown>")


# ---- events --------------------------------------------------------------------------------------------------------


def _event_object(event: Obj, now: float) -> str:
    about = event["involvedObject"]
    return (
        f"{about.get('kind', '').lower()}/{about['name']}" if about.get("name") else str(about.get("kind", "")).lower()
    )


def _event_source(event: Obj, now: float) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _last_seen(event: Obj, now: float) -> str:
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return since(last, now)


def _first_seen(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "ConfigMap": (NAME, Column("Data", lambda o, _: len(o.get("data") or {}) + len(o.get("binaryData") or {})), AGE),
    "Deployment": (
        NAME,
        Column("Ready", _deployment_ready),
        Column("Up-to-date", _at("status", "updatedReplicas")),
        Column("Available", _at("status", "availableReplicas")),
        AGE,
        *WORKLOAD,
    ),
    "EndpointSlice": (
        NAME,
        Column("AddressType", _at("addressType", default="")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    "Endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "Event": (
        Column("Last Seen", _last_seen),
        Column("Type", _at("type", default="")),
        Column("Reason", _at("reason", default="")),
        Column("Object", _event_object),
        Column("Subobject", _at("involvedObject", "fieldPath", default=""), priority=1),
        Column("Source", _event_source, priority=1),
        Column("Message", lambda e, _: str(e.get("message", "")).strip()),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _at("count", default=1), priority=1),
        Column("Name", _name, format="name", priority=1),
    ),
    "Lease": (NAME, Column("Holder", _at("spec", "holderIdentity", default="")), AGE),
    "Namespace": (NAME, Column("Status", _at("status", "phase", default="")), AGE),
    "Node": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion", default="")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _info("osImage"), priority=1),
        Column("Kernel-Version", _info("kernelVersion"), priority=1),
        Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
    ),
    "Pod": (
        NAME,
        Column("Ready", lambda p, _: pod_ready(p)),
        Column("Status", lambda p, _: pod_status(p)),
        Column("Restarts", lambda p, now: pod_restarts(p, lambda t: since(t, now))),
        AGE,
        Column("IP", _at("status", "podIP", default="<none>"), priority=1),
        Column("Node", _at("spec", "nodeName", default="<none>"), priority=1),
        Column("Nominated Node", _at("status", "nominatedNodeName", default="<none>"), priority=1),
        Column("Readiness Gates", _readiness_gates, priority=1),
    ),
    "ReplicaSet": (
        NAME,
        Column("Desired", _at("spec", "replicas"), type="integer"),
        Column("Current", _at("status", "replicas"), type="integer"),
        Column("Ready", _at("status", "readyReplicas"), type="integer"),
        AGE,
        *WORKLOAD,
    ),
    "Service": (
        NAME,
        Column("Type", _at("spec", "type", default="")),
        Column("Cluster-IP", _at("spec", "clusterIP", default="<none>")),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", _selector, priority=1),
    ),
}
DEFAULT = (NAME, Column("Created At", _at("metadata", "creationTimestamp", default=""), format="date"))


def table(
    kind: str, objects: Iterable[Obj], now: float, *, meta: Obj, include: str = "Metadata", headers: bool = True
) -> Obj:
    """A Table of the objects; `include` says what rides along in each row: Metadata, Object or None."""
    columns = COLUMNS.get(kind, DEFAULT)
    rows = [{"cells": [column.cell(obj, now) for column in columns], **_rider(obj, include)} for obj in objects]
    definitions = [column.header() for column in columns] if headers else None
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _rider(obj: Obj, include: str) -> Obj:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}}
