"""postStart and preStop: what waits for them, and what their failure does."""

from __future__ import annotations

from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.objects import Obj, is_pod_ready


def hooked(moment: str, command: str, name: str = "web", **fields: Any) -> Obj:
    return container(name, lifecycle={moment: {"exec": {"command": command.split()}}}, **fields)


async def test_nothing_goes_on_before_poststart_is_over() -> None:
    world = await World().start()
    world.runtime.answers["warm up"] = (5, 0, "")
    await world.run(pod(containers=[hooked("postStart", "warm up"), container("side")]))
    assert world.container("web")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert world.runtime.starts("side") == []
    await world.after(5)
    assert is_pod_ready(world.pod())
    assert world.runtime.starts("side") == [0]


async def test_a_failed_poststart_ends_the_container() -> None:
    world = await World().start()
    world.runtime.answers["warm up"] = (1, 3, "no")
    await world.run(pod(containers=[hooked("postStart", "warm up")]))
    await world.after(1)
    warnings = [reason for type_, reason, _ in world.events.said if type_ == "Warning"]
    assert warnings == ["FailedPostStartHook"]
    assert world.events.messages("Killing") == ["FailedPostStartHook"]
    assert world.runtime.starts() == [0, 1]  # as any crash: once at once
    await world.after(1)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"


async def test_a_failed_poststart_is_told_where_nothing_is_restarted() -> None:
    world = await World().start()
    world.runtime.answers["warm up"] = (1, 3, "no")
    await world.run(pod(restartPolicy="Never", containers=[hooked("postStart", "warm up")]))
    await world.after(1)
    assert world.pod()["status"]["phase"] == "Succeeded"  # it ended well when it was told to
    assert world.runtime.starts() == [0]


async def test_a_deletion_does_not_wait_for_poststart() -> None:
    world = await World().start()
    world.runtime.answers["warm up"] = (3600, 0, "")
    await world.run(pod(containers=[hooked("postStart", "warm up")]))
    world.client.delete("Pod", "web", "default")
    await world.after(1)
    assert not world.has()
    assert "FailedPostStartHook" not in world.events.reasons()


async def test_prestop_comes_before_the_signal_and_within_the_grace() -> None:
    world = await World().start()
    world.runtime.answers["drain"] = (4, 0, "")
    await world.run(pod(containers=[hooked("preStop", "drain")]))
    world.client.delete("Pod", "web", "default")
    await world.after(3)
    assert world.events.reasons()[-1] == "Killing"
    assert world.runtime.calls[-1] == "exec drain in web"
    await world.after(1)
    assert "stop web 26" in world.runtime.calls
    assert not world.has()


async def test_a_prestop_without_end_is_cut_off() -> None:
    world = await World().start()
    world.runtime.answers["drain"] = (3600, 0, "")
    await world.run(pod(containers=[hooked("preStop", "drain")]))
    world.client.delete("Pod", "web", "default", grace=10)
    await world.after(9)
    assert world.has()
    await world.after(1)
    assert "stop web 2" in world.runtime.calls  # every container has two seconds
    assert not world.has()


async def test_a_second_deletion_does_not_wait_for_prestop() -> None:
    world = await World().start()
    world.runtime.answers["drain"] = (3600, 0, "")
    await world.run(pod(containers=[hooked("preStop", "drain")]))
    world.client.delete("Pod", "web", "default")
    await world.after(1)
    world.client.delete("Pod", "web", "default", grace=3)
    await world.after(1)
    assert "stop web 3" in world.runtime.calls
    assert world.events.reasons().count("Killing") == 1


async def test_a_failed_prestop_is_told_and_holds_nothing_up() -> None:
    world = await World().start()
    world.runtime.answers["drain"] = (0, 1, "secret")
    await world.run(pod(containers=[hooked("preStop", "drain")]))
    world.client.delete("Pod", "web", "default")
    await world.after(0)
    assert ("Warning", "FailedPreStopHook", "PreStopHook failed") in world.events.said
    assert not world.has()


async def test_liveness_runs_prestop_and_crashes_do_not() -> None:
    world = await World().start()
    probe = {"exec": {"command": ["alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    web = hooked("preStop", "drain", livenessProbe={**probe, "terminationGracePeriodSeconds": 7})
    await world.run(pod(containers=[web]))
    world.runtime.answers["alive"] = (0, 1, "dead")
    await world.after(2)
    assert "exec drain in web" in world.runtime.calls
    assert "stop web 7" in world.runtime.calls
    world.runtime.answers["alive"] = (0, 0, "")
    await world.after(20)
    before = world.runtime.calls.count("exec drain in web")
    world.runtime.end("web", 1)
    await world.after(1)
    assert world.runtime.calls.count("exec drain in web") == before


async def test_sleep_is_in_the_labs_time() -> None:
    world = await World().start()
    await world.run(pod(containers=[container(lifecycle={"preStop": {"sleep": {"seconds": 5}}})]))
    world.client.delete("Pod", "web", "default")
    await world.after(4)
    assert world.has()
    await world.after(1)
    assert not world.has()


@pytest.mark.parametrize("real", [True, False])
async def test_records_run_no_hooks(real: bool) -> None:
    world = await World(real=real).start()
    await world.run(pod(containers=[hooked("preStop", "drain")]))
    world.client.delete("Pod", "web", "default")
    await world.after(1)
    assert ("exec drain in web" in world.runtime.calls) is real
    assert not world.has()


async def test_a_command_that_cannot_be_run_is_an_attempt() -> None:
    world = await World().start()
    world.runtime.refuses = 'exec: "serve": executable file not found in $PATH'
    await world.run(pod())
    await world.after(1)
    status = world.container()
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["reason"] == "StartError"
    assert status["restartCount"] == 1
    assert world.events.messages("Failed")[0] == f"Error: {world.runtime.refuses}"
    await world.after(10)
    assert world.runtime.starts() == [0, 1, 2]
    world.runtime.refuses = ""
    await world.after(20)
    assert is_pod_ready(world.pod())
    assert world.container()["restartCount"] == 3
