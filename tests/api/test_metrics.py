from __future__ import annotations

import pytest

from k8slab.api.metrics import ContainerUsage, NodeUsage, Objects, PodUsage, resources
from k8slab.clock import to_timestamp


class Measured:
    def pods(self, namespace: str = "") -> list[PodUsage]:
        used = [ContainerUsage("web", 0.0123, 5 << 20), ContainerUsage("side", 0.0, 1)]
        return [PodUsage("default", "web-1", 1_767_225_600.4, 15.0, used, {"app": "web"})]

    def nodes(self) -> list[NodeUsage]:
        return [NodeUsage("node-1", 1_767_225_600.4, 20.25, 1.5, 3 << 30)]


def test_objects() -> None:
    now = "2026-01-01T00:00:00Z"
    assert list(Objects(Measured(), to_timestamp).pods("")) == [
        {
            "kind": "PodMetrics",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {
                "name": "web-1", "namespace": "default", "labels": {"app": "web"}, "creationTimestamp": now,
            },
            "timestamp": now,
            "window": "15s",
            "containers": [
                {"name": "web", "usage": {"cpu": "12300000n", "memory": "5120Ki"}},
                {"name": "side", "usage": {"cpu": "0", "memory": "1Ki"}},
            ],
        }
    ]  # fmt: skip
    (node,) = Objects(Measured(), to_timestamp).nodes()
    assert (node["window"], node["usage"]) == ("20.25s", {"cpu": "1500000000n", "memory": "3145728Ki"})


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"), [(0.0, 0, {"cpu": "0", "memory": "0"}), (1e-9, 1024, {"cpu": "1n", "memory": "1Ki"})]
)
def test_resources(cpu: float, memory: int, expected: dict[str, str]) -> None:
    assert resources(cpu, memory) == expected


def test_thousandths_are_rounded_up() -> None:
    used = ContainerUsage("c", 0.0101, 10)
    assert (used.milli("cpu"), used.milli("memory")) == (11, 10_000)
    assert ContainerUsage("c", 0.8, 0).milli("cpu") == 800
