from __future__ import annotations

from typing import Any

import pytest

from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import decide
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.preempt import Candidate, preempt

from .world import cache_of, node, pod

HOST = "kubernetes.io/hostname"


def running(name: str, at: str, cpu: str = "1", priority: int = 0, started: str = "10:00", **more: Any) -> dict:
    made = pod(name, {"cpu": cpu}, nodeName=at, priority=priority, **more)
    made["status"] = {"startTime": f"2026-01-01T{started}:00Z"}
    return made


def budget(allowed: int, **labels: str) -> dict:
    meta = {"name": "pdb", "namespace": "default"}
    return {"metadata": meta, "spec": {"selector": {"matchLabels": labels}}, "status": {"disruptionsAllowed": allowed}}


def ask(wanted: dict, *there: dict, budgets: list[dict] | None = None, nodes: int = 2) -> tuple[Candidate | str, Cache]:
    cache = cache_of(*(node(f"node-{i}") for i in range(1, nodes + 1)), *there)
    info = PodInfo(wanted)
    decision = decide(info, cache)
    assert decision.node is None
    on: dict[str, list[dict]] = {}
    for each in there:
        on.setdefault(each["spec"]["nodeName"], []).append(each)
    return preempt(info, cache, decision, lambda name: on.get(name, []), budgets or []), cache


def vip(cpu: str = "2", priority: int = 100, **more: Any) -> dict:
    return pod("vip", {"cpu": cpu}, priority=priority, **more)


def chosen(found: Candidate | str) -> tuple[str, list[str]]:
    assert isinstance(found, Candidate), found
    return found.node, [victim["metadata"]["name"] for victim in found.victims]


TABLE: list[tuple[str, list[dict], tuple[str, list[str]]]] = [
    ("no more than need be", [running("a", "node-1", "2"), running("b", "node-1", "2"), running("c", "node-2", "4", 200)],
     ("node-1", ["b"])),
    ("the younger leaves", [running("a", "node-1", "2", started="12:00"), running("b", "node-1", "2", started="10:00"),
                            running("c", "node-2", "4", 200)], ("node-1", ["a"])),
    ("the lesser leaves", [running("a", "node-1", "2", 50), running("b", "node-1", "2", 10),
                           running("c", "node-2", "4", 200)], ("node-1", ["b"])),
    ("where the highest victim is least", [running("a", "node-1", "3", 50), running("b", "node-2", "3", 10)],
     ("node-2", ["b"])),
    ("where fewer leave", [running("a", "node-1", "2"), running("b", "node-1", "1"), running("c", "node-2", "4")],
     ("node-1", ["b"])),
    ("where they began last", [running("a", "node-1", "3", started="10:00"), running("b", "node-2", "3", started="11:00")],
     ("node-2", ["b"])),
    ("else the first", [running("a", "node-1", "3"), running("b", "node-2", "3")], ("node-1", ["a"])),
]  # fmt: skip


@pytest.mark.parametrize(("there", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_victims(there: list[dict], expected: tuple[str, list[str]]) -> None:
    found, cache = ask(vip(), *there)
    assert chosen(found) == expected
    assert sum(len(info.pods) for info in cache.nodes) == len(there)  # it was only thought
    assert sum(info.requested["cpu"] for info in cache.nodes) == sum(
        1000 * int(each["spec"]["containers"][0]["resources"]["requests"]["cpu"]) for each in there
    )


def test_a_disruption_budget_is_kept_where_it_can_be() -> None:
    there = [
        running("a", "node-1", "3", labels={"app": "db"}, started="12:00"),
        running("b", "node-2", "3", 10, started="10:00"),
    ]
    assert chosen(ask(vip(), *there)[0]) == ("node-1", ["a"])
    assert chosen(ask(vip(), *there, budgets=[budget(0, app="db")])[0]) == ("node-2", ["b"])
    assert chosen(ask(vip(), *there, budgets=[budget(1, app="db")])[0]) == ("node-1", ["a"])
    both = [running("a", "node-1", "2", labels={"app": "db"}), running("b", "node-1", "2", 10)]
    found, _ = ask(vip(), *both, budgets=[budget(0, app="db")], nodes=1)
    assert chosen(found) == ("node-1", ["b"])
    assert isinstance(found, Candidate)
    assert found.violations == 0
    found, _ = ask(vip("4"), *both, budgets=[budget(0, app="db")], nodes=1)
    assert chosen(found) == ("node-1", ["b", "a"])
    assert isinstance(found, Candidate)
    assert found.violations == 1


WORDS = "0/2 nodes are available: "
NONE, HELPLESS = "No preemption victims found for incoming pod", "Preemption is not helpful for scheduling"


@pytest.mark.parametrize(
    ("wanted", "there", "said"),
    [
        (vip(), [running("a", "node-1", "3", 100), running("b", "node-2", "3", 200)], f"{WORDS}2 {NONE}."),
        (vip(), [running("a", "node-1", "1"), running("b", "node-1", "3", 200), running("c", "node-2", "3", 200)],
         f"{WORDS}1 Insufficient cpu, 1 {NONE}."),
        (vip("5"), [], f"{WORDS}2 {HELPLESS}."),
        (vip(nodeSelector={HOST: "node-1"}), [running("a", "node-1", "3", 100)], f"{WORDS}1 {NONE}, 1 {HELPLESS}."),
        (vip(preemptionPolicy="Never"), [running("a", "node-1", "3"), running("b", "node-2", "3")],
         "not eligible due to preemptionPolicy=Never."),
    ],
    ids=["equals stay", "not enough", "too large", "another node", "never"],
)  # fmt: skip
def test_why_not(wanted: dict, there: list[dict], said: str) -> None:
    assert ask(wanted, *there)[0] == said


def test_it_waits_for_its_victims_to_go() -> None:
    there = [running("a", "node-1", "3"), running("b", "node-2", "3")]
    there[0]["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    there[0]["status"]["conditions"] = [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    ]
    wanted = vip()
    assert isinstance(ask(wanted, *there)[0], Candidate)
    wanted["status"]["nominatedNodeName"] = "node-1"
    assert ask(wanted, *there)[0] == "not eligible due to a terminating pod on the nominated node."


def test_victims_may_be_those_that_do_not_want_it_near() -> None:
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": "vip"}}}
            ]
        }
    }
    there = [running("a", "node-1", affinity=apart), running("b", "node-1"), running("c", "node-2", "4", 200)]
    assert chosen(ask(vip(labels={"app": "vip"}), *there)[0]) == ("node-1", ["a"])


def test_room_that_is_being_made_for_another_is_not_free() -> None:
    cache = cache_of(node("node-1"))
    hoped = vip("3", priority=10)
    hoped["status"]["nominatedNodeName"] = "node-1"
    cache.nominate(PodInfo(hoped))
    for priority, fits in ((0, None), (10, None), (11, "node-1")):
        assert decide(PodInfo(pod("other", {"cpu": "2"}, priority=priority)), cache).node == fits
    assert decide(PodInfo(hoped), cache).node == "node-1"
    cache.withdraw(hoped["metadata"]["uid"])
    assert decide(PodInfo(pod("other", {"cpu": "2"})), cache).node == "node-1"
