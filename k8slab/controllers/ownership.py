"""Which objects a controller may count as its own: those it controls, and orphans its selector matches.

Used by every controller that makes others (`replicaset.py`, `deployment.py`). The rules are Kubernetes'
(pkg/controller/controller_ref_manager.go): what no longer matches is released, an orphan that matches is adopted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k8slab.api.errors import Conflict, NotFound
from k8slab.api.objects import Key, Obj, controller_of, controller_ref, is_terminating, key_of, labels_of
from k8slab.api.selectors import LabelSelector, from_labels, from_object
from k8slab.client.base import Client
from k8slab.controllers.base import Wakes


def claim(
    client: Client, owner: Obj, kind: str, *, finalizer: str = "", fits: Callable[[Obj], bool] = lambda _: True
) -> list[Obj]:
    """The objects of `kind` that belong to `owner`, after adopting and releasing what has to be.

    A `finalizer` is put on what is adopted and taken off what is released: a Job counts its pods by it. What does not
    `fits` is not adopted, whatever its labels say.
    """
    informer, uid = client.informer(kind), owner["metadata"]["uid"]
    mine = list(informer.by("owner", uid))
    if is_terminating(owner):
        return mine
    selector = selector_of(owner)
    for obj in mine:
        if not selector.matches(labels_of(obj)):
            kept = [ref for ref in obj["metadata"]["ownerReferences"] if ref["uid"] != uid]
            _set_owners(client, obj, kept, _finalizers(obj, without=finalizer))
    for orphan in informer.by("owner", ""):
        if is_adoptable(orphan, owner, selector) and fits(orphan):
            owners = [*orphan["metadata"].get("ownerReferences", []), controller_ref(owner)]
            _set_owners(client, orphan, owners, [*_finalizers(orphan, without=finalizer), *filter(None, [finalizer])])
    return list(informer.by("owner", uid))


def of_owned(client: Client, kind: str) -> Wakes[Key]:
    """Wakes the controllers of this kind that an object has or had; of one that nobody controls, who would adopt it."""

    def wakes(before: Obj | None, after: Obj | None) -> list[Key]:
        keys, owner = [], None
        for obj in (before, after):
            if obj is not None:
                owner = controller_of(obj)
                if owner is not None and owner["kind"] == kind:
                    keys.append(Key(obj["metadata"].get("namespace", ""), owner["name"]))
        if after is not None and owner is None:
            keys += would_adopt(after, client.informer(kind).list(after["metadata"]["namespace"]))
        return keys

    return wakes


def selector_of(owner: Obj) -> LabelSelector:
    """The labels of what it makes."""
    selector = owner["spec"].get("selector")
    return from_labels(selector) if owner["kind"] == "ReplicationController" else from_object(selector)


def is_adoptable(obj: Obj, owner: Obj, selector: LabelSelector) -> bool:
    """Whether `owner` may take over this object that nobody controls."""
    return (
        obj["metadata"].get("namespace", "") == owner["metadata"].get("namespace", "")
        and not is_terminating(obj)
        and selector.matches(labels_of(obj))
    )


def would_adopt(obj: Obj | None, owners: Iterable[Obj]) -> list[Key]:
    """The owners that have to look at `obj`, because nobody controls it and their selector matches."""
    if obj is None or controller_of(obj):
        return []
    return [key_of(owner) for owner in owners if is_adoptable(obj, owner, selector_of(owner))]


def _finalizers(obj: Obj, without: str) -> list[str]:
    return [name for name in obj["metadata"].get("finalizers", []) if name != without]


def _set_owners(client: Client, obj: Obj, owners: list[Obj], finalizers: list[str]) -> None:
    (namespace, name), version = key_of(obj), obj["metadata"]["resourceVersion"]
    meta = {"ownerReferences": owners or None, "finalizers": finalizers or None, "resourceVersion": version}
    try:
        client.patch(obj["kind"], name, namespace, {"metadata": meta})
    except (Conflict, NotFound):
        return  # it has changed or gone, which wakes the owner again
