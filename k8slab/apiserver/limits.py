"""LimitRanges: what containers ask for when they say nothing, and the least and the most they may ask for.

`admission.py` calls it for new pods and for claims. Rules and sentences are Kubernetes'
(plugin/pkg/admission/limitranger).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Obj
from k8slab.api.quantities import parse
from k8slab.api.quota import pod_resources

Amounts = Mapping[str, str]
NOTE = "kubernetes.io/limit-ranger"  # the annotation that says what was filled in
CONTAINERS = (("containers", "container"), ("initContainers", "init container"))


def fill_in(pod: Obj, limit_range: Obj) -> None:
    """Give the containers what they do not say themselves, and note it in the pod's annotations."""
    items = [item for item in limit_range["spec"].get("limits") or () if item.get("type") == "Container"]
    defaults: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for item in items:
        defaults["requests"] |= item.get("defaultRequest") or {}
        defaults["limits"] |= item.get("default") or {}
    notes = []
    for group, words in CONTAINERS:
        for container in pod["spec"].get(group) or ():
            for side, word in (("requests", "request"), ("limits", "limit")):
                if added := _merge(container, side, defaults[side]):
                    notes.append(f"{', '.join(added)} {word} for {words} {container['name']}")
    if notes:
        pod["metadata"].setdefault("annotations", {})[NOTE] = "LimitRanger plugin set: " + "; ".join(notes)


def _merge(container: Obj, side: str, defaults: Amounts) -> list[str]:
    """Fill in one side of a container's resources; the names of those that were missing."""
    given = (container.get("resources") or {}).get(side) or {}
    missing = sorted(name for name in defaults if name not in given)
    if missing:
        added = {name: defaults[name] for name in missing}
        container.setdefault("resources", {})[side] = {**given, **added}
    return missing


def pod_faults(pod: Obj, limit_range: Obj) -> list[str]:
    """What the pod breaks of a LimitRange, in sentences."""
    found: list[str] = []
    spec = pod["spec"]
    for item in limit_range["spec"].get("limits") or ():
        if item.get("type") == "Container":
            for group, _ in CONTAINERS:
                for container in spec.get(group) or ():
                    resources = container.get("resources") or {}
                    found += _faults(item, resources.get("requests") or {}, resources.get("limits") or {})
        elif item.get("type") == "Pod":
            found += _faults(item, pod_resources(spec, "requests"), pod_resources(spec, "limits"))
    return list(dict.fromkeys(found))


def claim_faults(claim: Obj, limit_range: Obj) -> list[str]:
    """What a claim breaks of a LimitRange: only its request counts."""
    asked = (claim["spec"].get("resources") or {}).get("requests") or {}
    found: list[str] = []
    for item in limit_range["spec"].get("limits") or ():
        if item.get("type") == "PersistentVolumeClaim":
            for name, least in sorted((item.get("min") or {}).items()):
                found += _least(item["type"], name, least, asked, {})
            for name, most in sorted((item.get("max") or {}).items()):
                says = f"maximum {name} usage per {item['type']} is {most}"
                if name not in asked:
                    found.append(f"{says}.  No request is specified")
                elif parse(asked[name]) > parse(most):
                    found.append(f"{says}, but request is {asked[name]}")
    return found


def _faults(item: Obj, requests: Amounts, limits: Amounts) -> Iterable[str]:
    type_ = item["type"]
    for name, least in sorted((item.get("min") or {}).items()):
        yield from _least(type_, name, least, requests, limits)
    for name, most in sorted((item.get("max") or {}).items()):
        yield from _most(type_, name, most, requests, limits)
    for name, ratio in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(type_, name, ratio, requests, limits)


def _least(type_: str, name: str, least: str, requests: Amounts, limits: Amounts) -> Iterable[str]:
    says = f"minimum {name} usage per {type_} is {least}"
    if name not in requests:
        yield f"{says}.  No request is specified"
    elif parse(requests[name]) < parse(least):
        yield f"{says}, but request is {requests[name]}"
    elif name in limits and parse(limits[name]) < parse(least):
        yield f"{says}, but limit is {limits[name]}"


def _most(type_: str, name: str, most: str, requests: Amounts, limits: Amounts) -> Iterable[str]:
    says = f"maximum {name} usage per {type_} is {most}"
    if name not in limits:
        yield f"{says}.  No limit is specified"
    elif parse(limits[name]) > parse(most):
        yield f"{says}, but limit is {limits[name]}"
    elif name in requests and parse(requests[name]) > parse(most):
        yield f"{says}, but request is {requests[name]}"


def _ratio(type_: str, name: str, most: str, requests: Amounts, limits: Amounts) -> Iterable[str]:
    says = f"{name} max limit to request ratio per {type_} is {most}"
    if not parse(requests.get(name, "0")):
        yield f"{says}, but no request is specified or request is 0"
    elif not parse(limits.get(name, "0")):
        yield f"{says}, but no limit is specified or limit is 0"
    elif (ratio := parse(limits[name]) / parse(requests[name])) > parse(most):
        yield f"{says}, but provided ratio is {float(ratio):f}"
