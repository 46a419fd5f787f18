"""What `kubectl apply` changes: the difference between what was applied last, what is there, and what is wished now.

Used where there is no kubectl. Lists are replaced whole, as kubectl does for kinds whose merge keys it does not know
(k8s.io/kubectl/pkg/cmd/apply/patcher.go, jsonmergepatch); the last wish is kept in kubectl's own annotation, so the
two may take turns. `http.py` sends the patch.
"""

from __future__ import annotations

from typing import Any

from k8slab.api.objects import Obj, annotations_of, copy, decode, encode

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def applied(wish: Obj) -> Obj:
    """The wish as it is sent: with itself in the annotation."""
    made = copy(wish)
    bare = copy(wish)
    annotations = dict(annotations_of(bare))
    annotations.pop(LAST_APPLIED, None)
    bare["metadata"]["annotations"] = annotations
    made["metadata"]["annotations"] = {**annotations, LAST_APPLIED: encode(bare).decode() + "\n"}
    return made


def three_way_patch(current: Obj, wish: Obj) -> Obj:
    """A JSON merge patch (RFC 7386) that turns `current` into the wish; empty when nothing is to be done."""
    try:
        before = decode(annotations_of(current).get(LAST_APPLIED, "{}"))
    except ValueError:
        before = {}
    return _difference(before if isinstance(before, dict) else {}, current, applied(wish))


def _difference(before: Obj, current: Obj, wish: Obj) -> Obj:
    """What the wish says otherwise, and null for what it no longer mentions; what it never mentioned stays."""
    patch: Obj = {key: None for key in before if key not in wish and key in current}
    for key, value in wish.items():
        had, have = before.get(key), current.get(key)
        if isinstance(value, dict) and isinstance(have, dict):
            if inner := _difference(had if isinstance(had, dict) else {}, have, value):
                patch[key] = inner
        elif not _alike(have, value) or (isinstance(had, list) and had != value):
            patch[key] = value
    return patch


def _alike(have: Any, wish: Any) -> bool:
    """Equal, but for defaults the server has filled into the members of a list."""
    if isinstance(have, list) and isinstance(wish, list):
        return len(have) == len(wish) and all(map(_alike, have, wish))
    if isinstance(have, dict) and isinstance(wish, dict):
        return all(key in have and _alike(have[key], value) for key, value in wish.items())
    return bool(have == wish)
