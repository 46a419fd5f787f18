"""Kubernetes' structure as data: which fields a definition has, of what type, and how they merge.

Read from `data/schema.json`, which `scripts/compile_schema.py` makes. Nothing is read before the first question, and
a definition is unpacked when somebody asks for it. Its readers: `decode.py`, `protobuf.py`, `patch.py`, OpenAPI.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
SCALARS = frozenset({"string", "int32", "int64", "double", "bool", "bytes"})
GO_NAMES = {
    "bytes": "[]uint8", "double": "float64", "Quantity": "resource.Quantity", "IntOrString": "intstr.IntOrString",
    "Time": "v1.Time", "MicroTime": "v1.MicroTime", "FieldsV1": "v1.FieldsV1", "Any": "runtime.RawExtension",
}  # fmt: skip
SPECIAL = frozenset({"Time", "MicroTime", "Quantity", "IntOrString", "Any", "FieldsV1"})  # a JSON form of their own


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a definition. `type` is a scalar's name or the id of another definition."""

    type: str  # string int32 int64 double bool bytes Time MicroTime Quantity IntOrString Any FieldsV1, or a definition
    holds: Literal["one", "list", "map"] = "one"  # `map` has string keys
    required: bool = False
    merge_key: str = ""  # x-kubernetes-patch-merge-key
    strategy: tuple[str, ...] = ()  # x-kubernetes-patch-strategy: merge, replace, retainKeys
    list_type: str = ""  # x-kubernetes-list-type: atomic, set, map
    map_keys: tuple[str, ...] = ()  # x-kubernetes-list-map-keys
    atomic: bool = False  # x-kubernetes-map-type: atomic
    number: int = 0  # the field's number in Kubernetes' protobuf form; 0: it has none
    within: int = 0  # the number of the message around it there, where Go embeds a struct and JSON shows one level
    # What becomes of an empty value when Go writes the object down: "drop" it (omitempty), "fill" in what is absent
    # (structs, and what has no omitempty), or neither: a pointer tells 0 from absent, and so do we.
    zero: Literal["", "drop", "fill"] = ""
    go: str = ""  # the name of the Go type, where `go_type` cannot tell: v1.RestartPolicy

    @property
    def go_type(self) -> str:
        """The type as Go's error messages call it: `[]v1.Container`."""
        return self.go or {"one": "", "list": "[]", "map": "map[string]"}[self.holds] + self.go_item

    @property
    def go_item(self) -> str:
        """The type of one value: of the field, of a list's item, of a map's value."""
        if self.holds == "list" and self.go.startswith("[]"):
            return self.go[2:]
        return self.go if self.go and self.holds == "one" else go_name(self.type)


def go_name(type_: str) -> str:
    """What Go calls a scalar or a definition: `[]uint8`, `v1.PodSpec`."""
    return GO_NAMES.get(type_) or ".".join(type_.split(".")[-2:])


@functools.cache
def _packed() -> dict[str, msgspec.Raw]:
    text = importlib.resources.files("k8slab.api").joinpath("data", "schema.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


_unpack = msgspec.json.Decoder(dict[str, Field]).decode


@functools.cache
def fields(definition: str) -> Mapping[str, Field]:
    """The fields of a definition (`io.k8s.api.core.v1.Pod`), by JSON name. Raises KeyError."""
    return _unpack(_packed()[definition])


@functools.lru_cache(1024)
def definition_of(api_version: str, kind: str) -> str:
    """The id of a kind's definition: (`apps/v1`, `Deployment`) -> `io.k8s.api.apps.v1.Deployment`; "" if unknown."""
    group, _, version = api_version.rpartition("/")
    homes = (
        f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}",
        META,
        f"io.k8s.metrics.pkg.apis.metrics.{version}",
    )
    return next((found for home in homes if (found := f"{home}.{kind}") in _packed()), "")


def definitions() -> list[str]:
    """The ids of all definitions, sorted."""
    return list(_packed())
