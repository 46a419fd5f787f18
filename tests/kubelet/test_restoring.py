"""Records that outlive their server: what the API was told makes them again."""

from __future__ import annotations

from typing import Any

from kubelet_world import Events, FakeClient, container, pod

from k8slab.api.objects import Obj, is_pod_ready
from k8slab.clock import VirtualClock
from k8slab.kubelet.kubelets import Kubelets
from k8slab.kubelet.node import NodeConfig
from k8slab.kubelet.restoring import told
from k8slab.runtime.simulated import SimulatedRuntime

ID = "simulated://" + "a" * 64


class Lab:
    """One node with records, whose server can die."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.client = FakeClient(self.clock)
        self.events = Events()

    async def serve(self, *off: str) -> None:
        self.client._informers.clear()
        self.runtime = SimulatedRuntime(self.clock)
        self.kubelets = Kubelets(self.client, self.runtime, self.clock, lambda node: self.events)  # type: ignore[arg-type]
        await self.kubelets.start([NodeConfig("node-1", "10.1.1.0/24")], off)
        await self.clock.settle()

    async def die(self) -> None:
        await self.kubelets.stop()

    def status(self, name: str = "web") -> Obj:
        found: Obj = self.client.get("Pod", name, "default")["status"]
        return found


def running(attempt: int, **last: Any) -> Obj:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {"name": "web", "containerID": ID, "restartCount": attempt, "state": state, "lastState": last}


def test_what_a_status_tells() -> None:
    (state,) = told(pod() | {"metadata": {"uid": "u"}, "status": {"containerStatuses": [running(0)]}}, alive=True)
    assert (state.id, state.phase, state.started, state.attempt) == ("a" * 64, "running", 1_767_225_600.0, 0)
    (dead,) = told(pod() | {"metadata": {"uid": "u"}, "status": {"containerStatuses": [running(0)]}}, alive=False)
    assert (dead.phase, dead.exit_code) == ("exited", 137)
    ended = {"exitCode": 3, "reason": "Error", "containerID": "simulated://b", "finishedAt": "2026-01-01T00:00:00Z"}
    again = running(2, terminated=ended)
    before, now = told(pod() | {"metadata": {"uid": "u"}, "status": {"containerStatuses": [again]}}, alive=True)
    assert (before.attempt, before.exit_code, before.id) == (1, 3, "b")
    assert (now.attempt, now.phase) == (2, "running")


async def test_a_restart_of_the_server_restarts_no_container() -> None:
    lab = Lab()
    await lab.serve()
    lab.client.create(pod())
    await lab.clock.settle()
    before = lab.status()
    await lab.die()
    await lab.serve()
    lab.client.create(pod("late"))
    await lab.clock.settle()
    assert lab.status() == before
    assert lab.status("late")["podIP"] not in ("", before["podIP"])


async def test_what_ends_by_itself_ends_when_it_would_have() -> None:
    lab = Lab()
    await lab.serve()
    lab.client.create(pod(restartPolicy="Never"))
    await lab.clock.settle()
    await lab.die()
    await lab.serve()
    assert lab.status()["phase"] == "Running"
    await lab.clock.advance(1.1)
    assert lab.status()["phase"] == "Succeeded"


async def test_a_node_without_power_stays_so() -> None:
    lab = Lab()
    await lab.serve()
    lab.client.create(pod(containers=[container()]))
    await lab.clock.settle()
    await lab.kubelets.power_off("node-1")
    assert lab.kubelets.off == ["node-1"]
    await lab.die()
    await lab.serve("node-1")
    assert lab.kubelets.off == ["node-1"]
    assert lab.status()["containerStatuses"][0]["restartCount"] == 0  # nobody hears of it
    await lab.kubelets.power_on("node-1")
    await lab.clock.settle()
    assert lab.status()["containerStatuses"][0]["restartCount"] == 1
    assert is_pod_ready(lab.client.get("Pod", "web", "default"))
    assert lab.kubelets.off == []
