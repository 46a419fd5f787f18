"""Nodes: registration, heartbeat, the plug, and a server that comes back."""

from __future__ import annotations

import asyncio

from kubelet_world import World, container, pod

from k8slab.api.objects import condition_is
from k8slab.clock import from_timestamp
from k8slab.runtime.base import ContainerSpec


async def test_a_node_registers_itself() -> None:
    world = await World().start()
    node = world.client.get("Node", "node-1")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    assert node["spec"] == {"podCIDR": "127.64.1.0/24", "podCIDRs": ["127.64.1.0/24"]}
    status = node["status"]
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "127.64.1.1"},
        {"type": "Hostname", "address": "node-1"},
    ]
    assert (status["capacity"]["cpu"], status["allocatable"]["memory"], status["capacity"]["pods"]) == (
        "4",
        "8Gi",
        "110",
    )
    assert [c["type"] for c in status["conditions"]] == ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    ready = status["conditions"][-1]
    assert (ready["reason"], ready["message"]) == ("KubeletReady", "kubelet is posting ready status")
    assert status["nodeInfo"]["containerRuntimeVersion"] == "fake://1.0"
    assert status["nodeInfo"]["kubeletVersion"].startswith("v1.36.")


async def test_registration_keeps_what_others_have_said() -> None:
    world = await World().start()
    node = world.client.get("Node", "node-1")
    node["spec"]["unschedulable"] = True
    node["metadata"]["labels"]["disk"] = "ssd"
    world.client.update(node)
    await world.restart()
    node = world.client.get("Node", "node-1")
    assert node["spec"]["unschedulable"] is True
    assert node["metadata"]["labels"]["disk"] == "ssd"


async def test_the_lease_is_renewed_every_ten_seconds_and_the_status_every_five_minutes() -> None:
    world = await World().start()
    lease = world.client.get("Lease", "node-1", "kube-node-lease")
    assert lease["spec"]["leaseDurationSeconds"] == 40
    seen = [lease["spec"]["renewTime"]]
    for _ in range(3):
        await world.after(10)
        seen.append(world.client.get("Lease", "node-1", "kube-node-lease")["spec"]["renewTime"])
    assert [from_timestamp(t) - from_timestamp(seen[0]) for t in seen] == [0, 10, 20, 30]
    reported = _heartbeat(world)
    await world.after(260)
    assert _heartbeat(world) == reported
    await world.after(10)
    assert _heartbeat(world) != reported


async def test_many_nodes_do_not_beat_together() -> None:
    names = [f"node-{i}" for i in range(10)]
    world = await World(nodes=names).start()
    renewed = []
    world.client.informer("Lease").subscribe(
        lambda before, after: renewed.append(round(world.clock.time(), 1)) if before else None
    )
    await world.after(10)
    assert len(renewed) == 10
    assert len(set(renewed)) == 10


async def test_a_node_called_unknown_says_that_it_is_alive() -> None:
    world = await World().start()
    node = world.client.get("Node", "node-1")
    node["status"]["conditions"][-1] |= {"status": "Unknown", "reason": "NodeStatusUnknown"}
    world.client.update(node, "status")
    await world.after(10)
    assert condition_is(world.client.get("Node", "node-1"), "Ready")


async def test_power_off_is_a_power_cut() -> None:
    world = await World().start()
    uid = await world.run(pod())
    written = len(world.client.statuses)
    lease = world.client.get("Lease", "node-1", "kube-node-lease")
    await world.kubelets.power_off("node-1")
    await world.after(100)
    assert [state.exit_code for state in world.runtime.containers(uid)] == [137]
    assert len(world.client.statuses) == written
    assert world.client.get("Lease", "node-1", "kube-node-lease") == lease


async def test_a_container_that_was_just_starting_dies_in_the_power_cut_too() -> None:
    world = await World().start()
    started = world.runtime.start
    gate = asyncio.Event()

    async def slow(spec: ContainerSpec) -> None:
        asyncio.get_running_loop().create_task(later(spec))
        await gate.wait()

    async def later(spec: ContainerSpec) -> None:
        await gate.wait()
        await started(spec)

    world.runtime.start = slow  # type: ignore[method-assign]
    uid = await world.run(pod())
    await world.kubelets.power_off("node-1")
    gate.set()
    await world.clock.settle()
    assert [state.exit_code for state in world.runtime.containers(uid)] == [137]


async def test_power_on_starts_what_is_still_bound_and_removes_the_rest() -> None:
    world = await World().start()
    await world.run(pod("web"))
    gone = await world.run(pod("gone"))
    await world.kubelets.power_off("node-1")
    world.client.delete("Pod", "gone", "default", grace=0)
    late = world.client.create(pod("late"))["metadata"]["uid"]
    await world.after(60)
    await world.kubelets.power_on("node-1")
    await world.clock.settle()
    assert world.runtime.containers(gone) == []
    assert gone not in world.runtime.pods()
    assert world.container()["restartCount"] == 1
    assert world.container()["lastState"]["terminated"]["exitCode"] == 137
    assert [state.phase for state in world.runtime.containers(late)] == ["running"]
    assert world.events.messages("Rebooted")[0].startswith("Node node-1 has been rebooted, boot id: ")


async def test_switching_twice_changes_nothing() -> None:
    world = await World().start()
    uid = await world.run(pod())
    await world.kubelets.power_off("node-1")
    await world.kubelets.power_off("node-1")
    await world.kubelets.power_on("node-1")
    await world.kubelets.power_on("node-1")
    await world.clock.settle()
    assert [state.phase for state in world.runtime.containers(uid)] == ["exited", "running"]
    assert len(world.events.messages("Rebooted")) == 1


async def test_a_deleted_node_comes_back_when_it_is_switched_on() -> None:
    world = await World().start()
    world.client.delete("Node", "node-1")
    await world.after(20)
    assert world.client.informer("Node").get("node-1") is None
    await world.kubelets.power_on("node-1")
    assert condition_is(world.client.get("Node", "node-1"), "Ready")


async def test_a_new_server_adopts_without_a_duplicate() -> None:
    world = await World().start()
    uid = await world.run(pod())
    world.runtime.end("web", 1)
    await world.clock.settle()
    orphan = await world.run(pod("orphan"))
    ids = {state.id for state in world.runtime.containers(uid)}
    await world.kubelets.stop()
    world.client.delete("Pod", "orphan", "default", grace=0)
    await world.restart()
    assert {state.id for state in world.runtime.containers(uid)} == ids
    assert world.runtime.containers(orphan) == []
    assert world.container()["restartCount"] == 1
    assert world.container()["ready"] is True
    assert condition_is(world.pod(), "PodReadyToStartContainers")
    world.runtime.end("web", 1)
    await world.clock.settle()
    assert world.runtime.starts() == [0, 1, 0, 2]


async def test_an_adopted_container_is_probed_at_its_address_and_stays_ready() -> None:
    world = await World().start()
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    uid = await world.run(pod(containers=[container(readinessProbe=probe)]))
    known = world.client.get("Pod", "web", "default")
    known["status"]["containerStatuses"][0]["ready"] = True
    await world.kubelets.stop()
    world.client.update(known, "status")
    await world.restart()
    assert world.container()["ready"] is True
    (prober,) = world.kubelets._nodes["node-1"]._pods._records[uid].probers.values()
    assert prober.target.address == world.pod()["status"]["podIP"] == "127.64.1.2"
    await world.kubelets.stop()


async def test_a_container_that_ended_while_the_server_was_away_is_restarted() -> None:
    world = await World().start()
    await world.run(pod())
    await world.kubelets.stop()
    world.runtime.end("web", 5)
    await world.restart()
    status = world.container()
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 5


async def test_containers_the_runtime_has_lost_count_as_ended() -> None:
    world = await World().start()
    uid = await world.run(pod())
    await world.kubelets.stop()
    await world.runtime.remove_pod(uid)
    await world.restart()
    status = world.container()
    assert status["restartCount"] == 1
    assert status["state"].keys() == {"running"}


def _heartbeat(world: World) -> str:
    return str(world.client.get("Node", "node-1")["status"]["conditions"][0]["lastHeartbeatTime"])
