"""Every kind, with objects of the right structure and any content: refused in words or stored, shown and changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slab.api import conversion, schema
from k8slab.api.errors import ApiError
from k8slab.api.kinds import KINDS, ROWS
from k8slab.apiserver.table import table
from k8slab.apiserver.verbs import Verbs
from k8slab.clock import VirtualClock
from k8slab.store.memory import MemoryStore

SCALARS = {
    "string": st.sampled_from(["", "a", "a/b", "A b", "In", "Always", "RollingUpdate", "Resource", "* * * * *", "10%"]),
    "int32": st.integers(-2, 5),
    "int64": st.integers(-2, 5),
    "double": st.floats(0, 2),
    "bool": st.booleans(),
    "bytes": st.just("YQ=="),
    "Quantity": st.sampled_from(["0", "1", "500m", "1Gi", "-1"]),
    "IntOrString": st.sampled_from([0, 1, "a", "50%"]),
    "Time": st.just("2026-01-01T00:00:00Z"),
    "MicroTime": st.just("2026-01-01T00:00:00.000000Z"),
    "Any": st.just({}),
    "FieldsV1": st.just({}),
}


def values(field, depth, whole):
    one = SCALARS.get(field.type)
    if one is None:
        one = st.deferred(lambda: objects(field.type, depth - 1, whole)) if depth else st.just({})
    if field.holds == "list":
        return st.lists(one, max_size=2)
    return st.dictionaries(SCALARS["string"], one, max_size=2) if field.holds == "map" else one


def objects(definition, depth, whole):
    """Of this structure; `whole` ones have what is required."""
    fields = {
        name: f for name, f in schema.fields(definition).items() if name not in ("metadata", "apiVersion", "kind")
    }
    needed = {name: values(f, depth, whole) for name, f in fields.items() if whole and f.required}
    others = {name: values(f, depth, whole) for name, f in fields.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=others)


def verbs():
    made = Verbs(MemoryStore(), VirtualClock(), "10.96.0.0/24")
    made.create(KINDS["Namespace"], {"metadata": {"name": "default"}})
    limits = [{"type": "Container", "max": {"cpu": "1"}}]
    made.create(KINDS["LimitRange"], {"metadata": {"name": "l"}, "spec": {"limits": limits}}, "default")
    hard = {"pods": "1", "requests.storage": "1Gi", "services.nodeports": "1", "count/jobs.batch": "1"}
    made.create(KINDS["ResourceQuota"], {"metadata": {"name": "q"}, "spec": {"hard": hard}}, "default")
    return made


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_object_is_stored_or_refused(kind, data):
    api, namespace = verbs(), "default" if kind.namespaced else ""
    sent = data.draw(objects(kind.definition, 4, data.draw(st.booleans())))
    if (stored := answered(api.create, kind, {**sent, "metadata": {"name": "x"}}, namespace)) is None:
        return
    json.dumps(table(kind.kind, [stored], 0.0, meta={}))
    for row in ROWS:
        if row.kept == "elsewhere" and row.stored is kind:
            shown = conversion.served(row, stored)
            again = conversion.stored(row, shown)
            assert {**again, "status": 0} == {**stored, "status": 0}
    changed = data.draw(objects(kind.definition, 3, True))
    answered(api.update, kind, "x", namespace, lambda obj: {**obj, **changed})
    api.delete(kind, "x", namespace)


def answered(action, *arguments):
    """What came of it; None for a refusal that says what was wrong."""
    refusal = None
    try:
        return action(*arguments)
    except ApiError as error:
        refusal = error
    assert refusal.code in (400, 403, 409, 422), refusal.message
    return None
