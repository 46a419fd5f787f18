from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.errors import BadRequest
from k8slab.api.objects import copy
from k8slab.api.patch import strategic_merge_patch

POD = "io.k8s.api.core.v1.PodSpec"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
STRATEGY = "io.k8s.api.apps.v1.DeploymentSpec"
CONTAINER = "io.k8s.api.core.v1.Container"


def named(*names, **fields):
    return [{"name": name, **fields} for name in names]


TABLE = [
    # scalars, maps, null
    (POD, {"nodeName": "a"}, {"nodeName": "b"}, {"nodeName": "b"}),
    (POD, {"nodeName": "a"}, {"nodeName": None}, {}),
    (POD, {}, {"nodeSelector": {"a": None, "b": "1"}}, {"nodeSelector": {"b": "1"}}),
    (META, {"labels": {"a": "1", "b": "2"}}, {"labels": {"b": None, "c": "3"}}, {"labels": {"a": "1", "c": "3"}}),
    (META, {"labels": {"a": "1"}}, {"labels": {"$patch": "replace", "b": "2"}}, {"labels": {"b": "2"}}),
    (META, {"labels": {"a": "1"}}, {"labels": {"$patch": "merge", "b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
    (META, {"labels": {"a": "1"}}, {"labels": {"$patch": "delete"}}, {"labels": {}}),
    # lists of objects
    (
        POD,
        {"containers": [{"name": "a", "image": "i:1", "tty": True}, {"name": "b", "image": "j"}]},
        {"containers": [{"name": "a", "image": "i:2"}]},
        {"containers": [{"name": "a", "image": "i:2", "tty": True}, {"name": "b", "image": "j"}]},
    ),
    (POD, {"containers": named("a")}, {"containers": named("b")}, {"containers": named("a", "b")}),
    (
        POD,
        {"containers": named("a", "b")},
        {"containers": [{"name": "a", "$patch": "delete"}]},
        {"containers": named("b")},
    ),
    (
        POD,
        {"containers": named("a", "b")},
        {"containers": [{"$patch": "replace"}, {"name": "c"}]},
        {"containers": named("c")},
    ),
    (
        CONTAINER,
        {"ports": [{"containerPort": 80, "name": "http"}]},
        {"ports": [{"containerPort": 80, "name": None}, {"containerPort": 81}]},
        {"ports": [{"containerPort": 80}, {"containerPort": 81}]},
    ),
    # lists without a key are replaced
    (CONTAINER, {"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
    (POD, {"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
    # lists of texts that merge
    (META, {"finalizers": ["a"]}, {"finalizers": ["b", "a"]}, {"finalizers": ["a", "b"]}),
    (META, {"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
    (
        META,
        {"finalizers": ["a", "b"]},
        {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]},
        {"finalizers": ["b", "c"]},
    ),
    (
        META,
        {"finalizers": ["a"]},
        {"$setElementOrder/finalizers": ["b", "a"], "finalizers": ["b"]},
        {"finalizers": ["b", "a"]},
    ),
    # order
    (
        POD,
        {"containers": named("a", "b", "c")},
        {"$setElementOrder/containers": named("c", "a", "b")},
        {"containers": named("c", "a", "b")},
    ),
    (
        POD,
        {"containers": named("server", "a", "b")},
        {"$setElementOrder/containers": named("b", "n", "a"), "containers": [{"name": "n"}]},
        {"containers": named("server", "b", "n", "a")},
    ),
    (
        POD,
        {"containers": named("a", "server", "b")},
        {"$setElementOrder/containers": named("a", "b"), "containers": [{"name": "b", "tty": True}]},
        {"containers": [*named("a", "server"), {"name": "b", "tty": True}]},
    ),
    (
        POD,
        {"containers": named("a", "b")},
        {"$setElementOrder/containers": named("b"), "containers": [{"name": "a", "$patch": "delete"}]},
        {"containers": named("b")},
    ),
    (POD, {}, {"$setElementOrder/containers": named("a"), "containers": named("a")}, {"containers": named("a")}),
    # $retainKeys
    (
        STRATEGY,
        {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
        {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
        {"strategy": {"type": "Recreate"}},
    ),
    (
        POD,
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]},
        {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
    ),
    # directives without anything to merge into
    (POD, {}, {"containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}]}, {"containers": named("b")}),
    (POD, {}, {"securityContext": {"$patch": "delete"}}, {}),
    (
        POD,
        {},
        {"dnsConfig": {"$retainKeys": ["options"], "options": named("x")}},
        {"dnsConfig": {"options": named("x")}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "target", "patch", "result"), TABLE)
def test_strategic_merge_patch(definition, target, patch, result):
    before = copy({"target": target, "patch": patch})
    assert strategic_merge_patch(target, patch, definition) == result
    assert before == {"target": target, "patch": patch}


def test_what_kubectl_apply_sends_for_a_changed_manifest():
    """The second apply of parity's 04-apply: an image, two variables, one container less."""
    env = [{"name": "MODE", "value": "dev"}, {"name": "OLD", "value": "1"}]
    spec = {"containers": [{"name": "api", "image": "nginx:1.26", "env": env}, {"name": "sidecar", "image": "b"}]}
    live = {"spec": {"replicas": 2, "template": {"spec": spec}}}
    api = {
        "$setElementOrder/env": named("MODE", "NEW"),
        "env": [{"name": "MODE", "value": "prod"}, {"name": "NEW", "value": "1"}, {"$patch": "delete", "name": "OLD"}],
        "image": "nginx:1.27",
        "name": "api",
    }
    containers = {
        "$setElementOrder/containers": named("api"),
        "containers": [api, {"$patch": "delete", "name": "sidecar"}],
    }
    patched = strategic_merge_patch(live, {"spec": {"replicas": 3, "template": {"spec": containers}}}, DEPLOYMENT)
    new = [{"name": "MODE", "value": "prod"}, {"name": "NEW", "value": "1"}]
    assert patched["spec"] == {
        "replicas": 3,
        "template": {"spec": {"containers": [{"name": "api", "image": "nginx:1.27", "env": new}]}},
    }


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], r"json: cannot unmarshal array into Go value of type map\[string\]interface {}"),
        ({"$patch": "swap"}, "unknown patch type: swap"),
        ({"containers": [{"name": "a", "$patch": "swap"}]}, "unknown patch type: swap"),
        ({"containers": [{"image": "i"}]}, r'map: \{"image":"i"\} does not contain declared merge key: name'),
        ({"containers": ["a"]}, 'a list merged by name holds objects, not "a"'),
        ({"$deleteFromPrimitiveList/x": 1}, "invalid patch format of primitive list"),
        ({"$setElementOrder/containers": 1, "containers": named("a")}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": 1}, "invalid patch format of setElementOrder list"),
        ({"$retainKeys": 1}, "invalid patch format of retainKeys"),
        ({"$retainKeys": ["nodeName"], "hostname": "x"}, "it must list all fields that the patch sets"),
        ({"$setElementOrder/containers": named("a", "b"), "containers": named("b", "a")}, "The order in patch list"),
    ],
)
def test_a_patch_that_cannot_be_followed_is_a_bad_request(patch, message):
    with pytest.raises(BadRequest, match=message):
        strategic_merge_patch({"containers": named("a")}, patch, POD)


def test_texts_that_merge_are_texts():
    with pytest.raises(BadRequest, match="invalid patch format of primitive list"):
        strategic_merge_patch({}, {"finalizers": [{"a": 1}]}, META)


DIRECTIVES = ("$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/args")
FIELDS = ("name", "args", "containers", "env", "nodeSelector")
ODD = st.recursive(
    st.one_of(st.none(), st.integers(0, 9), st.sampled_from(["delete", "replace", "merge", "a"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(DIRECTIVES + FIELDS), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(ODD)
def test_any_patch_is_followed_or_refused(patch):
    target = {"containers": [{"name": "a", "args": ["x"], "env": named("e")}], "nodeSelector": {"a": "b"}}
    try:
        result = strategic_merge_patch(target, patch, POD)
    except BadRequest:
        return
    assert isinstance(result, dict)
    assert not any(name.startswith("$") for name in result)


NAMES = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)


def containers(names, image):
    return {"containers": [{"name": name, "image": image} for name in names]}


@given(NAMES, NAMES, st.booleans())
def test_done_twice_is_done_once(live, wished, ordered):
    patch = containers(wished, "new") | ({"$setElementOrder/containers": named(*wished)} if ordered else {})
    once = strategic_merge_patch(containers(live, "old"), patch, POD)
    assert strategic_merge_patch(once, patch, POD) == once
    assert {c["name"] for c in once["containers"]} == {*live, *wished}
    assert all(c["image"] == ("new" if c["name"] in wished else "old") for c in once["containers"])


@given(NAMES, NAMES)
def test_order_is_the_patch_s_and_the_rest_keeps_its_own(live, wished):
    target = containers(live, "i")
    patch = {"$setElementOrder/containers": named(*wished)}
    names = [c["name"] for c in strategic_merge_patch(target, patch, POD)["containers"]]
    assert [name for name in names if name in wished] == [name for name in wished if name in live]
    assert [name for name in names if name not in wished] == [name for name in live if name not in wished]


def test_the_result_is_the_callers_own():
    target, patch = containers("a", "i"), {"nodeSelector": {"a": "1"}}
    patched = strategic_merge_patch(target, patch, POD)
    patched["containers"][0]["image"] = patched["nodeSelector"]["a"] = "changed"
    assert target == containers("a", "i")
    assert patch == {"nodeSelector": {"a": "1"}}
