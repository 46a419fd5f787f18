"""What only an engine can show: its own list beside kubectl's, and images of any registry."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests import registry
from tests.runtime.test_docker import push
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.parametrize("world", ["docker"], indirect=True)]


def ps(engine: str, *options: str) -> list[dict]:
    command = ["docker", "-H", engine, "ps", "--no-trunc", "--format", "{{json .}}", *options]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def running(engine: str, container: str, owner: str) -> dict[str, str]:
    """Containers of one Deployment's pods, by their engine's id: the pod that each name tells."""
    begin = f"k8slab_{container}_{owner}-"
    return {each["ID"]: each["Names"].split("_")[2] for each in ps(engine) if each["Names"].startswith(begin)}


def test_docker_ps_beside_kubectl_get_pods(world, engine):
    """They tell of the same containers: after a start, a kill from outside, and the end."""
    name = f"shop-{os.getpid()}"  # other labs may use the same engine
    world.kubectl("create", "deployment", name, "--image=k8slab/web:v1", "--replicas=3")
    world.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    pods = {pod["metadata"]["name"] for pod in world.ready(f"app={name}")}
    assert sorted(running(engine, "web", name).values()) == sorted(pods)
    assert sorted(running(engine, "POD", name).values()) == sorted(pods)
    victim, pod = next(iter(running(engine, "web", name).items()))
    subprocess.run(["docker", "-H", engine, "kill", victim], check=True, capture_output=True)

    def restarted():
        (found,) = [each for each in world.ready(f"app={name}") if each["metadata"]["name"] == pod]
        return found["status"]["containerStatuses"][0]["restartCount"] == 1

    until(lambda: len(world.ready(f"app={name}")) == 3 and restarted(), "it is started again")
    assert sorted(running(engine, "web", name).values()) == sorted(pods)
    assert victim not in running(engine, "web", name)
    world.kubectl("delete", "deployment", name)
    until(lambda: not running(engine, "web", name) and not world.pods(f"app={name}"))


def test_an_image_of_a_registry_is_pulled_and_its_events_say_how_far(world, engine, tmp_path):
    with registry.running(tmp_path) as place:
        name = f"{place}/nginx:1.27"
        push(engine, name)
        try:
            world.kubectl("run", "nginx", f"--image={name}", "--command", "--", "sleep", "1000")
            until(lambda: world.ready("run=nginx"))
            told = [event["message"] for event in world.objects("events") if event["reason"] in ("Pulling", "Pulled")]
            assert told[0] == f'Pulling image "{name}"'
            assert any("layers unpacked" in message for message in told[1:-1])
            assert told[-1].startswith(f'Successfully pulled image "{name}" in ')
            world.kubectl("delete", "pod", "nginx", "--now")
        finally:
            subprocess.run(["docker", "-H", engine, "image", "rm", "--force", name], capture_output=True)
    world.kubectl("run", "gone", f"--image={name}")
    until(lambda: "ErrImagePull" in world.kubectl("get", "pods") or "ImagePullBackOff" in world.kubectl("get", "pods"))
    assert f'failed to pull image "{name}"' in world.kubectl("describe", "pod", "gone")
