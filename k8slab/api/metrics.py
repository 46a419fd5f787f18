"""What pods and nodes use, measured: the numbers, and as metrics.k8s.io/v1beta1 shows them. Pure.

The kubelets' meter (`kubelet/meter.py`) fills these in; `apiserver/metrics.py` answers `kubectl top` with them, and the
autoscaler (`controllers/metric_sources.py`) counts with them. `server.py` introduces them to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from k8slab.api.objects import Obj
from k8slab.clock import to_timestamp

API_VERSION = "metrics.k8s.io/v1beta1"


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """CPU in cores, on average over the window; memory in bytes."""

    name: str
    cpu: float
    memory: int

    def milli(self, resource: str) -> int:
        """Thousandths of a core or of a byte, rounded up as a quantity is."""
        return -(-nanocores(self.cpu) // 10**6) if resource == "cpu" else self.memory * 1000


@dataclass(frozen=True, slots=True)
class PodUsage:
    """A pod's containers: measured until `time` (seconds since 1970), over `window` Kubernetes seconds."""

    namespace: str
    name: str
    time: float
    window: float
    containers: Sequence[ContainerUsage]


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What all pods of a node use together."""

    name: str
    time: float
    window: float
    cpu: float
    memory: int


class Metrics(Protocol):
    """Who knows what is used now."""

    def pods(self, namespace: str = "") -> Iterable[PodUsage]:
        """The running pods of a namespace (or all) that have been measured."""
        ...

    def nodes(self) -> Iterable[NodeUsage]:
        """The nodes that are on."""
        ...


def pod_metrics(usage: PodUsage, pod: Obj) -> Obj:
    """The PodMetrics object; it carries the pod's labels."""
    containers = [{"name": c.name, "usage": resources(c.cpu, c.memory)} for c in usage.containers]
    return _object("PodMetrics", usage, pod) | {"containers": containers}


def node_metrics(usage: NodeUsage, node: Obj) -> Obj:
    """The NodeMetrics object; it carries the node's labels."""
    return _object("NodeMetrics", usage, node) | {"usage": resources(usage.cpu, usage.memory)}


def resources(cpu: float, memory: int) -> dict[str, str]:
    """Quantities as metrics-server writes them: billionths of a core, and kibibytes."""
    nano = nanocores(cpu)
    return {"cpu": f"{nano}n" if nano else "0", "memory": f"{-(-memory // 1024)}Ki" if memory else "0"}


def nanocores(cpu: float) -> int:
    """Whole billionths of a core."""
    return round(cpu * 10**9)


def _object(kind: str, usage: PodUsage | NodeUsage, about: Obj) -> Obj:
    meta = about["metadata"]
    kept = {field: meta[field] for field in ("name", "namespace", "labels") if meta.get(field)}
    now = to_timestamp(usage.time)
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {**kept, "creationTimestamp": now},
        "timestamp": now,
        "window": f"{usage.window:.3f}".rstrip("0").rstrip(".") + "s",
    }
