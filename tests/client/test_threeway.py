"""What `apply` without kubectl changes."""

import pytest

from k8slab.api.objects import decode
from k8slab.api.patch import json_merge_patch
from k8slab.client.threeway import LAST_APPLIED, applied, three_way_patch


def cluster_has(applied_before, **more):
    """An object as the server has it: what was applied, and what others added."""
    obj = applied(applied_before) if applied_before else {"metadata": {}}
    return json_merge_patch(obj, {"metadata": {"uid": "1"}, **more})


def wish(spec, **meta):
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", **meta}, "spec": spec}


def test_the_wish_is_kept_as_kubectl_keeps_it():
    sent = applied(wish({"a": 1}, annotations={"mine": "1", LAST_APPLIED: "old"}))
    kept = decode(sent["metadata"]["annotations"][LAST_APPLIED])
    assert kept["metadata"]["annotations"] == {"mine": "1"}
    assert kept["spec"] == {"a": 1}


@pytest.mark.parametrize(
    ("before", "others", "now", "after"),
    [
        ({"a": 1}, {}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"b": 2}, {"a": 3}, {"a": 3, "b": 2}),
        ({"a": 1, "c": 1}, {"b": 2}, {"a": 1}, {"a": 1, "b": 2}),
        ({"m": {"x": 1, "y": 1}}, {"m": {"z": 1}}, {"m": {"x": 1}}, {"m": {"x": 1, "z": 1}}),
        ({"l": [{"n": "a", "p": 1}]}, {}, {"l": [{"n": "a"}]}, {"l": [{"n": "a"}]}),
        ({"l": [1, 2]}, {}, {"l": [1]}, {"l": [1]}),
    ],
    ids=["same", "changed", "no longer wished", "deep", "in a list", "shorter list"],
)
def test_what_was_wished_goes_and_what_others_made_stays(before, others, now, after):
    current = cluster_has(wish(before), spec=others)
    assert json_merge_patch(current, three_way_patch(current, wish(now)))["spec"] == after


def test_defaults_inside_lists_are_no_change():
    current = cluster_has(wish({"l": [{"n": "a"}]}))
    current["spec"]["l"][0]["filled"] = "in by the server"
    assert three_way_patch(current, wish({"l": [{"n": "a"}]})) == {}


def test_an_object_nobody_applied_keeps_what_it_has():
    current = cluster_has(None, spec={"a": 1, "b": 2})
    patch = three_way_patch(current, wish({"a": 5}))
    assert json_merge_patch(current, patch)["spec"] == {"a": 5, "b": 2}


def test_a_spoilt_annotation_is_no_obstacle():
    current = cluster_has(None, metadata={"annotations": {LAST_APPLIED: "{nonsense"}}, spec={"a": 1})
    assert three_way_patch(current, wish({"a": 2}))["spec"] == {"a": 2}
