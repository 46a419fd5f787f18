"""What the server itself writes into an object before it is checked and stored: one small class a kind that needs one.

Called by `verbs.py`, between defaulting and validation; those of workloads and volumes are next door, in
`strategy_workloads.py`. Kubernetes calls these strategies (pkg/registry/*/strategy.go); what depends on other objects
is in `admission.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api.causes import forbidden, invalid
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj, labels_of
from k8slab.api.quantities import parse
from k8slab.apiserver.allocator import Allocator, node_ports
from k8slab.apiserver.strategy_base import Strategy
from k8slab.apiserver.strategy_pods import first_conditions, merge_label_keys
from k8slab.apiserver.strategy_workloads import (
    DaemonSetStrategy,
    JobStrategy,
    ProtectedStrategy,
    ReplicasStrategy,
    VolumeStrategy,
)

TOLERATED_SECONDS = 300  # plugin/pkg/admission/defaulttolerationseconds


class PodStrategy(Strategy):
    """A pod begins Pending, with its quality of service told, and tolerates a silent node for five minutes."""

    def create(self, obj: Obj) -> list[Cause]:
        spec = obj["spec"]
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(spec), **first_conditions(spec)}
        merge_label_keys(spec, labels_of(obj))
        self._tolerate(spec)
        if spec.get("ephemeralContainers"):
            return [forbidden("spec.ephemeralContainers", "cannot be set on create")]
        return []

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        """What the server once filled in, a client that sends the whole pod need not repeat."""
        for field in ("priority", "preemptionPolicy"):
            if field in old["spec"]:
                obj["spec"].setdefault(field, old["spec"][field])
        self._tolerate(obj["spec"])
        return []

    @staticmethod
    def _tolerate(spec: Obj) -> None:
        tolerations = spec.setdefault("tolerations", [])
        for trouble in ("not-ready", "unreachable"):
            key = f"node.kubernetes.io/{trouble}"
            if not any(
                t.get("key") in (key, None, "") and t.get("effect") in ("NoExecute", None, "") for t in tolerations
            ):
                tolerations.append(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED_SECONDS}
                )


class NamespaceStrategy(Strategy):
    """A namespace carries its own name as a label and is held by the `kubernetes` finalizer until it is empty."""

    def create(self, obj: Obj) -> list[Cause]:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
        return []

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        obj["spec"] = old["spec"]  # only the `finalize` subresource changes finalizers
        return []


class NodeStrategy(Strategy):
    """A node that has not spoken yet takes no pods."""

    def create(self, obj: Obj) -> list[Cause]:
        ready = next((c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == "Ready"), None)
        if ready is None or ready["status"] != "True":
            taints = obj.setdefault("spec", {}).setdefault("taints", [])
            if not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints):
                taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})
        return []


class ServiceStrategy(Strategy):
    """A Service gets its cluster IP and node ports, and keeps them through updates that leave them out."""

    def __init__(self, services: Callable[[], Iterable[Obj]], allocator: Allocator) -> None:
        self._services = services
        self._allocator = allocator

    def create(self, obj: Obj) -> list[Cause]:
        spec = obj.setdefault("spec", {})
        obj["status"] = {"loadBalancer": {}}
        return self._addresses(spec) + self._node_ports(spec)

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        spec, before = obj["spec"], old["spec"]
        if spec.get("type") != "ExternalName" and before.get("type") != "ExternalName":
            for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not spec.get(field) and before.get(field):
                    spec[field] = before[field]
        if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
        held = {
            (p.get("name"), p["port"], p.get("protocol")): p["nodePort"]
            for p in before.get("ports") or []
            if "nodePort" in p
        }
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or []:
                if key := held.get((port.get("name"), port.get("port"), port.get("protocol"))):
                    port.setdefault("nodePort", key)
        return self._addresses(spec) + self._node_ports(spec)

    def _addresses(self, spec: Obj) -> list[Cause]:
        if spec.get("type") == "ExternalName":
            return []
        if spec.get("clusterIP") != "None" and not spec.get("clusterIP"):
            try:
                spec["clusterIP"] = self._allocator.address(self._services())
            except RuntimeError as error:
                return [invalid("spec.clusterIP", "", str(error))]
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        return []

    def _node_ports(self, spec: Obj) -> list[Cause]:
        ports = spec.get("ports") or []
        if spec.get("type") not in ("NodePort", "LoadBalancer"):
            for port in ports:
                port.pop("nodePort", None)
            return []
        taken = {*node_ports(self._services()), *node_ports([{"spec": spec}])}
        for index, port in enumerate(ports):
            if not port.get("nodePort"):
                try:
                    port["nodePort"] = self._allocator.node_port(taken)
                except RuntimeError as error:
                    return [invalid(f"spec.ports[{index}].nodePort", 0, str(error))]
                taken.add(port["nodePort"])
        return []


def strategies(
    services: Callable[[], Iterable[Obj]], allocator: Allocator, now: Callable[[], str]
) -> dict[str, Strategy]:
    """Kind -> its strategy, for the kinds that have one."""
    return {
        "DaemonSet": DaemonSetStrategy(),
        "Job": JobStrategy(),
        "Namespace": NamespaceStrategy(),
        "Node": NodeStrategy(),
        "PersistentVolume": VolumeStrategy(now),
        "PersistentVolumeClaim": ProtectedStrategy("kubernetes.io/pvc-protection"),
        "Pod": PodStrategy(),
        "ReplicaSet": ReplicasStrategy(),
        "ReplicationController": ReplicasStrategy(),
        "Service": ServiceStrategy(services, allocator),
    }


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos)."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    asked = [(c.get("resources") or {}).get(side) or {} for c in containers for side in ("requests", "limits")]
    if not any(_positive(amounts.get(name)) for amounts in asked for name in ("cpu", "memory")):
        return "BestEffort"
    for container in containers:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            if not _positive(limits.get(name)) or parse(requests.get(name, limits[name])) != parse(limits[name]):
                return "Burstable"
    return "Guaranteed"


def _positive(quantity: str | int | None) -> bool:
    return quantity is not None and parse(quantity) > 0
