from __future__ import annotations

from k8slab.scheduler.batch import Batch
from k8slab.scheduler.podinfo import Group
from k8slab.scheduler.scores import Peers

from .world import cache_of, info, node, on, pod

ZONE = "topology.kubernetes.io/zone"


def test_usage_follows_pods_coming_changing_and_going() -> None:
    cache = cache_of(node("n"))
    one = on("n", requests={"cpu": "1"}, owner="rs")
    uid = one["metadata"]["uid"]
    n = cache.infos["n"]
    assert cache.set_pod(uid, "", one) == {"pods"}
    assert (n.requested, n.groups) == ({"cpu": 1000}, {Group("default", "rs"): 1})
    leaving = one | {"metadata": one["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert cache.set_pod(uid, "n", leaving) == {"pods"}
    assert (n.requested, n.groups) == ({"cpu": 1000}, {})  # still takes its share, no longer counts among its kind
    assert not cache.set_pod(uid, "n", leaving)
    assert cache.set_pod(uid, "n", None) == {"freed"}
    assert (n.requested, n.pods, cache.groups["default"]) == ({"cpu": 0}, {}, {})


def test_equal_pods_share_what_is_known_of_them() -> None:
    cache = cache_of(node("n"), on("n", owner="rs"), on("n", owner="rs"))
    first, second = cache.infos["n"].pods.values()
    assert first is second


def test_pods_may_come_before_their_node_and_outlive_it() -> None:
    cache = cache_of(on("n", requests={"cpu": "1"}))
    assert cache.nodes == []
    assert "added" in cache.set_node("n", node("n"))
    assert cache.nodes[0].requested == {"cpu": 1000}
    cache.set_node("n", None)
    assert cache.nodes == []
    uid = next(iter(cache.infos["n"].pods))
    cache.set_pod(uid, "n", None)
    assert cache.infos == {}


def test_only_what_can_matter_to_a_pod_counts_as_a_change_of_a_node() -> None:
    cache = cache_of(node("n"))
    beating = node("n")
    beating["status"]["conditions"] = [{"type": "Ready", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]
    assert cache.set_node("n", beating) == frozenset()
    assert cache.set_node("n", node("n", unschedulable=True)) == {"unschedulable"}
    assert cache.set_node("n", node("n", labels={"disk": "ssd"})) == {"unschedulable", "labels"}
    assert cache.set_node("n", node("n", labels={"disk": "ssd"}, cpu="8")) == {"allocatable"}


def test_zones_are_counted_also_when_a_node_moves() -> None:
    group = Group("default", "rs")
    cache = cache_of(node("n", labels={ZONE: "a"}), on("n", owner="rs"), on("n", owner="rs"))
    assert cache.zones([group]) == {"a": 2}
    cache.set_node("n", node("n", labels={ZONE: "b"}))
    assert cache.zones([group]) == {"b": 2}


def test_nodes_stand_in_the_order_people_count() -> None:
    cache = cache_of(*(node(name) for name in ("node-10", "node-2", "a", "node-1")))
    assert [n.name for n in cache.nodes] == ["a", "node-1", "node-2", "node-10"]


def test_a_batch_places_as_the_single_decision_would_and_hears_of_room() -> None:
    cache = cache_of(*(node(f"node-{i}", pods="2") for i in range(1, 6)))
    what = info(owner="rs")
    peers = Peers((Group("default", "rs"),))

    def settle() -> str | None:
        batch_decision = batch.place(what)
        if batch_decision is None or batch_decision.node is None:
            return None
        one = pod(owner="rs", nodeName=batch_decision.node)
        cache.set_pod(one["metadata"]["uid"], "", one)
        return batch_decision.node

    batch = Batch(what, peers, cache, 0)
    assert [settle() for _ in range(6)] == [f"node-{i}" for i in range(1, 6)] + [None]
    batch = Batch(what, peers, cache, 0)
    assert sorted(filter(None, (settle() for _ in range(5)))) == [f"node-{i}" for i in range(1, 6)]
    batch = Batch(what, peers, cache, 0)
    refusal = batch.place(what)
    assert refusal
    assert refusal.message.startswith("0/5 nodes are available: 5 Too many pods.")
    gone = next(iter(cache.infos["node-3"].pods))
    cache.set_pod(gone, "node-3", None)
    assert batch.place(what) is None or settle() == "node-3"
