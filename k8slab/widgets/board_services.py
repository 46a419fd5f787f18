"""Which pods get a Service's requests now: what the board lights up when a Service is chosen.

Pure; reads EndpointSlices, as kubeproxy does (kubernetes/pkg/proxy/endpointslicecache.go). `board_model.py` puts them
into the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8slab.api.objects import Obj, labels_of
from k8slab.widgets.delta import Picture
from k8slab.widgets.story_words import pods as some_pods

OWNER = "kubernetes.io/service-name"


def all_services(services: Sequence[Obj], slices: Sequence[Obj]) -> Picture:
    """One, by uid, for each Service that selects pods."""
    ends: dict[tuple[str, str], dict[str, bool]] = {}
    for one in slices:
        if name := labels_of(one).get(OWNER):
            ends.setdefault((one["metadata"].get("namespace", ""), name), {}).update(_ends(one))
    chosen = sorted((s for s in services if s["spec"].get("selector")), key=_name)
    return {
        service["metadata"]["uid"]: _service(service, ends.get(_name(service), {})) | {"order": order}
        for order, service in enumerate(chosen)
    }


def _ends(one: Obj) -> dict[str, bool]:
    """By pod uid, whether it is sent requests. Not said counts as ready (discovery/v1, EndpointConditions)."""
    found = {}
    for end in one.get("endpoints") or []:
        if uid := (end.get("targetRef") or {}).get("uid"):
            found[uid] = (end.get("conditions") or {}).get("ready") is not False
    return found


def _service(service: Obj, ends: dict[str, bool]) -> Picture:
    namespace, name = _name(service)
    lit = sorted(uid for uid, ready in ends.items() if ready)
    rest = len(ends) - len(lit)
    ports = ", ".join(str(port["port"]) for port in service["spec"].get("ports") or [])
    told = f"{name} sends its requests to {some_pods(len(lit))}" if lit else f"Nobody gets the requests to {name}"
    if rest:
        told += f"; {some_pods(rest)} with its labels {'is' if rest == 1 else 'are'} not ready"
    ip = service["spec"].get("clusterIP", "")
    known = {"uid": service["metadata"]["uid"], "name": name, "ns": namespace, "ip": ip, "ports": ports}
    return {**known, "pods": lit, "told": told + "."}


def _name(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
