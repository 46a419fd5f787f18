"""A lab with real containers for each test that asks, driven with the installed command and the real kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.requirements import REAL, unpacked

K8SLAB = str(Path(sys.executable).with_name("k8slab"))


class World:
    """A lab's command line, kubectl, and what can be seen of it from outside."""

    def __init__(self, state: Path, runtime: str = "local", **env: str) -> None:
        self.state, self.runtime = state, runtime
        self.env = {**os.environ, "K8SLAB_STATE_DIR": str(state), "K8SLAB_RUNTIME": runtime, **env}
        self.env.setdefault("K8SLAB_START_SECONDS", "60")  # others work on this machine, too
        self.env.pop("KUBECONFIG", None)

    def k8slab(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run([K8SLAB, *args], env=self.env, check=check, capture_output=True, text=True, timeout=60)

    def kubectl(self, *args: str, check: bool = True, name: str = "default") -> str:
        config = str(self.state / name / "kubeconfig")
        done = subprocess.run(
            ["kubectl", "--kubeconfig", config, *args], check=check, capture_output=True, text=True, timeout=60
        )
        return done.stdout if check else done.stdout + done.stderr

    def objects(self, what: str, *args: str) -> list[dict]:
        return json.loads(self.kubectl("get", what, "-o", "json", *args))["items"]

    def pods(self, selector: str = "") -> list[dict]:
        return self.objects("pods", *(["-l", selector] if selector else []))

    def ready(self, selector: str) -> list[dict]:
        return [
            pod
            for pod in self.pods(selector)
            if "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]

    def told(self, name: str = "default") -> dict:
        return json.loads((self.state / name / "server.json").read_text())

    def processes(self) -> list[psutil.Process]:
        """Every process that names this lab's state folder, and all below them."""
        mine = [p for p in psutil.process_iter() if any(str(self.state) in word for word in _words(p))]
        return [*mine, *(child for p in mine for child in _children(p))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


@contextmanager
def lab_of(request, state):
    """A lab of the runtime that the fixture was asked for (tests/requirements.py: REAL)."""
    more = request.getfixturevalue("docker_env") if request.param == "docker" else {}
    world = World(state, request.param, **more)
    world.k8slab("up")
    yield world
    world.k8slab("down", "--all")


@pytest.fixture(params=REAL)
def world(request, tmp_path):
    with lab_of(request, tmp_path / "state") as world:
        yield world


@pytest.fixture(scope="session")
def old_kubectl(tmp_path_factory):
    """kubectl 1.20, unpacked (not installed) from Debian's package; K8SLAB_REQUIRE=kubectl-1.20 makes its lack a failure."""
    kubectl = unpacked("kubernetes-client", tmp_path_factory.mktemp("old")) / "usr/bin/kubectl"
    said = (
        subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True).stdout
        if kubectl.exists()
        else ""
    )
    if 'Minor:"20"' not in said:
        missing = pytest.fail if "kubectl-1.20" in os.environ.get("K8SLAB_REQUIRE", "") else pytest.skip
        missing("kubectl 1.20 cannot be had: apt's kubernetes-client is another version here, or there is no apt")
    return str(kubectl)
