"""Lists as of a revision, and long ones in chunks that fit together (api-concepts, "Retrieving large results sets in
chunks" and "Resource versions").

Called by `resources.py`. The opaque `continue` token names the revision of the first chunk and the last object given.
Later chunks show that revision: the store's history is undone from today back to it. History that is no longer kept is
410 Expired, with a token in the answer to go on, inconsistently, from the present.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from k8slab.api.errors import BadRequest, Gone, Timeout
from k8slab.api.kinds import Kind
from k8slab.api.objects import Key, Obj, decode, encode, key_of
from k8slab.apiserver.options import ListOptions
from k8slab.apiserver.selection import Selection
from k8slab.store.base import Compacted, Store

TOKEN_VERSION = "meta.k8s.io/v1"
NEWEST = -1  # the revision in a token that goes on without the snapshot
TOO_OLD = "The resourceVersion for the provided list is too old."
TOO_OLD_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def listed(
    store: Store, kind: Kind, namespace: str, selection: Selection, options: ListOptions
) -> tuple[list[Obj], Obj]:
    """The objects a list request is for, and the list's metadata. Raises Gone, BadRequest, and 504 for the future."""
    after, revision = _read_token(options.token) if options.token else (None, options.revision or 0)
    if revision > store.revision:
        raise future(revision, store.revision)
    shown = revision if revision > 0 and (options.token or options.exact) else store.revision
    try:
        found: Iterable[Obj] = _at(store, kind, namespace, shown)
    except Compacted:
        raise _too_old(after) from None
    if after is not None:
        found = (obj for obj in found if key_of(obj) > after)
    chosen = [obj for obj in found if selection.matches(obj)]
    meta: Obj = {"resourceVersion": str(shown)}
    left = len(chosen) - options.limit
    if options.limit and left > 0:
        chosen = chosen[: options.limit]
        meta["continue"] = _token(shown, key_of(chosen[-1]))
        if selection.everything:
            meta["remainingItemCount"] = left  # not told when a selector filters, as in Kubernetes
    return chosen, meta


def future(asked: int, current: int) -> Timeout:
    """The answer to a revision that is yet to come: 504, try again."""
    words = "Too large resource version"
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": words}], "retryAfterSeconds": 1}
    return Timeout(f"{words}: {asked}, current: {current}", details)


def _at(store: Store, kind: Kind, namespace: str, revision: int) -> list[Obj]:
    """The objects as they were at a revision, in order. Raises Compacted."""
    objects = list(store.list(kind.resource, namespace))
    if revision == store.revision or not (since := store.history(kind.resource, revision)):
        return objects
    known = {key_of(obj): obj for obj in objects}
    for event in reversed(since):
        if namespace and event.key.namespace != namespace:
            continue
        if event.before is None:
            known.pop(event.key, None)
        else:
            known[event.key] = event.before
    return [known[key] for key in sorted(known)]


def _token(revision: int, last: Key) -> str:
    body = encode({"v": TOKEN_VERSION, "rv": revision, "start": f"{last.namespace}/{last.name}\0"})
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[Key, int]:
    try:
        sent = decode(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
        revision, version = sent["rv"], sent["v"]
        namespace, _, name = sent["start"].rstrip("\0").partition("/")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadRequest("invalid continue token: continue key is not valid") from None
    if version != TOKEN_VERSION or not isinstance(revision, int) or revision == 0 or not name:
        raise BadRequest("invalid continue token: continue key is not valid")
    return Key(namespace, name), max(revision, 0)


def _too_old(after: Key | None) -> Gone:
    if after is None:
        return Gone(TOO_OLD)
    error = Gone(TOO_OLD_TOKEN)
    error.metadata = {"continue": _token(NEWEST, after)}
    return error
