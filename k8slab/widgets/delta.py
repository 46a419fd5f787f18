"""What changed between two pictures, as a JSON merge patch (RFC 7386): what a view sends instead of the whole.

`base.py` sends it, `view.js` applies it. A picture is JSON without nulls, since null in a patch means "gone".
"""

from __future__ import annotations

from typing import Any

Json = Any
Picture = dict[str, Any]


def diff(old: Picture, new: Picture) -> Picture:
    """The smallest patch with `apply(old, patch) == new`; empty when nothing changed. Lists are replaced whole."""
    patch: Picture = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if before is value and key in old:
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := diff(before, value):
                patch[key] = inner
        elif key not in old or not same(before, value):
            patch[key] = value
    return patch


def apply(old: Json, patch: Json) -> Json:
    """The picture after the patch. What the patch does not touch is shared with the old one, which stays as it was."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = apply(new.get(key), value)
    return new


def same(one: Json, other: Json) -> bool:
    """Equal as JSON: `True` is not `1`."""
    return type(one) is type(other) and bool(one == other)
