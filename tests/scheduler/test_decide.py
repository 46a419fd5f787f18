from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from k8slab.api.objects import labels_of
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import Decision, decide, enough
from k8slab.scheduler.podinfo import Group, PodInfo
from k8slab.scheduler.preempt import Candidate, preempt
from k8slab.scheduler.scores import (
    Peers,
    World,
    balanced_allocation,
    fewest_best,
    least_allocated,
    least_crowded_best,
    share_of_highest,
    topology_spread,
)

from .world import cache_of, info, node, on, pod

GONE = "no new claims to deallocate, preemption: 0/3 nodes are available:"
NO_HELP, NO_VICTIMS = "Preemption is not helpful for scheduling", "No preemption victims found for incoming pod"
TAINT = {"taints": [{"key": "k", "effect": "NoSchedule"}]}


def three(**node_2: object) -> Cache:
    return cache_of(node("node-1"), node("node-2", **node_2), node("node-3"))


def full(cache: Cache) -> Cache:
    for name in cache.infos:
        taken = on(name, requests={"cpu": "3"})
        cache.set_pod(taken["metadata"]["uid"], "", taken)
    return cache


def refused(pod: PodInfo, cache: Cache) -> Decision:
    decision = decide(pod, cache)
    assert decision.node is None
    found = preempt(pod, cache, decision, lambda node: [], []) if cache.nodes else None
    assert not isinstance(found, Candidate)
    return replace(decision, preemption=found)


@pytest.mark.parametrize(
    ("cache", "asks", "message"),
    [
        (three(), {"requests": {"cpu": "64"}}, f"0/3 nodes are available: 3 Insufficient cpu. {GONE} 3 {NO_HELP}."),
        (
            full(three()),
            {"requests": {"cpu": "2"}},
            f"0/3 nodes are available: 3 Insufficient cpu. {GONE} 3 {NO_VICTIMS}.",
        ),
        (
            three(),
            {"nodeSelector": {"disk": "ssd"}},
            f"0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. {GONE} 3 {NO_HELP}.",
        ),
        (
            full(three(**TAINT)),
            {"requests": {"cpu": "2", "memory": "9Gi"}},
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory. "
            f"{GONE} 3 {NO_HELP}.",
        ),
        (
            full(three(unschedulable=True)),
            {"requests": {"cpu": "2"}},
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. "
            f"{GONE} 1 {NO_HELP}, 2 {NO_VICTIMS}.",
        ),
        (
            full(three()),
            {"requests": {"cpu": "2"}, "preemptionPolicy": "Never"},
            "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, "
            "preemption: not eligible due to preemptionPolicy=Never.",
        ),
        (cache_of(), {}, "no nodes available to schedule pods"),
    ],
)
def test_message_of_a_refusal(cache: Cache, asks: dict, message: str) -> None:
    assert refused(info(**asks), cache).message == message


def test_a_decision_says_what_each_score_gave() -> None:
    decision = decide(info(requests={"cpu": "1", "memory": "2Gi"}), three(**TAINT))
    assert decision.node == "node-1"
    assert decision.plugins == ("NodeResourcesFit", "NodeResourcesBalancedAllocation")
    assert decision.scores == {"node-1": (75, 100), "node-3": (75, 100)}
    assert decision.refused_by == {"TaintToleration"}


def place(cache: Cache, count: int, **what: object) -> list[str]:
    places = []
    for number in range(count):
        one = pod(f"p-{number}", **what)
        groups = cache.alike("default", [labels_of(one)]) if labels_of(one) else ()
        owner = what.get("owner")
        if owner:
            groups = (Group("default", str(owner)),)
        decision = decide(info(**what), cache, Peers(groups, cache.zones(groups)))
        assert decision.node
        cache.set_pod(one["metadata"]["uid"], "", one | {"spec": one["spec"] | {"nodeName": decision.node}})
        places.append(decision.node)
    return places


@pytest.mark.parametrize("what", [{"owner": "rs"}, {"labels": {"app": "web"}}, {}], ids=["owner", "Service", "bare"])
def test_pods_of_a_kind_land_on_the_nodes_in_turn(what: dict) -> None:
    assert place(three(), 6, **what) == ["node-1", "node-2", "node-3"] * 2


def test_a_new_owner_spreads_though_others_filled_a_node() -> None:
    cache = cache_of(node("node-1"), node("node-2"), *(on("node-1", owner="other") for _ in range(5)))
    assert Counter(place(cache, 4, owner="rs")) == {"node-1": 2, "node-2": 2}


def test_the_second_pod_goes_to_the_other_zone() -> None:
    zones = {"node-1": "a", "node-2": "a", "node-3": "a", "node-4": "b"}
    cache = cache_of(*(node(name, labels={"topology.kubernetes.io/zone": zone}) for name, zone in zones.items()))
    assert place(cache, 4, owner="rs") == ["node-1", "node-4", "node-2", "node-3"]


def test_a_preferred_node_and_a_discouraged_one() -> None:
    wish = {"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
    preferred = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    assert decide(info(affinity=preferred), three(labels={"disk": "ssd"})).node == "node-2"
    shunned = cache_of(node("node-1", taints=[{"key": "k", "effect": "PreferNoSchedule"}]), node("node-2"))
    assert decide(info(), shunned).node == "node-2"
    assert decide(info(tolerations=[{"operator": "Exists"}]), shunned).node == "node-1"


def test_ratings_as_kube_scheduler_computes_them() -> None:
    cache = three()
    nodes = cache.nodes
    fit = least_allocated(info(requests={"cpu": "1", "memory": "2Gi"}), World(cache), nodes)
    assert fit
    assert fit(nodes[0]) == 75
    balance = balanced_allocation(info(requests={"cpu": "4"}), World(cache), nodes)
    assert balance
    assert balance(nodes[0]) == 50
    assert balanced_allocation(info(), World(cache), nodes) is None
    place(cache, 1, owner="rs")
    crowd = topology_spread(info(owner="rs"), World(cache, Peers((Group("default", "rs"),))), nodes)
    assert crowd
    assert [crowd(each) for each in nodes] == [4, 2, 2]  # 1 × ln(3 + 2) + 3 - 1, rounded


def test_scales() -> None:
    assert [least_crowded_best([4, 2, 2])(rating) for rating in (4, 2)] == [50, 100]
    assert [fewest_best([0, 2])(rating) for rating in (0, 1, 2)] == [100, 50, 0]
    assert [share_of_highest([0, 4])(rating) for rating in (0, 1, 4)] == [0, 25, 100]
    assert [least_crowded_best([0])(0), fewest_best([0])(0), share_of_highest([0])(0)] == [100, 100, 0]


def test_a_large_cluster_is_not_searched_to_the_end() -> None:
    cache = cache_of(*(node(f"node-{i}") for i in range(1, 301)))
    decision = decide(info(), cache, start=250)
    assert len(decision.scores) == enough(300) == 100
    assert decision.node == "node-1"  # 251…300, then round to 1…50: all alike, so the first by name
