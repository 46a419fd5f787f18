from __future__ import annotations

import pytest

from k8slab.scheduler.decide import decide
from k8slab.scheduler.filters import Filters
from k8slab.scheduler.matching import matches_term, pinned, tolerates
from k8slab.scheduler.podinfo import ASSUMED, requests

from .world import cache_of, info, node, on

NO_SCHEDULE = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
SELECTOR = "node(s) didn't match Pod's node affinity/selector"


def affinity(*terms: dict) -> dict:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"nodeAffinity": required}


def port(number: int, ip: str = "") -> list[dict]:
    return [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": number, "hostIP": ip}]}]


TABLE = [
    ("fits", {}, {"requests": {"cpu": "4", "memory": "8Gi"}}, [], None),
    ("cpu, even when empty", {}, {"requests": {"cpu": "64"}}, [], ("Insufficient cpu", False)),
    ("cpu, now", {}, {"requests": {"cpu": "2"}}, [{"requests": {"cpu": "2500m"}}], ("Insufficient cpu", True)),
    ("memory", {}, {"requests": {"memory": "9Gi"}}, [], ("Insufficient memory", False)),
    ("unknown resource", {}, {"requests": {"nvidia.com/gpu": "1"}}, [], ("Insufficient nvidia.com/gpu", False)),
    ("pods", {"pods": "1"}, {}, [{}], ("Too many pods", True)),
    ("cordoned", {"unschedulable": True}, {}, [], ("node(s) were unschedulable", False)),
    ("cordon tolerated", {"unschedulable": True}, {"tolerations": [{"operator": "Exists"}]}, [], None),
    ("taint", {"taints": [NO_SCHEDULE]}, {}, [], ("node(s) had untolerated taint(s)", False)),
    ("taint tolerated", {"taints": [NO_SCHEDULE]}, {"tolerations": [{"key": "gpu", "value": "yes"}]}, [], None),
    ("taint that only discourages", {"taints": [NO_SCHEDULE | {"effect": "PreferNoSchedule"}]}, {}, [], None),
    ("selector", {}, {"nodeSelector": {"disk": "ssd"}}, [], (SELECTOR, False)),
    ("selector met", {"labels": {"disk": "ssd"}}, {"nodeSelector": {"disk": "ssd"}}, [], None),
    ("nodeName", {}, {"nodeName": "other"}, [], ("node(s) didn't match the requested node name", False)),
    (
        "host port",
        {},
        {"containers": port(80)},
        [{"containers": port(80, "127.0.0.1")}],
        ("node(s) didn't have free ports for the requested pod ports", True),
    ),
    ("other address", {}, {"containers": port(80, "127.0.0.2")}, [{"containers": port(80, "127.0.0.1")}], None),
    (
        "affinity",
        {"labels": {"cores": "8"}},
        {"affinity": affinity({"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]})},
        [],
        (SELECTOR, False),
    ),
]


@pytest.mark.parametrize(
    ("node_is", "pod_is", "there", "refused"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_filter(node_is: dict, pod_is: dict, there: list[dict], refused: tuple[str, bool] | None) -> None:
    cache = cache_of(node("n", **node_is), *(on("n", **what) for what in there))
    pod = info(**pod_is)
    found = [refusal for rule in Filters(pod, cache).rules if (refusal := rule(pod, cache.nodes[0]))]
    assert [(r.reasons[0], r.resolvable) for r in found] == ([refused] if refused else [])


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "b", "operator": "NotIn", "values": ["1"]}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "b", "operator": "DoesNotExist"}, True),
        ({"key": "a", "operator": "Lt", "values": ["2"]}, True),
        ({"key": "a", "operator": "Lt", "values": ["x"]}, False),
        ({"key": "b", "operator": "Gt", "values": ["0"]}, False),
    ],
)
def test_operators_of_node_affinity(expression: dict, holds: bool) -> None:
    there = cache_of(node("n", labels={"a": "1"})).nodes[0]
    assert matches_term({"matchExpressions": [expression]}, there) is holds
    assert not matches_term({}, there)


@pytest.mark.parametrize(
    ("toleration", "bears"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "no"}, False),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "cpu", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict, bears: bool) -> None:
    assert tolerates([toleration], NO_SCHEDULE) is bears


def container(cpu: str, **more: str) -> dict:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}} | more


def test_requests_are_the_high_water_mark_of_init_containers_sidecars_and_the_rest() -> None:
    main = [container("1"), container("500m")]
    assert requests({"containers": main})["cpu"] == 1500
    assert requests({"containers": main, "initContainers": [container("3")]})["cpu"] == 3000
    sidecar = container("200m", restartPolicy="Always")
    assert requests({"containers": main, "initContainers": [sidecar]})["cpu"] == 1700
    assert requests({"containers": main, "initContainers": [sidecar, container("3")]})["cpu"] == 3200
    assert requests({"containers": main, "overhead": {"cpu": "10m"}})["cpu"] == 1510
    assert requests({"containers": [{"name": "c"}]}, ASSUMED) == ASSUMED


def test_a_pod_pinned_by_name_looks_at_that_node_alone() -> None:
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}
    pod = info(affinity=affinity(by_name), requests={"cpu": "64"})
    assert pinned(pod) == {"node-2"}
    assert pinned(info(affinity=affinity(by_name, {"matchExpressions": []}))) is None
    decision = decide(pod, cache_of(*(node(f"node-{i}") for i in (1, 2, 3))))
    assert list(decision.refused) == ["node-2"]
    assert "1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]." in decision.message
