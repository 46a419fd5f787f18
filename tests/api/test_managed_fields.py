"""Who owns what after which writes: the rules of server-side apply, as a table and as laws."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slab.api import managed_fields as mf
from k8slab.api import typed
from k8slab.api.field_sets import paths, show

KIND = "io.k8s.api.core.v1.ConfigMap"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"


def config(labels=None, **data):
    meta = {"name": "c"} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta} | ({"data": data} if data else {})


EMPTY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}


def stored(done, definition=KIND):
    """What the server would store of an applied object."""
    obj = typed.check(done.obj, definition).pruned
    obj["metadata"]["managedFields"] = done.entries
    return obj


def applied(live, wish, who, now=NOW, definition=KIND, **how):
    return stored(mf.apply(live, wish, definition, mf.Writer(who), now, **how), definition)


def written(old, new, who, door="", now=NOW, sent=None, definition=KIND):
    new = copy.deepcopy(new)
    entries = mf.track(old, new, definition, mf.Writer(who, door), now, sent)
    new["metadata"]["managedFields"] = entries
    return new


def owners(obj):
    """manager -> his fields, in words."""
    return {
        entry["manager"] + (f"/{entry['operation']}" if entry["operation"] == "Update" else ""): [
            show(path) for path in paths(entry["fieldsV1"])
        ]
        for entry in obj["metadata"].get("managedFields", [])
    }


# ---- writes that do not apply ---------------------------------------------------------------------------------------


def test_who_creates_owns_what_he_sent_but_not_its_identity():
    made = written(None, config(labels={"x": "1"}, a="1"), "creator")
    assert owners(made) == {
        "creator/Update": [".data", ".data.a", ".metadata.labels", ".metadata.labels.x"],
    }
    assert made["metadata"]["managedFields"][0] == {
        "manager": "creator", "operation": "Update", "apiVersion": "v1", "time": NOW, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}, "f:data": {".": {}, "f:a": {}}},
    }  # fmt: skip


def test_who_changes_a_field_takes_it_over():
    made = written(None, config(a="1", b="1"), "one")
    changed = written(made, config(a="2", c="1"), "two", now=LATER)
    assert owners(changed) == {"one/Update": [".data"], "two/Update": [".data.a", ".data.c"]}
    assert [entry["time"] for entry in changed["metadata"]["managedFields"]] == [NOW, LATER]


def test_managers_without_fields_vanish():
    made = written(None, config(a="1"), "one")
    assert owners(written(made, {**config(), "data": {"a": "2"}}, "two")) == {
        "one/Update": [".data"],
        "two/Update": [".data.a"],
    }
    gone = {**EMPTY, "metadata": {"name": "c"}}
    assert owners(written(made, gone, "two")) == {}


def test_the_doors_are_told_apart():
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1}}
    first = written(None, made | {"status": {"replicas": 3}}, "me", definition=DEPLOYMENT)
    assert owners(first) == {"me/Update": [".spec.replicas"]}, "the main door ignores the status"
    scaled = written(first, {**made, "spec": {"replicas": 2}}, "me", "scale", definition=DEPLOYMENT)
    assert [(e["manager"], e.get("subresource", "")) for e in scaled["metadata"]["managedFields"]] == [("me", "scale")]
    scaled["status"] = {}
    seen = {**scaled, "status": {"replicas": 2}, "spec": {"replicas": 9}}
    told = written(scaled, seen, "eye", "status", definition=DEPLOYMENT)
    assert owners(told)["eye/Update"] == [".status.replicas"]


ENTRY = {
    "manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {"f:b": {}}},
}  # fmt: skip


def test_an_object_that_was_never_tracked_is_not_tracked():
    assert owners(written(config(a="1"), config(a="2"), "two")) == {}


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (None, ["one/Update", "two/Update"]),  # a client that does not know the field
        ([], []), ([{}], []),  # a reset
        ([{**ENTRY, "operation": "Guess"}], ["one/Update", "two/Update"]),
        ([{**ENTRY, "fieldsV1": {"data": {}}}], ["one/Update", "two/Update"]),
        ([ENTRY], ["x", "two/Update"]),
    ],
)  # fmt: skip
def test_what_clients_may_write_into_managed_fields(sent, left):
    made = written(None, config(a="1", b="1"), "one")
    assert list(owners(written(made, config(a="2", b="1"), "two", sent=sent))) == left


def test_the_oldest_of_many_updaters_are_put_together():
    obj = written(None, config(a="0"), "w0")
    for number in range(1, 15):
        data = {f"k{n}": "1" for n in range(number)}
        obj = written(obj, config(a="0", **data), f"w{number:02}", now=f"2026-01-01T00:00:{number:02}Z")
    managers = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(managers) == mf.MOST_UPDATERS
    assert managers[0] == "ancient-changes"
    assert {".data.k0", ".data.a"} <= set(owners(obj)["ancient-changes/Update"])


def test_a_write_that_changes_nothing_keeps_the_old_times():
    made = written(None, config(a="1"), "one")
    again = copy.deepcopy(made)
    again["metadata"]["managedFields"][0]["time"] = LATER
    assert mf.settle(again, made) is made
    again["data"]["a"] = "2"
    assert mf.settle(again, made) is again


# ---- applying -------------------------------------------------------------------------------------------------------


def test_an_applier_owns_what_he_says_and_no_holder_of_it():
    made = applied(EMPTY, config(labels={"x": "1"}, a="1"), "me")
    assert owners(made) == {"me": [".data.a", ".metadata.labels.x"]}


def test_what_an_applier_leaves_out_goes():
    made = applied(EMPTY, config(labels={"x": "1"}, a="1", b="1"), "me")
    again = applied(made, config(a="1"), "me")
    assert (again["data"], again["metadata"].get("labels")) == ({"a": "1"}, None)


def test_what_others_own_stays():
    made = applied(EMPTY, config(a="1", b="1"), "me")
    shared = applied(made, config(b="1", c="1"), "you")
    assert owners(shared) == {"me": [".data.a", ".data.b"], "you": [".data.b", ".data.c"]}
    assert applied(shared, config(), "me")["data"] == {"b": "1", "c": "1"}


def test_what_an_updater_took_over_stays_and_its_applier_is_told():
    made = applied(EMPTY, config(a="1"), "me")
    changed = written(made, config(a="2"), "you")
    assert owners(changed) == {"you/Update": [".data.a"]}
    assert applied(changed, config(), "me")["data"] == {"a": "2"}
    with pytest.raises(mf.ApplyConflict) as refused:
        applied(changed, config(a="1"), "me")
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "you" using v1: .data.a'
    forced = applied(changed, config(a="1"), "me", force=True)
    assert owners(forced) == {"me": [".data.a"]}


def test_conflicts_name_all_owners():
    made = applied(applied(EMPTY, config(a="1", b="1"), "bob"), config(c="1"), "ann")
    with pytest.raises(mf.ApplyConflict) as refused:
        applied(made, config(a="2", b="2", c="2"), "eve")
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "ann":\n- .data.c\nconflicts with "bob":\n- .data.a\n- .data.b'
    )
    status = refused.value.status()
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"]["causes"][0] == {
        "reason": "FieldManagerConflict", "message": 'conflict with "ann"', "field": ".data.c",
    }  # fmt: skip


def test_applying_the_same_value_shares_the_field():
    both = applied(applied(EMPTY, config(a="1"), "one"), config(a="1"), "two")
    assert owners(both) == {"one": [".data.a"], "two": [".data.a"]}


def test_what_nobody_tracked_belongs_to_whoever_was_before_the_first_apply():
    with pytest.raises(mf.ApplyConflict, match="before-first-apply"):
        applied(config(a="1"), config(a="2"), "me")
    made = applied(config(a="1", b="1"), config(a="1"), "me")
    assert owners(made) == {"me": [".data.a"], "before-first-apply/Update": [".data", ".data.a", ".data.b"]}


def deployment(*containers, **spec):
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [*containers]}}
    spec |= {"selector": {"matchLabels": {"app": "a"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


NO_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}


def test_items_of_a_list_go_and_stay_by_their_keys():
    first = deployment({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"})
    made = applied(NO_DEPLOYMENT, first, "me", definition=DEPLOYMENT)
    other = applied(made, deployment({"name": "c", "image": "1"}), "you", definition=DEPLOYMENT)
    again = applied(other, deployment({"name": "a", "image": "2"}), "me", definition=DEPLOYMENT)
    shown = [(c["name"], c["image"], c.get("env")) for c in again["spec"]["template"]["spec"]["containers"]]
    assert shown == [("a", "2", None), ("c", "1", None)]


def test_what_is_atomic_is_owned_as_a_whole():
    made = applied(NO_DEPLOYMENT, deployment({"name": "a", "args": ["1", "2"]}), "me", definition=DEPLOYMENT)
    with pytest.raises(mf.ApplyConflict) as refused:
        applied(made, deployment({"name": "a", "args": ["1", "3"]}), "you", definition=DEPLOYMENT)
    assert refused.value.message.endswith('.spec.template.spec.containers[name="a"].args')


def test_the_status_is_not_for_the_main_door():
    live = deployment({"name": "a"}) | {"status": {"replicas": 1}}
    wish = deployment({"name": "a"}) | {"status": {"replicas": 7}}
    made = applied(live, wish, "me", definition=DEPLOYMENT)
    assert made["status"] == {"replicas": 1}
    assert not any(field.startswith(".status") for fields in owners(made).values() for field in fields)


# ---- laws -----------------------------------------------------------------------------------------------------------

DATA = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)
ROLES = st.sampled_from(["ann", "bob", "eve"])


def settled(obj):
    return {**obj, "metadata": {**obj["metadata"], "managedFields": owners(obj)}}


@given(st.lists(st.tuples(ROLES, DATA), min_size=1, max_size=4))
def test_applying_twice_is_applying_once(steps):
    obj = EMPTY
    for who, data in steps:
        obj = applied(obj, config(**data), who, force=True)
        assert mf.settle(applied(obj, config(**data), who, now=LATER), obj) is obj


@given(DATA, DATA)
def test_disjoint_configurations_commute(first, second):
    one = config(**{f"x{key}": value for key, value in first.items()})
    two = config(**{f"y{key}": value for key, value in second.items()})
    forth = applied(applied(EMPTY, one, "ann"), two, "bob")
    back = applied(applied(EMPTY, two, "bob"), one, "ann")
    assert settled(forth) == settled(back)


@given(DATA, DATA)
def test_applying_nothing_takes_back_what_was_applied(mine, others):
    base = applied(EMPTY, config(**{f"y{key}": value for key, value in others.items()}), "bob")
    after = applied(applied(base, config(**mine), "ann"), {**EMPTY, "metadata": {"name": "c"}}, "ann")
    assert (after.get("data") or {}) == (base.get("data") or {})
    assert "ann" not in owners(after)


@given(st.lists(st.tuples(ROLES, DATA, st.booleans()), max_size=5))
def test_nobody_owns_what_is_not_there_and_every_applied_field_has_an_owner(steps):
    obj = written(None, config(a="1"), "zoe")
    for who, data, applies in steps:
        obj = applied(obj, config(**data), who, force=True) if applies else written(obj, config(**data), who)
        there = {f".data.{key}" for key in obj.get("data") or {}}
        owned = {field for fields in owners(obj).values() for field in fields}
        assert {field for field in owned if field.startswith(".data.")} <= there
        assert not applies or {f".data.{key}" for key in data} <= set(owners(obj).get(who, []))
