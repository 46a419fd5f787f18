"""The rules for what makes pods from a template: selectors that fit, templates that may run for ever, how to roll.

Tables for `validation.py`; what a template's pods must keep is in `validation_pods.py`. Source:
pkg/apis/apps/validation/validation.go, pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api import selectors
from k8slab.api.causes import IMMUTABLE, forbidden, invalid, required, unsupported
from k8slab.api.checks import REQUIRED, Check, Table, count_or_percent, not_negative
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj


def _not_empty(kind: str) -> Check:
    def check(selector: Obj, path: str) -> Iterable[Cause]:
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid(path, selector, f"empty selector is invalid for {kind}")

    return check


def _selects_its_template(spec: Obj, path: str) -> Iterable[Cause]:
    selector, labels = spec.get("selector"), (spec["template"].get("metadata") or {}).get("labels")
    try:
        matcher = selectors.from_object(selector)
    except (ValueError, KeyError):
        return  # the selector's own rules have said so
    if matcher and not matcher.matches(labels or {}):
        yield invalid(f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _runs_for_ever(template: Obj, path: str) -> Iterable[Cause]:
    spec = template.get("spec") or {}
    if (policy := spec.get("restartPolicy", "Always")) != "Always":
        yield unsupported(f"{path}.spec.restartPolicy", policy, ["Always"])
    if spec.get("activeDeadlineSeconds") is not None:
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported")


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


def _selector_kept(obj: Obj, old: Obj) -> Iterable[Cause]:
    selector = obj["spec"].get("selector")
    if selector != old["spec"].get("selector"):
        yield invalid("spec.selector", selector, IMMUTABLE)


TABLE: Table = {
    "apps.v1.DeploymentSpec": {
        "replicas": (not_negative,),
        "selector": (REQUIRED, _not_empty("deployment")),
        "": (_selects_its_template, _deadline),
        "template": (_runs_for_ever,),
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
        "template": (_runs_for_ever,),
    },
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {
    "apps.v1.Deployment": _selector_kept,
    "apps.v1.ReplicaSet": _selector_kept,
}
