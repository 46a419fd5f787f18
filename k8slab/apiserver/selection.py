"""Which objects of a kind a list, a watch or a deletecollection means: label selector, field selector, namespace.

Made by `app.py` from a request's query, used by `verbs.py` and `watch.py`.
"""

from __future__ import annotations

from typing import Any

from k8slab.api.conversion import served
from k8slab.api.errors import BadRequest
from k8slab.api.kinds import Kind
from k8slab.api.objects import Obj, labels_of
from k8slab.api.selectors import FieldSelector, LabelSelector, parse_field_selector, parse_label_selector


class Selection:
    """Both selectors of a request; without either, everything matches."""

    def __init__(self, kind: Kind, labels: str = "", fields: str = "") -> None:
        """Raises BadRequest for a selector that cannot be read, or a field this kind is not selected by."""
        try:
            self.labels: LabelSelector = parse_label_selector(labels)
            self.fields: FieldSelector = parse_field_selector(fields)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        self.fields.check(("metadata.name", *(("metadata.namespace",) if kind.namespaced else ()), *kind.selectable))
        self.everything = not labels and not fields
        self._kind = kind

    def matches(self, obj: Obj) -> bool:
        if self.everything:
            return True
        if not self.labels.matches(labels_of(obj)):
            return False
        if not self.fields:
            return True
        shown = served(self._kind, obj)  # fields are named as in the form that was asked for
        return self.fields.matches(lambda path: field_value(shown, path))


def field_value(obj: Obj, path: str) -> str:
    """What a field selector compares: the field as text, empty when it is not there."""
    if path == "source":  # of an Event: its component, wherever it stands
        return str((obj.get("source") or {}).get("component") or obj.get("reportingComponent") or "")
    if path == "status.successful":  # of a Job: how many of its pods have succeeded
        return str((obj.get("status") or {}).get("succeeded", 0))
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(value).lower() if isinstance(value, bool) else str(value)
