"""Endpoints that somebody wrote by hand, for a Service without a selector, as EndpointSlices: only those are read.

What has a selector is the business of `endpoints.py` next door. The rules are Kubernetes'
(pkg/controller/endpointslicemirroring).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from k8slab.api.objects import Key, Obj, annotations_of, controller_ref, encode, is_terminating, key_of, labels_of
from k8slab.controllers.base import Controller, Wakes, itself
from k8slab.controllers.endpoint_slices import MANAGED_BY, SERVICE, TRIGGER_TIME

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
NOT_MIRRORED = (TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration")
MOST = 1000  # addresses of one subset


class EndpointSliceMirroringController(Controller[Key]):
    """Its keys are Endpoints, which have the names of their Services."""

    name = "endpoint-slice-mirroring-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Endpoints": itself, "Service": itself, "EndpointSlice": self._of_slice}

    def _of_slice(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        for obj in (before, after):
            if obj and labels_of(obj).get(MANAGED_BY) == MANAGER and SERVICE in labels_of(obj):
                yield Key(obj["metadata"]["namespace"], labels_of(obj)[SERVICE])

    async def reconcile(self, key: Key) -> float | None:
        endpoints = self.client.informer("Endpoints").get(key.name, key.namespace)
        service = self.client.informer("Service").get(key.name, key.namespace)
        wanted = mirrored(endpoints) if endpoints and service and is_mirrored(endpoints, service) else []
        current = [
            slice_
            for slice_ in self.client.informer("EndpointSlice").list(key.namespace)
            if (labels_of(slice_).get(MANAGED_BY), labels_of(slice_).get(SERVICE)) == (MANAGER, key.name)
        ]
        for slice_ in wanted:
            same = next((old for old in current if _shape(old) == _shape(slice_)), None)
            if same is None:
                self.client.create(slice_)
                continue
            current.remove(same)
            meta = {**same["metadata"], **{field: slice_["metadata"][field] for field in ("labels", "annotations")}}
            changed = {**same, "endpoints": slice_["endpoints"], "metadata": meta}
            if changed != same:
                self.client.update(changed)
        for slice_ in current:
            namespace, name = key_of(slice_)
            self.client.delete("EndpointSlice", name, namespace, uid=slice_["metadata"]["uid"])
        return None


def is_mirrored(endpoints: Obj, service: Obj) -> bool:
    """Whether slices are to follow these Endpoints."""
    left_out = labels_of(endpoints).get(SKIP) == "true" or LEADER in annotations_of(endpoints)
    return not (left_out or service["spec"].get("selector") or is_terminating(service) or is_terminating(endpoints))


def mirrored(endpoints: Obj) -> list[Obj]:
    """The slices: one for each set of ports and family of addresses."""
    found: dict[tuple[bytes, str], Obj] = {}
    for subset in endpoints.get("subsets") or ():
        ports = [{"name": "", **port} for port in subset.get("ports") or ()]
        taken = 0
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                if taken == MOST:
                    break
                taken += 1
                family = f"IPv{ipaddress.ip_address(address['ip']).version}"
                slice_ = found.setdefault((encode(ports), family), _slice(endpoints, ports, family))
                slice_["endpoints"].append(_endpoint(address, ready))
    return [*found.values()]


def _slice(endpoints: Obj, ports: list[Obj], family: str) -> Obj:
    namespace, name = key_of(endpoints)
    meta = {
        "generateName": f"{name}-",
        "namespace": namespace,
        "labels": {**labels_of(endpoints), SERVICE: name, MANAGED_BY: MANAGER},
        "annotations": {k: v for k, v in annotations_of(endpoints).items() if k not in NOT_MIRRORED},
        "ownerReferences": [controller_ref(endpoints)],
    }
    kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
    return {**kind, "metadata": meta, "addressType": family, "ports": ports, "endpoints": []}


def _endpoint(address: Obj, ready: bool) -> Obj:
    kept = {field: address[field] for field in ("hostname", "nodeName", "targetRef") if address.get(field)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}


def _shape(slice_: Obj) -> tuple[bytes, str]:
    return encode(slice_.get("ports") or []), slice_.get("addressType", "")
