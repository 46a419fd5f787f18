"""What people type, as they type it: the real program in a process of its own."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from k8slab import cli, launch
from k8slab.settings import Settings
from k8slab.teach.progress import Progress


def k8slab(*arguments, env=None):
    """Run the program; its exit code, what it said, and what it complained of."""
    command = [sys.executable, "-m", "k8slab.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "100", **(env or {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def lab(lab_settings, monkeypatch):
    """The shared lab, for the program."""
    monkeypatch.setenv("K8SLAB_STATE_DIR", lab_settings.state_dir)
    monkeypatch.setenv("K8SLAB_NAME", lab_settings.name)
    return lab_settings


def test_up_says_what_is_real_and_what_to_do_next(state):
    code, said, _ = k8slab("up", "--name", "a", "--runtime", "simulated", "--nodes", "2", "--speed", "10")
    assert code == 0
    assert "Lab a is up: 2 nodes, simulated (containers are records, no process runs), 10 times as fast" in said
    kubeconfig = re.search(r"export KUBECONFIG=(\S+)", said)[1]
    assert stat.S_IMODE(Path(kubeconfig).stat().st_mode) == 0o600
    assert "k8slab down --name a" in said
    code, said, _ = k8slab("up", "--name", "a")
    assert code == 0
    assert k8slab("down", "--name", "a") == (0, "Lab a is down; nothing of it is left.\n", "")
    assert k8slab("down", "--name", "a") == (0, "There is no lab 'a'; nothing to do.\n", "")
    assert not state.exists()


def test_down_all(state):
    for name in ("a", "b"):
        launch.start(Settings.read(name=name, runtime="simulated"))
    os.kill(launch.running(Settings.read(name="b").folder)["pid"], signal.SIGKILL)
    code, said, _ = k8slab("down", "--all")
    assert (code, said.count("is down")) == (0, 2)
    assert k8slab("down", "--all")[1] == "There is no lab.\n"


def test_status_of_a_lab_and_of_none(lab):
    code, said, _ = k8slab("status")
    assert code == 0
    assert "Lab shared runs: simulated" in said
    assert "3 of 3 ready" in said
    code, said, _ = k8slab("status", "--name", "nope")
    assert code == 3
    assert said == "Lab nope does not run. `k8slab up --name nope` starts it. (There is: shared.)\n"


def test_kubeconfig_prints_the_path_alone(lab):
    assert k8slab("kubeconfig") == (0, f"{lab.folder.kubeconfig}\n", "")
    code, said, complaint = k8slab("kubeconfig", "--name", "nope")
    assert (code, said) == (1, "")
    assert complaint == "k8slab: The lab 'nope' does not run. `k8slab up --name nope` starts it.\n"


def test_reset_empties_the_cluster(state):
    settings = Settings.read(name="a", runtime="simulated")
    launch.start(settings)
    kubectl = ["kubectl", "--kubeconfig", str(settings.folder.kubeconfig)]
    if shutil.which("kubectl") is None:
        pytest.fail("kubectl is needed: `make test` installs it")
    subprocess.run([*kubectl, "create", "namespace", "shop"], check=True, capture_output=True)
    subprocess.run([*kubectl, "create", "deployment", "web", "--image=x", "--replicas=20", "-n", "shop"], check=True)
    subprocess.run([*kubectl, "cordon", "node-1"], check=True, capture_output=True)
    assert k8slab("reset", "--name", "a") == (0, "The cluster is empty.\n", "")
    left = subprocess.run(
        [*kubectl, "get", "all,ns,no", "-A", "-o", "name"], capture_output=True, text=True, check=True
    )
    namespaces = [f"namespace/{name}" for name in ("default", "kube-node-lease", "kube-public", "kube-system")]
    nodes = [f"node/node-{number}" for number in (1, 2, 3)]
    assert sorted(left.stdout.split()) == sorted([*namespaces, *nodes, "service/kubernetes"])
    cordoned = subprocess.run([*kubectl, "get", "node", "node-1"], capture_output=True, text=True, check=True)
    assert "SchedulingDisabled" not in cordoned.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--runtime", "podman"], "--runtime cannot be 'podman': choose one of auto, docker, local, simulated."),
        (["up", "--nodes", "0"], "--nodes cannot be 0: give a number from 1 to 5000."),
        (["up", "--speed", "-1"], "--speed cannot be -1.0"),
        (["up", "--name", "No Such"], "'No Such' cannot be a lab's name"),
        (["up", "--nodes", "many"], "Invalid value for '--nodes'"),
        (["fly"], "No such command 'fly'"),
        (["reset"], "The lab 'default' does not run. `k8slab up` starts it."),
        (["up", "--runtime", "local", "--nodes", "300"], "--runtime simulated"),
    ],
)
def test_mistakes_are_one_sentence_with_a_remedy(state, arguments, words):
    code, said, complaint = k8slab(*arguments)
    assert code in (1, 2)
    assert said == ""
    assert words in " ".join(complaint.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away takes root")
def test_a_state_folder_owned_by_someone_else(tmp_path):
    theirs = tmp_path / "state" / "default"
    theirs.mkdir(parents=True)
    os.chown(theirs, 12345, 12345)
    code, _, complaint = k8slab("up", env={"K8SLAB_STATE_DIR": str(tmp_path / "state")})
    assert code == 1
    assert f"The lab's folder {theirs} is owned by user 12345, and you are user 0. Set K8SLAB_STATE_DIR" in complaint


def test_doctor_for_people_and_for_programs():
    code, said, _ = k8slab("doctor")
    assert code == 0
    assert all(word in said for word in ("machine", "fence", "kubectl", "simulated"))
    findings = json.loads(k8slab("doctor", "--json")[1])
    groups = {"machine", "runtime", "images", "fence", "guard", "limit", "program", "machine beside it"}
    assert {finding["group"] for finding in findings} == groups


def test_help_needs_no_lab():
    code, said, _ = k8slab("--help")
    assert code == 0
    for command in ("up", "down", "status", "reset", "kubeconfig", "doctor", "lessons"):
        assert command in said


def test_an_api_that_refuses_is_a_sentence(monkeypatch, capsys):
    from k8slab.api.errors import Forbidden

    def refuse(**_):
        raise Forbidden("not you")

    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit, match="the lab's API refused: not you"):
        cli.main()


def test_progress_of_a_folder_and_of_none(tmp_path):
    code, said, complaint = k8slab("progress", "--dir", str(tmp_path))
    assert (code, said) == (1, "")
    assert "`k8slab lessons` opens the lessons" in complaint
    Progress("00", tmp_path).record("quiz", "night", right=True)
    code, said, _ = k8slab("progress", "--dir", str(tmp_path))
    assert code == 0
    assert "1 of 8" in said
