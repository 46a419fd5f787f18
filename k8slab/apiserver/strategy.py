"""What the server itself writes into an object before it is checked and stored: one small class a kind that needs one.

Called by `verbs.py`, between defaulting and validation; those of workloads and volumes are next door, in
`strategy_workloads.py`. Kubernetes calls these strategies (pkg/registry/*/strategy.go); what depends on other objects
is in `admission.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api.causes import forbidden
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj, labels_of
from k8slab.api.quantities import parse
from k8slab.apiserver.allocator import Allocator
from k8slab.apiserver.strategy_base import Strategy
from k8slab.apiserver.strategy_pods import first_conditions, merge_label_keys
from k8slab.apiserver.strategy_services import ServiceStrategy
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
    """A node that has not spoken yet takes no pods. Its range of addresses is said in two fields, which agree."""

    def create(self, obj: Obj) -> list[Cause]:
        self._one_range(obj.get("spec") or {})
        ready = next((c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == "Ready"), None)
        if ready is None or ready["status"] != "True":
            taints = obj.setdefault("spec", {}).setdefault("taints", [])
            if not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in taints):
                taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})
        return []

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        self._one_range(obj.get("spec") or {})
        return []

    @staticmethod
    def _one_range(spec: Obj) -> None:
        """The old field counts where both are set (pkg/apis/core/v1/conversion.go)."""
        if spec.get("podCIDR") and spec["podCIDR"] not in (spec.get("podCIDRs") or ())[:1]:
            spec["podCIDRs"] = [spec["podCIDR"]]


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
