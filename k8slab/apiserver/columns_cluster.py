"""The columns of nodes, namespaces, pods, events, configuration and limits.

Rows for `table.py`; the pieces are in `cells.py`, a pod's cells in `pod_columns.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from k8slab.api.objects import Obj, condition, labels_of
from k8slab.api.quantities import add
from k8slab.apiserver.cells import AGE, NAME, Column, at, containers, name, selects, since
from k8slab.apiserver.pod_columns import pod_ready, pod_restarts, pod_status

ROLE = "node-role.kubernetes.io/"


def _readiness_gates(pod: Obj, now: float) -> str:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    met = sum((condition(pod, gate) or {}).get("status") == "True" for gate in gates)
    return f"{met}/{len(gates)}" if gates else "<none>"


def _node_status(node: Obj, now: float) -> str:
    ready = condition(node, "Ready")
    words = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Obj, now: float) -> str:
    roles = {key[len(ROLE) :] for key in labels_of(node) if key.startswith(ROLE) and key != ROLE}
    if role := labels_of(node).get("kubernetes.io/role"):
        roles.add(role)
    return ",".join(sorted(roles)) or "<none>"


def _node_address(type_: str) -> Callable[[Obj, float], str]:
    def cell(node: Obj, now: float) -> str:
        addresses = (node.get("status") or {}).get("addresses") or []
        return next((a["address"] for a in addresses if a["type"] == type_), "<none>")

    return cell


def _info(field: str) -> Callable[[Obj, float], str]:
    return at("status", "nodeInfo", field, default="<unknown>")


def _event_object(event: Obj, now: float) -> str:
    about = event["involvedObject"]
    kind = str(about.get("kind", "")).lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _event_source(event: Obj, now: float) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _first_seen(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Obj, now: float) -> str:
    if series := event.get("series"):
        return since(series.get("lastObservedTime"), now)
    return since(event["lastTimestamp"], now) if event.get("lastTimestamp") else _first_seen(event, now)


def _event_count(event: Obj, now: float) -> int:
    return (event.get("series") or event).get("count") or 1


def _data(holder: Obj, now: float) -> int:
    return len(holder.get("data") or {}) + len(holder.get("binaryData") or {})


def _quota(of_limits: bool) -> Callable[[Obj, float], str]:
    """What is used of what there is; what a `limits.` resource says has a column of its own."""

    def cell(quota: Obj, now: float) -> str:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = sorted(resource for resource in hard if resource.startswith("limits.") == of_limits)
        return ", ".join(f"{resource}: {used.get(resource, '0')}/{hard[resource]}" for resource in names)

    return cell


def _usage(resource: str) -> Callable[[Obj, float], str]:
    """What a node, or all of a pod's containers, use of a resource."""

    def cell(metrics: Obj, now: float) -> str:
        holders = metrics.get("containers", [metrics])
        return add((holder.get("usage") or {}).get(resource, "0") for holder in holders)

    return cell


_METRICS = (
    NAME,
    Column("cpu", _usage("cpu"), format="quantity"),
    Column("memory", _usage("memory"), format="quantity"),
    Column("Window", at("window", default=""), format="duration"),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "ConfigMap": (NAME, Column("Data", _data), AGE),
    "Event": (
        Column("Last Seen", _last_seen),
        Column("Type", at("type", default="")),
        Column("Reason", at("reason", default="")),
        Column("Object", _event_object),
        Column("Subobject", at("involvedObject", "fieldPath", default=""), priority=1),
        Column("Source", _event_source, priority=1),
        Column("Message", lambda event, _: str(event.get("message", "")).strip()),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _event_count, priority=1),
        Column("Name", name, format="name", priority=1),
    ),
    "Lease": (NAME, Column("Holder", at("spec", "holderIdentity", default="")), AGE),
    "Namespace": (NAME, Column("Status", at("status", "phase", default="")), AGE),
    "Node": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", at("status", "nodeInfo", "kubeletVersion", default="")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _info("osImage"), priority=1),
        Column("Kernel-Version", _info("kernelVersion"), priority=1),
        Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
    ),
    "NodeMetrics": _METRICS,
    "Pod": (
        NAME,
        Column("Ready", lambda pod, _: pod_ready(pod)),
        Column("Status", lambda pod, _: pod_status(pod)),
        Column("Restarts", lambda pod, now: pod_restarts(pod, lambda t: since(t, now))),
        AGE,
        Column("IP", at("status", "podIP", default="<none>"), priority=1),
        Column("Node", at("spec", "nodeName", default="<none>"), priority=1),
        Column("Nominated Node", at("status", "nominatedNodeName", default="<none>"), priority=1),
        Column("Readiness Gates", _readiness_gates, priority=1),
    ),
    "PodMetrics": _METRICS,
    "PodTemplate": (
        NAME,
        Column("Containers", containers("name", "template")),
        Column("Images", containers("image", "template")),
        Column("Pod Labels", selects("template", "metadata", "labels")),
    ),
    "PriorityClass": (
        NAME,
        Column("Value", at("value"), type="integer"),
        Column("Global-Default", at("globalDefault", default=False), type="boolean"),
        AGE,
        Column("PreemptionPolicy", at("preemptionPolicy", default="")),
    ),
    "ResourceQuota": (NAME, Column("Request", _quota(of_limits=False)), Column("Limit", _quota(of_limits=True)), AGE),
    "Secret": (NAME, Column("Type", at("type", default="")), Column("Data", _data), AGE),
    "ServiceAccount": (NAME, AGE),
}
