"""ResourceQuotas: how much of each is used, counted anew when something has gone, ended or changed.

Admission (`apiserver/admission.py`) adds what comes at once; this loop puts the number right afterwards, and alone
makes it smaller. What an object costs is in `api/quota.py`; Kubernetes has it in pkg/controller/resourcequota.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api import quota
from k8slab.api.kinds import KINDS, Kind
from k8slab.api.objects import Key, Obj, key_of
from k8slab.controllers.base import Controller, Wakes, itself

COUNTED = {kind.kind: kind for kind in KINDS.values() if kind.namespaced and kind.kind not in ("Event", "Lease")}


class ResourceQuotaController(Controller[Key]):
    """Its keys are quotas."""

    name = "resourcequota-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        """Without Events and Leases, which come and go every second; they are counted when something else is."""
        return dict.fromkeys(COUNTED, self._of_namespace) | {"ResourceQuota": itself}

    def _of_namespace(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """Runs inside every write: where there is no quota, it is over at once."""
        obj = after or before
        if obj is None or not (
            quotas := list(self.client.informer("ResourceQuota").list(obj["metadata"]["namespace"]))
        ):
            return ()
        kind = COUNTED[obj["kind"]]
        if before and after and quota.usage(kind, before) == quota.usage(kind, after):
            return ()
        return [key_of(found) for found in quotas]

    async def reconcile(self, key: Key) -> float | None:
        found = self.client.informer("ResourceQuota").get(key.name, key.namespace)
        if found is None:
            return None
        objects = ((kind, obj) for kind in self._wanted(found) for obj in self._list(kind, key.namespace))
        status = measured(found, objects)
        if status != found.get("status"):
            self.client.update({**found, "status": status}, "status")
        return None

    def _wanted(self, found: Obj) -> list[Kind]:
        """The kinds that this quota can be about; most are not even looked at."""
        hard = found["spec"].get("hard") or {}
        pods = any(name == "pods" or name.partition(".")[0] in ("requests", "limits", *quota.COMPUTE) for name in hard)
        wide = {"Pod": pods, "PersistentVolumeClaim": any("storage" in n or "persistentvolume" in n for n in hard)}
        return [
            kind for kind in KINDS.values()
            if kind.namespaced and (wide.get(kind.kind) or any(_is_about(name, kind) for name in hard))
        ]  # fmt: skip

    def _list(self, kind: Kind, namespace: str) -> Iterable[Obj]:
        return self.client.informer(kind.kind).list(namespace)


def _is_about(resource: str, kind: Kind) -> bool:
    return resource in (f"count/{kind.resource}", kind.plural) or resource.startswith(f"{kind.plural}.")


def measured(found: Obj, objects: Iterable[tuple[Kind, Obj]]) -> Obj:
    """The quota's status: what it allows, and what of that these objects use."""
    hard = found["spec"].get("hard") or {}
    every = quota.total(quota.usage(kind, obj) for kind, obj in objects if quota.applies(found, kind, obj))
    used = {name: every.get(name, "0") for name in hard if quota.counts(name)}
    return {name: value for name, value in (("hard", hard), ("used", used)) if value}
