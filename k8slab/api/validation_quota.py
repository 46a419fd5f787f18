"""The rules for what shares a cluster out: ResourceQuotas, LimitRanges, PriorityClasses.

Tables for `validation.py`. Source: pkg/apis/core/validation/validation.go, pkg/apis/scheduling/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from k8slab.api import names
from k8slab.api.causes import IMMUTABLE, NOT_NEGATIVE, duplicate, forbidden, invalid, required
from k8slab.api.checks import Creation, Table, named, one_of
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.quantities import parse

SCOPES = (
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
)  # fmt: skip
COMPUTE = frozenset({
    f"{side}{name}" for side in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")
})  # fmt: skip
STANDARD = COMPUTE | {
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "requests.storage", "services.nodeports", "services.loadbalancers",
}  # fmt: skip
OF_PODS = {"pods", *(name for name in COMPUTE if "ephemeral" not in name)}
IN_SCOPE = dict.fromkeys(SCOPES, OF_PODS) | {"BestEffort": {"pods"}}  # what a quota with such a scope can limit
LIMITED = ("Container", "PersistentVolumeClaim", "Pod")
WHOLE = ("pods", "services", "secrets", "configmaps", "persistentvolumeclaims", "replicationcontrollers")
HUGE = re.compile(r"(requests\.)?hugepages-")
MOST_PRIORITY = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
# Two columns of a LimitRange's item, the first at most the second: where it is said, of which of them, in which words.
ORDER = (
    ("min", "max", "min", 0, "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", 1, "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", 0, "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", 0,
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", 0, "min value {} is greater than default value {}"),
    ("default", "max", "default", 1, "default value {} is greater than max value {}"),
)  # fmt: skip


def _hard(hard: Obj, path: str) -> Iterable[Cause]:
    for resource, quantity in hard.items():
        where = f"{path}[{resource}]"
        yield from (invalid(where, resource, message) for message in names.qualified_name(resource))
        if "/" not in resource and resource not in STANDARD and not HUGE.match(resource):
            if resource != "storage":
                yield invalid(where, resource, "must be a standard resource type or fully qualified")
            yield invalid(where, resource, "must be a standard resource for quota")
        if parse(quantity) < 0:
            yield invalid(where, quantity, NOT_NEGATIVE)
        if (resource in WHOLE or resource.startswith(("count/", "services."))) and parse(quantity) % 1:
            yield invalid(where, quantity, "must be an integer")


def _scopes(spec: Obj, path: str) -> Iterable[Cause]:
    path, scopes = f"{path}.scopes", spec.get("scopes") or []
    for scope in scopes:
        if scope not in SCOPES:
            yield invalid(path, scopes, "unsupported scope")
        for resource in sorted(spec.get("hard") or ()):
            if resource in STANDARD and resource not in IN_SCOPE.get(scope, STANDARD):
                yield invalid(path, scopes, "unsupported scope applied to resource")
    for one, other in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
        if one in scopes and other in scopes:
            yield invalid(path, scopes, "conflicting scopes")


def _scope_term(term: Obj, path: str) -> Iterable[Cause]:
    operator, values, scope = term.get("operator", ""), term.get("values") or [], term.get("scopeName", "")
    if scope not in SCOPES:
        yield invalid(f"{path}.scopeName", scope, "unsupported scope")
    if scope in SCOPES and scope != "PriorityClass" and operator != "Exists":
        detail = (
            "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
        )
        detail += "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
        yield invalid(f"{path}.operator", operator, detail + "ResourceQuotaScopeCrossNamespacePodAffinity")
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", values, detail)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def _scopes_kept(new: Obj, old: Obj) -> Iterable[Cause]:
    if sorted(new["spec"].get("scopes") or ()) != sorted(old["spec"].get("scopes") or ()):
        yield invalid("spec.scopes", new["spec"].get("scopes"), IMMUTABLE)


def _items(items: list[Obj], path: str) -> Iterable[Cause]:
    seen = set()
    for index, item in enumerate(items):
        where, type_ = f"{path}[{index}]", item.get("type", "")
        yield from named(names.qualified_name)(type_, f"{where}.type")
        if "/" not in type_ and type_ not in LIMITED:
            yield invalid(f"{where}.type", type_, "must be a standard limit type or fully qualified")
        if type_ in seen:
            yield duplicate(f"{where}.type", type_)
        seen.add(type_)
        yield from _item(item, where, type_)


def _item(item: Obj, path: str, type_: str) -> Iterable[Cause]:
    if type_ == "Pod":
        for field in ("default", "defaultRequest"):
            if item.get(field):
                yield forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
    if type_ == "PersistentVolumeClaim" and not ({"storage"} & {*(item.get("min") or {}), *(item.get("max") or {})}):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{path}.limits", detail)
    for low, high, field, which, words in ORDER:
        for resource, quantity in (item.get(low) or {}).items():
            most = (item.get(high) or {}).get(resource)
            if most is not None and parse(quantity) > parse(most):
                both = (quantity, most)
                yield invalid(f"{path}.{field}[{resource}]", both[which], words.format(*both))
    for resource, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        if parse(ratio) < 1:
            yield invalid(f"{path}.maxLimitRequestRatio[{resource}]", ratio, f"ratio {ratio} is less than 1")


def _priority(class_: Obj) -> Iterable[Cause]:
    name, value = class_["metadata"].get("name", ""), class_.get("value", 0)
    if not name.startswith("system-"):
        if value > MOST_PRIORITY:
            yield forbidden("value", f"maximum allowed value of a user defined priority is {MOST_PRIORITY}")
        return
    wrong = ""
    if name not in SYSTEM:
        wrong = f"{name} is not a known system priority class"
    elif value != SYSTEM[name]:
        wrong = f"value of {name} PriorityClass must be {SYSTEM[name]}"
    elif class_.get("globalDefault"):
        wrong = f"globalDefault of {name} PriorityClass must be false"
    if wrong:
        said = f"priority class names with 'system-' prefix are reserved for system use only. error: {wrong}"
        yield forbidden("metadata.name", said)


def _priority_kept(class_: Obj, old: Obj) -> Iterable[Cause]:
    if class_.get("value", 0) != old.get("value", 0):
        yield forbidden("value", "may not be changed in an update.")
    if class_.get("preemptionPolicy") != old.get("preemptionPolicy"):
        yield invalid("preemptionPolicy", class_.get("preemptionPolicy"), IMMUTABLE)


TABLE: Table = {
    "core.v1.ResourceQuotaSpec": {"hard": (_hard,), "": (_scopes,)},
    "core.v1.ScopedResourceSelectorRequirement": {"": (_scope_term,)},
    "core.v1.LimitRangeSpec": {"limits": (_items,)},
    "scheduling.v1.PriorityClass": {"preemptionPolicy": (one_of("Never", "PreemptLowerPriority"),)},
}
CREATES: dict[str, Creation] = {"scheduling.v1.PriorityClass": _priority}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "core.v1.ResourceQuota": _scopes_kept,
    "scheduling.v1.PriorityClass": _priority_kept,
}
