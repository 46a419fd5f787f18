from __future__ import annotations

from typing import Any

import pytest

from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import decide
from k8slab.scheduler.podinfo import PodInfo

from .world import cache_of, node, on, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
NEAR, APART = "podAffinity", "podAntiAffinity"
NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_APART = "node(s) didn't match pod anti-affinity rules"
UNWANTED = "node(s) didn't satisfy existing pods anti-affinity rules"


def term(key: str, app: str = "web", **more: Any) -> dict:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} | more


def required(side: str, *terms: dict) -> dict:
    return {side: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def preferred(side: str, weight: int, one: dict) -> dict:
    return {side: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": one}]}}


def zoned(*pods: dict) -> Cache:
    """Zone a: node-1, node-2. Zone b: node-3. node-4 is nowhere."""
    zones = {"node-1": "a", "node-2": "a", "node-3": "b"}
    nodes = [node(f"node-{i}", labels={ZONE: zones[f"node-{i}"]} if i < 4 else {}) for i in (1, 2, 3, 4)]
    return cache_of(*nodes, *pods)


def web(at: str, app: str = "web", **more: Any) -> dict:
    return on(at, labels={"app": app}, **more)


def elsewhere(namespace: str, obj: dict) -> dict:
    obj["metadata"]["namespace"] = namespace
    return obj


def outcome(cache: Cache, what: dict) -> tuple[list[str], dict[str, str]]:
    """The nodes that would do, and the reasons of the others."""
    decision = decide(PodInfo(what), cache)
    return sorted(decision.scores), {name: refusal.reasons[0] for name, refusal in decision.refused.items()}


TABLE = [
    ("near a zone", [web("node-1")], required(NEAR, term(ZONE)), ["node-1", "node-2"], NOT_NEAR),
    ("near a node", [web("node-1")], required(NEAR, term(HOST)), ["node-1"], NOT_NEAR),
    (
        "near two at once",
        [web("node-1"), web("node-3", "db")],
        required(NEAR, term(ZONE), term(ZONE, "db")),
        [],
        NOT_NEAR,
    ),
    ("near none there are", [web("node-1")], required(NEAR, term(ZONE, "db")), [], NOT_NEAR),
    ("apart in zones", [web("node-1")], required(APART, term(ZONE)), ["node-3", "node-4"], NOT_APART),
    ("apart on nodes", [web("node-1")], required(APART, term(HOST)), ["node-2", "node-3", "node-4"], NOT_APART),
    (
        "unwanted in the zone",
        [web("node-1", "db", affinity=required(APART, term(ZONE, "me")))],
        {},
        ["node-3", "node-4"],
        UNWANTED,
    ),
    ("of another namespace", [elsewhere("other", web("node-1"))], required(APART, term(HOST)), None, ""),
    (
        "named namespace",
        [elsewhere("other", web("node-1"))],
        required(APART, term(HOST, namespaces=["other"])),
        ["node-2", "node-3", "node-4"],
        NOT_APART,
    ),
    (
        "all namespaces",
        [elsewhere("other", web("node-1"))],
        required(APART, term(HOST, namespaceSelector={})),
        ["node-2", "node-3", "node-4"],
        NOT_APART,
    ),
    (
        "namespaces by label",
        [elsewhere("other", web("node-1")), web("node-2")],
        required(APART, term(HOST, namespaceSelector={"matchLabels": {"team": "x"}})),
        ["node-2", "node-3", "node-4"],
        NOT_APART,
    ),
    ("a selector of nothing", [web("node-1")], required(APART, {"topologyKey": HOST}), None, ""),
]


@pytest.mark.parametrize(("there", "affinity", "fits", "reason"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE])
def test_required(there: list[dict], affinity: dict, fits: list[str] | None, reason: str) -> None:
    cache = zoned(*there)
    cache.namespace_labels = lambda name: {"team": "x"} if name == "other" else {}
    found, refused = outcome(cache, pod(labels={"app": "me"}, affinity=affinity))
    assert found == (fits if fits is not None else ["node-1", "node-2", "node-3", "node-4"])
    assert set(refused.values()) == ({reason} if reason else set())


def test_the_first_of_those_who_want_to_be_together_goes_anywhere_that_has_the_label() -> None:
    both = pod(labels={"app": "web"}, affinity=required(NEAR, term(ZONE)))
    assert outcome(zoned(), both) == (["node-1", "node-2", "node-3"], {"node-4": NOT_NEAR})
    assert outcome(zoned(web("node-3")), both)[0] == ["node-3"]


def test_a_pod_with_a_host_of_its_own_keeps_the_next_away_until_it_goes() -> None:
    alone = {"labels": {"app": "web"}, "affinity": required(APART, term(HOST))}
    cache = zoned()
    for expected in ("node-1", "node-2", "node-3", "node-4", None):
        one = pod(**alone)
        assert decide(PodInfo(one), cache).node == expected
        if expected:
            one["spec"]["nodeName"] = expected
            cache.set_pod(one["metadata"]["uid"], "", one)
    cache.set_pod(next(iter(cache.infos["node-3"].pods)), "node-3", None)
    assert decide(PodInfo(pod(**alone)), cache).node == "node-3"


def test_only_affinity_that_cannot_be_helped_is_beyond_preemption() -> None:
    cache = zoned(web("node-1"))
    near = decide(PodInfo(pod(affinity=required(NEAR, term(HOST)))), cache).refused
    apart = decide(PodInfo(pod(affinity=required(APART, term(HOST)))), cache).refused
    assert {refusal.resolvable for refusal in near.values()} == {False}
    assert {refusal.resolvable for refusal in apart.values()} == {True}


@pytest.mark.parametrize(
    ("there", "affinity", "scores"),
    [
        ([web("node-1")], preferred(NEAR, 10, term(ZONE)), [200, 200, 0, 0]),
        ([web("node-1"), web("node-1"), web("node-2")], preferred(NEAR, 10, term(HOST)), [200, 100, 0, 0]),
        ([web("node-1")], preferred(APART, 5, term(ZONE)), [0, 0, 200, 200]),
        ([web("node-3", "db", affinity=preferred(NEAR, 3, term(HOST, "me")))], {}, [0, 0, 200, 0]),
        ([web("node-3", "db", affinity=preferred(APART, 3, term(HOST, "me")))], {}, [200, 200, 0, 200]),
        ([web("node-3", "db", affinity=required(NEAR, term(ZONE, "me")))], {}, [0, 0, 200, 0]),
    ],
    ids=["zone", "how many", "rather apart", "liked there", "rather not there", "required by another"],
)
def test_preferred(there: list[dict], affinity: dict, scores: list[int]) -> None:
    decision = decide(PodInfo(pod(labels={"app": "me"}, affinity=affinity)), zoned(*there))
    place = decision.plugins.index("InterPodAffinity")
    assert [decision.scores[f"node-{i}"][place] for i in (1, 2, 3, 4)] == scores


def test_places_follow_a_node_that_moves_to_another_zone() -> None:
    cache = zoned(web("node-1"))
    near = pod(affinity=required(NEAR, term(ZONE)))
    assert outcome(cache, near)[0] == ["node-1", "node-2"]
    cache.set_node("node-1", node("node-1", labels={ZONE: "b"}))
    assert outcome(cache, near)[0] == ["node-1", "node-3"]


def test_nothing_is_left_of_pods_that_have_gone() -> None:
    cache = zoned(web("node-1", affinity=required(APART, term(ZONE))))
    cache.set_pod(next(iter(cache.infos["node-1"].pods)), "node-1", None)
    assert (cache.kin["default"], cache.opinions, cache.priorities) == ({}, {}, {})
