"""Labs come, are found again, and leave nothing: real server processes, simulated containers."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading

import psutil
import pytest

from k8slab import launch
from k8slab.client.http import HttpClient
from k8slab.settings import LabError, Settings


@pytest.fixture
def settings(state):
    return Settings.read(name="mine", runtime="simulated")


def gone(pid):
    """Whether the process ends within a moment; its lock is free a few microseconds before it has."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return True
    return not psutil.wait_procs([process], timeout=5)[1]


def test_up_is_idempotent(settings):
    first, second = launch.start(settings), launch.start(settings)
    assert first == second == launch.running(settings.folder)
    assert (first["nodes"], first["runtime"], first["real"]) == (3, "simulated", False)


def test_two_at_once_start_one(settings):
    told = []
    threads = [threading.Thread(target=lambda: told.append(launch.start(settings)["pid"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 4
    assert len(set(told)) == 1


def test_two_labs_live_side_by_side(settings):
    other = Settings.read(name="other", runtime="simulated", nodes=1)
    assert launch.start(settings)["server"] != launch.start(other)["server"]
    assert launch.labs(settings) == ["mine", "other"]


def test_a_lab_of_another_shape_is_no_silent_surprise(settings):
    launch.start(settings)
    with pytest.raises(LabError, match=r"has nodes 3, not 5\. Take it down first"):
        launch.start(Settings.read(name="mine", nodes=5), nodes=5)
    assert launch.start(Settings.read({"K8SLAB_NODES": "5"}, name="mine", state_dir=settings.state_dir))["nodes"] == 3


def test_down_leaves_nothing(settings):
    told = launch.start(settings)
    assert launch.stop(settings)
    assert not settings.root.exists()
    assert gone(told["pid"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(told["server"].rpartition(":")[2])))
    assert launch.stop(settings) is False


def test_down_makes_kubectl_forget_the_address(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
    port = launch.start(settings)["server"].rpartition(":")[2]
    kept = [tmp_path / "cache/discovery" / name for name in (f"127.0.0.1_{port}", "127.0.0.1_1")]
    for folder in kept:
        folder.mkdir(parents=True)
    launch.stop(settings)
    assert [folder.exists() for folder in kept] == [False, True]


def test_down_after_kill_leaves_nothing(settings):
    os.kill(launch.start(settings)["pid"], signal.SIGKILL)
    assert launch.stop(settings)
    assert not settings.root.exists()


def test_down_of_a_server_that_hangs(settings, monkeypatch):
    pid = launch.start(settings)["pid"]
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(launch, "STOP_SECONDS", 0.3)
    assert launch.stop(settings)
    assert not settings.root.exists()
    assert gone(pid)


def test_objects_port_and_token_survive_a_kill(settings):
    told = launch.start(settings)
    client = HttpClient.open(told["kubeconfig"])
    client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
    os.kill(told["pid"], signal.SIGKILL)
    assert gone(told["pid"])
    again = launch.start(Settings.read(name="mine"))  # its shape is remembered
    assert again["server"] == told["server"]
    assert again["runtime"] == "simulated"
    assert client.get("ConfigMap", "a", "default")
    client.close()


def test_sigterm_stops_the_server_and_keeps_the_lab(settings):
    told = launch.start(settings)
    os.kill(told["pid"], signal.SIGTERM)
    assert gone(told["pid"])
    assert launch.running(settings.folder) is None
    assert settings.folder.objects.exists()
    assert not settings.folder.server.exists()


def test_the_server_is_nobodys_child_and_in_a_session_of_its_own(settings):
    pid = launch.start(settings)["pid"]
    server = psutil.Process(pid)
    assert os.getpid() not in [parent.pid for parent in server.parents()]
    assert os.getsid(pid) != os.getsid(0)
    assert {os.readlink(f"/proc/{pid}/fd/0")} == {"/dev/null"}


def test_it_outlives_the_process_that_started_it(settings):
    code = "from k8slab import launch; from k8slab.settings import Settings; import os; "
    code += f"launch.start(Settings.read(name='mine', runtime='simulated', state_dir={settings.state_dir!r})); "
    code += "os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    told = launch.running(settings.folder)
    assert told
    assert HttpClient.open(told["kubeconfig"]).list("Node")


def test_an_idle_lab_goes_down_by_itself(state):
    settings = Settings.read(name="idle", runtime="simulated", idle_hours=0.2 / 3600)
    pid = launch.start(settings)["pid"]
    assert not psutil.wait_procs([psutil.Process(pid)], timeout=20)[1]
    assert not settings.folder.path.exists()


def test_nobody_else_can_read_it(settings):
    launch.start(settings)
    for path in settings.folder.path.rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_the_server_knows_nothing_of_the_notebook(settings, monkeypatch):
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    monkeypatch.setenv("JPY_SESSION_NAME", "secret")
    pid = launch.start(settings)["pid"]
    with open(f"/proc/{pid}/environ") as file:
        assert "secret" not in file.read()


def test_a_server_that_cannot_start_says_why(settings):
    settings.folder.make().objects.write_text("this is no database" * 100)
    with pytest.raises(LabError, match=r"objects\.db cannot be read: file is not a database.*k8slab down --name mine"):
        launch.start(settings)
    assert launch.stop(settings)


def test_a_file_in_the_way_is_named_without_traceback(settings):
    settings.folder.make().runtime.write_text("a file where a folder belongs")
    with pytest.raises(LabError) as caught:
        launch.start(Settings.read(name="mine", runtime="local"))
    assert "Traceback" not in str(caught.value)
    assert "File exists" in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
@pytest.mark.parametrize("runtime", ["simulated", "local"])
def test_a_full_disk_is_named(tmp_path, runtime):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no mounts here")
    settings = Settings.read({}, name="full", runtime=runtime, state_dir=str(disk))
    try:
        with pytest.raises(LabError, match=r"(?i)make room"):
            launch.start(settings)
        launch.stop(settings)
        assert not settings.folder.path.exists()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_port_in_use_is_left_to_its_owner(settings):
    told = launch.start(settings)
    os.kill(told["pid"], signal.SIGTERM)
    assert gone(told["pid"])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", json.loads(settings.folder.lab.read_text())["port"]))
        other.listen()
        again = launch.start(settings)
    assert again["server"] != told["server"]
    assert HttpClient.open(again["kubeconfig"]).list("Node")
