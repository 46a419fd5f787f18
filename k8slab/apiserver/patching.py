"""PATCH: what each of the five kinds of patch makes of an object, and the words for one that cannot be used.

`resources.py` hands the results to the verbs. The first three kinds change an object as a client would who reads it
and writes it back (`api/patch.py`); an apply patch is a configuration that its manager owns (`api/managed_fields.py`).
The rules are those of apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slab.api import apply_check, conversion, duplicates, go_text, last_applied, patch, typed
from k8slab.api.causes import invalid
from k8slab.api.errors import BadRequest, Invalid, Refused, UnsupportedMediaType
from k8slab.api.kinds import Kind
from k8slab.api.managed_fields import Applied, Writer, apply
from k8slab.api.objects import Obj, encode
from k8slab.apiserver import scale
from k8slab.apiserver.agreement import expect_type
from k8slab.apiserver.requests import keeping_reset, query_flag, read_object
from k8slab.apiserver.warnings import warn

JSON, STRATEGIC = "application/json-patch+json", "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES: dict[str, Callable[[Obj, Any, str], Obj]] = {
    JSON: lambda obj, change, _: patch.json_patch(obj, change),
    "application/merge-patch+json": lambda obj, change, _: patch.json_merge_patch(obj, change),
    STRATEGIC: patch.strategic_merge_patch,
}
ACCEPTED = (*PATCHES, APPLY)


def change(kind: Kind, form: str, body: bytes, validation: str) -> Callable[[Obj], Obj]:
    """What a patch does to an object. Raises BadRequest, Invalid, TooLarge."""
    wish = read_object(body, "application/json")
    doubled = [] if validation == "Ignore" else duplicates.find(body)
    doubled = [f"json patch {said}" if form == JSON else said for said in doubled]

    def changed(obj: Obj) -> Obj:
        patched = PATCHES[form](conversion.served(kind, obj), wish, kind.definition)
        findings = typed.check(patched, kind.definition)
        shown = go_text.plain(wish) if form == STRATEGIC else encode(patched).decode()
        if findings.type_error:
            raise _refusal(shown, findings.converting if form == STRATEGIC else findings.type_error)
        found = [*doubled, *(sorted(findings.strict) if form == STRATEGIC else findings.strict)]
        if found and validation == "Strict":
            raise _refusal(shown, f"strict decoding error: {', '.join(found)}")
        warn(*(found if validation == "Warn" else ()))
        return to_stored(kind, keeping_reset(findings.pruned, patched))

    return changed


def to_stored(kind: Kind, obj: Obj) -> Obj:
    """What was sent, in the form in which it is stored. Raises BadRequest."""
    if kind.kept != "elsewhere":
        return obj
    expect_type(kind, obj)
    return conversion.stored(kind, obj)


def _refusal(shown: str, why: str) -> Invalid:
    return Invalid.of("", "", "", [invalid("patch", shown, why)])


def configuration(kind: Kind, body: bytes) -> Obj:
    """The body of an apply patch. Raises BadRequest, Refused, TooLarge."""
    try:
        config = read_object(body, APPLY)
    except BadRequest as error:
        raise BadRequest(f"error decoding YAML: {error.message}") from None
    if not isinstance(config, dict):
        raise BadRequest(f"error decoding YAML: {go_text.no_home(config, go_text.A_MAP)}")
    group_version = "/".join((kind.group, kind.version))
    sent = str(config.get("apiVersion", ""))
    if (sent, config.get("kind")) != (kind.api_version, kind.kind):
        asked = sent if "/" in sent else f"/{sent}"
        raise BadRequest(f"invalid object type: {asked}, Kind={config.get('kind', '')}")
    meta = config.setdefault("metadata", {})
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if said := apply_check.problems(config, kind.definition):
        where = f"{meta.get('namespace', '')}/{meta.get('name', '')}" if isinstance(meta, dict) else "/"
        which = f"{where}; {group_version}, Kind={kind.kind}"
        raise Refused(f"failed to create typed patch object ({which}): {said}")
    return config


def applying(kind: Kind, body: bytes, writer: Writer, now: str, query: dict[str, str]) -> Callable[[Obj], Applied]:
    """What an apply patch does to an object (empty: there is none yet). Called later, it raises ApplyConflict, and
    BadRequest for doubled fields when asked to be strict."""
    config, force = conversion.stored(kind, configuration(kind, body)), query_flag(query, "force")
    definition = kind.stored.definition
    validation = query.get("fieldValidation") or "Warn"

    def applied(live: Obj) -> Applied:
        done = last_applied.apply_for(live, config, definition, writer, now, force=force)
        if validation != "Ignore" and (doubled := duplicates.find(body, as_yaml=True)):
            said = f"error converting YAML to JSON: {doubled[0]}"
            if validation == "Strict":
                raise BadRequest(f"error strict decoding YAML: {said}")
            warn(said)
        findings = typed.check(done.obj, definition)
        if findings.type_error:
            raise Refused(f"failed to convert new typed object to {kind.kind}: {findings.type_error}")
        return Applied(findings.pruned, done.entries)

    return applied


def apply_scale(kind: Kind, sent: Obj, live: Obj, writer: Writer, now: str, query: dict[str, str]) -> Applied:
    """A Scale applied to the workload behind it: it owns the replicas, and nothing else. Raises Conflict."""
    scale.check(kind, live, sent)
    config: Obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
    if "replicas" in (sent.get("spec") or {}):
        config["spec"] = {"replicas": sent["spec"]["replicas"]}
    done = apply(live, config, kind.definition, writer, now, force=query_flag(query, "force"))
    return Applied(typed.check(done.obj, kind.definition).pruned, done.entries)


def unknown_form() -> UnsupportedMediaType:
    """The answer to a patch of another kind."""
    accepted = ", ".join(ACCEPTED)
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    )
