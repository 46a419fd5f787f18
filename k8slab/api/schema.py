"""Kubernetes' structure as data: which fields a definition has, of what type, and how they merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


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
    number: int = 0  # the field's number in Kubernetes' protobuf form


def fields(definition: str) -> Mapping[str, Field]:
    """The fields of a definition (`io.k8s.api.core.v1.Pod`), by JSON name. Raises KeyError."""
    raise KeyError(definition)
