from __future__ import annotations

from typing import Any

import pytest

from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import decide
from k8slab.scheduler.podinfo import PodInfo

from .world import cache_of, node, on, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
UNEVEN = "node(s) didn't match pod topology spread constraints"
NOWHERE = f"{UNEVEN} (missing required label)"
WEB = {"app": "web"}


def constraint(key: str = ZONE, skew: int = 1, hard: bool = True, **more: Any) -> dict:
    action = "DoNotSchedule" if hard else "ScheduleAnyway"
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": action,
        "labelSelector": {"matchLabels": WEB},
    } | more


def cluster(counts: dict[str, int], zones: str = "aab", **nodes: dict) -> Cache:
    """node-1, node-2, … in these zones, with so many pods each; `nodes` are what else is to be said of one."""
    made = [
        node(f"node-{i}", **{"labels": {ZONE: zone} if zone != "-" else {}} | nodes.get(f"node_{i}", {}))
        for i, zone in enumerate(zones, 1)
    ]
    return cache_of(*made, *(on(name, labels=WEB) for name, number in counts.items() for _ in range(number)))


def fits(cache: Cache, *constraints: dict, labels: dict = WEB, **spec: Any) -> list[str]:
    return sorted(
        decide(PodInfo(pod(labels=labels, topologySpreadConstraints=list(constraints), **spec)), cache).scores
    )


@pytest.mark.parametrize(
    ("counts", "asked", "expected"),
    [
        ({}, [constraint()], [1, 2, 3]),
        ({"node-1": 1}, [constraint()], [3]),
        ({"node-1": 1}, [constraint(skew=2)], [1, 2, 3]),
        ({"node-1": 1, "node-3": 1}, [constraint()], [1, 2, 3]),
        ({"node-1": 1}, [constraint(HOST)], [2, 3]),
        ({"node-1": 1, "node-3": 1}, [constraint(), constraint(HOST)], [2]),
        ({"node-1": 2}, [constraint(HOST, hard=False)], [1, 2, 3]),
        ({"node-1": 1, "node-3": 1}, [constraint(minDomains=3)], []),
        ({}, [constraint(minDomains=3)], [1, 2, 3]),
    ],
)
def test_filter(counts: dict[str, int], asked: list[dict], expected: list[int]) -> None:
    assert fits(cluster(counts), *asked) == [f"node-{i}" for i in expected]


def test_reasons() -> None:
    decision = decide(
        PodInfo(pod(labels=WEB, topologySpreadConstraints=[constraint()])), cluster({"node-1": 1}, "aab-")
    )
    assert {name: (r.reasons[0], r.resolvable) for name, r in decision.refused.items()} == {
        "node-1": (UNEVEN, True),
        "node-2": (UNEVEN, True),
        "node-4": (NOWHERE, False),
    }


def test_a_pod_that_is_not_counted_itself_may_make_no_difference() -> None:
    assert fits(cluster({"node-1": 1}), constraint(), labels={"app": "other"}) == ["node-1", "node-2", "node-3"]


def test_which_nodes_count_as_domains() -> None:
    tainted = {"node_3": {"labels": {ZONE: "b"}, "taints": [{"key": "k", "effect": "NoSchedule"}]}}
    cache = cluster({"node-1": 1}, **tainted)
    assert fits(cache, constraint()) == []  # zone b is empty, but closed: nothing may be added to a
    assert fits(cache, constraint(nodeTaintsPolicy="Honor")) == ["node-1", "node-2"]
    only_a = {"nodeSelector": {ZONE: "a"}}
    cache = cluster({"node-1": 1})
    assert fits(cache, constraint(), **only_a) == ["node-1", "node-2"]
    assert fits(cache, constraint(nodeAffinityPolicy="Ignore"), **only_a) == []


def test_match_label_keys_count_one_revision_by_itself() -> None:
    cache = cache_of(node("node-1"), node("node-2"), *(on("node-1", labels=WEB | {"rev": "1"}) for _ in range(2)))
    asked = constraint(HOST, matchLabelKeys=["rev", "absent"])
    assert fits(cache, asked, labels=WEB | {"rev": "1"}) == ["node-2"]
    assert fits(cache, asked, labels=WEB | {"rev": "2"}) == ["node-1", "node-2"]


def test_pods_on_their_way_out_are_not_counted() -> None:
    cache = cluster({})
    leaving = on("node-1", labels=WEB)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cache.set_pod(leaving["metadata"]["uid"], "", leaving)
    assert fits(cache, constraint()) == ["node-1", "node-2", "node-3"]
    cache.set_pod(leaving["metadata"]["uid"], "node-1", None)
    assert cache.kin["default"] == {}


def test_pods_of_other_namespaces_are_not_counted() -> None:
    stranger = on("node-1", labels=WEB)
    stranger["metadata"]["namespace"] = "other"
    cache = cluster({})
    cache.set_pod(stranger["metadata"]["uid"], "", stranger)
    assert fits(cache, constraint()) == ["node-1", "node-2", "node-3"]


def test_score_of_wishes() -> None:
    cache = cluster({"node-1": 2, "node-3": 1}, "aab-")
    decision = decide(PodInfo(pod(labels=WEB, topologySpreadConstraints=[constraint(hard=False)])), cache)
    place = decision.plugins.index("PodTopologySpread")
    # ln(2 zones + 2) = 1.386: zone a 2.77 -> 3, zone b 1.39 -> 1; (3 + 1 - rating) / 3, twice; node-4 is nowhere.
    assert [decision.scores[f"node-{i}"][place] for i in (1, 2, 3, 4)] == [66, 66, 200, 0]


def test_its_own_constraints_replace_those_by_default() -> None:
    asked = [constraint(hard=True)]
    decision = decide(PodInfo(pod(labels=WEB, owner="rs", topologySpreadConstraints=asked)), cluster({}))
    assert "PodTopologySpread" not in decision.plugins


def test_five_pods_over_three_zones_differ_by_one_at_most() -> None:
    cache = cluster({}, "abc")
    places = []
    for _ in range(5):
        one = pod(labels=WEB, topologySpreadConstraints=[constraint()])
        at = decide(PodInfo(one), cache).node
        assert at
        one["spec"]["nodeName"] = at
        cache.set_pod(one["metadata"]["uid"], "", one)
        places.append(at)
    assert sorted(places.count(f"node-{i}") for i in (1, 2, 3)) == [1, 2, 2]
