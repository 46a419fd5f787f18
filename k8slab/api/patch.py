"""Patches: a changed object from an object and a description of the change. JSON Patch and JSON merge patch.

The API server picks one by the request's media type; `strategic.py`, next door, holds the third, which knows what the
lists of Kubernetes mean. All are pure: neither the object nor the patch is touched, and the result is the caller's own.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import jsonpointer

from k8slab.api import go_text
from k8slab.api.errors import BadRequest, Invalid, TooLarge
from k8slab.api.objects import Obj, copy, encode
from k8slab.api.strategic import strategic_merge_patch

__all__ = ["json_merge_patch", "json_patch", "strategic_merge_patch"]

MOST_OPERATIONS = 10_000  # apiserver/pkg/endpoints/handlers/patch.go
MOST_COPIED = 3 * 1024 * 1024  # bytes of JSON that all `copy` operations of a patch may add (jsonpatch's
#                                AccumulatedCopySizeLimit): sixty of them that double what is there would fill the world
REJECTED = "the server rejected our request due to an error in our request"


def json_patch(target: Obj, patch: Any) -> Obj:
    """RFC 6902: a list of operations, done one after the other, all or none.

    Raises BadRequest for what is no list of operations, Invalid when one cannot be done or a test fails.
    """
    if not isinstance(patch, list):
        raise BadRequest(go_text.no_home(patch, "jsonpatch.Patch"))
    for operation in patch:
        if operation is None:
            raise Invalid(REJECTED, {})  # Go reads it as an operation that does nothing it knows
        if not isinstance(operation, dict):
            raise BadRequest(go_text.no_home(operation, "jsonpatch.Operation"))
    if len(patch) > MOST_OPERATIONS:
        raise TooLarge(f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}")
    try:
        patched = _patched(copy(target), patch)
        if not isinstance(patched, dict):
            raise Invalid(REJECTED, {})
        return copy(patched)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        ValueError,
        LookupError,
        RecursionError,
    ) as error:
        # Kubernetes says no more than this; the reason travels as the cause of the exception.
        raise Invalid(REJECTED, {}) from error


def _patched(obj: Any, patch: list[Obj]) -> Any:
    copied = 0
    for operation in patch:
        if operation.get("op") == "copy":
            copied += len(encode(jsonpointer.resolve_pointer(obj, str(operation.get("from")))))
            if copied > MOST_COPIED:
                raise TooLarge(f"the copy operations of a JSON patch may add {MOST_COPIED} bytes at most")
        obj = jsonpatch.JsonPatch([operation]).apply(obj, in_place=True)
    return obj


def json_merge_patch(target: Obj, patch: Any) -> Obj:
    """RFC 7386: objects are merged, null deletes, everything else (lists too) replaces. Raises BadRequest."""
    if not isinstance(patch, dict):
        raise BadRequest(f"error decoding patch: {go_text.no_home(patch, go_text.A_MAP)}")
    merged: Obj = _merge(copy(target), patch)
    return merged


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
