"""After the tables of pkg/controller/podautoscaler/replica_calculator_test.go."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj
from k8slab.controllers.replica_calculator import (
    NO_PODS,
    USUAL,
    MetricError,
    Sample,
    Tolerances,
    by_utilization,
    by_value,
    requests_of,
)

LONG_AGO, NOW = 3600.0, 0.0


def a_pod(
    number: int, request: str = "1", *, ready: bool = True, started: float = LONG_AGO, changed: float = LONG_AGO,
    phase: str = "Running", going: bool = False, memory: str = "1Gi",
) -> Obj:  # fmt: skip
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": changed}
    meta: Obj = {"name": f"p-{number}", "namespace": "default"} | ({"deletionTimestamp": "x"} if going else {})
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": request, "memory": memory}}}]},
        "status": {"phase": phase, "startTime": started, "conditions": [condition]},
    }


def ago(then: Any) -> float:
    """In these tables timestamps are how long ago they are."""
    return float(then)


def scale(
    levels: list[int | None], target: int, *, pods: list[Obj] | None = None, request: str = "1",
    resource: str = "cpu", tolerances: Tolerances = USUAL,
) -> tuple[int, int | None, int]:  # fmt: skip
    pods = pods if pods is not None else [a_pod(n, request) for n in range(len(levels))]
    samples = {f"p-{n}": Sample(level) for n, level in enumerate(levels) if level is not None}
    found = by_utilization(
        pods, samples, lambda: requests_of(pods, resource), target, len(pods), ago, resource, tolerances
    )
    return found.replicas, found.utilization, found.average


UNREADY: dict[str, Any] = {"ready": False, "started": 60.0, "changed": 60.0}


@pytest.mark.parametrize(
    ("levels", "target", "expected"),
    [
        ([300, 500, 700], 30, (5, 50, 500)),  # scale up
        ([100, 300, 500, 250, 250], 50, (3, 28, 280)),  # scale down
        ([1010, 1030, 1020], 100, (3, 102, 1020)),  # within the tolerance
        ([900, 1000, 1100], 50, (6, 100, 1000)),
        ([549, 550, 551], 50, (3, 55, 550)),  # 1.1 exactly is within
        ([560, 560, 560], 50, (4, 56, 560)),
        ([440, 440, 440], 50, (3, 44, 440)),  # less by more than a tenth, but rounded up to as many
        ([0, 0, 0], 50, (0, 0, 0)),
    ],
)
def test_utilization(levels: list[int | None], target: int, expected: tuple[int, int, int]) -> None:
    assert scale(levels, target) == expected


def test_unready_pods_count_as_idle_on_the_way_up() -> None:
    pods = [a_pod(0, **UNREADY), a_pod(1), a_pod(2)]
    assert scale([100, 500, 700], 30, pods=pods) == (4, 60, 600)
    pods = [a_pod(0, **UNREADY), a_pod(1, **UNREADY), a_pod(2)]
    assert scale([400, 500, 700], 30, pods=pods)[0] == 3  # 70 % of one, spread over three: no change
    pods = [a_pod(0), a_pod(1, phase="Pending"), a_pod(2, phase="Pending")]
    assert scale([700, None, None], 30, pods=pods)[0] == 3


def test_unready_pods_do_not_matter_on_the_way_down() -> None:
    pods = [a_pod(n) for n in range(3)] + [a_pod(n, **UNREADY) for n in (3, 4)]
    assert scale([100, 300, 500, 250, 250], 50, pods=pods) == (2, 30, 300)


def test_pods_on_their_way_out_do_not_count() -> None:
    pods = [a_pod(0), a_pod(1), a_pod(2, going=True), a_pod(3, phase="Failed")]
    assert scale([400, 400, 9000, 9000], 40, pods=pods)[0] == 4  # all that matters is within the tolerance: as it is
    assert scale([800, 800, 9000, 9000], 40, pods=pods) == (4, 80, 800)


def test_missing_metrics() -> None:
    assert scale([300, 500, None], 30)[0] == 3  # 40 % of two is 27 % of three: turned around, so nothing
    assert scale([None, 950, 950, 950], 50)[0] == 6  # as idle on the way up: 71 % of four
    assert scale([100, None, 100, 100], 50)[0] == 3  # as fully busy on the way down: 32 % of four
    assert scale([100, None, 100, 100], 300)[0] == 2  # above 100 %: as busy as the target
    assert scale([100, None], 50)[0] == 2  # 10 % and 100 %: above the target, so nothing


def test_nothing_to_go_by() -> None:
    with pytest.raises(MetricError, match=NO_PODS):
        scale([], 50, pods=[])
    with pytest.raises(MetricError, match="pods might be unready"):
        scale([100], 50, pods=[a_pod(0, **UNREADY)])
    silent = a_pod(0)
    silent["spec"]["containers"][0]["resources"] = {}
    with pytest.raises(MetricError, match="missing request for cpu in container c of Pod p-0"):
        scale([100], 50, pods=[silent])


@pytest.mark.parametrize(
    ("pod", "counts"),
    [
        (a_pod(0, started=20, changed=20), True),  # ready, measured since
        (a_pod(0, started=20, changed=10), False),  # the window began before it was ready
        (a_pod(0, started=299, changed=20, ready=False), False),  # within the five minutes: not ready, not counted
        (a_pod(0, started=301, changed=20, ready=False), True),  # it was ready once, and has a bad moment
        (a_pod(0, started=301, changed=280, ready=False), False),  # it never was
        (a_pod(0, started=301, changed=5), True),
    ],
)
def test_warming_up(pod: Obj, counts: bool) -> None:
    try:
        scale([500], 50, pods=[pod])
        found = True
    except MetricError:
        found = False
    assert found is counts
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = "1"
    assert scale([500], 50, pods=[pod], resource="memory") == (1, 50, 500)  # CPU alone needs warming up


def test_tolerances_of_each_direction() -> None:
    loose = Tolerances(up=0.5, down=0.0)
    assert scale([700], 50, tolerances=loose)[0] == 1
    assert scale([700, 700], 50)[0] == 3
    assert scale([480] * 100, 50, tolerances=loose)[0] == 96
    assert scale([480] * 100, 50)[0] == 100


def test_by_value() -> None:
    pods = [a_pod(n) for n in range(4)]
    samples = {f"p-{n}": Sample(level) for n, level in enumerate([20_000, 10_000, 10_000, 12_000])}
    assert by_value(pods, samples, 10_000, 4, ago).replicas == 6
    assert by_value(pods, samples, 10_000, 4, ago).average == 13_000
    assert by_value(pods, samples, 12_500, 4, ago).replicas == 4
    assert by_value(pods, samples, 26_000, 4, ago).replicas == 2
    del samples["p-3"]
    assert by_value(pods, samples, 100_000, 4, ago).replicas == 2  # the one not measured counts as on target
    assert by_value(pods, samples, 10_000, 4, ago).replicas == 4  # 13.3 of three: as idle it is 10 of four


def test_requests_of_containers_sidecars_and_the_whole_pod() -> None:
    pod = a_pod(0, "100m")
    pod["spec"]["initContainers"] = [
        {"name": "once"},
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
    ]
    assert requests_of([pod], "cpu") == {"p-0": 150}
    assert requests_of([pod], "cpu", "side") == {"p-0": 50}
    with pytest.raises(MetricError, match="container x not found in Pod p-0"):
        requests_of([pod], "cpu", "x")
    pod["spec"]["resources"] = {"requests": {"cpu": "2"}}
    assert requests_of([pod], "cpu") == {"p-0": 2000}
    with pytest.raises(MetricError, match="missing pod-level request for memory in Pod p-0"):
        requests_of([pod], "memory")
