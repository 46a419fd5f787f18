"""Whether a node takes a pod that was bound to it: it looks once more, for it may have been bound past the scheduler.

`workers.py` asks when it first sees a pod. A pod that is refused fails, and is not tried elsewhere. The reasons and
words are those of pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl and pkg/kubelet/eviction. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from k8slab.api.objects import Obj, labels_of
from k8slab.api.quantities import milli, value
from k8slab.api.quota import pod_resources
from k8slab.api.selectors import from_node_expression
from k8slab.kubelet.eviction import CRITICAL
from k8slab.kubelet.notes import Refusal

ANY = "0.0.0.0"  # a host port on every address of the node
RESOURCES = ("cpu", "memory", "ephemeral-storage")
PORTS = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
AFFINITY = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"


def refusal(
    pod: Obj, node: Obj, others: Iterable[Obj], capacity: Mapping[str, str], pressed: Collection[str]
) -> Refusal | None:
    """Why this node does not take the pod beside the `others` it has, or None. `pressed`: conditions it has."""
    if pressed and _is_kept_away(pod, pressed):
        return _refused("Evicted", f"The node had condition: [{' '.join(sorted(pressed))}]. ")
    for sysctl in (pod["spec"].get("securityContext") or {}).get("sysctls") or []:
        return _refused("SysctlForbidden", f'forbidden sysctl: "{sysctl["name"]}" not allowlisted')
    if not matches(pod["spec"], node):
        return _refused("NodeAffinity", AFFINITY)
    there = list(others)
    taken = [port for other in there for port in _host_ports(other)]
    if any(_clash(wanted, port) for wanted in _host_ports(pod) for port in taken):
        return _refused("NodePorts", PORTS)
    if len(there) >= value(capacity["pods"]):
        return _short("pods", 1, len(there), value(capacity["pods"]))
    for resource in RESOURCES:
        wanted = _amount(pod, resource)
        used = sum(_amount(other, resource) for other in there) if wanted else 0
        has = milli(capacity[resource]) if resource == "cpu" else value(capacity[resource])
        if wanted and used + wanted > has:
            return _short(resource, wanted, used, has)
    return None


def _host_ports(pod: Obj) -> list[tuple[str, str, int]]:
    """Address, protocol and number of the node's ports that its containers ask for."""
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or []]
    return [(p.get("hostIP") or ANY, p.get("protocol", "TCP"), p["hostPort"]) for p in ports if p.get("hostPort")]


def _clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or ANY in (one[0], other[0]))


def _is_kept_away(pod: Obj, pressed: Collection[str]) -> bool:
    """A full disk keeps all away that are not critical, scarce memory those that promise nothing about it."""
    if int(pod["spec"].get("priority") or 0) >= CRITICAL:
        return False
    return any(condition != "MemoryPressure" for condition in pressed) or (
        (pod.get("status") or {}).get("qosClass") == "BestEffort"
    )


def _refused(reason: str, message: str) -> Refusal:
    return Refusal(reason, f"Pod was rejected: {message}")


def _short(resource: str, wanted: int, used: int, has: int) -> Refusal:
    amounts = f"requested: {wanted}, used: {used}, capacity: {has}"
    return _refused(f"OutOf{resource}", f"Node didn't have enough resource: {resource}, {amounts}")


def _amount(pod: Obj, resource: str) -> int:
    """What a pod has requested; thousandths of a CPU, bytes of the others."""
    quantity = pod_resources(pod["spec"], "requests").get(resource, "0")
    return milli(quantity) if resource == "cpu" else value(quantity)


def matches(spec: Obj, node: Obj) -> bool:
    """Whether a node has the labels (or the name) that the pod's node selector and required node affinity ask for."""
    labels = labels_of(node)
    if any(labels.get(key) != wanted for key, wanted in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms")
    return terms is None or any(_term(term, node) for term in terms)


def _term(term: Obj, node: Obj) -> bool:
    labels, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    names = {"metadata.name": node["metadata"]["name"]}
    return bool(labels or fields) and (
        all(from_node_expression(one).matches(labels_of(node)) for one in labels)
        and all(from_node_expression(one).matches(names) for one in fields)
    )
