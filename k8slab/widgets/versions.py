"""Which version a pod runs, by name and by colour. A version keeps both for as long as the lab lives, in every view.

`board_model.py` asks `learn` first for every picture; what that remembers travels in the picture itself, and a `Book`
for each lab shares it between the views of this kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from k8slab.api.objects import Obj, controller_of, labels_of

Versions = dict[str, dict[str, Any]]  # "default/web/7d5bc" -> {"name": "v2", "cat": 2}

COLOURS = 4  # --kl-cat-1..4; the fourth is slate, shared by all that come later
HASHES = ("pod-template-hash", "controller-revision-hash")  # set by Deployments; by StatefulSets and DaemonSets


class Book:
    """What all views of one lab know of its versions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Versions = {}

    @property
    def known(self) -> Versions:
        """The versions so far; never changed, only replaced."""
        return self._known

    def share(self, found: Versions) -> Versions:
        """Write down what a view has learned; where another was first, what that one wrote stands."""
        with self._lock:
            if not found.keys() <= self._known.keys():
                self._known = {**found, **self._known}
            return self._known


_books: dict[str, Book] = {}


def book(lab: str) -> Book:
    """The book of the lab with this name."""
    return _books.setdefault(lab, Book())


def key(app: str, pod: Obj) -> str:
    """What makes two pods the same version: the same app (its topmost owner), made from the same template."""
    labels = labels_of(pod)
    template = next((labels[name] for name in HASHES if name in labels), "") or tag_of(pod)
    return f"{pod['metadata'].get('namespace', '')}/{app}/{template}"


def learn(known: Versions, pods: Iterable[tuple[str, Obj]], revisions: dict[str, str]) -> Versions:
    """`known` and whatever is new among the pods, each given as (key, pod), oldest first.

    `revisions` says, by key, which revision of its Deployment a version is: a name for the second of two versions
    whose images carry the same tag.
    """
    versions = dict(known)
    for at, pod in pods:
        if at not in versions:
            versions[at] = {
                "name": _free_name(versions, at, tag_of(pod), revisions),
                "cat": min(len(versions) + 1, COLOURS),
            }
    return versions


def revisions(owners: Mapping[str, Obj]) -> dict[str, str]:
    """By version key, the revision of its Deployment that a ReplicaSet stands for."""
    found: dict[str, str] = {}
    for owner in owners.values():
        ref, labels = controller_of(owner), owner["metadata"].get("labels") or {}
        if ref and "pod-template-hash" in labels:
            at = f"{owner['metadata'].get('namespace', '')}/{ref['name']}/{labels['pod-template-hash']}"
            notes = owner["metadata"].get("annotations") or {}
            found[at] = notes.get("deployment.kubernetes.io/revision", "")
    return found


def tag_of(pod: Obj) -> str:
    """The tag of the first container's image: `v1` of `k8slab/web:v1`, `latest` when it has none."""
    image: str = pod["spec"]["containers"][0].get("image", "")
    name, _, digest = image.partition("@")
    if digest:
        return digest.rpartition(":")[2][:7]
    tag: str = name.rpartition("/")[2].partition(":")[2]
    return tag or "latest"


def _free_name(versions: Versions, at: str, tag: str, revisions: dict[str, str]) -> str:
    app = at.rpartition("/")[0] + "/"
    taken = {version["name"] for other, version in versions.items() if other.startswith(app)}
    if tag not in taken:
        return tag
    number = revisions.get(at) or str(len(taken) + 1)
    return f"{tag} r{number}"
