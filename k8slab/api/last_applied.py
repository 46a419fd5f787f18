"""kubectl's annotation with what it last applied on the client's side, and what server-side apply makes of it.

Whoever goes over to `kubectl apply --server-side` shall have no conflict with what the same kubectl wrote before, and
whoever goes back shall find the annotation up to date (managedfields/internal/lastapplied*.go). `managed_fields.py`
does the rest of the work.
"""

from __future__ import annotations

import json

from k8slab.api import structured, typed
from k8slab.api.field_sets import contains, difference
from k8slab.api.managed_fields import Applied, ApplyConflict, Writer, apply
from k8slab.api.objects import Obj, annotations_of, copy, decode

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"  # only its own name has this courtesy
MOST_BYTES = 256 * 1024  # of all annotations together


def apply_for(live: Obj, config: Obj, definition: str, writer: Writer, now: str, *, force: bool) -> Applied:
    """`managed_fields.apply`, with the annotation minded when kubectl applies. Raises ApplyConflict."""
    if writer.name != KUBECTL:
        return apply(live, config, definition, writer, now, force=force)
    try:
        done = apply(live, config, definition, writer, now, force=force)
    except ApplyConflict as conflict:
        mine = _still_true(live, definition)
        left = [(manager, path) for manager, path in conflict.found if not contains(mine, path)]
        if left:
            raise ApplyConflict(left) from None
        done = apply(live, config, definition, writer, now, force=True)
    if not (done.obj.get("metadata") or {}).get("annotations") or not annotations_of(done.obj).get(ANNOTATION):
        return done
    return Applied(_noted(done.obj, config), done.entries)


def _still_true(live: Obj, definition: str) -> dict[str, object]:
    """The fields of the annotation that are as it says."""
    try:
        said = decode(annotations_of(live).get(ANNOTATION, "").encode())
    except ValueError:
        return {}
    if not isinstance(said, dict) or said.get("apiVersion") != live["apiVersion"]:
        return {}
    if typed.check(said, definition).type_error:
        return {}
    changed, removed = structured.compare(said, live, definition)
    return difference(difference(structured.fields_of(said, definition), changed), removed)


def _noted(obj: Obj, config: Obj) -> Obj:
    """With the configuration in the annotation, as kubectl would have written it there."""
    said = copy(config)
    annotations = (said.get("metadata") or {}).get("annotations")
    if annotations is not None:
        annotations.pop(ANNOTATION, None)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    noted = annotations_of(obj) | {ANNOTATION: text}
    if sum(len(name.encode()) + len(value.encode()) for name, value in noted.items()) > MOST_BYTES:
        noted[ANNOTATION] = ""
    return {**obj, "metadata": {**obj["metadata"], "annotations": noted}}
