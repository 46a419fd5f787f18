from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj
from k8slab.clock import VirtualClock
from k8slab.controllers import revisions, rolling, rollout_status
from tests.controllers.world import deployment, template


def a_set(name: str, size: int, available: int | None = None, **notes: str) -> Obj:
    annotations = {f"deployment.kubernetes.io/{key.replace('_', '-')}": value for key, value in notes.items()}
    meta = {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{name[-1]}Z", "annotations": annotations}
    status = {"availableReplicas": size if available is None else available, "replicas": size, "observedGeneration": 1}
    return {"metadata": meta | {"generation": 1}, "spec": {"replicas": size, "template": template()}, "status": status}


def rolling_by(surge: int | str, unavailable: int | str, replicas: int) -> Obj:
    limits = {"maxSurge": surge, "maxUnavailable": unavailable}
    return deployment(replicas, strategy={"type": "RollingUpdate", "rollingUpdate": limits})


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 3, (1, 0)),  # surge rounds up, unavailable down
        ("25%", "25%", 1, (1, 0)),
        ("30%", "30%", 10, (3, 3)),
        (2, 0, 4, (2, 0)),
        (0, "10%", 4, (0, 1)),  # both zero would never move
        (0, 9, 4, (0, 4)),
        ("100%", "100%", 0, (0, 0)),
    ],
)
def test_fence_posts(surge: Any, unavailable: Any, replicas: int, expected: tuple[int, int]) -> None:
    if replicas == 0:
        expected = (0, 0)
    assert rolling.fence_posts(rolling_by(surge, unavailable, replicas)) == expected


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (0, [10], 3),  # ten wanted, three more allowed: 0 -> 3
        (3, [8], 5),
        (5, [8], 5),  # full
        (9, [2], 10),  # never more than wanted
        (12, [], 10),
    ],
)
def test_new_replicas(new: int, old: list[int], expected: int) -> None:
    web = rolling_by(3, 2, 10)
    sets = [a_set(f"old-{n}", size) for n, size in enumerate(old)]
    assert rolling.new_replicas(web, a_set("new-9", new), sets) == expected


def test_pods_on_their_way_out_still_take_room() -> None:
    web = rolling_by(3, 2, 10)
    assert rolling.new_replicas(web, a_set("new-9", 3), [a_set("old-0", 8)], leaving=1) == 4


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        # replicas 10, maxUnavailable 2; (size, available)
        ((3, 0), [(10, 10)], [("old-0", 8)]),
        ((5, 0), [(8, 8)], []),  # eight available is the least
        ((5, 2), [(8, 8)], [("old-0", 6)]),
        ((10, 10), [(3, 3)], [("old-0", 0)]),
        ((8, 8), [(1, 0), (5, 0)], [("old-0", 0), ("old-1", 0)]),  # the broken ones go first, they protect nothing
        ((1, 1), [(9, 10)], [("old-0", 7)]),  # the status lags behind the spec: ten available, but nine wanted
        ((0, 0), [(2, 0), (8, 8)], [("old-0", 0)]),
        ((5, 5), [(4, 4), (4, 4)], [("old-0", 0), ("old-1", 3)]),
        ((10, 10), [], []),
    ],
)
def test_shrink_old(new: tuple[int, int], old: list[tuple[int, int]], expected: list[tuple[str, int]]) -> None:
    web = rolling_by(3, 2, 10)
    sets = [a_set(f"old-{n}", *sizes) for n, sizes in enumerate(old)]
    steps = rolling.shrink_old(web, a_set("new-9", *new), sets)
    assert [(rolling.name(rs), size) for rs, size in steps] == expected


@pytest.mark.parametrize(
    ("wanted", "sizes", "expected"),
    [
        (15, {"a-1": 5, "b-2": 8}, {"b-2": 11, "a-1": 7}),  # Kubernetes' example: 10 -> 15 while 13 pods run
        (5, {"a-1": 5, "b-2": 8}, {"b-2": 5, "a-1": 3}),
        (0, {"a-1": 5, "b-2": 8}, {"b-2": 0, "a-1": 0}),
        (10, {"a-1": 5, "b-2": 8}, {"b-2": 8, "a-1": 5}),
    ],
)
def test_proportional(wanted: int, sizes: dict[str, int], expected: dict[str, int]) -> None:
    web = rolling_by(3, 2, wanted)
    active = [a_set(name, size, max_replicas="13", desired_replicas="10") for name, size in sizes.items()]
    assert {rolling.name(rs): size for rs, size in rolling.proportional(web, active)} == expected


def test_scale_with_one_active_set_or_none() -> None:
    web = rolling_by(1, 1, 4)
    one, empty = a_set("a-1", 2), a_set("b-2", 0)
    assert rolling.scale(web, one, [empty]) == [(one, 4)]
    assert rolling.scale(web, None, [empty, a_set("c-3", 0)])[0][0]["metadata"]["name"] == "c-3"
    assert rolling.scale(web, None, []) == []


def test_is_scaling_looks_at_active_sets_only() -> None:
    web = rolling_by(1, 1, 4)
    assert rolling.is_scaling(web, [a_set("a-1", 2, desired_replicas="2")])
    assert not rolling.is_scaling(web, [a_set("a-1", 0, desired_replicas="2"), a_set("b-2", 4, desired_replicas="4")])


def test_template_hash_is_stable_and_speakable() -> None:
    one, other = template("nginx:1"), template("nginx:2")
    assert revisions.template_hash(one) == revisions.template_hash(dict(reversed(one.items())))
    assert len({revisions.template_hash(one), revisions.template_hash(other), revisions.template_hash(one, 1)}) == 3
    assert set(revisions.template_hash(one)) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert len(revisions.template_hash(one)) == 10


def test_split_ignores_the_hash_and_takes_the_oldest() -> None:
    web = deployment()
    twin = a_set("b-2", 1)
    twin["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = "abc"
    first, other = a_set("a-1", 1), a_set("c-3", 1)
    other["spec"]["template"] = template("other")
    assert revisions.split(web, [other, twin, first]) == (first, [twin, other])
    assert revisions.split(web, [other]) == (None, [other])


def test_revision_history_is_kept_and_shortened() -> None:
    web, new = deployment(), a_set("a-1", 1, revision="3", revision_history="1")
    changed = revisions.refreshed(web, new, [a_set("b-2", 1, revision="7")])
    notes = changed["metadata"]["annotations"]
    assert notes[revisions.REVISION] == "8"
    assert notes[revisions.HISTORY] == "1,3"
    same = revisions.refreshed(web, changed, [a_set("b-2", 1, revision="7")])
    assert same == changed


def test_superfluous_spares_what_has_pods() -> None:
    web = deployment(revisionHistoryLimit=1)
    empty = [a_set(f"old-{n}", 0, revision=str(n)) for n in range(3)]
    assert [rolling.name(rs) for rs in revisions.superfluous(web, empty)] == ["old-0", "old-1"]
    empty[0]["status"]["replicas"] = 1
    assert [rolling.name(rs) for rs in revisions.superfluous(web, empty)] == ["old-1"]
    web["spec"]["revisionHistoryLimit"] = 2**31 - 1
    assert revisions.superfluous(web, empty) == []


def test_without_a_deadline_there_is_no_progressing_condition() -> None:
    web = deployment(1, progressDeadlineSeconds=2**31 - 1)
    web["metadata"]["generation"] = 1
    status = rollout_status.status_of(web, a_set("a-1", 1), [], VirtualClock(), progress=True)
    assert [c["type"] for c in status["conditions"]] == ["Available"]


def test_a_condition_that_says_nothing_new_stays() -> None:
    old = {
        "type": "A",
        "status": "True",
        "reason": "R",
        "message": "m",
        "lastTransitionTime": "t0",
        "lastUpdateTime": "t0",
    }
    assert rollout_status.set_condition([old], {"type": "A", "status": "True", "reason": "R"}, "t1") == [old]
    moved = rollout_status.set_condition([old], {"type": "A", "status": "True", "reason": "S"}, "t1")
    assert (moved[0]["lastTransitionTime"], moved[0]["lastUpdateTime"]) == ("t0", "t1")
    flipped = rollout_status.set_condition([old, {"type": "B"}], {"type": "A", "status": "False", "reason": "S"}, "t1")
    assert [c["type"] for c in flipped] == ["B", "A"]
    assert flipped[1]["lastTransitionTime"] == "t1"
