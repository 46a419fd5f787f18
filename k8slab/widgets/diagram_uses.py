"""Which ConfigMaps, Secrets and volume claims pods use, and who is said to use them: an owner, where all its pods do.

Pure. `diagram_graph.py` draws them beside the pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from k8slab.api.objects import Obj, controller_of
from k8slab.widgets.feed import Snapshot

EVERYWHERE = "kube-root-ca.crt"  # every namespace has it and every pod may: it tells nothing


class Used(NamedTuple):
    """A thing that is used: what its shape says."""

    id: str
    kind: str
    name: str
    detail: str
    state: str


Name = tuple[str, str]  # kind, name


def uses(pods: Sequence[Obj], objects: Snapshot) -> tuple[list[Used], list[tuple[str, str]]]:
    """The things that are used, and (user, thing) by their ids."""
    users: dict[Name, dict[str, set[str]]] = {}  # thing -> owner (or pod) -> its pods that use it
    all_of: dict[str, set[str]] = {}
    for pod in pods:
        uid = pod["metadata"]["uid"]
        owner = (controller_of(pod) or {}).get("uid", uid)
        all_of.setdefault(owner, set()).add(uid)
        for thing in _named(pod["spec"]):
            users.setdefault(thing, {}).setdefault(owner, set()).add(uid)
    there = {(obj["kind"], obj["metadata"]["name"]): obj for kind in objects for obj in objects[kind]}
    things = {thing: _told(thing, there.get(thing), thing[0] in objects) for thing in sorted(users)}
    arrows = []
    for thing, by in sorted(users.items()):
        for owner, mine in by.items():
            # A claim of one pod is the pod's own, also where the pod is the only one its owner has.
            together = mine == all_of[owner] and not (thing[0] == "PersistentVolumeClaim" and len(mine) == 1)
            arrows += [(user, things[thing].id) for user in ([owner] if together else sorted(mine))]
    return list(things.values()), arrows


def _told(thing: Name, obj: Obj | None, listed: bool) -> Used:
    kind, name = thing
    if obj is None:  # what may not be listed may well be there
        return Used(f"{kind}/{name}", kind, name, "missing" if listed else "", "failed" if listed else "")
    uid = obj["metadata"]["uid"]
    if kind == "PersistentVolumeClaim":
        phase = (obj.get("status") or {}).get("phase", "Pending")
        size = (((obj["spec"].get("resources") or {}).get("requests")) or {}).get("storage", "")
        return Used(uid, kind, name, f"{phase}, {size}" if size else phase, "ready" if phase == "Bound" else "pending")
    count = len({*(obj.get("data") or {}), *(obj.get("binaryData") or {})})
    return Used(uid, kind, name, f"{count} key{'' if count == 1 else 's'}", "")


def _named(spec: Obj) -> Iterator[Name]:
    """Every ConfigMap, Secret and claim that a pod's volumes and environment name."""
    for volume in spec.get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        for source in (volume, *((volume.get("projected") or {}).get("sources") or [])):
            yield from _config(source.get("configMap"), source.get("secret"))
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        for one in container.get("envFrom") or []:
            yield from _config(one.get("configMapRef"), one.get("secretRef"))
        for one in container.get("env") or []:
            come = one.get("valueFrom") or {}
            yield from _config(come.get("configMapKeyRef"), come.get("secretKeyRef"))


def _config(config: Obj | None, secret: Obj | None) -> Iterator[Name]:
    if config and config.get("name") and config["name"] != EVERYWHERE:
        yield "ConfigMap", config["name"]
    if name := (secret or {}).get("name") or (secret or {}).get("secretName"):
        yield "Secret", name
