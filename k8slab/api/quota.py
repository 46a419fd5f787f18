"""What an object costs a ResourceQuota: how many of its kind, and what a pod, a claim or a Service asks for.

`apiserver/admission.py` asks before an object is stored, `controllers/quota.py` adds all of them up. The rules are
Kubernetes' (pkg/quota/v1/evaluator/core).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, annotations_of
from k8slab.api.quantities import add, parse, subtract

Amounts = dict[str, str]  # resource -> quantity

ALIASES = (  # kinds that have a resource of their own beside `count/…`
    "ConfigMap", "PersistentVolumeClaim", "ReplicationController", "ResourceQuota", "Secret", "Service",
)  # fmt: skip
COMPUTE = ("cpu", "memory", "ephemeral-storage")
ASKED = frozenset(f"{side}{name}" for side in ("", "requests.", "limits.") for name in ("cpu", "memory"))
KNOWN = frozenset(
    {"pods", "services", "services.nodeports", "services.loadbalancers", "persistentvolumeclaims", "configmaps",
     "secrets", "replicationcontrollers", "resourcequotas", "requests.storage", *COMPUTE}
)  # fmt: skip
STORAGE_CLASS = ".storageclass.storage.k8s.io/"
ENDED = ("Succeeded", "Failed")


def counts(resource: str) -> bool:
    """Whether anything adds to this resource of a quota."""
    return (
        resource in KNOWN or resource.startswith(("count/", "requests.", "limits.", "hugepages-"))
        or STORAGE_CLASS in resource
    )  # fmt: skip


def usage(kind: Kind, obj: Obj) -> Amounts:
    """What one object adds to what is used."""
    used: Amounts = {f"count/{kind.resource}": "1"}
    if kind.kind in ALIASES and not kind.group:
        used[kind.plural] = "1"
    if kind.kind == "Pod":
        return used | _of_pod(obj)
    if kind.kind == "Service":
        return used | _of_service(obj["spec"])
    if kind.kind == "PersistentVolumeClaim":
        return used | _of_claim(obj)
    return used


def total(amounts: Iterable[Mapping[str, str]]) -> Amounts:
    """All of them added up."""
    columns: dict[str, list[str]] = {}
    for one in amounts:
        for resource, quantity in one.items():
            columns.setdefault(resource, []).append(quantity)
    return {resource: add(quantities) for resource, quantities in columns.items()}


def increase(new: Mapping[str, str], old: Mapping[str, str]) -> Amounts:
    """What a change adds; what it gives back is counted later."""
    more = {resource: subtract(quantity, old.get(resource, "0")) for resource, quantity in new.items()}
    return {resource: quantity for resource, quantity in more.items() if parse(quantity) > 0}


def applies(quota: Obj, kind: Kind, obj: Obj) -> bool:
    """Whether a quota is about such an object: one with scopes is about the pods that are in all of them."""
    spec = quota["spec"]
    terms = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(kind.kind == "Pod" and _in_scope(obj, term) for term in terms)


def unasked(quota: Obj, pod: Obj) -> dict[str, list[str]]:
    """Containers that must ask for what the quota is about and do not: resource -> their names."""
    wanted = sorted(ASKED & {*quota["spec"].get("hard", {})})
    missing: dict[str, list[str]] = {}
    for container in (*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())):
        resources = container.get("resources") or {}
        for resource in wanted:
            side, _, name = resource.rpartition(".")
            if name not in (resources.get(side or "requests") or {}):
                missing.setdefault(resource, []).append(container["name"])
    return {resource: sorted(set(names)) for resource, names in missing.items()}


def pod_resources(spec: Obj, side: str) -> Amounts:
    """What a pod requests, or its limits: init containers run before the others, sidecars beside them."""
    running: list[Amounts] = [_side(container, side) for container in spec.get("containers") or ()]
    peak: Amounts = {}
    sidecars: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        own = _side(container, side)
        peak = _highest(peak, total([own, *sidecars]))
        if container.get("restartPolicy") == "Always":
            sidecars.append(own)
    asked = _highest(total([*running, *sidecars]), peak)
    asked |= (spec.get("resources") or {}).get(side) or {}
    return total([asked, spec["overhead"]]) if spec.get("overhead") and asked else asked


def _side(container: Obj, side: str) -> Amounts:
    return (container.get("resources") or {}).get(side) or {}


def _highest(one: Amounts, other: Amounts) -> Amounts:
    every = {**one, **other}
    return {name: max(one.get(name, "0"), other.get(name, "0"), key=parse) for name in every}


def _of_pod(pod: Obj) -> Amounts:
    """A pod that has ended takes no room any more."""
    if (pod.get("status") or {}).get("phase") in ENDED:
        return {}
    requests, limits = (pod_resources(pod["spec"], side) for side in ("requests", "limits"))
    used: Amounts = {"pods": "1"}
    for name, quantity in requests.items():
        if name in COMPUTE or name.startswith("hugepages-"):
            used[name] = quantity
        used[f"requests.{name}"] = quantity
    return used | {f"limits.{name}": quantity for name, quantity in limits.items() if name in COMPUTE}


def _of_service(spec: Obj) -> Amounts:
    ports = len(spec.get("ports") or ())
    balanced = spec.get("type") == "LoadBalancer"
    on_nodes = spec.get("type") == "NodePort" or (balanced and spec.get("allocateLoadBalancerNodePorts", True))
    return {"services.nodeports": str(ports if on_nodes else 0), "services.loadbalancers": str(int(balanced))}


def _of_claim(claim: Obj) -> Amounts:
    spec = claim["spec"]
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
    class_ = annotations_of(claim).get("volume.beta.kubernetes.io/storage-class", spec.get("storageClassName"))
    used: Amounts = {"requests.storage": size}
    if class_:
        used |= {f"{class_}{STORAGE_CLASS}requests.storage": size}
        used |= {f"{class_}{STORAGE_CLASS}persistentvolumeclaims": "1"}
    return used


def _in_scope(pod: Obj, term: Mapping[str, Any]) -> bool:
    spec, scope = pod["spec"], str(term["scopeName"])
    if scope in ("Terminating", "NotTerminating"):
        return ("activeDeadlineSeconds" in spec) == (scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        effortless = not any(
            (container.get("resources") or {}).get(side)
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
            for side in ("requests", "limits")
        )
        return effortless == (scope == "BestEffort")
    if scope == "PriorityClass":
        return _selected(str(spec.get("priorityClassName", "")), term)
    return scope == "CrossNamespacePodAffinity" and _crosses_namespaces(spec.get("affinity") or {})


def _selected(name: str, term: Mapping[str, Any]) -> bool:
    operator, values = term.get("operator"), term.get("values") or ()
    if operator == "DoesNotExist":
        return not name
    return bool(name) and (operator == "Exists" or (name in values) == (operator == "In"))


def _crosses_namespaces(affinity: Obj) -> bool:
    for side in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(side) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [term.get("podAffinityTerm") or {} for term in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
