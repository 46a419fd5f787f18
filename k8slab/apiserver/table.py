"""What `kubectl get` prints: the server makes the rows, kubectl only aligns them (KEP-2334's Table, pkg/printers).

A kind's columns are rows of `columns_*.py`, each with the function that fills the cell; what has none shows name and
age. `resources.py` asks for a Table when the client's Accept header does.
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api.objects import Obj
from k8slab.apiserver import columns_cluster, columns_network, columns_workloads
from k8slab.apiserver.cells import NAME, Column, at

COLUMNS: dict[str, tuple[Column, ...]] = {
    **columns_cluster.COLUMNS,
    **columns_network.COLUMNS,
    **columns_workloads.COLUMNS,
}
DEFAULT = (NAME, Column("Created At", at("metadata", "creationTimestamp", default=""), type="date"))


def table(
    kind: str, objects: Iterable[Obj], now: float, *, meta: Obj, include: str = "Metadata", headers: bool = True
) -> Obj:
    """A Table of the objects; `include` says what rides along in each row: Metadata, Object or None."""
    columns = COLUMNS.get(kind, DEFAULT)
    rows = [{"cells": [column.cell(obj, now) for column in columns], **_rider(obj, include)} for obj in objects]
    definitions = [column.header() for column in columns] if headers else None
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _rider(obj: Obj, include: str) -> Obj:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}}
