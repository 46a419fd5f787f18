"""What the server can do and what its objects look like, as OpenAPI: kubectl explain, apply and diff ask, editors too.

Made from the rows of `api/kinds.py` when somebody asks, one document a group version; the schemas come from
`openapi_schemas.py`. kubectl reads three things in the paths: an operation's `x-kubernetes-group-version-kind`, whether
PATCH knows `fieldValidation` and `dryRun`, and which kinds of patch it takes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from k8slab.api import schema
from k8slab.api.kinds import ROWS, Kind, group_versions
from k8slab.apiserver import openapi_v2_protobuf
from k8slab.apiserver.openapi_schemas import PATCH, V2, V3, Dialect, GroupVersionKind, gvks, schemas

Part = dict[str, Any]
STATUS, DELETE_OPTIONS = f"{schema.META}.Status", f"{schema.META}.DeleteOptions"
INFO = {"title": "Kubernetes", "version": "v1.36"}
PATCHES = (
    "application/apply-patch+yaml", "application/json-patch+json",
    "application/merge-patch+json", "application/strategic-merge-patch+json",
)  # fmt: skip
MEDIA = ("application/json", "application/yaml")
CHANGING = {
    "dryRun": "All: check everything, change nothing.",
    "fieldManager": "Who changes the object; at most 128 printable characters.",
    "fieldValidation": "What to do with unknown and doubled fields: Ignore, Warn or Strict.",
}
LISTING = {
    "continue": "Where the last part of the list ended.",
    "fieldSelector": "Only objects whose fields are so.",
    "labelSelector": "Only objects whose labels are so.",
    "limit": "At most so many objects.",
    "resourceVersion": "Since when to watch, or how old the list may be.",
    "resourceVersionMatch": "How resourceVersion is meant.",
    "sendInitialEvents": "Begin a watch with the objects there are.",
    "timeoutSeconds": "End the watch after so long.",
    "watch": "Follow the changes.",
}
DELETING = {
    "dryRun": CHANGING["dryRun"],
    "gracePeriodSeconds": "How long the object has to end.",
    "propagationPolicy": "What becomes of its dependents: Orphan, Background or Foreground.",
}
QUERIES = {
    "list": LISTING, "get": {}, "post": CHANGING, "put": CHANGING, "patch": CHANGING | {"force": "Take over fields."},
    "delete": DELETING, "deletecollection": LISTING | DELETING,
}  # fmt: skip
TYPES = {"limit": "integer", "timeoutSeconds": "integer", "gracePeriodSeconds": "integer"}
TYPES |= dict.fromkeys(("watch", "force", "sendInitialEvents"), "boolean")
METHODS = {"create": "post", "update": "put", "get": "get", "patch": "patch", "delete": "delete"}


@functools.cache
def v3_index() -> Part:
    """GET /openapi/v3: where each group version's document lies; the hash in its address changes with it."""
    return {
        "paths": {
            _home(*at): {"serverRelativeURL": f"/openapi/v3/{_home(*at)}?hash={_digest(tuple(rows))}"}
            for at, rows in group_versions().items()
        }
    }


@functools.cache
def v3(home: str) -> bytes:
    """GET /openapi/v3/<home>, as JSON: `api/v1`, `apis/apps/v1`. Raises KeyError."""
    rows = {_home(*at): rows for at, rows in group_versions().items()}[home]
    return msgspec.json.encode(document_v3(rows))


@functools.cache
def v2() -> bytes:
    """GET /openapi/v2, as JSON: all in one."""
    return msgspec.json.encode(document_v2(ROWS))


@functools.cache
def v2_protobuf() -> bytes:
    """GET /openapi/v2, in the binary form."""
    return openapi_v2_protobuf.encode(document_v2(ROWS))


def document_v3(rows: Iterable[Kind]) -> Part:
    """The OpenAPI v3 document of one group version's kinds."""
    rows = list(rows)
    made = schemas(_roots(rows), _kinds(rows), V3)
    return {"openapi": "3.0.0", "info": INFO, "paths": _paths(rows, V3), "components": {"schemas": made}}


def document_v2(rows: Iterable[Kind]) -> Part:
    """The OpenAPI v2 (Swagger) document of all kinds."""
    rows = list(rows)
    made = schemas(_roots(rows), _kinds(rows), V2)
    return {"swagger": "2.0", "info": INFO, "paths": _paths(rows, V2), "definitions": made}


@functools.cache
def _digest(rows: tuple[Kind, ...]) -> str:
    """Of what a document is made from: cheaper than making it, and it changes when the document does."""
    data = importlib.resources.files("k8slab.api").joinpath("data")
    parts = [repr(rows).encode(), *(data.joinpath(name).read_bytes() for name in ("schema.json", "docs.json.gz"))]
    return hashlib.sha512(b"".join(parts)).hexdigest().upper()


def _home(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _known(definition: str) -> bool:
    """Not every kind has a list: nobody lists Bindings."""
    try:
        schema.fields(definition)
    except KeyError:
        return False
    return True


def _kinds(rows: list[Kind]) -> dict[str, list[GroupVersionKind]]:
    found = {row.definition: [(row.group, row.version, row.kind)] for row in rows}
    found |= {f"{row.definition}List": [(row.group, row.version, f"{row.kind}List")] for row in rows}
    for kind, (group, version) in _borrowed(rows).items():
        found[_definition(group, version, kind)] = [(group, version, kind)]
    homes = sorted({(row.group, row.version) for row in rows})
    return found | {
        STATUS: [("", "v1", "Status")],
        DELETE_OPTIONS: [(group, version, "DeleteOptions") for group, version in homes],
    }


def _definition(group: str, version: str, kind: str) -> str:
    return schema.definition_of(f"{group}/{version}" if group else version, kind)


def _borrowed(rows: list[Kind]) -> dict[str, tuple[str, str]]:
    """The kinds that subresources take and that are not their parent's: Scale, Binding. Streams take none."""
    subresources = ((row, row.subresource(name)) for row in rows for name in row.subresources)
    found = {sub.kind: (sub.group, sub.version or row.version) for row, sub in subresources if sub.kind}
    return {kind: at for kind, at in found.items() if _definition(*at, kind)}


def _roots(rows: list[Kind]) -> list[str]:
    return [definition for definition in _kinds(rows) if _known(definition)]


# Paths


def _paths(rows: list[Kind], dialect: Dialect) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for row in rows:
        base = f"/{_home(row.group, row.version)}"
        collection = f"{base}/namespaces/{{namespace}}/{row.plural}" if row.namespaced else f"{base}/{row.plural}"
        found[collection] = _item(collection, dict(_collection(row)), dialect)
        if row.namespaced and "list" in row.verbs:
            path = f"{base}/{row.plural}"
            found[path] = _item(path, {"get": _operation(row, "list", "ForAllNamespaces")}, dialect)
        single = {
            METHODS[verb]: _operation(row, verb) for verb in ("delete", "get", "patch", "update") if verb in row.verbs
        }
        if single:
            found[f"{collection}/{{name}}"] = _item(f"{collection}/{{name}}", single, dialect)
        for name in row.subresources:
            sub = row.subresource(name)
            made = {METHODS[verb]: _operation(row, verb, _camel(name), sub.kind) for verb in sub.verbs}
            found[f"{collection}/{{name}}/{name}"] = _item(f"{collection}/{{name}}/{name}", made, dialect)
    return dict(sorted(found.items()))


def _collection(row: Kind) -> Iterator[tuple[str, Part]]:
    for verb, method in (("deletecollection", "delete"), ("list", "get"), ("create", "post")):
        if verb in row.verbs:
            yield method, _operation(row, verb)


def _camel(word: str) -> str:
    return word[:1].upper() + word[1:]


def _operation(row: Kind, verb: str, suffix: str = "", kind: str = "") -> Part:
    """An operation before a dialect has dressed it: what it takes and gives stands under `takes` and `gives`."""
    group, version, definition = row.group, row.version, row.definition
    if kind:
        group, version = _borrowed([row]).get(kind, (group, version))
        definition = _definition(group, version, kind)  # none: a stream, or a request passed on
    method = METHODS.get(verb, verb)
    action = {"create": "post", "update": "put", "get": "get"}.get(verb, verb) if definition else "connect"
    takes = {"post": definition, "put": definition, "patch": PATCH}.get(method, "") if definition else ""
    gives = f"{row.definition}List" if verb == "list" else definition
    return {
        "description": f"{verb} {row.kind if not suffix else f'{suffix} of {row.kind}'}",
        "operationId": f"{verb}{_camel(row.group.partition('.')[0] or 'core')}{_camel(row.version)}"
        f"{'Namespaced' if row.namespaced and suffix != 'ForAllNamespaces' else ''}{row.kind}{suffix}",
        "tags": [f"{row.group.partition('.')[0] or 'core'}_{row.version}"],
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvks([(group, version, kind or row.kind)])[0],
        "takes": DELETE_OPTIONS if verb.startswith("delete") and definition else takes,
        "gives": STATUS if verb.startswith("delete") and definition else gives,
        "query": (QUERIES.get(verb) or QUERIES.get(method, {})) if definition else {},
    }


def _item(path: str, operations: dict[str, Part], dialect: Dialect) -> Part:
    inside = {"name": "name of the object", "namespace": "the namespace it lives in"}
    shared = [_parameter(name, "path", words, dialect) for name, words in inside.items() if f"{{{name}}}" in path]
    made: Part = {method: _dress(method, operation, dialect) for method, operation in operations.items()}
    return made | ({"parameters": shared} if shared else {})


def _parameter(name: str, place: str, words: str, dialect: Dialect) -> Part:
    type_ = {"type": TYPES.get(name, "string"), "uniqueItems": True}
    made: Part = {"name": name, "in": place, "description": words}
    if place == "path":
        made["required"] = True
    return made | ({"schema": type_} if dialect is V3 else type_)


def _dress(method: str, operation: Part, dialect: Dialect) -> Part:
    made = dict(operation)
    takes, gives, query = made.pop("takes"), made.pop("gives"), made.pop("query")
    made["parameters"] = [_parameter(name, "query", words, dialect) for name, words in sorted(query.items())]
    media = PATCHES if method == "patch" else MEDIA
    codes = {"post": ("200", "201", "202"), "put": ("200", "201"), "patch": ("200", "201")}.get(method, ("200",))
    body = {"schema": dialect.refer(gives) if gives else {"type": "string"}}
    if dialect is V3:
        if takes:
            made["requestBody"] = {"content": {kind: {"schema": dialect.refer(takes)} for kind in media}}
        answer: Part = {"description": "OK", "content": dict.fromkeys(MEDIA, body)}
    else:
        if takes:
            made["parameters"].append({"name": "body", "in": "body", "schema": dialect.refer(takes)})
        made |= {"consumes": list(media), "produces": list(MEDIA), "schemes": ["https"]}
        answer = {"description": "OK"} | body
    return made | {"responses": dict.fromkeys(codes, answer) | {"401": {"description": "Unauthorized"}}}
