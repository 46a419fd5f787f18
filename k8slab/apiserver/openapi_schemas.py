"""The kinds' structure as OpenAPI schemas: what `openapi.py` puts beside the paths.

Made from `api/schema.py` and the descriptions next to its data. OpenAPI v3 and v2 (Swagger) say some things
differently; a `Dialect` holds the differences.
"""

from __future__ import annotations

import gzip
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from k8slab.api import schema
from k8slab.api.schema import META, Field

Schema = dict[str, Any]
GroupVersionKind = tuple[str, str, str]

SPECIAL = {  # our names of types with a JSON form of their own -> the definitions Kubernetes has for them
    "Time": f"{META}.Time",
    "MicroTime": f"{META}.MicroTime",
    "FieldsV1": f"{META}.FieldsV1",
    "Quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "IntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "Any": "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
PATCH = f"{META}.Patch"
SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
}
ABOUT = {
    "Time": "A moment, as RFC 3339 writes it, in whole seconds.",
    "MicroTime": "A moment, as RFC 3339 writes it, in microseconds.",
    "FieldsV1": "A set of fields as a trie of JSON: `f:<name>` a field, `k:<keys>` and `v:<value>` an item of a list.",
    "Quantity": "An exact number with a suffix: 100m, 1.5, 64Mi, 2G.",
    "IntOrString": "A whole number, or a string such as a percentage or the name of a port.",
    "Any": "Any object.",
}


@dataclass(frozen=True)
class Dialect:
    """How one version of OpenAPI says things."""

    prefix: str  # of a reference
    wrapped: bool  # a reference stands in `allOf`, so that a description may stand beside it
    unions: bool  # `oneOf` exists

    def refer(self, definition: str) -> Schema:
        return {"$ref": self.prefix + definition}

    def special(self, type_: str) -> Schema:
        """The schema of a type with a JSON form of its own."""
        about: Schema = {"description": ABOUT[type_]}
        if type_ in ("Time", "MicroTime"):
            return about | {"type": "string", "format": "date-time"}
        if type_ == "IntOrString":
            one_of = {"oneOf": [{"type": "integer"}, {"type": "string"}]} if self.unions else {"type": "string"}
            return about | one_of | {"format": "int-or-string"}
        if type_ == "Quantity":
            return about | ({"oneOf": [{"type": "string"}, {"type": "number"}]} if self.unions else {"type": "string"})
        return about | {"type": "object"}


V3 = Dialect("#/components/schemas/", wrapped=True, unions=True)
V2 = Dialect("#/definitions/", wrapped=False, unions=False)


def schemas(roots: Iterable[str], kinds: Mapping[str, list[GroupVersionKind]], dialect: Dialect) -> dict[str, Schema]:
    """The schemas of some definitions and of all they hold; `kinds` says which of them are whose."""
    docs = descriptions()
    found = {PATCH: {"type": "object", "description": "A change to an object; its form is the request's media type."}}
    todo = list(roots)
    while todo:
        definition = todo.pop()
        if definition in found:
            continue
        special = next((type_ for type_, its in SPECIAL.items() if its == definition), "")
        if special:
            found[definition] = dialect.special(special)
            continue
        found[definition] = _definition(definition, docs[definition], kinds.get(definition, []), dialect)
        types = (field.type for field in schema.fields(definition).values())
        todo += [SPECIAL.get(type_, type_) for type_ in types if type_ not in SCALARS]
    return dict(sorted(found.items()))


def descriptions() -> dict[str, dict[str, str]]:
    """Definition -> field -> words; "" is the definition itself. Big, and so nobody keeps it."""
    packed = importlib.resources.files("k8slab.api").joinpath("data", "docs.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=dict[str, dict[str, str]])


def _definition(definition: str, docs: dict[str, str], kinds: list[GroupVersionKind], dialect: Dialect) -> Schema:
    fields = schema.fields(definition)
    made: Schema = {"type": "object", "properties": {}}
    if docs[""]:
        made["description"] = docs[""]
    for name, field in fields.items():
        words = docs.get(name, "")
        made["properties"][name] = ({"description": words} if words else {}) | property_of(field, dialect)
    required = [name for name, field in fields.items() if field.required]
    if required:
        made["required"] = required
    if kinds:
        made["x-kubernetes-group-version-kind"] = gvks(kinds)
    return made


def gvks(kinds: Iterable[GroupVersionKind]) -> list[dict[str, str]]:
    """The extension by which clients find the schema of a kind."""
    return [{"group": group, "version": version, "kind": kind} for group, version, kind in kinds]


def property_of(field: Field, dialect: Dialect) -> Schema:
    """The schema of one field."""
    if field.holds == "one":
        made = _value(field, dialect)
    elif field.holds == "list":
        made = {"type": "array", "items": _value(field, dialect, default=True)}
    else:
        made = {"type": "object", "additionalProperties": _value(field, dialect, default=True)}
    merging = {
        "x-kubernetes-patch-merge-key": field.merge_key,
        "x-kubernetes-patch-strategy": ",".join(field.strategy),
        "x-kubernetes-list-type": field.list_type,
        "x-kubernetes-list-map-keys": list(field.map_keys),
        "x-kubernetes-map-type": "atomic" if field.atomic and field.holds != "list" else "",
    }
    return made | {key: value for key, value in merging.items() if value}


def _value(field: Field, dialect: Dialect, default: bool = False) -> Schema:
    if field.type in SCALARS:
        return dict(SCALARS[field.type])
    reference = dialect.refer(SPECIAL.get(field.type, field.type))
    if not dialect.wrapped:
        return reference
    structural = field.type not in schema.SPECIAL and (default or field.zero == "fill")
    return {"allOf": [reference]} | ({"default": {}} if structural else {})
