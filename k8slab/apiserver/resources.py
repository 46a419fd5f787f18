"""Requests for objects: which verb a method and path mean, its options from the query, its answer in the right form.

Between `app.py`, which owns the routes, and `verbs.py`, which does the work. `requests.py` reads, `watch.py` streams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from k8slab.api import conversion, typed
from k8slab.api.errors import BadRequest, MethodNotAllowed, NotAcceptable
from k8slab.api.kinds import BY_PATH, Kind
from k8slab.api.objects import Obj, encode
from k8slab.api.schema import META
from k8slab.api.warnings import DEPRECATED_KINDS
from k8slab.apiserver import scale, watch, writes
from k8slab.apiserver.agreement import expect_type
from k8slab.apiserver.asked import TOKEN_REQUEST, Asked
from k8slab.apiserver.deletion import DeleteOptions
from k8slab.apiserver.options import ListOptions
from k8slab.apiserver.paging import future, listed
from k8slab.apiserver.requests import (
    Target,
    included,
    only_table,
    query_flag,
    query_revision,
    read_object,
    table_version,
    target,
)  # fmt: skip
from k8slab.apiserver.selection import Selection
from k8slab.apiserver.table import table
from k8slab.apiserver.verbs import Verbs, allowed
from k8slab.apiserver.warnings import warn

BINDING = BY_PATH["", "v1", "bindings"]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Resources:
    """Answers every request under /api and /apis that names a kind."""

    def __init__(self, verbs: Verbs, asked: Asked) -> None:
        self._verbs = verbs
        self._asked = asked

    async def handle(self, request: Request) -> Response:
        where = target(request.scope["path"])  # not request.url: parsing that drops line breaks
        if deprecated := DEPRECATED_KINDS.get(where.kind.kind):
            warn(deprecated)
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
            if (revision := query_revision(query) or 0) > self._verbs.store.revision:
                raise future(revision, self._verbs.store.revision)
            return self._shown(request, where.kind, self._verbs.get(where.kind.stored, where.name, where.namespace))
        if verb == "delete":
            return await self._delete(request, where, query)
        return await self._change(request, where, query)

    async def _change(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        """PUT and PATCH, of an object or its status."""
        new = await writes.change(self._verbs, request, where, query)
        return self._shown(request, where.kind, new.obj, new.code)

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
        if kind.namespaced and not where.namespace:
            raise MethodNotAllowed("the server does not allow this method on the requested resource", {})
        if request.method == "DELETE":
            allowed(kind, "deletecollection")
            options = await _delete_options(request, query)
            found = self._verbs.delete_collection(kind.stored, where.namespace, _selection(kind, query), options)
            return _answer(self._as_list(kind, found, {"resourceVersion": str(self._verbs.store.revision)}))
        if request.method != "POST":
            raise MethodNotAllowed("the server does not allow this method on the requested resource", {})
        new = await writes.create(self._verbs, request, where, query)
        return self._shown(request, kind, new.obj, new.code)

    def _list(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        wanted = ListOptions.read(query)
        found, meta = listed(
            self._verbs.store, where.kind.stored, where.namespace, _selection(where.kind, query), wanted
        )
        if table_version(request.headers.get("accept", "")):
            return _answer(self._table(where.kind, found, meta, query))
        return _answer(self._as_list(where.kind, found, meta))

    def _table(self, kind: Kind, found: Sequence[Obj], meta: Obj, query: Mapping[str, str], first: bool = True) -> Obj:
        """The cells are those of the stored form, whichever form was asked for."""
        include = included(query)
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
        asked = ListOptions.read(query)
        newest = self._verbs.store.revision
        if asked.revision and asked.revision > newest:
            raise future(asked.revision, newest)
        since = asked.revision or None
        if asked.initial_events is not None:
            since = None if asked.initial_events else since or newest
        wanted = watch.WatchRequest(
            kind=where.kind, namespace=where.namespace, selection=_selection(where.kind, query), since=since,
            timeout=asked.timeout, bookmarks=asked.bookmarks,
            mark_initial_end=bool(asked.initial_events) and asked.bookmarks,
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
        included(query)  # what is wrong with it is said before the stream begins

        def form(obj: Obj) -> Obj:
            headers, first[0] = first[0], False
            return self._table(kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, query, headers)

        return form

    # ---- what is not kept ----------------------------------------------------------------------------------------

    async def _ask(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        reads = "get" if where.name else "list"
        allowed(where.kind, {"GET": reads, "POST": "create"}.get(request.method, ""))
        if request.method == "POST":
            if only_table(request.headers.get("accept", "")):
                raise NotAcceptable("only the following media types are accepted: application/json")
            obj = await writes.body(request, where.kind, query)
            expect_type(where.kind, obj)
            return self._shown(request, where.kind, self._asked.create(where, obj, request.scope["user"]), 201)
        found = self._asked.metrics(where, _selection(where.kind, query))
        if table_version(request.headers.get("accept", "")):
            return _answer(self._table(where.kind, found, {}, query))
        return _answer(found[0] if where.name else self._as_list(where.kind, found, {}))

    # ---- subresources -------------------------------------------------------------------------------------------

    async def _subresource(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        if where.subresource == "scale":
            return await self._scale(request, where, query)
        if where.subresource == "token" and request.method == "POST":
            obj = await writes.body(request, TOKEN_REQUEST, query)
            return _answer(self._asked.token(where, obj), 201)
        if where.subresource == "binding" and request.method == "POST":
            binding = await writes.body(request, BINDING, query)
            self._verbs.bind(where.namespace, where.name, binding)
            return _answer(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
            )
        if request.method == "GET" and where.subresource in ("status", "ephemeralcontainers"):
            return self._shown(request, where.kind, self._verbs.get(where.kind.stored, where.name, where.namespace))
        if request.method in ("PUT", "PATCH") and where.subresource in ("status", "finalize", "ephemeralcontainers"):
            return await self._change(request, where, query)
        raise MethodNotAllowed("the server does not allow this method on the requested resource", {})

    async def _scale(self, request: Request, where: Target, query: dict[str, str]) -> Response:
        if request.method != "GET":
            return _answer((await writes.change_scale(self._verbs, request, where, query)).obj)
        shown = scale.of(self._verbs.get(where.kind.stored, where.name, where.namespace))
        if table_version(request.headers.get("accept", "")):
            return _answer(self._table(scale.KIND, [shown], {}, query))
        return _answer(shown)

    # ---- bodies and answers -------------------------------------------------------------------------------------

    def _shown(self, request: Request, kind: Kind, obj: Obj, code: int = 200) -> Response:
        if table_version(request.headers.get("accept", "")) and request.method == "GET":
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return _answer(self._table(kind, [obj], meta, request.query_params))
        return _answer(conversion.served(kind, obj), code)


def digest(body: bytes) -> str:
    """What documents are named and compared by."""
    return hashlib.sha256(body).hexdigest().upper()


def _content(request: Request) -> str:
    return request.headers.get("content-type", "")


def _answer(body: Any, code: int = 200) -> Response:
    return Response(encode(body), code, media_type="application/json")


def _selection(kind: Kind, query: dict[str, str]) -> Selection:
    return Selection(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))


async def _delete_options(request: Request, query: dict[str, str]) -> DeleteOptions:
    body = await request.body()
    findings = typed.check(read_object(body, _content(request)) if body else {}, f"{META}.DeleteOptions")
    if findings.type_error:
        raise BadRequest(f"DeleteOptions cannot be handled as a DeleteOptions: {findings.type_error}")
    return DeleteOptions.read(findings.pruned, query)
