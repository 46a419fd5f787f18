from hypothesis import given
from hypothesis import strategies as st

from k8slab.widgets.board_model import Facts, density, picture
from k8slab.widgets.delta import apply, diff
from tests.widgets import cluster
from tests.widgets.cluster import START, deployment, leaving, node, pod, replica_set, snapshot

NOW = Facts(START + 60)


def look(*objects, before=None, facts=NOW):
    return picture(snapshot(*objects), facts, before)


def test_an_empty_cluster_says_so():
    assert look()["say"] == "The cluster is empty."


def test_a_tile_says_who_and_whose():
    shown = look(*cluster.shop(1))["pods"]["Pod/web-7d5bc-00000"]
    assert (shown["app"], shown["id"], shown["version"], shown["cat"]) == ("web", "00000", "v1", 1)
    assert shown["owners"] == [["Deployment", "web"], ["ReplicaSet", "web-7d5bc"]]
    assert (shown["node"], shown["ready"], shown["total"]) == ("node-1", 1, 1)


def test_a_wish_and_what_is_beyond_it():
    web = deployment(replicas=2)
    rs = replica_set(owner=web)
    pods = [
        pod(f"web-7d5bc-{n}", owner=rs, state=state) for n, state in (("a", "starting"), ("b", "ready"), ("c", "ready"))
    ]
    wish = look(web, rs, *pods, leaving(pod("web-7d5bc-d", owner=rs)))["wishes"]["Deployment/web"]
    assert (wish["wants"], wish["ready"]) == (2, 2)
    assert wish["pods"] == ["Pod/web-7d5bc-b", "Pod/web-7d5bc-c"]
    assert wish["more"] == ["Pod/web-7d5bc-a", "Pod/web-7d5bc-d"]
    assert wish["told"] == "2 wished: 2 of v1 ready. Beyond the wish: 1 of v1 starting, 1 of v1 terminating."


def test_a_release_is_noted_and_has_a_colour_of_its_own():
    web = deployment(replicas=2, image="k8slab/web:v2")
    old, new = replica_set("web-old", 1, web), replica_set("web-new", 1, web, "2")
    shown = look(
        web, old, new, pod("web-old-a", owner=old), pod("web-new-b", owner=new, image="k8slab/web:v2", at=START + 5)
    )
    assert shown["wishes"]["Deployment/web"]["note"] == "releasing v2: 1 of 2 pods are new"
    assert [tile["cat"] for tile in shown["pods"].values()] == [1, 2]


def test_two_templates_of_the_same_tag_have_two_names():
    web = deployment()
    one, two = replica_set("web-one", owner=web), replica_set("web-two", owner=web, revision="2")
    shown = look(web, one, two, pod("web-one-a", owner=one), pod("web-two-b", owner=two, at=START + 5))
    assert [tile["version"] for tile in shown["pods"].values()] == ["v1", "v1 r2"]


def test_a_version_keeps_its_colour_when_all_its_pods_have_gone():
    first = look(*cluster.shop(2))
    gone = look(node(), before=first)
    other = look(pod("db", image="db:9"), before=gone)
    again = look(pod("db", image="db:9"), *cluster.shop(2), before=other)
    assert other["pods"]["Pod/db"]["cat"] == 2
    assert again["pods"]["Pod/web-7d5bc-00000"]["cat"] == 1


def test_a_released_pod_keeps_its_colour_and_has_no_owner():
    web = deployment()
    rs = replica_set(owner=web)
    before = look(web, rs, pod("web-7d5bc-a", owner=rs))
    freed = look(web, rs, pod("web-7d5bc-a"), before=before)["pods"]["Pod/web-7d5bc-a"]
    assert (freed["cat"], freed["owners"], freed["id"]) == (1, [], "")


def test_owners_deleted_first_are_not_forgotten():
    web = deployment()
    rs = replica_set(owner=web)
    one = pod("web-7d5bc-a", owner=rs)
    before = look(web, rs, one)
    assert look(leaving(one), before=before)["pods"]["Pod/web-7d5bc-a"]["app"] == "web"


def test_a_fifth_version_shares_the_fourth_colour():
    pods = [pod(f"p{n}", image=f"app:{n}", at=START + n) for n in range(6)]
    assert [tile["cat"] for tile in look(*pods)["pods"].values()] == [1, 2, 3, 4, 4, 4]


def test_a_pod_keeps_its_place_and_a_new_one_takes_the_first_free():
    one, two, three = (pod(f"p{n}", at=START + n) for n in range(3))
    first = look(one, two, three)
    second = look(one, three, before=first)
    third = look(one, three, pod("p9", at=START + 9), before=second)
    places = {tile["name"]: tile["place"] for tile in third["pods"].values()}
    assert places == {"p0": 0, "p2": 2, "p9": 1}


def test_a_place_is_not_taken_in_the_moment_its_pod_goes():
    first = look(pod("p0"))
    second = look(pod("p1"), before=first)
    assert second["pods"]["Pod/p1"]["place"] == 1


def test_grace_is_counted_in_lesson_time_from_when_it_was_seen():
    facts = Facts(START + 60, speed=10)
    before = look(pod(), facts=facts)
    tile = look(leaving(pod(), 30, START + 59), before=before, facts=facts)["pods"]["Pod/web-7d5bc-x2j5h"]
    assert (tile["began"], tile["ends"], tile["grace"]) == (START + 60, START + 63, 30)


def test_capacity_counts_what_is_asked_for():
    asking = pod("a", requests={"cpu": "500m", "memory": "1Gi"})
    card = look(node(), asking, pod("b", state="done", requests={"cpu": "3"}))["nodes"]["node-1"]
    assert card["cpu"] == [0.5, 4.0]
    assert card["memory"] == [2**30, 8 * 2**30]


def test_a_silent_node_says_when_its_pods_are_replaced():
    shown = look(node(ready="Unknown", since=START + 50), pod("a"), facts=Facts(START + 60, speed=10))
    card = shown["nodes"]["node-1"]
    assert (card["state"], card["due"]) == ("silent", START + 80)
    assert shown["pods"]["Pod/a"]["state"] == "unknown"


def test_a_node_without_power_is_off_before_the_cluster_notices():
    card = look(node(), facts=Facts(START + 60, 10, {"node-1": START + 55}))["nodes"]["node-1"]
    assert (card["word"], card["silent"], card["due"]) == ("Off", START + 55, START + 90)


def test_nodes_stand_in_counting_order():
    shown = look(*(node(f"node-{n}") for n in (10, 2, 1)))
    assert [card["name"] for card in shown["nodes"].values()] == ["node-1", "node-2", "node-10"]


def test_an_unchanged_pod_keeps_its_tile_until_its_node_falls_silent():
    one = pod()
    first = look(node(), one)
    again = look(node(), one, before=first)
    assert again["pods"]["Pod/web-7d5bc-x2j5h"] is first["pods"]["Pod/web-7d5bc-x2j5h"]
    dark = look(node(ready="Unknown"), one, before=again)
    assert dark["pods"]["Pod/web-7d5bc-x2j5h"]["state"] == "unknown"
    assert look(node(), one, before=dark)["pods"]["Pod/web-7d5bc-x2j5h"]["state"] == "ready"


def test_density_by_number_and_not_flickering():
    assert [density(n, "tiles") for n in (30, 31, 101, 301)] == ["tiles", "chips", "cells", "bars"]
    assert density(30, "chips") == "chips"
    assert density(24, "chips") == "tiles"


def test_the_summary_names_what_deviates():
    web = deployment(replicas=2)
    rs = replica_set(owner=web, replicas=2)
    shown = look(
        node(cordoned=True), web, rs, pod("web-7d5bc-a", owner=rs), pod("web-7d5bc-b", "", "unplaced", owner=rs)
    )
    assert shown["say"] == "web has 1 of 2 ready. node-1 is cordoned. One pod waits for a node."
    assert look(*cluster.shop(3))["say"] == "All is as wished."


def test_more_than_can_be_drawn_is_counted():
    shown = look(*(node(f"node-{n}") for n in range(70)))
    assert (len(shown["nodes"]), shown["undrawn"]) == (60, {"pods": 0, "nodes": 10})


states = st.sampled_from(
    ["pending", "unplaced", "starting", "notready", "ready", "crashing", "noimage", "failed", "done"]
)
pods = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 3), states, st.booleans()), unique_by=lambda p: p[0], max_size=8
)


@given(st.lists(pods, min_size=2, max_size=5))
def test_pictures_in_a_row(rounds):
    """Whatever happens: diffs lead from each picture to the next, no two pods share a place, none ever moves."""
    web = deployment()
    rs = replica_set(owner=web)
    before: dict = {}
    for round_ in rounds:
        made = [pod(f"web-7d5bc-{n}", f"node-{on}", state, owner=rs) for n, on, state, _ in round_]
        made = [leaving(one) if going else one for one, (*_, going) in zip(made, round_, strict=True)]
        now = look(*(node(f"node-{n}") for n in (1, 2, 3)), web, rs, *made, before=before)
        assert apply(before, diff(before, now)) == now
        places = [(tile["node"], tile["place"]) for tile in now["pods"].values()]
        assert len(set(places)) == len(places)
        for uid, tile in now["pods"].items():
            old = before.get("pods", {}).get(uid)
            assert not old or old["node"] != tile["node"] or old["place"] == tile["place"]
        before = now
