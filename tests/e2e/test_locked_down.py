"""The whole lab as Binder would have it: an unprivileged user, no new user namespaces, no mounts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.runtime.test_unprivileged import NOBODY, ROOT, as_user, environment, python  # noqa: F401 (a fixture)
from tests.waiting import fetch, until

RUN = "import sys; sys.path.insert(0, {root!r}); sys.argv[0] = 'k8slab'; {forbid}from k8slab.cli import main; main()"
FORBID = "from tests.runtime.locked_down import forbid_user_namespaces as forbid; forbid(); "


@pytest.fixture(params=["namespaces", "no namespaces"])
def lab(request, python):  # noqa: F811
    """Calls of k8slab and kubectl as the other user."""
    home = Path(tempfile.mkdtemp(prefix="k8slab-user-"))
    if os.getuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    env = {**environment(), "HOME": str(home), "K8SLAB_RUNTIME": "local", "K8SLAB_STATE_DIR": str(home / "state")}
    forbid = FORBID if request.param == "no namespaces" else ""

    def call(*command: str) -> str:
        if command[0] == "k8slab":
            command = (python, "-c", RUN.format(root=str(ROOT), forbid=forbid), *command[1:])
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60, **as_user())
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call.namespaces = not forbid
    yield call
    call("k8slab", "down")
    shutil.rmtree(home)


def test_everything_works_with_the_fences_there_are(lab):
    said = lab("k8slab", "up")
    rows = {row["name"]: row for row in json.loads(lab("k8slab", "doctor", "--json")) if row["group"] == "fence"}
    assert rows["pid"]["present"] is lab.namespaces
    if not lab.namespaces:
        assert "seccomp" in rows["pid"]["detail"] + rows["pid"]["remedy"]
    assert ("pid" in said) is lab.namespaces
    kubectl = ("kubectl", "--kubeconfig", lab("k8slab", "kubeconfig").strip())
    lab(*kubectl, "create", "deployment", "web", "--image=k8slab/web:v1", "--replicas=3")
    lab(*kubectl, "expose", "deployment", "web", "--port=80", "--target-port=8080")
    lab(*kubectl, "rollout", "status", "deployment/web", "--timeout=90s")
    pods = json.loads(lab(*kubectl, "get", "pods", "-o", "json"))["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    assert all(fetch(f"http://{pod['status']['podIP']}:8080/healthz") for pod in pods)
    service = json.loads(lab(*kubectl, "get", "service", "web", "-o", "json"))
    real = json.loads(service["metadata"].get("annotations", {}).get("k8slab.io/real-ports", "{}")).get("80", 80)
    until(lambda: "version: v1" in fetch(f"http://{service['spec']['clusterIP']}:{real}/"))
    lab(*kubectl, "delete", "pod", pods[0]["metadata"]["name"], "--wait=false")
    lab(*kubectl, "rollout", "status", "deployment/web", "--timeout=90s")
    until(lambda: lab(*kubectl, "get", "pods", "--no-headers").count("1/1") == 3)
    lab("k8slab", "reset")
    assert lab(*kubectl, "get", "pods") == ""
