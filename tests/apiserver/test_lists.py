"""Lists: of which revision, in which chunks, and watches that begin with one."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slab.api.kinds import KINDS
from k8slab.apiserver.options import ListOptions
from k8slab.apiserver.paging import listed
from k8slab.apiserver.selection import Selection
from k8slab.store.memory import MemoryStore
from tests.apiserver.test_app import CONFIGMAPS, MERGE, TABLE, config, refused

MAPS = KINDS["ConfigMap"]
INVALID = 'ListOptions.meta.k8s.io "" is invalid: '


def names(body):
    return [item["metadata"]["name"] for item in body["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


@pytest.fixture
def five(http):
    """Five ConfigMaps; the revision of the last."""
    made = [http.post(CONFIGMAPS, json=config(name, labels={"k": "v"})).json() for name in "abcde"]
    return int(made[-1]["metadata"]["resourceVersion"])


def chunk(http, **query):
    return http.get(CONFIGMAPS, params={"labelSelector": "k", "limit": "2", **query})


def test_chunks_show_the_revision_of_the_first(http, five):
    first = chunk(http).json()
    http.post(CONFIGMAPS, json=config("bb", labels={"k": "v"}))
    http.delete(CONFIGMAPS + "/c")
    http.patch(CONFIGMAPS + "/d", json={"data": {"new": "1"}}, headers=MERGE)
    second = chunk(http, **{"continue": first["metadata"]["continue"]}).json()
    third = chunk(http, **{"continue": second["metadata"]["continue"]}).json()
    assert (names(first), names(second), names(third)) == (["a", "b"], ["c", "d"], ["e"])
    assert {part["metadata"]["resourceVersion"] for part in (first, second, third)} == {str(five)}
    assert "new" not in second["items"][1]["data"]
    assert "continue" not in third["metadata"]
    assert names(chunk(http, limit="9").json()) == ["a", "b", "bb", "d", "e"]


def test_what_remains_is_told_when_nothing_filters(http, five):
    assert http.get(CONFIGMAPS + "?limit=2").json()["metadata"]["remainingItemCount"] >= 3
    assert "remainingItemCount" not in chunk(http).json()["metadata"]


def test_a_table_comes_in_chunks_too(http, five):
    first = http.get(CONFIGMAPS, params={"labelSelector": "k", "limit": "3"}, headers=TABLE).json()
    rest = http.get(
        CONFIGMAPS, params={"labelSelector": "k", "continue": first["metadata"]["continue"]}, headers=TABLE
    ).json()
    assert [row["cells"][0] for row in first["rows"] + rest["rows"]] == list("abcde")


def test_history_that_is_gone(http, verbs, five):
    token = chunk(http).json()["metadata"]["continue"]
    http.post(CONFIGMAPS, json=config("cc", labels={"k": "v"}))
    verbs.store.compact(verbs.store.revision)
    answer = chunk(http, **{"continue": token})
    assert refused(answer, 410, "Expired").startswith("The provided continue parameter is too old")
    rest = chunk(http, **{"continue": answer.json()["metadata"]["continue"], "limit": "9"}).json()
    assert names(rest) == ["c", "cc", "d", "e"]


@pytest.mark.parametrize(
    "token", ["x", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhL2IifQ", "bnVsbA", "é"]
)
def test_tokens_that_are_none(http, five, token):
    said = refused(chunk(http, **{"continue": token}), 400, "BadRequest")
    assert said.startswith("invalid continue token: continue key is not valid")


def test_the_list_of_a_revision(http, verbs, five):
    http.delete(CONFIGMAPS + "/c")
    exact = {"resourceVersion": str(five), "resourceVersionMatch": "Exact", "labelSelector": "k"}
    then = http.get(CONFIGMAPS, params=exact).json()
    assert (names(then), then["metadata"]["resourceVersion"]) == (list("abcde"), str(five))
    assert names(chunk(http, resourceVersion=str(five), limit="9").json()) == list("abcde"), (
        "as before there was a match"
    )
    for query in ({"resourceVersion": str(five)}, {"resourceVersion": "0", "limit": "9"},
                  {"resourceVersion": str(five), "resourceVersionMatch": "NotOlderThan", "limit": "9"}):  # fmt: skip
        assert names(http.get(CONFIGMAPS, params={"labelSelector": "k", **query}).json()) == list("abde")
    verbs.store.compact(verbs.store.revision)
    assert refused(http.get(CONFIGMAPS, params=exact), 410, "Expired") == (
        "The resourceVersion for the provided list is too old."
    )


def test_revisions_to_come(http, five):
    for path in (CONFIGMAPS, CONFIGMAPS + "/a"):
        answer = http.get(path, params={"resourceVersion": "9999"})
        assert refused(answer, 504, "Timeout") == f"Too large resource version: 9999, current: {five}"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"resourceVersionMatch": "Exact"},
         "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"},
         'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
        ({"resourceVersionMatch": "Near", "resourceVersion": "1"},
         'resourceVersionMatch: Unsupported value: "Near": supported values: "Exact", "NotOlderThan", ""'),
        ({"sendInitialEvents": "true"}, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ({"watch": "1", "sendInitialEvents": "true"},
         "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan"}, "resourceVersionMatch: Forbidden: "
         "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
    ],
)  # fmt: skip
def test_options_of_lists_that_cannot_be(http, query, said):
    assert refused(http.get(CONFIGMAPS, params=query), 422, "Invalid") == INVALID + said


def test_a_token_and_a_revision_exclude_each_other(http, five):
    token = chunk(http).json()["metadata"]["continue"]
    said = refused(chunk(http, **{"continue": token, "resourceVersion": "1"}), 400, "BadRequest")
    assert said == "specifying resource version is not allowed when using continue"


def test_a_table_shows_what_was_asked_for(http, five):
    rows = http.get(CONFIGMAPS + "?includeObject=None", headers=TABLE).json()["rows"]
    assert not any(row.get("object") for row in rows)
    for query in ("?includeObject=Some", "?includeObject=Some&watch=1"):
        refused(http.get(CONFIGMAPS + query, headers=TABLE), 400, "BadRequest")


# ---- watches --------------------------------------------------------------------------------------------------------


def events(http, **query):
    with http.stream(
        "GET", CONFIGMAPS, params={"watch": "1", "timeoutSeconds": "1", "labelSelector": "k", **query}
    ) as answer:
        return [json.loads(line) for line in answer.iter_lines()]


@pytest.fixture
def short(monkeypatch):
    """Watches that end after the events that are there."""
    from k8slab.apiserver import watch

    async def nothing(*_):
        return
        yield

    monkeypatch.setattr(watch, "_until", nothing)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, ["ADDED"] * 5),
        ({"resourceVersion": "0"}, ["ADDED"] * 5),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, ["ADDED"] * 5),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"},
         ["ADDED"] * 5 + ["BOOKMARK"]),
        ({"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}, []),
    ],
)  # fmt: skip
def test_how_a_watch_begins(http, five, short, query, told):
    seen = events(http, **query)
    assert [event["type"] for event in seen] == told
    if "BOOKMARK" in told:
        assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert seen[-1]["object"]["metadata"]["resourceVersion"] == str(five)


def test_a_watch_of_one_name(http, five, short):
    with http.stream("GET", CONFIGMAPS + "/b", params={"watch": "true"}) as answer:
        seen = [json.loads(line) for line in answer.iter_lines()]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == [("ADDED", "b")]


# ---- law ------------------------------------------------------------------------------------------------------------

WRITES = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["put", "delete"])), max_size=30)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(WRITES, WRITES, st.integers(1, 3))
def test_chunks_add_up_to_the_list_there_was(before, after, size):
    from k8slab.api.objects import Key

    store = MemoryStore()

    def do(writes):
        for name, what in writes:
            key, there = Key("n", name), store.get(MAPS.resource, Key("n", name))
            obj = {"metadata": {"name": name, "namespace": "n"}}
            if what == "put":
                (store.update if there else store.create)(MAPS.resource, key, obj)
            elif there:
                store.delete(MAPS.resource, key)

    def page(token=""):
        return listed(store, MAPS, "", Selection(MAPS), ListOptions(limit=size, token=token))

    do(before)
    then = store.list(MAPS.resource)
    found, meta = page()
    revision = meta["resourceVersion"]
    steps = [after[i::3] for i in range(3)]
    while token := meta.get("continue"):
        do(steps.pop() if steps else [])
        more, meta = page(token)
        found += more
        assert meta["resourceVersion"] == revision
    assert found == then
