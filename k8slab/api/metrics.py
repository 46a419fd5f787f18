"""What pods and nodes use, measured: the numbers, and as metrics.k8s.io/v1beta1 shows them. Pure.

The kubelets' meter (`kubelet/meter.py`) fills these in; `apiserver/metrics.py` answers `kubectl top` with them, and the
autoscaler (`controllers/metric_sources.py`) counts with them. `server.py` introduces them to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from k8slab.api.objects import Obj

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
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What all pods of a node use together."""

    name: str
    time: float
    window: float
    cpu: float
    memory: int
    labels: Mapping[str, str] = field(default_factory=dict)


class Metrics(Protocol):
    """Who knows what is used now."""

    def pods(self, namespace: str = "") -> Iterable[PodUsage]:
        """The running pods of a namespace (or all) that have been measured."""
        ...

    def nodes(self) -> Iterable[NodeUsage]:
        """The nodes that are on."""
        ...


class Objects:
    """The same as objects of the API, by namespace and name. `stamp` writes a time as the API does."""

    def __init__(self, metrics: Metrics, stamp: Callable[[float], str]) -> None:
        self._metrics, self._stamp = metrics, stamp

    def pods(self, namespace: str) -> Iterator[Obj]:
        """A PodMetrics for each."""
        for used in sorted(self._metrics.pods(namespace), key=lambda used: (used.namespace, used.name)):
            containers = [{"name": c.name, "usage": resources(c.cpu, c.memory)} for c in used.containers]
            meta = {"name": used.name, "namespace": used.namespace}
            yield self._object("PodMetrics", used, meta) | {"containers": containers}

    def nodes(self) -> Iterator[Obj]:
        """A NodeMetrics for each."""
        for used in sorted(self._metrics.nodes(), key=lambda used: used.name):
            yield self._object("NodeMetrics", used, {"name": used.name}) | {"usage": resources(used.cpu, used.memory)}

    def _object(self, kind: str, used: PodUsage | NodeUsage, meta: Obj) -> Obj:
        labels = {"labels": dict(used.labels)} if used.labels else {}
        now = self._stamp(used.time)
        return {
            "kind": kind,
            "apiVersion": API_VERSION,
            "metadata": {**meta, **labels, "creationTimestamp": now},
            "timestamp": now,
            "window": f"{used.window:.3f}".rstrip("0").rstrip(".") + "s",
        }


def resources(cpu: float, memory: int) -> dict[str, str]:
    """Quantities as metrics-server writes them: billionths of a core, and kibibytes."""
    nano = nanocores(cpu)
    return {"cpu": f"{nano}n" if nano else "0", "memory": f"{-(-memory // 1024)}Ki" if memory else "0"}


def nanocores(cpu: float) -> int:
    """Whole billionths of a core."""
    return round(cpu * 10**9)
