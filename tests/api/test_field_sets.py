from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api import field_sets as fs

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'k:{"name":"y"}', "v:1"])
PATHS = st.lists(st.lists(STEPS, min_size=1, max_size=3).map(tuple), max_size=8).map(frozenset)


def a_set(paths):
    """The set of these fields, one path at a time."""
    made = {}
    for path in paths:
        one = {}
        for step in reversed(path):
            one = {step: one}
        made = fs.union(made, one)
    return made


def members(fields):
    return frozenset(fs.paths(fields))


@given(PATHS)
def test_a_set_holds_the_fields_it_was_made_of(paths):
    made = a_set(paths)
    assert members(made) == paths
    assert all(fs.contains(made, path) for path in paths)
    assert fs.well_formed(made)


@given(PATHS, PATHS)
def test_the_algebra_is_that_of_sets_of_paths(first, second):
    one, two = a_set(first), a_set(second)
    assert members(fs.union(one, two)) == first | second
    assert members(fs.intersection(one, two)) == first & second
    assert members(fs.difference(one, two)) == first - second
    assert fs.difference(one, one) == {}
    assert a_set(first) == one, "nobody was changed"


def test_a_holder_stays_when_what_it_holds_goes():
    both = {"f:labels": {".": {}, "f:a": {}}}
    assert fs.difference(both, {"f:labels": {"f:a": {}}}) == {"f:labels": {}}
    assert fs.difference(both, {"f:labels": {}}) == {"f:labels": {"f:a": {}}}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:spec", "f:containers", 'k:{"name":"api"}', "f:image"), '.spec.containers[name="api"].image'),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:args", "i:2"), ".args[2]"),
    ],
)
def test_paths_in_words(path, text):
    assert fs.show(path) == text


def test_fields_come_before_what_they_hold():
    fields = {"f:spec": {"f:template": {"f:b": {}, "f:a": {}}, "f:replicas": {}}, "f:data": {".": {}, "f:z": {}}}
    assert [fs.show(path) for path in fs.paths(fields)] == [
        ".data", ".data.z", ".spec.replicas", ".spec.template.a", ".spec.template.b",
    ]  # fmt: skip


@pytest.mark.parametrize("junk", [None, [], "f:a", {"a": {}}, {"f:a": 1}, {"k:nonsense": {}}, {"k:1": {}}, {"i:x": {}}])
def test_what_is_no_set(junk):
    assert not fs.well_formed(junk)
