"""What a machine does to a lab: the disk is full, the clock is set back, the server is killed in the middle of a storm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.wire import Server
from k8slab import launch
from k8slab.api.errors import ApiError
from k8slab.api.objects import condition_is, is_pod_ready
from k8slab.client.http import HttpClient
from k8slab.server import LabServer
from k8slab.settings import Settings
from tests.waiting import PATIENCE

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


def config(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def kill(pid: int) -> None:
    """At once, and see that it is dead: until then it holds the lab's lock."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end
            time.sleep(0.005)


# ---- the disk ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk of its own needs root, and leave to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(client: HttpClient, written: list[str]) -> ApiError:
    """Create objects until one is refused."""
    for number in range(1000):
        try:
            client.create(config(f"c{number}", text="x" * 2000))
        except ApiError as error:
            return error
        written.append(f"c{number}")
    raise AssertionError("the disk is not full")


def test_a_full_disk_stops_writes_and_nothing_else(small_disk):
    settings = Settings.read({}, name="full", runtime="simulated", state_dir=str(small_disk))
    told = launch.start(settings)
    client = HttpClient.open(settings.folder.kubeconfig)
    written = []
    try:
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        refusal = fill(client, written)
        assert (refusal.code, refusal.reason) == (503, "ServiceUnavailable")
        assert "make room on the disk" in refusal.message
        assert {obj["metadata"]["name"] for obj in client.list("ConfigMap", "default")} >= set(written)
        assert len(client.list("Node")) == 3
        ballast.unlink()
        client.create(config("after"))
        kill(told["pid"])
        launch.start(settings)
        found = {obj["metadata"]["name"] for obj in client.list("ConfigMap", "default")}
        assert found >= {*written, "after"}
        assert f"c{len(written)}" not in found
    finally:
        client.close()
        launch.stop(settings)


# ---- the clock ---------------------------------------------------------------------------------------------------------


async def until(condition) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_back_by_an_hour(tmp_path, monkeypatch):
    """Leases go on, nodes stay ready, pods start, what crashes is restarted, no event is older than its cause."""
    settings = Settings.read({}, name="clock", runtime="simulated", speed=50, state_dir=str(tmp_path))
    lab = LabServer(settings, settings.folder.make())
    await lab.start()
    try:
        nodes, pods, leases, events = (lab.client.informer(kind) for kind in ("Node", "Pod", "Lease", "Event"))
        await until(lambda: all(condition_is(node, "Ready") for node in nodes.list()))
        lab.client.create(pod("before"))
        await until(lambda: is_pod_ready(pods.get("before", "default") or {"status": {}}))
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 3600)
        renewed = [lease["spec"]["renewTime"] for lease in leases.list("kube-node-lease")]
        for _ in range(3):  # so many Kubernetes minutes that silent nodes would have been noticed
            last = [lease["spec"]["renewTime"] for lease in leases.list("kube-node-lease")]
            await until(
                lambda last=last: all(
                    new["spec"]["renewTime"] > old
                    for new, old in zip(leases.list("kube-node-lease"), last, strict=True)
                )
            )
        assert min(lease["spec"]["renewTime"] for lease in leases.list("kube-node-lease")) > max(renewed)
        assert all(condition_is(node, "Ready") for node in nodes.list())
        lab.client.create(pod("after"))
        await until(lambda: is_pod_ready(pods.get("after", "default") or {"status": {}}))
        for expected in (1, 2):
            await lab.crash("default", "before", "")
            await until(lambda e=expected: restarts(pods.get("before", "default")) == e)
        heard = [event for event in events.list("default") if event["involvedObject"]["kind"] == "Pod"]
        told = [event["lastTimestamp"] or event["eventTime"][:19] + "Z" for event in heard]  # the scheduler's are finer
        created = [pods.get(name, "default")["metadata"]["creationTimestamp"] for name in ("before", "after")]
        assert created == sorted(created)
        assert min(told) >= created[0]
    finally:
        lab.down = True
        await lab.stop()


def pod(name: str) -> dict:
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}]}}


def restarts(found: dict | None) -> int:
    status = (found or {}).get("status") or {}
    running = [c for c in status.get("containerStatuses") or [] if "running" in c["state"]]
    return running[0]["restartCount"] if running else -1


# ---- the server ----------------------------------------------------------------------------------------------------------


class Story:
    """One writer's object: what was acknowledged of it, and what was asked after that and never answered."""

    def __init__(self) -> None:
        self.known: str | None = None
        self.asked: str | None = None
        self.revision = 0

    def fits(self, found: str | None) -> bool:
        return found in (self.known, self.asked)


async def write(server: Server, name: str, story: Story, seed: int) -> None:
    """Create, patch, delete, for as long as there is a server."""
    rng, number = random.Random(seed), 0
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        async with await server.connect() as connection:
            while True:
                number += 1
                if story.known is None:
                    request, story.asked = ("POST", CONFIGMAPS, config(name, n=str(number))), str(number)
                elif rng.random() < 0.2:
                    request, story.asked = ("DELETE", f"{CONFIGMAPS}/{name}"), None
                else:
                    request = ("PATCH", f"{CONFIGMAPS}/{name}", {"data": {"n": str(number)}}, MERGE)
                    story.asked = str(number)
                code, answer = await connection.request(*request)
                assert code in (200, 201), answer
                story.known = story.asked
                if request[0] != "DELETE":
                    story.revision = int(json.loads(answer)["metadata"]["resourceVersion"])


def storm(settings: Settings, stories: dict[str, Story], seconds: float, seed: int) -> None:
    """Writers at work, and the server killed from outside after so many seconds."""
    pid = json.loads(settings.folder.server.read_text())["pid"]

    async def main() -> None:
        server = Server(settings.folder.kubeconfig)
        asyncio.get_running_loop().call_later(seconds, os.kill, pid, signal.SIGKILL)
        await asyncio.gather(*(write(server, name, story, seed + i) for i, (name, story) in enumerate(stories.items())))

    asyncio.run(main())
    kill(pid)


def kill_and_look(tmp_path: Path, times: int) -> None:
    settings = Settings.read({}, name="storm", runtime="simulated", state_dir=str(tmp_path))
    rng = random.Random(times)
    launch.start(settings)
    client = HttpClient.open(settings.folder.kubeconfig)
    stories = {f"w{number}": Story() for number in range(8)}
    try:
        for round_ in range(times):
            storm(settings, stories, rng.uniform(0.05, 0.6), round_)
            launch.start(settings)
            listed = client.request("GET", CONFIGMAPS)
            found = {obj["metadata"]["name"]: obj["data"]["n"] for obj in listed["items"] if "n" in obj.get("data", {})}
            for name, story in stories.items():
                assert story.fits(found.get(name)), (name, story.known, story.asked, found.get(name))
                story.known = story.asked = found.get(name)
            assert int(listed["metadata"]["resourceVersion"]) >= max(story.revision for story in stories.values())
        assert any(story.revision for story in stories.values())
    finally:
        client.close()
        launch.stop(settings)


def test_a_server_killed_in_a_storm_has_lost_nothing_it_acknowledged(tmp_path):
    kill_and_look(tmp_path, times=3)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_killed_again_and_again(tmp_path):
    kill_and_look(tmp_path, times=40)
