from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.objects import Obj, controller_of, is_pod_active, is_pod_ready, is_terminating
from k8slab.controllers.census import Census
from tests.controllers.world import Cluster, pod


def a_pod(name: str, owner: str, ready: bool, phase: str, leaving: bool, version: str) -> Obj:
    made = pod(name, "node-1", ready=ready)
    made["metadata"]["labels"] = {"app": "web", "version": version}
    if owner:
        made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    if leaving:
        made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    made["status"]["phase"] = phase
    return made


NAMES = st.sampled_from(["a", "b", "c", "d"])
PHASES = st.sampled_from(["Pending", "Running", "Succeeded"])
PODS = st.builds(a_pod, NAMES, st.sampled_from(["", "x", "y"]), st.booleans(), PHASES, st.booleans(), NAMES)


@given(st.lists(st.tuples(NAMES, st.none() | PODS), max_size=40))
def test_what_was_counted_as_it_changed_is_what_a_count_would_find(changes: list[tuple[str, Obj | None]]) -> None:
    census, there = Census(), {}
    for name, after in changes:
        before = there.pop(name, None)
        if before is None and after is None:
            continue
        census.changed(before, after)
        if after is not None:
            there[name] = after
    for uid in ("x", "y"):
        mine = [one for one in there.values() if (controller_of(one) or {}).get("uid") == uid]
        assert census.active(uid) == sum(map(is_pod_active, mine))
        assert census.count(uid, lambda sort: sort.ready) == sum(map(is_pod_ready, mine))
        labels = Counter(frozenset(one["metadata"]["labels"].items()) for one in mine)
        found: Counter[frozenset[tuple[str, str]]] = Counter()
        for sort, number in census.sorts(uid).items():
            found[sort.labels] += number
        assert found == labels
        leaving = [one for one in mine if is_terminating(one) and one["status"]["phase"] != "Succeeded"]
        assert census.count(uid, lambda sort: sort.ending) == len(leaving)
    owners = {controller_of(one)["uid"] for one in there.values() if controller_of(one)}  # type: ignore[index]
    assert set(census._owners) == owners  # nothing is kept of who has no pods any more


def test_all_who_speak_through_one_client_share_one(cluster: Cluster) -> None:
    assert Census.of(cluster.client) is Census.of(cluster.client)
