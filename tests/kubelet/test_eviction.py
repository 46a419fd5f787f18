"""Memory and disk run short: who goes, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.objects import Obj, condition, is_pod_ready
from k8slab.kubelet import machine
from k8slab.kubelet.eviction import Used, beyond_its_limit, binary, evicted, victim
from k8slab.kubelet.pressure import Pressure
from k8slab.runtime.base import Usage

MI = 1 << 20


def using(name: str, megabytes: int, *, request: int = 0, priority: int = 0) -> Used:
    resources = {"requests": {"memory": f"{request}Mi"}} if request else {}
    return Used(
        pod(name, containers=[container(resources=resources)], priority=priority), memory={"web": megabytes * MI}
    )


@pytest.mark.parametrize(
    ("pods", "first"),
    [
        ([], None),
        ([using("small", 10), using("big", 20)], "big"),
        ([using("asked-for-it", 500, request=600), using("did-not", 20)], "did-not"),
        ([using("dear", 500, priority=9), using("cheap", 20)], "cheap"),
        ([using("over-by-10", 110, request=100), using("over-by-20", 30, request=10)], "over-by-20"),
        ([using("system", 500, priority=2_000_000_000)], None),
    ],
)
def test_who_goes_first(pods: list[Used], first: str | None) -> None:
    found = victim("memory", pods)
    assert (found.pod["metadata"]["name"] if found else None) == first


def test_the_words() -> None:
    refusal = evicted("memory", using("big", 200), 50 * MI, 100 * MI)
    assert refusal.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container web was using 200Mi, request is 0, has larger consumption of memory. "
    )
    assert [binary(n) for n in (17, 20 << 10, 3 << 30, (5 << 20) + 1)] == ["17", "20Ki", "3Gi", "5120Ki"]


def test_limits_of_what_is_written() -> None:
    told: Obj = pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    assert beyond_its_limit(Used(told, volumes={"v": MI})) is None
    refusal = beyond_its_limit(Used(told, volumes={"v": MI + 1}))
    assert refusal
    assert refusal.message == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    limited = pod(containers=[container(resources={"limits": {"ephemeral-storage": "1Mi"}})])
    refusal = beyond_its_limit(Used(limited, written={"web": 2 * MI}))
    assert refusal
    assert refusal.message == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "


class Short(World):
    """A node whose containers use what they are told to."""

    used: dict[str, int]

    async def look(self) -> None:
        async def usage(id: str) -> Usage:
            return Usage(0, self.used[self.runtime.states[id].name])

        async def written(id: str) -> int:
            return 0

        self.runtime.usage, self.runtime.written = usage, written  # type: ignore[attr-defined]
        pods = self.client.informer("Pod")
        pressure = Pressure(self.runtime, self.clock, lambda node: pods.by("node", node), self.folder)  # type: ignore[arg-type]
        await pressure.look([*self.kubelets._nodes.values()])
        await self.clock.settle()


async def two(tmp_path: Path, **used: int) -> Short:
    world = Short(folder=tmp_path / "volumes")
    world.used = used
    await world.start()
    for name in used:
        await world.run(pod(name, containers=[container(name)]))
    return world


async def test_a_node_short_of_memory_evicts_one_and_shows_it(tmp_path: Path) -> None:
    world = await two(tmp_path, small=1 << 30, big=7 << 30)
    await world.look()
    status = world.pod("big")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"].startswith(
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 0. "
    )
    assert condition(world.pod("big"), "DisruptionTarget")["reason"] == "TerminationByKubelet"  # type: ignore[index]
    assert is_pod_ready(world.pod("small"))
    node = world.client.get("Node", "node-1")
    assert condition(node, "MemoryPressure")["status"] == "True"  # type: ignore[index]
    assert {"EvictionThresholdMet", "Evicted", "NodeHasInsufficientMemory", "Killing"} <= set(world.events.reasons())
    await world.after(301)
    assert condition(world.client.get("Node", "node-1"), "MemoryPressure")["status"] == "False"  # type: ignore[index]
    assert world.events.reasons()[-1] == "NodeHasSufficientMemory"


async def test_a_machine_short_of_memory_or_disk_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await two(tmp_path, small=1 << 20, big=2 << 20)
    monkeypatch.setattr(machine, "memory_available", lambda: 1 << 20)
    await world.look()
    assert world.pod("big")["status"]["reason"] == "Evicted"
    monkeypatch.undo()
    monkeypatch.setattr(machine, "disk_available", lambda folder: 1 << 20)
    await world.look()
    node = world.client.get("Node", "node-1")
    assert condition(node, "DiskPressure")["reason"] == "KubeletHasDiskPressure"  # type: ignore[index]
    assert is_pod_ready(world.pod("small"))  # it has written nothing: nothing is to be had from it


async def test_an_emptydir_that_grows_too_big(tmp_path: Path) -> None:
    world = await two(tmp_path)
    volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    mounted = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    world.used = {"web": 0}
    uid = await world.run(pod(containers=[mounted], volumes=[volume]))
    await world.look()
    assert is_pod_ready(world.pod())
    (world.folder / uid / "volumes" / "v" / "big").write_bytes(b"x" * (2 << 20))
    await world.look()
    status: Any = world.pod()["status"]
    assert (status["reason"], status["message"]) == (
        "Evicted",
        'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
    )


def test_this_machine_has_memory_and_disk(tmp_path: Path) -> None:
    assert machine.memory_available() > 0
    assert machine.disk_available(tmp_path) > 0
