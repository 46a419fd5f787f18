"""Which pod has to go when a node runs short of memory or disk, and in which words. Pure.

`pressure.py` measures and asks. The order and the words are those of pkg/kubelet/eviction/helpers.go and
docs/concepts/scheduling-eviction/node-pressure-eviction; the thresholds are this lab's own where it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from k8slab.api.objects import Obj
from k8slab.api.quantities import value
from k8slab.api.quota import pod_resources
from k8slab.kubelet.notes import Refusal
from k8slab.kubelet.view import main_containers

MEMORY_LEAST = 100 << 20  # bytes; evictionHard memory.available, of the node's capacity and of the machine
DISK_LEAST = 256 << 20  # bytes; not Kubernetes' 10 %: many a learner's disk is fuller than that
CRITICAL = 2_000_000_000  # priority from which on a pod is not evicted (scheduling.SystemCriticalPriority)
GRACE = 1.0  # seconds (immediateEvictionGracePeriodSeconds)


@dataclass(frozen=True)
class Used:
    """What one pod uses, in bytes. Volumes are its emptyDirs by name; disk is volumes, containers' files and logs."""

    pod: Obj
    memory: Mapping[str, int] = field(default_factory=dict)  # by container
    written: Mapping[str, int] = field(default_factory=dict)  # by container: its own files and its log
    volumes: Mapping[str, int] = field(default_factory=dict)

    @property
    def disk(self) -> int:
        """All that it has written on this machine, and that goes with it."""
        return sum(self.written.values()) + sum(self.volumes.values())


def victim(resource: str, pods: Iterable[Used], *, idle: bool = False) -> Used | None:
    """The pod that goes first: one above its request, then of low priority, then most above its request. `idle`: also
    one that uses nothing."""
    can_go = [used for used in pods if _priority(used.pod) < CRITICAL and (idle or _of(resource, used) > 0)]
    return max(can_go, key=lambda used: _rank(resource, used), default=None)


def _rank(resource: str, used: Used) -> tuple[bool, int, int]:
    over = _of(resource, used) - _request(used.pod, resource)
    return over > 0, -_priority(used.pod), over


def _of(resource: str, used: Used) -> int:
    return sum(used.memory.values()) if resource == "memory" else used.disk


def _priority(pod: Obj) -> int:
    return int(pod["spec"].get("priority") or 0)


def _request(pod: Obj, resource: str) -> int:
    return value(pod_resources(pod["spec"], "requests").get(resource, "0"))


def evicted(resource: str, used: Used, available: int, least: int) -> Refusal:
    """Its end, for the node's sake."""
    said = f"The node was low on resource: {resource}. "
    said += f"Threshold quantity: {binary(least)}, available: {binary(max(0, available))}. "
    for container in main_containers(used.pod):
        uses = (used.memory if resource == "memory" else used.written).get(container["name"], 0)
        asked = ((container.get("resources") or {}).get("requests") or {}).get(resource, "0")
        if uses > value(asked):
            words = f"Container {container['name']} was using {binary(uses)}, request is {asked}, "
            said += f"{words}has larger consumption of {resource}. "
    return Refusal("Evicted", said, GRACE, disrupted=True)


def beyond_its_limit(used: Used) -> Refusal | None:
    """Its end, because it has written more than it said it would (pkg/kubelet/eviction: localStorageEviction)."""
    for volume in used.pod["spec"].get("volumes") or []:
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None and value(limit) and used.volumes.get(volume["name"], 0) > value(limit):
            return _over(f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". ')
    limit = pod_resources(used.pod["spec"], "limits").get("ephemeral-storage")
    if limit is not None and used.disk > value(limit):
        return _over(f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. ")
    for container in main_containers(used.pod):
        own = ((container.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
        if own is not None and used.written.get(container["name"], 0) > value(own):
            return _over(f'Container {container["name"]} exceeded its local ephemeral storage limit "{own}". ')
    return None


def has_disk_limit(pod: Obj) -> bool:
    """Whether it has to be measured how much it writes."""
    limits = [(c.get("resources") or {}).get("limits") or {} for c in main_containers(pod)]
    sizes = [(v.get("emptyDir") or {}).get("sizeLimit") for v in pod["spec"].get("volumes") or []]
    return any("ephemeral-storage" in limit for limit in limits) or any(size is not None for size in sizes)


def _over(said: str) -> Refusal:
    return Refusal("Evicted", said, GRACE, disrupted=True)


def binary(number: int) -> str:
    """Bytes as Kubernetes writes them: `100Mi`, `52340Ki`, `17`."""
    for power, suffix in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
        if number and number % (1 << power) == 0:
            return f"{number >> power}{suffix}"
    return f"{number >> 10}Ki" if number > 10 << 10 else str(number)
