"""A fork bomb, a memory hog, a full disk inside a container: the lab and everybody else in it go on (DESIGN §4)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from tests.behaviour.cluster import FOREVER, Cluster, Namespace, box, running
from tests.waiting import fetch, until


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes that say they have little memory, so that little is needed to use it up."""
    with running(tmp_path_factory.mktemp("hogs"), runtime="local", speed=10, memory="400Mi") as cluster:
        yield cluster


@pytest.fixture
def space(lab: Cluster) -> Iterator[Namespace]:
    namespace = Namespace(lab)
    namespace.run("bystander", containers=[box("c", readinessProbe={"httpGet": {"path": "/ready", "port": 8080}})])
    namespace.ready("bystander")
    yield namespace
    namespace.close()


def all_is_well(space: Namespace, seconds: float = 2.0) -> None:
    """The API answers, the bystander serves, and neither is slow about it nor was restarted."""
    address = space.get("Pod", "bystander")["status"]["podIP"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        assert space.get("Pod", "bystander")["status"]["containerStatuses"][0]["restartCount"] == 0
        assert "version: v1" in fetch(f"http://{address}:8080/")
        assert time.monotonic() - begun < 5
        time.sleep(0.1)


# Bombs and hogs end by themselves after some seconds, also when their test and its lab were killed.
UNTIL = "import time\nover = time.monotonic() + {}\n"
BOMB = (
    "import os, signal\n"
    + UNTIL.format(20)
    + (
        "signal.signal(15, signal.SIG_IGN)  # a bomb\nwhile time.monotonic() < over:\n try: os.fork()\n except OSError: pass"
    )
)


@pytest.mark.slow
def test_a_fork_bomb(space: Namespace) -> None:
    bomb = {"name": "c", "image": "k8slab/web:v1", "command": ["python", "-c", BOMB]}
    space.run("bomb", containers=[bomb], terminationGracePeriodSeconds=1, restartPolicy="Never")
    space.phase("bomb", "Running", "Failed")
    all_is_well(space)
    space.delete("Pod", "bomb")
    space.gone("Pod", "bomb")
    until(lambda: not [p for p in psutil.process_iter(["cmdline"]) if "# a bomb" in " ".join(p.info["cmdline"] or ())])
    all_is_well(space, 0.5)


HOG = (
    UNTIL.format(60) + "held = []\nwhile time.monotonic() < over:\n held.append(bytearray(8 << 20))\n time.sleep(0.02)"
)


@pytest.mark.slow
def test_a_memory_hog_with_a_limit_is_killed(space: Namespace) -> None:
    hog = {"name": "c", "image": "k8slab/web:v1", "command": ["python", "-c", HOG]}
    space.run("hog", containers=[hog | {"resources": {"limits": {"memory": "64Mi"}}}])
    until(lambda: space.container("hog").get("restartCount", 0) >= 1, "it is restarted")
    ended = space.container("hog")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    all_is_well(space, 0.5)


def conditions(space: Namespace, node: str) -> dict[str, str]:
    return {c["type"]: c["status"] for c in space.api.get("Node", node)["status"]["conditions"]}


@pytest.mark.slow
def test_a_memory_hog_without_a_limit_is_evicted(space: Namespace) -> None:
    until(
        lambda: conditions(space, "node-2")["MemoryPressure"] == "False"
    )  # a hog of the test before may be remembered
    hog = {"name": "c", "image": "k8slab/web:v1", "command": ["python", "-c", HOG]}
    space.run("hog", containers=[hog], nodeName="node-2")
    failed = space.phase("hog", "Failed")
    assert failed["status"]["reason"] == "Evicted"
    assert failed["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: 100Mi")
    assert conditions(space, "node-2")["MemoryPressure"] == "True"
    until(lambda: any("memory-pressure" in t["key"] for t in space.api.get("Node", "node-2")["spec"].get("taints", [])))
    space.run("late", FOREVER, nodeName="node-2")  # BestEffort: a node short of memory takes none
    assert space.phase("late", "Failed")["status"]["reason"] == "Evicted"
    all_is_well(space, 0.5)


@pytest.mark.slow
def test_a_disk_hog_is_evicted(space: Namespace) -> None:
    fill = "i=0; while [ $i -lt 1000 ]; do head -c 2000000 /dev/zero > /tmp/$i; i=$((i+1)); sleep 0.02; done"
    limits = {"resources": {"limits": {"ephemeral-storage": "20Mi"}}}
    space.run("hog", containers=[box("c", fill, **limits)])
    failed = space.phase("hog", "Failed")
    assert failed["status"]["reason"] == "Evicted"
    assert "ephemeral local storage usage exceeds the total limit of containers 20Mi" in failed["status"]["message"]
    all_is_well(space, 0.5)


@pytest.mark.slow
def test_one_file_cannot_fill_the_disk(space: Namespace) -> None:
    space.run("hog", "truncate -s 3G /tmp/big || exit 9; exit 0", restartPolicy="Never")
    space.phase("hog", "Failed")
    assert space.container("hog")["state"]["terminated"]["exitCode"] in (9, 153)  # refused, or SIGXFSZ
