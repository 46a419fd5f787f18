"""What the scheduler needs to know of a pod, read out of it once: its requests as numbers, its ports, its group.

`cache.py` keeps one per pod that is on a node; `loop.py` makes one for the pod it is about to place. The rules for
requests are Kubernetes' (k8s.io/component-helpers/resource/helpers.go, KEP-753 for sidecars).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from k8slab.api.objects import Key, Obj, controller_of, encode, is_terminating, key_of, labels_of
from k8slab.api.quantities import milli, value
from k8slab.scheduler.terms import Terms, terms_of
from k8slab.scheduler.volumes import Storage

Amounts = Mapping[str, int]  # CPU in thousandths of a core, all else in whole units (bytes, pieces)

# A container that requests nothing still counts as this much when nodes are compared (never when they are refused):
# pkg/scheduler/util/pod_resources.go.
ASSUMED: Amounts = {"cpu": 100, "memory": 200 * 1024 * 1024}
SPREAD_OWNERS = ("ReplicaSet", "StatefulSet", "ReplicationController")


class Port(NamedTuple):
    """A port a pod takes on its node's own addresses."""

    protocol: str
    address: str
    number: int

    def clashes(self, other: Port) -> bool:
        """Whether both cannot be open on one machine: 0.0.0.0 is every address."""
        same = self.protocol == other.protocol and self.number == other.number
        return same and (self.address == other.address or "0.0.0.0" in (self.address, other.address))


class Group(NamedTuple):
    """Pods that are alike: those of one ReplicaSet or StatefulSet, or those with exactly the same labels."""

    namespace: str
    owner: str  # its uid; empty when the labels tell the group
    labels: frozenset[tuple[str, str]] = frozenset()


@lru_cache(maxsize=4096)
def amount(resource: str, quantity: str) -> int:
    """A quantity as the scheduler counts it, rounded up: `("cpu", "0.5")` is 500, `("memory", "1Ki")` is 1024."""
    return milli(quantity) if resource == "cpu" else value(quantity)


def amounts(quantities: Mapping[str, Any] | None) -> dict[str, int]:
    """A map of resources to quantities, as numbers."""
    return {resource: amount(resource, str(quantity)) for resource, quantity in (quantities or {}).items()}


def requests(spec: Obj, assumed: Amounts = MappingProxyType({})) -> dict[str, int]:
    """What a pod asks of its node. `assumed` stands in for what a container leaves open."""
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, _of(container, assumed))
    if spec.get("initContainers"):
        total = _with_init(spec["initContainers"], total, assumed)
    if spec.get("overhead"):
        _add(total, amounts(spec["overhead"]))
    return total | amounts((spec.get("resources") or {}).get("requests"))


def _with_init(containers: list[Obj], running: dict[str, int], assumed: Amounts) -> dict[str, int]:
    """Init containers run one after another, sidecars from their turn until the end: the higher tide counts."""
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in containers:
        need = _of(container, assumed)
        _add(need, sidecars)
        if container.get("restartPolicy") == "Always":
            sidecars = need
        peak = _highest(peak, need)
    _add(running, sidecars)
    return _highest(running, peak)


def _of(container: Obj, assumed: Amounts) -> dict[str, int]:
    return {**assumed, **amounts((container.get("resources") or {}).get("requests"))}


def _add(total: dict[str, int], more: Amounts) -> None:
    for resource, number in more.items():
        total[resource] = total.get(resource, 0) + number


def _highest(one: Amounts, other: Amounts) -> dict[str, int]:
    return {resource: max(one.get(resource, 0), other.get(resource, 0)) for resource in {**one, **other}}


def host_ports(spec: Obj) -> tuple[Port, ...]:
    """The ports the pod wants on its node."""
    return tuple(
        Port(port.get("protocol", "TCP"), port.get("hostIP") or "0.0.0.0", port["hostPort"])
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def group_of(pod: Obj, labels: frozenset[tuple[str, str]]) -> Group:
    """The group whose members are best kept on different nodes."""
    namespace = pod["metadata"].get("namespace", "")
    owner = controller_of(pod)
    if owner and owner["kind"] in SPREAD_OWNERS:
        return Group(namespace, owner["uid"])
    return Group(namespace, "", labels)


def priority_of(pod: Obj) -> int:
    """`spec.priority`; 0 where admission has set none."""
    return int(pod["spec"].get("priority") or 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pod means to its node and to other pods, and no more: there is one a pod (equal ones are shared)."""

    requests: Amounts
    assumed: Amounts  # with `ASSUMED` filled in: what LeastAllocated counts
    ports: tuple[Port, ...]
    group: Group
    spreads: bool  # counts among its group: a pod on its way out does not
    labels: frozenset[tuple[str, str]]
    terms: Terms  # what it says of other pods
    priority: int

    @classmethod
    def of(cls, pod: Obj) -> Usage:
        """Read it out of a pod."""
        spec, labels = pod["spec"], frozenset(labels_of(pod).items())
        group = group_of(pod, labels)
        return cls(
            requests(spec), requests(spec, ASSUMED), host_ports(spec), group, not is_terminating(pod), labels,
            terms_of(spec, group.namespace), priority_of(pod),
        )  # fmt: skip


class PodInfo:
    """A pod about to be placed, with its numbers; what only some rules need is worked out when they ask."""

    def __init__(self, pod: Obj, storage: Storage | None = None) -> None:
        self.pod = pod
        self.storage = storage  # what its claims mean; None without any
        self.spec: Obj = pod["spec"]
        self.key: Key = key_of(pod)
        self.uid: str = pod["metadata"].get("uid", "")
        self.usage = Usage.of(pod)
        self.requests = self.usage.requests
        self.assumed = self.usage.assumed
        self.priority = self.usage.priority
        self.terms = self.usage.terms

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return labels_of(self.pod)

    @cached_property
    def tolerations(self) -> list[Obj]:
        """Which taints it bears with."""
        return self.spec.get("tolerations") or []

    @cached_property
    def node_affinity(self) -> Obj:
        """`spec.affinity.nodeAffinity`, perhaps empty."""
        return (self.spec.get("affinity") or {}).get("nodeAffinity") or {}

    @cached_property
    def images(self) -> tuple[str, ...]:
        """What its containers run, init containers first; one without a tag means `latest`."""
        containers = [*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ())]
        return tuple(tagged(container.get("image") or "") for container in containers)

    @property
    def nominated(self) -> str:
        """The node on which room is being made for it."""
        return str((self.pod.get("status") or {}).get("nominatedNodeName") or "")

    @property
    def preempts(self) -> bool:
        """Whether it may push others out."""
        return bool(self.spec.get("preemptionPolicy") != "Never")

    @cached_property
    def signature(self) -> bytes:
        """Equal for pods that every rule treats alike, whatever their names (KEP-5598 calls it so too)."""
        rules = [self.spec.get(field) for field in ("nodeSelector", "affinity", "tolerations", "preemptionPolicy")]
        return encode([rules, self.requests, self.assumed, self.usage.ports, self.priority, self.images])


def tagged(image: str) -> str:
    """An image's name with its tag."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
