from __future__ import annotations

import pytest

from k8slab.api import structured
from k8slab.api.field_sets import paths, show

POD, SERVICE = "io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.Service"
DEPLOYMENT, CONFIGMAP = "io.k8s.api.apps.v1.Deployment", "io.k8s.api.core.v1.ConfigMap"


def words(fields):
    return [show(path) for path in paths(fields)]


def pod(*containers, **spec):
    return {"spec": {"containers": [*containers], **spec}}


@pytest.mark.parametrize(
    ("definition", "config", "fields"),
    [
        (CONFIGMAP, {"data": {"a": "1", "b": None}}, [".data.a", ".data.b"]),
        (CONFIGMAP, {"data": {}}, [".data"]),
        (POD, pod({"name": "c", "image": "i"}), [
            '.spec.containers[name="c"]', '.spec.containers[name="c"].image', '.spec.containers[name="c"].name']),
        (POD, pod(nodeSelector={"a": "b"}, tolerations=[{"key": "x"}]), [".spec.nodeSelector", ".spec.tolerations"]),
        (POD, pod(securityContext={}), [".spec.securityContext"]),
        (POD, pod({"name": "c", "ports": [{"containerPort": 80}]}), [
            '.spec.containers[name="c"]', '.spec.containers[name="c"].name',
            '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]',
            '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort']),
        (POD, {"metadata": {"finalizers": ["a/b"], "ownerReferences": [{"uid": "u", "kind": "K"}]}}, [
            '.metadata.finalizers[="a/b"]', '.metadata.ownerReferences[uid="u"]']),
        (DEPLOYMENT, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, [".spec.selector"]),
    ],
)  # fmt: skip
def test_what_a_configuration_speaks_of(definition, config, fields):
    assert words(structured.fields_of(config, definition)) == fields


def test_what_was_added_is_owned_with_what_holds_it():
    new = {"metadata": {}, "status": {}, **pod({"name": "c", "env": [{"name": "A", "value": "1"}]})}
    changed, removed = structured.compare(structured.nothing(POD), new, POD)
    assert removed == {}
    assert changed == {
        "f:spec": {
            "f:containers": {  # required, so Go has it from the start
                'k:{"name":"c"}': {
                    ".": {}, "f:name": {},
                    "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                }
            }
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "changed", "removed"),
    [
        ({"replicas": 1}, {"replicas": 2}, [".spec.replicas"], []),
        ({"replicas": 1}, {}, [], [".spec.replicas"]),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"selector": {"matchLabels": {"a": "c"}}}, [".spec.selector"], []),
        ({"strategy": {}}, {"strategy": {}}, [], []),
        ({"strategy": {}}, {"strategy": {"type": "Recreate"}}, [".spec.strategy.type"], []),
    ],
)
def test_what_became_of_an_object(old, new, changed, removed):
    found = structured.compare({"spec": old}, {"spec": new}, DEPLOYMENT)
    assert (words(found.changed), words(found.removed)) == (changed, removed)


def test_items_are_compared_by_their_keys_and_not_by_their_place():
    old, new = pod({"name": "a", "image": "1"}, {"name": "b"}), pod({"name": "b"}, {"name": "a", "image": "2"})
    found = structured.compare(old, new, POD)
    assert (words(found.changed), words(found.removed)) == (['.spec.containers[name="a"].image'], [])


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("abc", "", "abc"),
        ("", "ab", "ab"),
        ("abc", "xb", "axbc"),
        ("abc", "ca", "bca"),
        ("abc", "cba", "cba"),
        ("ab", "bxa", "bxa"),
    ],
)
def test_merged_items_follow_the_applied_order(live, applied, merged):
    made = structured.merge(pod(*({"name": n} for n in live)), pod(*({"name": n} for n in applied)), POD)
    assert "".join(container["name"] for container in made["spec"]["containers"]) == merged


def test_merging_adds_and_replaces_and_removes_nothing():
    live = pod({"name": "c", "image": "1", "args": ["a"]}, nodeSelector={"a": "b"}, hostname="h")
    applied = pod({"name": "c", "image": "2", "args": ["b"]}, nodeSelector={"c": "d"})
    assert structured.merge(live, applied, POD) == pod(
        {"name": "c", "image": "2", "args": ["b"]}, nodeSelector={"c": "d"}, hostname="h"
    )
    assert live["spec"]["hostname"] == "h"
    assert live["spec"]["containers"][0]["image"] == "1"


def test_taking_fields_away():
    obj = {**pod({"name": "a", "image": "i"}, {"name": "b"}, hostname="h"), "metadata": {"labels": {"x": "1"}}}
    gone = {
        "f:metadata": {"f:labels": {"f:x": {}}},
        "f:spec": {"f:hostname": {}, "f:containers": {'k:{"name":"a"}': {"f:image": {}}, 'k:{"name":"b"}': {}}},
    }
    assert structured.without(obj, gone, POD) == {**pod({"name": "a"}), "metadata": {"labels": None}}


def test_holders_are_fields_of_structs_and_not_entries_of_maps():
    fields = {
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:name": {}}}},
        "f:metadata": {"f:labels": {"f:a": {}}},
    }
    found = words(structured.with_holders(fields, structured.shape(SERVICE)))
    assert found == [
        ".metadata", ".spec", ".metadata.labels", ".metadata.labels.a", ".spec.ports",
        '.spec.ports[port=80,protocol="TCP"].name',
    ]  # fmt: skip
