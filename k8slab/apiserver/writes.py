"""POST, PUT and PATCH: a request's body and options become a call of the verbs, in the name of who sent it.

Between `resources.py`, which answers, and `verbs.py`, which writes. `options.py` reads the query, `patching.py` the
five kinds of patch; `api/managed_fields.py` notes down whose the fields are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.requests import Request

from k8slab.api.errors import Refused
from k8slab.api.kinds import Kind
from k8slab.api.managed_fields import Applied, Writer, track
from k8slab.api.objects import Obj
from k8slab.apiserver import options, patching, scale
from k8slab.apiserver.patching import to_stored
from k8slab.apiserver.requests import Target, checked, media_type, read_object
from k8slab.apiserver.verbs import Owners, Verbs

Query = dict[str, str]


class Written(NamedTuple):
    """What a write came to."""

    obj: Obj
    code: int = 200


async def create(verbs: Verbs, request: Request, where: Target, query: Query) -> Written:
    """POST to a collection."""
    options.check_write("POST", query)
    obj = await body(request, where.kind, query)
    if (obj.get("metadata") or {}).get("resourceVersion"):
        raise Refused("resourceVersion should not be set on objects to be created")
    owners = _owners(verbs, where, _writer(request, where, query))
    new = verbs.create(where.kind.stored, obj, where.namespace, dry_run=_dry_run(query), owners=owners)
    return Written(new, 201)


async def change(verbs: Verbs, request: Request, where: Target, query: Query) -> Written:
    """PUT and PATCH, of an object or its status."""
    form = _form(request, query)
    if form == patching.APPLY:
        return await _apply(verbs, request, where, query)
    kind, at, dry_run = where.kind.stored, (where.name, where.namespace), _dry_run(query)
    owners = _owners(verbs, where, _writer(request, where, query))
    if form:
        wanted = patching.change(where.kind, form, await request.body(), query.get("fieldValidation") or "Warn")
    else:
        obj = await body(request, where.kind, query)
        if not where.subresource:
            new, created = verbs.replace(kind, *at, obj, dry_run=dry_run, owners=owners)
            return Written(new, 201 if created else 200)
        wanted = _always(obj)
    new = verbs.update(kind, *at, wanted, subresource=where.subresource, dry_run=dry_run, owners=owners)
    return Written(new)


async def change_scale(verbs: Verbs, request: Request, where: Target, query: Query) -> Written:
    """PUT and PATCH of a Scale: what is written is the workload behind it."""
    form, text, at = _form(request, query), await request.body(), (where.name, where.namespace)
    current = scale.of(verbs.get(where.kind, *at))
    if form == patching.APPLY:
        config, writer, now = patching.configuration(scale.KIND, text), _writer(request, where, query), _now(verbs)

        def applied(live: Obj) -> Applied:
            return patching.apply_scale(where.kind, config, live, writer, now, query)

        new, _ = verbs.apply(where.kind, *at, applied, dry_run=_dry_run(query))
        return Written(scale.of(new))
    if form:
        wish: Any = patching.PATCHES[form](current, read_object(text, "application/json"), scale.DEFINITION)
    else:
        wish = read_object(text, _content(request))
    owners = _owners(verbs, where, _writer(request, where, query))
    wanted = scale.change(where.kind, wish)
    return Written(scale.of(verbs.update(where.kind, *at, wanted, dry_run=_dry_run(query), owners=owners)))


async def _apply(verbs: Verbs, request: Request, where: Target, query: Query) -> Written:
    writer = _writer(request, where, query)
    applied = patching.applying(where.kind, await request.body(), writer, _now(verbs), query)
    new, created = verbs.apply(
        where.kind.stored, where.name, where.namespace, applied, subresource=where.subresource, dry_run=_dry_run(query)
    )
    return Written(new, 201 if created else 200)


def _form(request: Request, query: Query) -> str:
    """The kind of patch, nothing for a PUT; the options are checked on the way."""
    patches = request.method == "PATCH"
    form = media_type(_content(request)) if patches else ""
    if patches and form not in patching.ACCEPTED:
        raise patching.unknown_form()
    options.check_write(request.method, query, applies=form == patching.APPLY)
    return form


async def body(request: Request, kind: Kind, query: Query) -> Obj:
    """What was sent, its structure checked, in the form in which it is stored. Raises BadRequest."""
    text = await request.body()
    content = _content(request)
    raw = b"" if "protobuf" in content else text
    found = checked(read_object(text, content), kind, raw, query.get("fieldValidation") or "Warn")
    return to_stored(kind, found)


def _writer(request: Request, where: Target, query: Query) -> Writer:
    return options.writer(query, request.headers.get("user-agent", ""), where.subresource)


def _owners(verbs: Verbs, where: Target, writer: Writer) -> Owners:
    return lambda old, new, sent: track(old, new, where.kind.stored.definition, writer, _now(verbs), sent)


def _always(obj: Obj) -> Callable[[Obj], Obj]:
    return lambda _: obj


def _now(verbs: Verbs) -> str:
    return verbs.clock.timestamp()


def _content(request: Request) -> str:
    return request.headers.get("content-type", "")


def _dry_run(query: Query) -> bool:
    return bool(query.get("dryRun"))
