"""Long lists in chunks: `limit` and the opaque `continue` token that leads to the next one (api-concepts, "Retrieving
large results sets in chunks"). Called by `resources.py`.
"""

from __future__ import annotations

import base64

from k8slab.api.errors import BadRequest, Gone
from k8slab.api.objects import Obj, decode, encode


def page(found: list[Obj], limit: int, token: str, oldest: int) -> tuple[list[Obj], Obj]:
    """One chunk of a list, and the metadata that leads to the next. Raises Gone for a token too old, BadRequest."""
    start = 0
    if token:
        try:
            after = decode(base64.urlsafe_b64decode(token.encode()))
            revision, last = after["rv"], tuple(after["start"])
        except (ValueError, KeyError, TypeError):
            raise BadRequest(f"continue key is not valid: {token!r}") from None
        if revision < oldest:
            raise Gone("The provided continue parameter is too old to display a consistent list result. You can start "
                       "a new list without the continue parameter.")  # fmt: skip
        start = sum(_place(obj) <= last for obj in found)
    chunk = found[start : start + limit]
    left = len(found) - start - len(chunk)
    if left <= 0:
        return chunk, {}
    newest = max(int(obj["metadata"]["resourceVersion"]) for obj in found)
    follow = base64.urlsafe_b64encode(encode({"rv": newest, "start": _place(chunk[-1])})).decode()
    return chunk, {"continue": follow, "remainingItemCount": left}


def _place(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
