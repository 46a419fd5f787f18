"""ControllerRevisions: the versions a StatefulSet or DaemonSet has had, for `kubectl rollout history` and `undo`.

A revision holds a patch that brings the template back; kubectl applies it as it is. The newest equal one is reused and
moved to the top, which is what a roll-back is. Rules: pkg/controller/history/controller_history.go, and for DaemonSets
pkg/controller/daemon/update.go. What a Deployment has instead is in `revisions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from k8slab.api.errors import AlreadyExists
from k8slab.api.objects import Obj, annotations_of, controller_ref, copy, key_of
from k8slab.client.base import Client
from k8slab.controllers.ownership import claim
from k8slab.controllers.revisions import template_hash

KIND = "ControllerRevision"
POD_HASH = "controller-revision-hash"  # on pods: which revision they are of
NAME_LENGTH = 223  # characters of the owner's name that a revision's name keeps


class History(NamedTuple):
    """What an owner has been: the revision of its template now, and the others, oldest first."""

    current: Obj
    old: list[Obj]
    collisions: int  # how often a name was taken by another template (`status.collisionCount`)


def patch_of(owner: Obj) -> Obj:
    """The strategic merge patch that brings this owner's template back.

    Its keys are sorted as Go sorts them: kubectl compares it byte by byte with what it would write itself.
    """
    return {"spec": {"template": _sorted({**copy(owner["spec"]["template"]), "$patch": "replace"})}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def template_in(revision: Obj) -> Obj:
    """The template a revision keeps."""
    template = copy(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def sync(client: Client, owner: Obj, label: str) -> History:
    """The owner's history, with a revision for its template at the top; `label` carries the hash on the revision."""
    known = sorted(claim(client, owner, KIND), key=_order)
    collisions = (owner.get("status") or {}).get("collisionCount", 0)
    wanted = patch_of(owner)
    same = [revision for revision in known if revision.get("data") == wanted]
    if not same:
        current, collisions = _create(client, owner, label, _top(known) + 1, collisions)
    elif same[-1] is known[-1]:
        current = known[-1]
    else:
        current = client.update({**copy(same[-1]), "revision": _top(known) + 1})
    return History(current, [r for r in known if key_of(r) != key_of(current)], collisions)


def _order(revision: Obj) -> tuple[int, str, str]:
    return number_of(revision), revision["metadata"].get("creationTimestamp", ""), revision["metadata"]["name"]


def number_of(revision: Obj) -> int:
    """Its place in the order."""
    return int(revision.get("revision", 0))


def _top(known: list[Obj]) -> int:
    return max(map(number_of, known), default=0)


def _create(client: Client, owner: Obj, label: str, number: int, collisions: int) -> tuple[Obj, int]:
    while True:
        wished = new_revision(owner, label, number, collisions)
        namespace, name = key_of(wished)
        try:
            return client.create(wished), collisions
        except AlreadyExists:
            found = client.get(KIND, name, namespace)
            if found.get("data") == wished["data"]:
                return found, collisions
            collisions += 1


def new_revision(owner: Obj, label: str, number: int, collisions: int) -> Obj:
    """A revision of the owner's template as it is now."""
    meta, template = owner["metadata"], owner["spec"]["template"]
    hash_ = template_hash(template, collisions)
    labels = ((template.get("metadata") or {}).get("labels") or {}) | {label: hash_}
    return {
        "apiVersion": "apps/v1",
        "kind": KIND,
        "metadata": {
            "name": f"{meta['name'][:NAME_LENGTH]}-{hash_}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": dict(annotations_of(owner)),
            "ownerReferences": [controller_ref(owner)],
        },
        "data": patch_of(owner),
        "revision": number,
    }


def delete(client: Client, revisions: Iterable[Obj]) -> None:
    """Forget these."""
    for revision in revisions:
        namespace, name = key_of(revision)
        client.delete(KIND, name, namespace, uid=revision["metadata"]["uid"])
