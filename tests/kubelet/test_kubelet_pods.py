"""The life of pods on one node, told through what a kubelet starts, writes and says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubelet_world import World, container, pod

from k8slab.api.objects import condition, is_pod_ready
from tests.waiting import PATIENCE


async def test_a_pod_is_created_then_running() -> None:
    world = await World().start()
    await world.run(pod())
    first, last = world.client.statuses
    assert first["phase"] == "Pending"
    assert first["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert last["phase"] == "Running"
    assert last["podIP"] == "127.64.1.2"
    assert last["hostIP"] == "127.64.1.1"
    assert last["observedGeneration"] == 1
    assert is_pod_ready(world.pod())
    assert world.events.said == [
        ("Normal", "Pulling", 'Pulling image "web:v1"'),
        ("Normal", "Pulled", 'Successfully pulled image "web:v1" in 0s (0s including waiting).'),
        ("Normal", "Created", "Container created"),
        ("Normal", "Started", "Container started"),
    ]
    assert world.events.about[-1]["fieldPath"] == "spec.containers{web}"


async def test_how_far_a_long_pull_is_becomes_events() -> None:
    world = World()
    world.runtime.pulling = ["5.0 of 20.0 MB downloaded, 1 of 2 layers unpacked"]
    await (await world.start()).run(pod())
    assert world.events.messages("Pulling") == [
        'Pulling image "web:v1"',
        'Pulling image "web:v1": 5.0 of 20.0 MB downloaded, 1 of 2 layers unpacked',
    ]


async def test_the_second_pod_finds_the_image_present() -> None:
    world = await World().start()
    await world.run(pod("a"))
    world.events.said.clear()
    await world.run(pod("b"))
    said = 'Container image "web:v1" already present on machine and can be accessed by the pod'
    assert world.events.messages("Pulled") == [said]
    assert "Pulling" not in world.events.reasons()


async def test_records_are_told_once() -> None:
    world = await World(real=False).start()
    await world.run(pod())
    assert [status["phase"] for status in world.client.statuses] == ["Running"]


async def test_a_crash_restarts_at_once_then_after_10_20_40_seconds_up_to_300() -> None:
    world = await World().start()
    await world.run(pod())
    waits = []
    for attempt in range(1, 9):
        world.runtime.end("web", 1)
        await world.clock.settle()
        begun = world.clock.time()
        while world.runtime.starts()[-1] < attempt:
            await world.after(1)
        waits.append(world.clock.time() - begun)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert world.container()["restartCount"] == 8


async def test_crash_loop_is_told_as_kubernetes_tells_it() -> None:
    world = await World().start()
    uid = await world.run(pod())
    world.runtime.end("web", 3)
    await world.clock.settle()
    world.runtime.end("web", 3)
    await world.after(1)
    status = world.container()
    assert status["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 10s restarting failed container=web pod=web_default({uid})",
    }
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert world.pod()["status"]["phase"] == "Running"
    ready = condition(world.pod(), "Ready")
    assert ready is not None
    assert ready["message"] == "containers with unready status: [web]"
    assert world.events.messages("BackOff") == [f"Back-off restarting failed container web in pod web_default({uid})"]


async def test_ten_good_minutes_forget_the_crashes() -> None:
    world = await World().start()
    await world.run(pod())
    for _ in range(2):
        world.runtime.end("web", 1)
        await world.after(15)
    await world.after(601)
    world.runtime.end("web", 1)
    await world.after(0)
    assert world.runtime.starts() == [0, 1, 2, 3]
    world.runtime.end("web", 1)
    await world.after(9)
    assert world.runtime.starts()[-1] == 3
    await world.after(1)
    assert world.runtime.starts()[-1] == 4


@pytest.mark.parametrize(
    ("policy", "code", "phase", "starts"),
    [
        ("Never", 0, "Succeeded", [0]),
        ("Never", 1, "Failed", [0]),
        ("OnFailure", 0, "Succeeded", [0]),
        ("OnFailure", 1, "Running", [0, 1]),
        ("Always", 0, "Running", [0, 1]),
    ],
)
async def test_restart_policy(policy: str, code: int, phase: str, starts: list[int]) -> None:
    world = await World().start()
    await world.run(pod(restartPolicy=policy))
    world.runtime.end("web", code)
    await world.clock.settle()
    assert world.pod()["status"]["phase"] == phase
    assert world.runtime.starts() == starts


async def test_only_the_last_two_attempts_are_kept() -> None:
    world = await World().start()
    uid = await world.run(pod())
    for _ in range(4):
        world.runtime.end("web", 1)
        await world.after(60)
    assert [state.attempt for state in world.runtime.containers(uid)] == [3, 4]


async def test_a_missing_image_backs_off() -> None:
    world = await World().start()
    await world.run(pod(containers=[container(image="web:nope")]))
    waiting = world.container()["state"]["waiting"]
    assert waiting == {"reason": "ErrImagePull", "message": "there is no image web:nope; there are web:v1, web:v2"}
    assert world.events.reasons() == ["Pulling", "Failed", "Failed"]
    await world.after(5)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"].startswith('Back-off pulling image "web:nope": ErrImagePull: there is no image')
    assert world.events.messages("BackOff") == ['Back-off pulling image "web:nope"']
    moments = []
    begun = world.clock.time() - 5
    for _ in range(700):
        tried = len(world.runtime.calls)
        await world.after(1)
        if len(world.runtime.calls) > tried:
            moments.append(world.clock.time() - begun)
    assert moments == [10, 30, 70, 150, 310, 610]


async def test_an_image_that_appears_is_used() -> None:
    world = await World().start()
    await world.run(pod(containers=[container(image="web:v3")]))
    world.runtime.known_images.add("web:v3")
    await world.after(10)
    assert world.pod()["status"]["phase"] == "Running"


async def test_pull_policy_never() -> None:
    world = await World().start()
    await world.run(pod(containers=[container(imagePullPolicy="Never")]))
    assert world.container()["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    assert world.runtime.calls == []


async def test_deletion_stops_tells_and_lets_the_object_go() -> None:
    world = await World().start()
    uid = await world.run(pod())
    world.client.delete("Pod", "web", "default")
    await world.clock.settle()
    assert not world.has()
    assert (
        world.runtime.calls[-2:] == ["stop web 30", f"remove_pod {uid}"] or f"remove_pod {uid}" in world.runtime.calls
    )
    assert world.client.statuses[-1]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert world.events.messages("Killing") == ["Stopping container web"]
    assert world.runtime.states == {}


async def test_grace_runs_out() -> None:
    world = await World().start()
    await world.run(pod())
    world.runtime.stubborn = True
    world.client.delete("Pod", "web", "default", grace=7)
    await world.after(6.9)
    assert world.has()
    await world.after(0.1)
    assert not world.has()
    assert world.client.statuses[-1]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


async def test_a_second_deletion_shortens_the_grace() -> None:
    world = await World().start()
    await world.run(pod())
    world.runtime.stubborn = True
    world.client.delete("Pod", "web", "default")
    await world.after(1)
    world.client.delete("Pod", "web", "default", grace=2)
    await world.after(2)
    assert not world.has()
    assert [call for call in world.runtime.calls if call.startswith("stop")] == ["stop web 30", "stop web 2"]
    assert world.events.messages("Killing") == ["Stopping container web"]


async def test_forced_deletion_leaves_nothing_running() -> None:
    world = await World().start()
    uid = await world.run(pod())
    world.client.delete("Pod", "web", "default", grace=0)
    await world.clock.settle()
    assert world.runtime.containers(uid) == []
    assert world.events.messages("Killing") == ["Stopping container web"]


async def test_a_new_pod_of_the_same_name_is_another_one() -> None:
    world = await World().start()
    first = await world.run(pod())
    world.client.delete("Pod", "web", "default", grace=0)
    second = await world.run(pod())
    assert world.runtime.containers(first) == []
    assert [state.attempt for state in world.runtime.containers(second)] == [0]


async def test_a_pending_pod_is_deleted_at_once() -> None:
    world = await World().start()
    await world.run(pod(containers=[container(image="web:nope")]))
    world.client.delete("Pod", "web", "default")
    await world.clock.settle()
    assert not world.has()


async def test_finalizers_hold_the_object_not_the_containers() -> None:
    world = await World().start()
    await world.run(pod())

    def held(kind: str, name: str, namespace: str = "", *, grace: int | None = None, uid: str = "", **_: Any) -> None:
        found = world.client.get(kind, name, namespace)
        found["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
        world.client.update(found)

    world.client.delete = held  # type: ignore[method-assign]
    world.client.delete("Pod", "web", "default", grace=30)
    await world.after(60)
    assert world.has()
    assert world.runtime.states == {}
    assert sum(call.startswith("remove_pod") for call in world.runtime.calls) == 1


async def test_init_containers_run_in_order() -> None:
    world = await World().start()
    await world.run(pod(initContainers=[container("one"), container("two")]))
    assert [spec.name for spec in world.runtime.specs] == ["one"]
    status = world.pod()["status"]
    assert status["phase"] == "Pending"
    initialized = condition(world.pod(), "Initialized")
    assert initialized is not None
    assert initialized["message"] == "containers with incomplete status: [one two]"
    assert world.container()["state"]["waiting"]["reason"] == "PodInitializing"
    world.runtime.end("one", 0)
    await world.clock.settle()
    world.runtime.end("two", 0)
    await world.clock.settle()
    assert [spec.name for spec in world.runtime.specs] == ["one", "two", "web"]
    assert world.pod()["status"]["phase"] == "Running"
    assert is_pod_ready(world.pod())


async def test_a_failing_init_container_is_tried_again_or_fails_the_pod() -> None:
    world = await World().start()
    world.runtime.exit_codes["one"] = 1
    await world.run(pod(initContainers=[container("one")]))
    await world.after(15)
    assert world.runtime.starts("one") == [0, 1, 2]
    assert world.runtime.starts("web") == []
    await world.run(pod("never", initContainers=[container("one")], restartPolicy="Never"))
    assert world.pod("never")["status"]["phase"] == "Failed"


async def test_a_sidecar_comes_first_stays_and_goes_last() -> None:
    world = await World().start()
    await world.run(pod(initContainers=[container("helper", restartPolicy="Always")], restartPolicy="Never"))
    assert [spec.name for spec in world.runtime.specs] == ["helper", "web"]
    world.runtime.end("helper", 1)
    await world.clock.settle()
    assert world.runtime.starts("helper") == [0, 1]
    world.runtime.end("web", 0)
    await world.clock.settle()
    assert [call for call in world.runtime.calls if call.startswith("stop")] == ["stop helper 30"]
    assert world.pod()["status"]["phase"] == "Succeeded"


async def test_a_missing_config_map_waits_and_then_starts() -> None:
    world = await World().start()
    ref = {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "look", "key": "color"}}}
    await world.run(pod(containers=[container(env=[ref])]))
    waiting = world.container()["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "look" not found'}
    assert ("Warning", "Failed", 'Error: configmap "look" not found') in world.events.said
    look = {"kind": "ConfigMap", "metadata": {"name": "look", "namespace": "default"}, "data": {"color": "teal"}}
    world.client.create(look)
    await world.after(10)
    assert world.runtime.specs[-1].env["COLOR"] == "teal"
    assert world.pod()["status"]["phase"] == "Running"


async def test_a_volume_that_cannot_be_had_holds_the_pod(tmp_path: Any) -> None:
    world = await World(folder=tmp_path).start()
    await world.run(pod(volumes=[{"name": "disk", "hostPath": {"path": "/etc", "type": "File"}}]))
    assert world.runtime.specs == []
    assert world.container()["state"]["waiting"]["reason"] == "ContainerCreating"
    assert (
        'MountVolume.SetUp failed for volume "disk" : hostPath type check failed'
        in world.events.messages("FailedMount")[0]
    )


async def test_volumes_live_as_long_as_the_pod(tmp_path: Any) -> None:
    world = await World(folder=tmp_path).start()
    mount = {"name": "data", "mountPath": "/data"}
    uid = await world.run(pod(containers=[container(volumeMounts=[mount])], volumes=[{"name": "data", "emptyDir": {}}]))
    (seen,) = world.runtime.specs[0].mounts
    assert (seen.source, seen.target) == (str(tmp_path / uid / "volumes" / "data"), "/data")
    (tmp_path / uid / "volumes" / "data" / "kept").write_text("x")
    world.runtime.end("web", 1)
    await world.clock.settle()
    assert (tmp_path / uid / "volumes" / "data" / "kept").exists()
    world.client.delete("Pod", "web", "default")
    async with asyncio.timeout(PATIENCE):  # a thread removes them
        while world.has():
            await world.clock.settle()
    assert not (tmp_path / uid).exists()


async def test_active_deadline() -> None:
    world = await World().start()
    await world.run(pod(activeDeadlineSeconds=60))
    await world.after(59)
    assert world.pod()["status"]["phase"] == "Running"
    await world.after(1)
    status = world.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert all(state.phase == "exited" for state in world.runtime.states.values())


async def test_an_idle_node_has_no_task_and_writes_nothing() -> None:
    world = await World().start()
    await world.run(pod())
    written = len(world.client.statuses)
    await world.after(3600)
    assert len(world.client.statuses) == written
    kubelet = world.kubelets._nodes["node-1"]
    assert kubelet._pods._endings._tasks == set()
    assert all(record.worker is None and record.timer is None for record in kubelet._pods._records.values())
