"""What the server itself writes into workloads and volumes: generated selectors, counters, the finalizers that protect.

Rows for `strategy.py`, which has the others. Sources: pkg/registry/batch/job/strategy.go,
pkg/registry/apps/daemonset/strategy.go, plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from __future__ import annotations

from collections.abc import Callable

from k8slab.api.errors import Cause
from k8slab.api.objects import Obj
from k8slab.api.validation_jobs import CONTROLLER_UID, JOB_NAME
from k8slab.apiserver.strategy_base import Strategy

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class JobStrategy(Strategy):
    """A job's pods are found by its uid, unless somebody has said `manualSelector`."""

    def create(self, obj: Obj) -> list[Cause]:
        spec, meta = obj["spec"], obj["metadata"]
        if spec.get("manualSelector"):
            return []
        template = spec.setdefault("template", {}).setdefault("metadata", {})
        given = template.get("labels") or {}
        generated = dict.fromkeys(JOB_NAME, meta.get("name", "")) | dict.fromkeys(CONTROLLER_UID, meta["uid"])
        template["labels"] = generated | given  # labels that are not ours, validation will refuse
        if meta.get("labels", given) == given:
            meta["labels"] = dict(template["labels"])
        selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
        selector.setdefault(CONTROLLER_UID[0], meta["uid"])
        return []


class DaemonSetStrategy(Strategy):
    """An annotation counts the templates, for clients older than ControllerRevisions."""

    def create(self, obj: Obj) -> list[Cause]:
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"
        return []

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        before = int((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1"))
        changed = obj["spec"].get("template") != old["spec"].get("template")
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(before + changed)
        return []


class ReplicasStrategy(Strategy):
    """`status.replicas` is required, so it is there from the start."""

    def create(self, obj: Obj) -> list[Cause]:
        obj["status"] = {"replicas": 0}
        return []


class ProtectedStrategy(Strategy):
    """Held by a finalizer as long as it is used; `controllers/protection.py` takes it off."""

    def __init__(self, finalizer: str) -> None:
        self._finalizer = finalizer

    def create(self, obj: Obj) -> list[Cause]:
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if self._finalizer not in finalizers:
            finalizers.append(self._finalizer)
        return []


class VolumeStrategy(ProtectedStrategy):
    """A volume remembers since when it is in its phase."""

    def __init__(self, now: Callable[[], str]) -> None:
        super().__init__("kubernetes.io/pv-protection")
        self._now = now

    def create(self, obj: Obj) -> list[Cause]:
        obj["status"]["lastPhaseTransitionTime"] = self._now()
        return super().create(obj)

    def update_status(self, obj: Obj, old: Obj) -> None:
        if obj["status"].get("phase") != (old.get("status") or {}).get("phase"):
            obj["status"]["lastPhaseTransitionTime"] = self._now()
