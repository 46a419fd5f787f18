from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.errors import BadRequest, Invalid
from k8slab.api.objects import copy
from k8slab.api.patch import json_merge_patch, json_patch

TARGET = {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"replicas": 2, "list": [1, 2]}}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "replace", "path": "/spec/replicas", "value": 3}], ("spec", {"replicas": 3, "list": [1, 2]})),
        ([{"op": "add", "path": "/spec/list/-", "value": 9}], ("spec", {"replicas": 2, "list": [1, 2, 9]})),
        ([{"op": "remove", "path": "/metadata/labels/a"}], ("metadata", {"name": "web", "labels": {}})),
        ([{"op": "test", "path": "/spec/replicas", "value": 2}], ("spec", TARGET["spec"])),
        (
            [{"op": "add", "path": "/metadata/labels/x~1y", "value": "z"}],
            ("metadata", {"name": "web", "labels": {"a": "1", "x/y": "z"}}),
        ),
    ],
)
def test_json_patch(operations, expected):
    before = copy(TARGET)
    field, value = expected
    assert json_patch(TARGET, operations)[field] == value
    assert before == TARGET


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/spec/replicas", "value": 7}],
        [{"op": "remove", "path": "/spec/nothing"}],
        [{"op": "replace", "path": "/spec/nothing", "value": 1}],
        [{"op": "add", "path": "/nowhere/x", "value": 1}],
        [{"op": "add", "path": "/spec/list/7", "value": 1}],
        [{"op": "add", "path": "/spec/list/x", "value": 1}],
        [{"op": "add", "path": "spec", "value": 1}],
        [{"op": "dance", "path": "/spec"}],
        [{"op": "replace", "path": "/spec/replicas"}],
        [{"path": "/spec/replicas", "value": 1}],
        [{"op": "move", "from": "/a", "path": "/b"}],
        [{"op": "copy", "path": "/b"}],
        [{"op": "add", "path": "/spec/replicas/x", "value": 1}],
        [{"op": "replace", "path": "", "value": [1]}],
        [{"op": "add", "path": 7, "value": 1}],
    ],
)
def test_what_cannot_be_done_is_invalid_and_says_what_kubernetes_says(operations):
    before = copy(TARGET)
    with pytest.raises(Invalid) as caught:
        json_patch(TARGET, operations)
    assert caught.value.status()["code"] == 422
    assert caught.value.message == "the server rejected our request due to an error in our request"
    assert caught.value.details == {}  # kubectl shows the message only when there are no causes
    assert before == TARGET


@pytest.mark.parametrize(
    ("patch", "found", "wanted"),
    [({"op": "add"}, "object", "Patch"), ("x", "string", "Patch"), ([{"op": "add"}, 1], "number", "Operation")],
)
def test_what_is_no_json_patch_is_a_bad_request(patch, found, wanted):
    with pytest.raises(BadRequest) as caught:
        json_patch(TARGET, patch)
    assert caught.value.message == f"json: cannot unmarshal {found} into Go value of type jsonpatch.{wanted}"


# RFC 7386, appendix A, as far as objects go.
RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_json_merge_patch(target, patch, result):
    assert json_merge_patch(target, patch) == result


@pytest.mark.parametrize(("patch", "found"), [([], "array"), ("x", "string"), (7, "number")])
def test_a_merge_patch_is_an_object(patch, found):
    with pytest.raises(BadRequest) as caught:
        json_merge_patch(TARGET, patch)
    into = "into Go value of type map[string]interface {}"
    assert caught.value.message == f"error decoding patch: json: cannot unmarshal {found} {into}"


SCALARS = st.one_of(st.booleans(), st.integers(-9, 9), st.text("ab", max_size=2))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def difference(old, new):
    """The merge patch that leads from one to the other."""
    patch = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            patch[name] = difference(before, value)
        elif name not in old or before != value or type(before) is not type(value):
            patch[name] = value
    return patch


@given(OBJECTS, OBJECTS)
def test_the_difference_leads_from_one_to_the_other(old, new):
    kept = copy(old)
    assert json_merge_patch(old, difference(old, new)) == new
    assert old == kept


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_done_twice_is_done_once(target, patch):
    once = json_merge_patch(target, patch)
    assert json_merge_patch(once, patch) == once


def test_the_result_shares_nothing_with_the_patch():
    patch = {"spec": {"template": {"a": [1]}}}
    json_merge_patch({}, patch)["spec"]["template"]["a"].append(2)
    json_patch({}, [{"op": "add", "path": "/spec", "value": patch["spec"]}])["spec"]["template"]["a"].append(3)
    assert patch == {"spec": {"template": {"a": [1]}}}
