"""What other objects have to say in a write: limit ranges, priority classes, default classes, quotas.

`verbs.py` asks three times: before the kind's strategy (`change`), after validation (`check`), and once the object is
stored (`charge`). Kubernetes calls these admission plug-ins (plugin/pkg/admission); those that need no other object
are strategies here (`strategy.py`), and ServiceAccount admission is not done: pods get no token they did not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from k8slab.api import quota
from k8slab.api.errors import Forbidden
from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Key, Obj, annotations_of, copy, key_of
from k8slab.api.quantities import parse
from k8slab.api.volumes import DEFAULT_CLASS, class_of, default_class, request
from k8slab.apiserver import host_access, limits
from k8slab.store.base import Store

DEFAULT_INGRESS_CLASS = ("ingressclass.kubernetes.io/is-default-class",)
CLASS_NOTES = ("volume.beta.kubernetes.io/storage-class", "kubernetes.io/ingress.class")  # before there was a field
CHARGED_ON_UPDATE = ("PersistentVolumeClaim", "Pod", "Service")  # what may grow


class Admission:
    """The plug-ins, over the store. What they refuse is Forbidden."""

    def __init__(self, store: Store, *, closed: bool = False) -> None:
        self._store = store
        self._closed = closed  # pods must not ask for the machine
        self._changes: dict[str, Callable[[Kind, Obj], None]] = {
            "Ingress": self._ingress_class,
            "PersistentVolumeClaim": self._storage_class,
            "Pod": self._pod,
        }

    def change(self, kind: Kind, obj: Obj) -> None:
        """Fill in what a new object leaves open. Raises Forbidden."""
        if plugin := self._changes.get(kind.kind):
            plugin(kind, obj)

    def check(self, kind: Kind, obj: Obj, old: Obj | None = None) -> None:
        """Whether a new or changed object may be stored. Raises Forbidden."""
        if kind.kind == "Pod" and self._closed:
            self._leaves_the_host_alone(kind, obj, old)
        if kind.kind == "PersistentVolumeClaim":
            self._within_limits(kind, obj, limits.claim_faults)
            self._may_grow(kind, obj, old)
        elif kind.kind == "PriorityClass":
            self._one_default(kind, obj)
        elif kind.kind == "Pod" and old is None:
            self._says_what_it_needs(kind, obj)
        if kind.namespaced:
            for budget, more in self._costs(kind, obj, old):
                self._afford(kind, obj, budget, more)

    def charge(self, kind: Kind, obj: Obj, old: Obj | None = None) -> None:
        """Count a stored object at once, so that the next one meets what is really left."""
        if not kind.namespaced:
            return
        for budget, more in self._costs(kind, obj, old):
            known = (budget.get("status") or {}).get("used") or {}
            used = quota.total([known, {name: more[name] for name in more if name in known}])
            if used != known:
                charged = copy(budget)
                charged["status"]["used"] = used
                self._store.update(KINDS["ResourceQuota"].resource, key_of(budget), charged)

    # ---- pods ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _leaves_the_host_alone(kind: Kind, pod: Obj, old: Obj | None) -> None:
        why = host_access.asked(pod)
        if why and (old is None or why != host_access.asked(old)):
            raise _forbidden(kind, pod, why)

    def _pod(self, kind: Kind, pod: Obj) -> None:
        if class_ := pod["spec"].get("runtimeClassName"):  # the kind is not served, so there is none
            raise _forbidden(kind, pod, f'pod rejected: RuntimeClass "{class_}" not found')
        for limit_range in self._list("LimitRange", pod["metadata"]["namespace"]):
            limits.fill_in(pod, limit_range)
        self._within_limits(kind, pod, limits.pod_faults)
        self._priority(kind, pod)

    def _within_limits(self, kind: Kind, obj: Obj, faults: Callable[[Obj, Obj], list[str]]) -> None:
        for limit_range in self._list("LimitRange", obj["metadata"]["namespace"]):
            if found := faults(obj, limit_range):
                raise _forbidden(kind, obj, found[0] if len(found) == 1 else f"[{', '.join(found)}]")

    def _priority(self, kind: Kind, pod: Obj) -> None:
        """The number behind a class's name (plugin/pkg/admission/priority)."""
        spec = pod["spec"]
        if name := spec.get("priorityClassName"):
            class_ = self._store.get(KINDS["PriorityClass"].resource, Key("", name))
            if class_ is None:
                raise _forbidden(kind, pod, f"no PriorityClass with name {name} was found")
        else:
            defaults = (c for c in self._list("PriorityClass") if c.get("globalDefault"))
            class_ = min(defaults, key=lambda c: c.get("value", 0), default=None)
            if class_:
                spec["priorityClassName"] = class_["metadata"]["name"]
        given = {"value": 0, "preemptionPolicy": "PreemptLowerPriority"} | (class_ or {})
        for field, words, value in (
            ("priority", "integer value of priority", given["value"]),
            ("preemptionPolicy", "string value of PreemptionPolicy", given["preemptionPolicy"]),
        ):
            if spec.setdefault(field, value) != value:
                why = f"the {words} ({spec[field]}) must not be provided in pod spec; priority admission controller "
                raise _forbidden(kind, pod, why + f"computed {value} from the given PriorityClass name")

    def _one_default(self, kind: Kind, class_: Obj) -> None:
        if not class_.get("globalDefault"):
            return
        for other in self._list("PriorityClass"):
            name = other["metadata"]["name"]
            if other.get("globalDefault") and name != class_["metadata"].get("name"):
                why = f"PriorityClass {name} is already marked as default. Only one default can exist"
                raise _forbidden(kind, class_, why)

    # ---- claims -------------------------------------------------------------------------------------------------

    def _may_grow(self, kind: Kind, claim: Obj, old: Obj | None) -> None:
        """plugin/pkg/admission/storage/persistentvolume/resize"""
        if old is None or parse(request(claim)) <= parse(request(old)):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise _forbidden(kind, claim, "Only bound persistent volume claims can be expanded")
        class_ = self._store.get(KINDS["StorageClass"].resource, Key("", class_of(claim)))
        if class_ is None or not class_.get("allowVolumeExpansion"):
            why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
            raise _forbidden(kind, claim, why + "must support resize")

    # ---- default classes ----------------------------------------------------------------------------------------

    def _storage_class(self, kind: Kind, claim: Obj) -> None:
        self._default_class(claim, "storageClassName", "StorageClass", DEFAULT_CLASS)

    def _ingress_class(self, kind: Kind, ingress: Obj) -> None:
        self._default_class(ingress, "ingressClassName", "IngressClass", DEFAULT_INGRESS_CLASS)

    def _default_class(self, obj: Obj, field: str, classes: str, notes: Iterable[str]) -> None:
        """The youngest class that is marked as the default one, for an object that names none."""
        spec = obj.setdefault("spec", {})
        if spec.get(field) is not None or any(note in annotations_of(obj) for note in CLASS_NOTES):
            return
        if found := default_class(self._list(classes), notes):
            spec[field] = found["metadata"]["name"]

    # ---- quotas -------------------------------------------------------------------------------------------------

    def _costs(self, kind: Kind, obj: Obj, old: Obj | None) -> Iterable[tuple[Obj, Mapping[str, str]]]:
        """The quotas this write counts against, each with what it adds to those of its resources that are limited."""
        budgets = self._list("ResourceQuota", obj["metadata"]["namespace"])
        if not budgets or (old is not None and kind.kind not in CHARGED_ON_UPDATE):
            return
        more = quota.increase(quota.usage(kind, obj), quota.usage(kind, old) if old else {})
        for budget in budgets:
            hard = budget["spec"].get("hard") or {}
            limited = {name: more[name] for name in more if name in hard}
            if limited and quota.applies(budget, kind, obj):
                yield budget, limited

    def _says_what_it_needs(self, kind: Kind, pod: Obj) -> None:
        """Where a quota limits CPU or memory, every container has to say how much of it."""
        for budget in self._list("ResourceQuota", pod["metadata"]["namespace"]):
            if quota.applies(budget, kind, pod) and (missing := quota.unasked(budget, pod)):
                said = "; ".join(f"{resource} for: {','.join(names)}" for resource, names in sorted(missing.items()))
                raise _forbidden(kind, pod, f"failed quota: {budget['metadata']['name']}: must specify {said}")

    def _afford(self, kind: Kind, obj: Obj, budget: Obj, more: Mapping[str, str]) -> None:
        name, hard = budget["metadata"]["name"], budget["spec"]["hard"]
        used = self._used(budget, more)
        over = sorted(r for r in more if parse(used[r]) + parse(more[r]) > parse(hard[r]))
        if over:
            amounts = ((word, ",".join(f"{resource}={of[resource]}" for resource in over))
                       for word, of in (("requested", more), ("used", used), ("limited", hard)))  # fmt: skip
            said = ", ".join(f"{word}: {text}" for word, text in amounts)
            raise _forbidden(kind, obj, f"exceeded quota: {name}, {said}")

    def _used(self, budget: Obj, names: Iterable[str]) -> Mapping[str, str]:
        """What the quota's status says is used; counted here and now where its controller has not come to it yet."""
        known = (budget.get("status") or {}).get("used") or {}
        if all(name in known for name in names):
            return known
        namespace = budget["metadata"]["namespace"]
        every = (
            quota.usage(kind, obj)
            for kind in KINDS.values() if kind.namespaced
            for obj in self._store.list(kind.resource, namespace) if quota.applies(budget, kind, obj)
        )  # fmt: skip
        return dict.fromkeys(names, "0") | quota.total(every) | known

    def _list(self, kind: str, namespace: str = "") -> list[Obj]:
        return list(self._store.list(KINDS[kind].resource, namespace))


def _forbidden(kind: Kind, obj: Obj, why: str) -> Forbidden:
    meta = obj["metadata"]
    return Forbidden.of(kind.group, kind.plural, meta.get("name") or meta.get("generateName", ""), why)
