"""`kubectl apply`, then `kubectl apply --server-side`: one kubectl does not conflict with itself."""

from __future__ import annotations

import json

import pytest

from k8slab.api.last_applied import ANNOTATION, apply_for
from k8slab.api.managed_fields import ApplyConflict, Writer
from tests.api.test_managed_fields import KIND, NOW, applied, config, owners, stored, written


def client_applied(**data):
    """What kubectl wrote as a client: with the annotation."""
    obj = config(**data)
    obj["metadata"]["annotations"] = {ANNOTATION: json.dumps(obj)}
    return written(None, obj, "kubectl-client-side-apply")


def server_apply(live, wish, who="kubectl"):
    return stored(apply_for(live, wish, KIND, Writer(who), NOW, force=False))


def test_kubectl_takes_over_what_it_applied_as_a_client():
    live = client_applied(a="1", b="1")
    after = server_apply(live, config(a="2", b="1"))
    assert after["data"] == {"a": "2", "b": "1"}
    assert owners(after)["kubectl"] == [".data.a", ".data.b"]


def test_another_manager_has_no_such_right():
    with pytest.raises(ApplyConflict):
        server_apply(client_applied(a="1"), config(a="2"), "other")


def test_what_somebody_else_has_changed_since_is_a_conflict():
    live = client_applied(a="1", b="1")
    changed = written(live, {**live, "data": {"a": "9", "b": "1"}}, "else")
    with pytest.raises(ApplyConflict, match=r'conflict with "else" using v1: .data.a$'):
        server_apply(changed, config(a="2", b="2"))


def test_the_annotation_follows():
    after = server_apply(client_applied(a="1"), config(a="<2>"))
    text = after["metadata"]["annotations"][ANNOTATION]
    assert text == '{"apiVersion":"v1","data":{"a":"\\u003c2\\u003e"},"kind":"ConfigMap","metadata":{"name":"c"}}\n'


def test_without_an_annotation_none_is_made():
    made = applied({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, config(a="1"), "kubectl")
    assert "annotations" not in server_apply(made, config(a="2"))["metadata"]


@pytest.mark.parametrize("junk", ["", "no json", "[]", '{"apiVersion":"v9"}', '{"apiVersion":"v1","data":[1]}'])
def test_a_broken_annotation_gives_no_right(junk):
    live = client_applied(a="1")
    live["metadata"]["annotations"][ANNOTATION] = junk
    with pytest.raises(ApplyConflict):
        server_apply(live, config(a="2"))
