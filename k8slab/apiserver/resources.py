"""Requests for objects: which verb a method and path mean, its options from the query, its answer in the right form.

Between `app.py`, which owns the routes, and `verbs.py`, which does the work. `requests.py` reads, `watch.py` streams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from k8slab.api import conversion, patch
from k8slab.api.errors import BadRequest, MethodNotAllowed, Timeout, UnsupportedMediaType
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, encode
from k8slab.apiserver import scale, watch
from k8slab.apiserver.asked import TOKEN_REQUEST, Asked
from k8slab.apiserver.deletion import DeleteOptions
from k8slab.apiserver.paging import page
from k8slab.apiserver.requests import (
    Target,
    checked,
    media_type,
    query_flag,
    query_int,
    query_revision,
    read_object,
    table_version,
    target,
)  # fmt: skip
from k8slab.apiserver.selection import Selection
from k8slab.apiserver.table import table
from k8slab.apiserver.verbs import Verbs, allowed, expect_type

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATCHES = {
    "application/json-patch+json": lambda obj, change, _: patch.json_patch(obj, change),
    "application/merge-patch+json": lambda obj, change, _: patch.json_merge_patch(obj, change),
    "application/strategic-merge-patch+json": patch.strategic_merge_patch,
}


class Resources:
    """Answers every request under /api and /apis that names a kind."""

    def __init__(self, verbs: Verbs, asked: Asked) -> None:
        self._verbs = verbs
        self._asked = asked

    async def handle(self, request: Request) -> Response:
        where = target(request.url.path)
        query = dict(request.query_params)
        if where.kind.kept == "nowhere":
            return await self._ask(request, where, query)
        if where.subresource:
            return await self._subresource(request, where, query)
        if where.name:
            return await self._one(request, where, query)
        return await self._collection(request, where, query)

    # ---- one object ---------------------------------------------------------------------------------------------

    async def _one(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        if request.method == "GET" and query_flag(query, "watch"):
            return self._watch(where, query | {"fieldSelector": f"metadata.name={where.name}"}, request)
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method, "")
        allowed(where.kind, verb)
        if verb == "get":
            return self._shown(request, where.kind, self._verbs.get(where.kind.stored, where.name, where.namespace))
        if verb == "delete":
            return await self._delete(request, where, query)
        return await self._change(request, where, query)

    async def _change(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        """PUT and PATCH, of an object or its status."""
        warnings: list[str] = []
        change = await (self._put if request.method == "PUT" else self._patched)(request, where, query, warnings)
        dry_run = _dry_run(query)
        obj = self._verbs.update(
            where.kind.stored, where.name, where.namespace, change, subresource=where.subresource, dry_run=dry_run
        )
        return self._shown(request, where.kind, obj, warnings=warnings)

    async def _put(
        self, request: Request, where: Target, query: dict[str, str], warnings: list[str]
    ) -> Callable[[Obj], Obj]:
        obj, said = await self._body(request, where.kind, query)
        warnings += said
        return lambda _: obj

    async def _patched(
        self, request: Request, where: Target, query: dict[str, str], warnings: list[str]
    ) -> Callable[[Obj], Obj]:
        kind = media_type(request.headers.get("content-type", ""))
        if kind not in PATCHES:
            accepted = ", ".join(PATCHES)
            raise UnsupportedMediaType(
                f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            )
        body = await request.body()
        wish = read_object(body, "application/json")

        def change(obj: Obj) -> Obj:
            shown = conversion.served(where.kind, obj)
            changed, said = checked(
                PATCHES[kind](shown, wish, where.kind.definition), where.kind, b"", query.get("fieldValidation", "Warn")
            )
            warnings.extend(said)
            return self._kept(where.kind, changed)

        return change

    async def _delete(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        options = await _delete_options(request, query)
        obj, gone = self._verbs.delete(where.kind.stored, where.name, where.namespace, options)
        if not gone or where.kind.kind in (
            "Pod",
            "Service",
            "Namespace",
        ):  # pkg/registry: these return the object itself
            return self._shown(request, where.kind, obj)
        details = {
            "name": where.name,
            "group": where.kind.group,
            "kind": where.kind.plural,
            "uid": obj["metadata"]["uid"],
        }
        return _answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                        "details": {k: v for k, v in details.items() if v}})  # fmt: skip

    # ---- all objects of a kind ----------------------------------------------------------------------------------

    async def _collection(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        kind = where.kind
        if request.method == "GET":
            allowed(kind, "list")
            return (
                self._watch(where, query, request) if query_flag(query, "watch") else self._list(request, where, query)
            )
        if request.method == "DELETE":
            allowed(kind, "deletecollection")
            options = await _delete_options(request, query)
            found = self._verbs.delete_collection(kind.stored, where.namespace, _selection(kind, query), options)
            return _answer(self._as_list(kind, found, {"resourceVersion": str(self._verbs.store.revision)}))
        if request.method != "POST" or (kind.namespaced and not where.namespace):
            raise MethodNotAllowed("the server does not allow this method on the requested resource", {})
        obj, warnings = await self._body(request, kind, query)
        created = self._verbs.create(kind.stored, obj, where.namespace, dry_run=_dry_run(query))
        return self._shown(request, kind, created, 201, warnings)

    def _list(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        found = self._verbs.list(where.kind.stored, where.namespace, _selection(where.kind, query))
        meta: Obj = {"resourceVersion": str(self._verbs.store.revision)}
        if limit := query_int(query, "limit"):
            found, rest = page(found, limit, query.get("continue", ""), self._verbs.store.compacted)
            meta |= rest
            if rest.get("remainingItemCount") and (query.get("labelSelector") or query.get("fieldSelector")):
                del meta["remainingItemCount"]  # not told when a selector filters, as in Kubernetes
        if table_version(request.headers.get("accept", "")):
            return _answer(self._table(where.kind, found, meta, query))
        return _answer(self._as_list(where.kind, found, meta))

    def _table(self, kind: Kind, found: Sequence[Obj], meta: Obj, query: Mapping[str, str], first: bool = True) -> Obj:
        """The cells are those of the stored form, whichever form was asked for."""
        include = query.get("includeObject") or "Metadata"
        made = table(kind.kind, found, self._verbs.clock.time(), meta=meta, include=include, headers=first)
        if include == "Object" and kind.kept == "elsewhere":
            made["rows"] = [{**row, "object": conversion.served(kind, row["object"])} for row in made["rows"]]
        return made

    @staticmethod
    def _as_list(kind: Kind, found: Sequence[Obj], meta: Obj) -> Obj:
        shown = (conversion.served(kind, obj) for obj in found)
        items = [{k: v for k, v in obj.items() if k not in ("apiVersion", "kind")} for obj in shown]
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}

    def _watch(self, where: Target, query: dict[str, str], request: Request) -> Response:
        initial = query_flag(query, "sendInitialEvents")
        revision = query_revision(query)
        if revision and revision > self._verbs.store.revision:
            raise _future(revision, self._verbs.store.revision)
        wanted = watch.WatchRequest(
            kind=where.kind, namespace=where.namespace, selection=_selection(where.kind, query),
            since=None if initial or not revision else revision, timeout=query_int(query, "timeoutSeconds"),
            bookmarks=query_flag(query, "allowWatchBookmarks"), mark_initial_end=initial,
            table=table_version(request.headers.get("accept", "")),
        )  # fmt: skip
        form: Callable[[Obj], Obj] | None = None
        if where.kind.kept == "elsewhere":
            form = partial(conversion.served, where.kind)
        if wanted.table:
            form = self._row_maker(where.kind, query)
        stream = watch.lines(self._verbs.store, self._verbs.clock, wanted, form)
        return StreamingResponse(stream, media_type="application/json")

    def _row_maker(self, kind: Kind, query: dict[str, str]) -> Callable[[Obj], Obj]:
        """Each event's Table has one row; only the first brings the column headers."""
        first = [True]

        def form(obj: Obj) -> Obj:
            headers, first[0] = first[0], False
            return self._table(kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, query, headers)

        return form

    # ---- what is not kept ----------------------------------------------------------------------------------------

    async def _ask(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        reads = "get" if where.name else "list"
        allowed(where.kind, {"GET": reads, "POST": "create"}.get(request.method, ""))
        if request.method == "POST":
            obj, warnings = await self._body(request, where.kind, query)
            expect_type(where.kind, obj)
            return self._shown(request, where.kind, self._asked.create(where, obj), 201, warnings)
        found = self._asked.metrics(where, _selection(where.kind, query))
        if table_version(request.headers.get("accept", "")):
            return _answer(self._table(where.kind, found, {}, query))
        return _answer(found[0] if where.name else self._as_list(where.kind, found, {}))

    # ---- subresources -------------------------------------------------------------------------------------------

    async def _subresource(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        if where.subresource == "scale":
            return await self._scale(request, where, query)
        if where.subresource == "token" and request.method == "POST":
            obj, _ = await self._body(request, TOKEN_REQUEST, query)
            return _answer(self._asked.token(where, obj), 201)
        if where.subresource == "binding" and request.method == "POST":
            self._verbs.bind(where.namespace, where.name, read_object(await request.body(), _content(request)))
            return _answer(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
            )
        if request.method == "GET" and where.subresource in ("status", "ephemeralcontainers"):
            return self._shown(request, where.kind, self._verbs.get(where.kind.stored, where.name, where.namespace))
        if request.method in ("PUT", "PATCH") and where.subresource in ("status", "finalize", "ephemeralcontainers"):
            return await self._change(request, where, query)
        raise MethodNotAllowed("the server does not allow this method on the requested resource", {})

    async def _scale(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        obj = self._verbs.get(where.kind.stored, where.name, where.namespace)
        if request.method != "GET":
            wish = read_object(
                await request.body(), _content(request) if request.method == "PUT" else "application/json"
            )
            how = PATCHES.get(media_type(_content(request)))
            if request.method == "PATCH" and how is None:
                raise UnsupportedMediaType("a scale is patched with JSON, merge or strategic merge patch")
            change = scale.change(
                where.kind, wish if request.method == "PUT" else how and how(scale.of(obj), wish, scale.DEFINITION)
            )
            obj = self._verbs.update(where.kind, where.name, where.namespace, change, dry_run=_dry_run(query))
        return _answer(scale.of(obj))

    # ---- bodies and answers -------------------------------------------------------------------------------------

    async def _body(self, request: Request, kind: Kind, query: dict[str, str]) -> tuple[Obj, list[str]]:
        body = await request.body()
        content = _content(request)
        obj = read_object(body, content)
        raw = b"" if "protobuf" in content else body
        found, warnings = checked(obj, kind, raw, query.get("fieldValidation") or "Warn")
        return self._kept(kind, found), warnings

    @staticmethod
    def _kept(kind: Kind, obj: Obj) -> Obj:
        """What was sent, in the form in which it is stored."""
        if kind.kept != "elsewhere":
            return obj
        expect_type(kind, obj)
        return conversion.stored(kind, obj)

    def _shown(
        self, request: Request, kind: Kind, obj: Obj, code: int = 200, warnings: list[str] | None = None
    ) -> Response:
        if table_version(request.headers.get("accept", "")) and request.method == "GET":
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return _answer(self._table(kind, [obj], meta, request.query_params))
        response = _answer(conversion.served(kind, obj), code)
        for warning in warnings or []:
            escaped = " ".join(warning.split()).replace("\\", "\\\\").replace('"', '\\"')
            response.headers.append("Warning", f'299 - "{escaped}"')
        return response


def digest(body: bytes) -> str:
    """What documents are named and compared by."""
    return hashlib.sha256(body).hexdigest().upper()


def _content(request: Request) -> str:
    return request.headers.get("content-type", "")


def _answer(body: Any, code: int = 200) -> Response:
    return Response(encode(body), code, media_type="application/json")


def _selection(kind: Kind, query: dict[str, str]) -> Selection:
    return Selection(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))


def _dry_run(query: dict[str, str]) -> bool:
    if (asked := query.get("dryRun", "")) not in ("", "All"):
        raise BadRequest(f'Invalid value: "{asked}": dryRun must be "All" or not set')
    return bool(asked)


async def _delete_options(request: Request, query: dict[str, str]) -> DeleteOptions:
    body = await request.body()
    sent = read_object(body, _content(request)) if body else {}
    if not isinstance(sent, dict):
        raise BadRequest("DeleteOptions is an object")
    options = DeleteOptions.read(sent, query)
    return replace(options, dry_run=options.dry_run or _dry_run(query))


def _future(asked: int, current: int) -> Timeout:
    words = "Too large resource version"
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": words}], "retryAfterSeconds": 1}
    return Timeout(f"{words}: {asked}, current: {current}", details)
