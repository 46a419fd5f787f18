"""The rules for what makes pods from a template: selectors that fit, templates that may run for ever, how to roll.

Tables for `validation.py`; what a template's pods must keep is in `validation_pods.py`, Jobs have rules of their own in
`validation_jobs.py`. Source: pkg/apis/apps/validation/validation.go, pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api import selectors
from k8slab.api.causes import IMMUTABLE, forbidden, invalid, required, unsupported
from k8slab.api.checks import (
    CLOSED,
    REQUIRED,
    Check,
    Required,
    Table,
    annotation_map,
    count_or_percent,
    label_map,
    not_negative,
    not_over_all,
    one_of,
)
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

CHANGEABLE = (  # of a StatefulSet's spec
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _not_empty(kind: str) -> Check:
    def check(selector: Obj, path: str) -> Iterable[Cause]:
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid(path, selector, f"empty selector is invalid for {kind}")

    return check


def _selects_its_template(spec: Obj, path: str) -> Iterable[Cause]:
    """No selector selects nothing, an empty one everything."""
    selector, labels = spec.get("selector"), (spec["template"].get("metadata") or {}).get("labels")
    try:
        matcher = selectors.from_object(selector)
    except (ValueError, KeyError):
        return  # the selector's own rules have said so
    if selector is None or (matcher and not matcher.matches(labels or {})):
        yield invalid(f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _runs_for_ever(kind: str) -> Check:
    def check(template: Obj, path: str) -> Iterable[Cause]:
        spec = template.get("spec") or {}
        if (policy := spec.get("restartPolicy", "Always")) != "Always":
            yield unsupported(f"{path}.spec.restartPolicy", policy, ["Always"])
        if spec.get("activeDeadlineSeconds") is not None:
            yield forbidden(f"{path}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported")

    return check


def _strategy(strategy: Obj, path: str) -> Iterable[Cause]:
    type_, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if type_ == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", detail)
    elif type_ != "RollingUpdate":
        yield unsupported(f"{path}.type", type_, ["Recreate", "RollingUpdate"])
    elif rolling is None:
        yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")


def _can_move(rolling: Obj, path: str) -> Iterable[Cause]:
    """A rolling update needs room: pods above the number, or pods missing from it."""
    unavailable = rolling.get("maxUnavailable", 0)
    if _number(unavailable) == 0 and _number(rolling.get("maxSurge", 0)) == 0:
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and _number(unavailable) > 100:
        yield invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def _number(share: int | str) -> int:
    """The number, or the percentage as a number; -1 for a text that is neither (its own rule says so)."""
    if isinstance(share, int):
        return share
    text = share.removesuffix("%")
    return int(text) if share.endswith("%") and text.isascii() and text.isdigit() else -1


def _deadline(spec: Obj, path: str) -> Iterable[Cause]:
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield invalid(f"{path}.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _as_go_has_it(strategy: Obj) -> Obj:
    """Kubernetes' internal structs are shown with the names of their fields in Go."""
    return {"Type": strategy.get("type", ""), "RollingUpdate": strategy.get("rollingUpdate")}


def _daemon_strategy(strategy: Obj, path: str) -> Iterable[Cause]:
    type_ = strategy.get("type")
    if type_ == "RollingUpdate":
        if strategy.get("rollingUpdate") is None:
            yield required(f"{path}.rollingUpdate")
    elif type_ != "OnDelete":
        yield unsupported(path, _as_go_has_it(strategy), ["RollingUpdate", "OnDelete"])


def _daemons_can_move(rolling: Obj, path: str) -> Iterable[Cause]:
    """A node has one daemon: it goes before the new one comes, or after, not both."""
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    if _number(unavailable) and _number(surge):
        yield invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not _number(unavailable) and not _number(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _stateful_strategy(strategy: Obj, path: str) -> Iterable[Cause]:
    type_, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if not type_:
        yield required(path)
    elif type_ == "OnDelete":
        if rolling is not None:
            yield invalid(f"{path}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif type_ != "RollingUpdate":
        yield invalid(path, _as_go_has_it(strategy), "must be 'RollingUpdate' or 'OnDelete'")


def _management(policy: str, path: str) -> Iterable[Cause]:
    if policy not in ("OrderedReady", "Parallel"):
        yield invalid(path, policy, "must be 'OrderedReady' or 'Parallel'")


def _stateful_for_ever(template: Obj, path: str) -> Iterable[Cause]:
    """What is asked of a StatefulSet's pods; the rest they hear when they are made, as in Kubernetes."""
    spec = template.get("spec") or {}
    if (policy := spec.get("restartPolicy", "")) != "Always":
        yield unsupported(f"{path}.spec.restartPolicy", policy, ["Always"])
    if spec.get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in StatefulSet is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", detail)
    for field, check in (("labels", label_map), ("annotations", annotation_map)):
        yield from check((template.get("metadata") or {}).get(field) or {}, f"{path}.{field}")


def _stateful_kept(obj: Obj, old: Obj) -> Iterable[Cause]:
    new, before = ({f: v for f, v in o["spec"].items() if f not in CHANGEABLE} for o in (obj, old))
    if new != before:
        fields = ", ".join(f"'{field}'" for field in CHANGEABLE[:-1])
        detail = f"{fields} and '{CHANGEABLE[-1]}' are forbidden"
        yield forbidden("spec", f"updates to statefulset spec for fields other than {detail}")


def _plain_selector(spec: Obj, path: str) -> Iterable[Cause]:
    """A ReplicationController selects by plain labels."""
    selector, labels = spec.get("selector"), ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not selector:
        yield required(f"{path}.selector")
    if spec.get("template") is None:
        yield required(f"{path}.template")
    elif selector and not selectors.from_labels(selector).matches(labels):
        yield invalid(f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _data_kept(obj: Obj, old: Obj) -> Iterable[Cause]:
    if obj.get("data") != old.get("data"):
        yield invalid("data", obj.get("data"), IMMUTABLE)


def _selector_kept(obj: Obj, old: Obj) -> Iterable[Cause]:
    selector = obj["spec"].get("selector")
    if selector != old["spec"].get("selector"):
        yield invalid("spec.selector", selector, IMMUTABLE)


TABLE: Table = {
    "apps.v1.DeploymentSpec": {
        "replicas": (not_negative,),
        "selector": (REQUIRED, _not_empty("deployment")),
        "": (_selects_its_template, _deadline),
        "template": (_runs_for_ever("ReplicaSet"),),
        "strategy": (_strategy,),
        "minReadySeconds": (not_negative,),
        "revisionHistoryLimit": (not_negative,),
        "progressDeadlineSeconds": (not_negative,),
    },
    "apps.v1.RollingUpdateDeployment": {
        "maxUnavailable": (count_or_percent,),
        "maxSurge": (count_or_percent,),
        "": (_can_move,),
    },
    "apps.v1.ReplicaSetSpec": {
        "replicas": (not_negative,),
        "minReadySeconds": (not_negative,),
        "selector": (REQUIRED, _not_empty("replicaset")),
        "": (_selects_its_template,),
        "template": (_runs_for_ever("ReplicaSet"),),
    },
    "apps.v1.DaemonSetSpec": {
        "": (_selects_its_template,),
        "selector": (_not_empty("daemonset"),),
        "template": (_runs_for_ever("DaemonSet"),),
        "minReadySeconds": (not_negative,),
        "updateStrategy": (_daemon_strategy,),
        "revisionHistoryLimit": (not_negative,),
    },
    "apps.v1.RollingUpdateDaemonSet": {
        "maxUnavailable": (count_or_percent, not_over_all),
        "maxSurge": (count_or_percent, not_over_all),
        "": (_daemons_can_move,),
    },
    "apps.v1.StatefulSetSpec": {
        "podManagementPolicy": (REQUIRED, _management),
        "updateStrategy": (_stateful_strategy,),
        "replicas": (not_negative,),
        "minReadySeconds": (not_negative,),
        "revisionHistoryLimit": (not_negative,),
        "selector": (REQUIRED, _not_empty("statefulset")),
        "": (_selects_its_template,),
        "template": (CLOSED, _stateful_for_ever),
        "volumeClaimTemplates": (CLOSED,),
    },
    "apps.v1.RollingUpdateStatefulSetStrategy": {
        "partition": (not_negative,),
        "maxUnavailable": (count_or_percent, not_over_all),
    },
    "apps.v1.StatefulSetOrdinals": {"start": (not_negative,)},
    "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {
        "whenDeleted": (one_of("Retain", "Delete"),),
        "whenScaled": (one_of("Retain", "Delete"),),
    },
    "apps.v1.ControllerRevision": {"data": (Required("data is mandatory"),), "revision": (not_negative,)},
    "core.v1.ReplicationControllerSpec": {
        "minReadySeconds": (not_negative,),
        "selector": (label_map,),
        "replicas": (not_negative,),
        "": (_plain_selector,),
        "template": (_runs_for_ever("ReplicationController"),),
    },
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "apps.v1.ControllerRevision": _data_kept,
    "apps.v1.DaemonSet": _selector_kept,
    "apps.v1.Deployment": _selector_kept,
    "apps.v1.ReplicaSet": _selector_kept,
    "apps.v1.StatefulSet": _stateful_kept,
}
