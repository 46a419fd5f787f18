"""Real containers, end to end: what a learner does, and what must survive an accident."""

from __future__ import annotations

import os
import signal
import socket
import stat

import psutil
import pytest

from tests.e2e.conftest import World
from tests.waiting import PATIENCE, fetch, until

WEB = ("create", "deployment", "web", "--image=k8slab/web:v1")


def serving(pod):
    """The pod's address, once its server answers: without a probe, Ready only says that its process runs."""
    address = pod["status"]["podIP"]
    until(lambda: fetch(f"http://{address}:8080/healthz"))
    return address


def test_create_look_kill_and_see_it_heal(world):
    world.kubectl(*WEB, "--replicas=3")
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    first = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in world.ready("app=web")}
    assert len(first) == 3
    assert len({pod["spec"]["nodeName"] for pod in world.pods("app=web")}) == 3
    assert len(set(first.values())) == 3
    for pod in world.ready("app=web"):
        assert f"pod: {pod['metadata']['name']}" in fetch(f"http://{serving(pod)}:8080/")
    world.kubectl("delete", "pod", *first, "--wait=false")
    replaced = until(lambda: len(world.ready("app=web")) == 3 and world.ready("app=web"), "three new pods are ready")
    assert not {pod["metadata"]["name"] for pod in replaced} & set(first)
    until(
        lambda: (
            not any(
                fetch(f"http://{address}:8080/")
                for address in set(first.values()) - {p["status"]["podIP"] for p in replaced}
            )
        )
    )


def test_a_crash_restarts_the_container_and_keeps_the_pod(world):
    world.kubectl(*WEB)
    (pod,) = until(lambda: world.ready("app=web"))
    fetch(f"http://{serving(pod)}:8080/crash")
    (after,) = until(lambda: [p for p in world.ready("app=web") if p["status"]["containerStatuses"][0]["restartCount"]])
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    status = after["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] != 0
    assert "Started" in world.kubectl("get", "events")


def test_a_service_reaches_every_pod_and_follows_them(world):
    world.kubectl(*WEB, "--replicas=3")
    world.kubectl("expose", "deployment", "web", "--port=8080", "--type=NodePort")
    until(lambda: len(world.ready("app=web")) == 3)
    (service,) = [s for s in world.objects("services") if s["metadata"]["name"] == "web"]
    url = f"http://{service['spec']['clusterIP']}:8080/"
    names = {pod["metadata"]["name"] for pod in world.pods("app=web")}
    answered = until(
        lambda: {line for _ in range(12) for line in fetch(url).splitlines() if line.startswith("pod: ")} or None
    )
    assert {line.removeprefix("pod: ") for line in answered} == names
    node = world.objects("nodes")[1]["status"]["addresses"][0]["address"]
    assert "version: v1" in fetch(f"http://{node}:{service['spec']['ports'][0]['nodePort']}/")
    world.kubectl("scale", "deployment", "web", "--replicas=0")
    until(lambda: fetch(url) == "", "nobody answers any more")


def test_a_rolling_update_fails_no_request(world):
    world.kubectl(*WEB, "--replicas=3")
    world.kubectl("expose", "deployment", "web", "--port=8080")
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    address = world.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    until(lambda: fetch(f"http://{address}:8080/"))
    world.kubectl("set", "image", "deployment/web", "web=k8slab/web:v2")
    answers = []
    while not (
        answers
        and world.kubectl("get", "deployment", "web", "-o", "jsonpath={.status.updatedReplicas}/{.status.replicas}")
        == "3/3"
    ):
        answers += [fetch(f"http://{address}:8080/") for _ in range(20)]
    answers += [fetch(f"http://{address}:8080/") for _ in range(20)]
    assert answers.count("") == 0
    assert "version: v2" in answers[-1]


def test_a_broken_version_stops_half_way(world):
    world.kubectl(*WEB, "--replicas=3")
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    world.kubectl("set", "image", "deployment/web", "web=k8slab/web:nope")
    until(lambda: "ErrImagePull" in world.kubectl("get", "pods") or "ImagePullBackOff" in world.kubectl("get", "pods"))
    events = until(
        lambda: [line for line in world.kubectl("get", "events").splitlines() if "Failed" in line and "nope" in line]
    )
    assert "k8slab/web:v1" in " ".join(events)  # the message lists what there is
    assert len(world.ready("app=web")) == 3
    world.kubectl("rollout", "undo", "deployment/web")
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s")


def test_logs_follow(world):
    world.kubectl(*WEB)
    (pod,) = until(lambda: world.ready("app=web"))
    for _ in range(3):
        fetch(f"http://{serving(pod)}:8080/slow?ms=1")
    shown = until(lambda: (text := world.kubectl("logs", "deployment/web")).count("/slow") == 3 and text)
    assert world.kubectl("logs", "deployment/web", "--tail=1") == shown.splitlines()[-1] + "\n"


@pytest.mark.slow
def test_kill_9_of_the_server_leaves_the_pods_answering_and_loses_nothing(world):
    world.kubectl(*WEB, "--replicas=20")
    world.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    before = {
        p["metadata"]["uid"]: (p["status"]["podIP"], p["status"]["containerStatuses"][0]["containerID"])
        for p in world.pods()
    }
    pid = world.told()["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=PATIENCE)
    assert all(fetch(f"http://{address}:8080/healthz") for address, _ in before.values())
    world.k8slab("up")
    until(lambda: len(world.ready("app=web")) == 20)
    after = {
        p["metadata"]["uid"]: (p["status"]["podIP"], p["status"]["containerStatuses"][0]["containerID"])
        for p in world.pods()
    }
    assert after == before
    assert all(p["status"]["containerStatuses"][0]["restartCount"] == 0 for p in world.pods())
    assert {d["metadata"]["name"] for d in world.objects("deployments")} == {"web"}


def test_a_container_that_ended_while_the_server_was_dead_is_found_out(world):
    world.kubectl(
        "run", "once", "--image=k8slab/web:v1", "--restart=Never", "--command", "--", "sh", "-c", "sleep 0.3; exit 7"
    )
    until(lambda: [p for p in world.pods() if p["status"]["phase"] == "Running"])
    os.kill(world.told()["pid"], signal.SIGKILL)
    until(lambda: not [p for p in world.processes() if "sleep 0.3" in " ".join(p.cmdline())])
    world.k8slab("up")
    (pod,) = until(lambda: [p for p in world.pods() if p["status"]["phase"] == "Failed"])
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7


def test_down_leaves_nothing(tmp_path):
    world = World(tmp_path / "state")
    world.k8slab("up")
    world.kubectl(*WEB, "--replicas=3")
    world.kubectl("expose", "deployment", "web", "--port=8080")
    pods = until(lambda: len(world.ready("app=web")) == 3 and world.ready("app=web"))
    port = int(world.told()["server"].rpartition(":")[2])
    assert len(world.processes()) >= 5
    world.k8slab("down")
    assert world.processes() == []
    assert not world.state.exists() or not any(world.state.iterdir())
    for address, closed in [("127.0.0.1", port), *((pod["status"]["podIP"], 8080) for pod in pods)]:
        with socket.socket() as probe:
            assert probe.connect_ex((address, closed)) != 0
    assert "There is no lab" in world.k8slab("down").stdout


def test_down_after_kill_9_leaves_nothing_either(tmp_path):
    world = World(tmp_path / "state")
    world.k8slab("up")
    world.kubectl(*WEB, "--replicas=2")
    until(lambda: len(world.ready("app=web")) == 2)
    os.kill(world.told()["pid"], signal.SIGKILL)
    world.k8slab("down")
    assert world.processes() == []
    assert not world.state.exists() or not any(world.state.iterdir())


def test_two_labs_side_by_side(world):
    world.k8slab("up", "--name", "other", "--nodes", "1")
    for name in ("default", "other"):
        world.kubectl(*WEB, name=name)
        world.kubectl("rollout", "status", "deployment/web", "--timeout=90s", name=name)
    assert len(world.kubectl("get", "nodes", "-o", "name", name="other").split()) == 1
    addresses = {
        world.kubectl("get", "pods", "-o", "jsonpath={.items[0].status.podIP}", name=n) for n in ("default", "other")
    }
    assert len(addresses) == 2
    world.k8slab("down", "--name", "other")
    assert all(serving(pod) for pod in world.ready("app=web"))


def test_reset_is_an_empty_cluster(world):
    world.kubectl("create", "namespace", "team")
    world.kubectl(*WEB, "--replicas=3")
    until(lambda: len(world.ready("app=web")) == 3)
    world.kubectl("cordon", "node-2")
    world.k8slab("reset")
    assert world.kubectl("get", "namespaces", "-o", "name").split() == [
        f"namespace/{n}" for n in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    assert "No resources found" in world.kubectl("get", "deployments,replicasets,pods", check=False)
    assert "SchedulingDisabled" not in world.kubectl("get", "nodes")
    assert not [p for p in world.processes() if "server.py" in " ".join(p.cmdline())]


def test_nobody_else_reads_the_state(world):
    paths = [world.state, *world.state.rglob("*")]
    own = [p for p in paths if "rootfs" not in p.parts and "images" not in p.parts and not p.is_symlink()]
    top = world.state / "default"
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    for name in ("kubeconfig", "server.json", "objects.db", "server.log", "pki/token", "pki/server.key"):
        assert stat.S_IMODE((top / name).stat().st_mode) == 0o600, name
    assert own
