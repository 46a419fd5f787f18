"""What is pure of the docker runtime: the engine's words, its frames and logs, the pause program, where engines are."""

from __future__ import annotations

import platform
import signal
import socket
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8slab.runtime.base import ContainerSpec, LogLine, Mount, PodConfig, RuntimeFailure
from k8slab.runtime.dockerfile import instructions
from k8slab.runtime.engine import connect, pause, specs
from k8slab.runtime.engine.frames import Frames, Lines, Whole
from k8slab.runtime.engine.images import fingerprint
from k8slab.runtime.engine.progress import BuildProgress, PullProgress
from k8slab.runtime.images import Source

POD = PodConfig("uid-1", "web-1", "shop", "node-1", "10.70.1.0/24", "web-1", "db.shop.svc.cluster.local")
ON = specs.Ground("lab", POD, "10.70.1.2", "pause-id", True, {"/etc/hosts": "/state/hosts"})
IMAGE: dict[str, Any] = {"Id": "sha256:1", "Config": {"Cmd": ["serve"], "Entrypoint": None}}


def config(**wish: Any) -> dict[str, Any]:
    return specs.container_config(ContainerSpec("c-1", "uid-1", "main", "web:v1", **wish), IMAGE, ON)


def test_command_and_args_replace_entrypoint_and_cmd() -> None:
    assert not {"Entrypoint", "Cmd"} & config().keys()
    assert config(args=["x"])["Cmd"] == ["x"]
    assert "Entrypoint" not in config(args=["x"])
    both = config(command=["sh"], args=["-c", "true"])
    assert (both["Entrypoint"], both["Cmd"]) == (["sh"], ["-c", "true"])
    assert config(command=["sh"])["Cmd"] == []
    with pytest.raises(RuntimeFailure, match="no command specified"):
        specs.container_config(ContainerSpec("c", "uid-1", "m", "x"), {"Id": "1", "Config": {}}, ON)


def test_a_container_joins_its_pods_network_and_sees_its_files() -> None:
    host = config(mounts=[Mount("/a", "/b", True)])["HostConfig"]
    assert host["NetworkMode"] == host["IpcMode"] == "container:pause-id"
    assert [(m["Source"], m["Target"], m.get("ReadOnly", False)) for m in host["Mounts"]] == [
        ("/state/hosts", "/etc/hosts", False),
        ("/a", "/b", True),
    ]


@pytest.mark.parametrize(
    ("wish", "key", "value"),
    [
        ({"cpu": 0.5}, "NanoCpus", 500_000_000),
        ({"cpu": 0.001}, "NanoCpus", 10_000_000),
        ({"memory": 64 << 20}, "Memory", 64 << 20),
        ({"memory": 64 << 20}, "MemorySwap", 64 << 20),
        ({"memory": 1024}, "Memory", 6 << 20),
        ({"read_only": True}, "ReadonlyRootfs", True),
        ({}, "PidsLimit", 512),
    ],
)
def test_limits(wish: dict[str, Any], key: str, value: Any) -> None:
    assert config(**wish)["HostConfig"][key] == value


def test_the_manifests_word_is_the_last_in_the_environment() -> None:
    env = config(env={"NODE_NAME": "mine", "A": "b=c"})["Env"]
    assert {"POD_IP=10.70.1.2", "NODE_NAME=mine", "A=b=c", "K8SLAB_CONTAINER=c-1"} == set(env)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "created"}, ("created", None, "")),
        ({"Status": "running", "Pid": 7, "StartedAt": "2026-01-01T00:00:00.5Z"}, ("running", None, "")),
        ({"Status": "exited", "ExitCode": 0}, ("exited", 0, "Completed")),
        ({"Status": "exited", "ExitCode": 137}, ("exited", 137, "Error")),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, ("exited", 137, "OOMKilled")),
        ({"Status": "exited", "ExitCode": 1, "OOMKilled": True}, ("exited", 1, "Error")),
    ],
)
def test_what_the_engine_says_of_a_container(state: dict[str, Any], expected: tuple[Any, ...]) -> None:
    spec = ContainerSpec("c-1", "uid-1", "main", "web:v1", attempt=2)
    found = specs.state_of({"Config": {"Labels": specs.container_labels("lab", spec, "sha256:1")}, "State": state})
    assert (found.id, found.pod_uid, found.name, found.attempt) == ("c-1", "uid-1", "main", 2)
    assert (found.phase, found.exit_code, found.reason) == expected


def test_a_pod_is_known_again_by_its_labels() -> None:
    assert specs.pod_of(specs.sandbox_labels("lab", POD, "10.70.1.2")) == POD


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:01.25Z", 1.25),
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:00.123456789+01:00", 0.123456789),
        ("0001-01-01T00:00:00Z", 0.0),
        (None, 0.0),
        ("soon", 0.0),
    ],
)
def test_the_engines_times(time: str | None, expected: float) -> None:
    assert specs.seconds(time) == expected


@pytest.mark.parametrize(
    ("said", "reason", "message"),
    [
        (
            'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
            "RunContainerError",
            'exec: "nope": executable file not found in $PATH',
        ),
        (
            "crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime attempted to invoke",
            "RunContainerError",
            'exec: "nope": executable file not found in $PATH',
        ),
        ("OCI runtime create failed: no such thing", "RunContainerError", "OCI runtime create failed: no such thing"),
        ("invalid mount config", "CreateContainerError", "invalid mount config"),
    ],
)
def test_why_a_container_was_not_started(said: str, reason: str, message: str) -> None:
    failure = specs.start_failure(said)
    assert (failure.reason, str(failure)) == (reason, message)


def test_hosts() -> None:
    lines = specs.hosts(POD, "10.70.1.2", "1.2.3.4\tx\n").splitlines()
    assert "127.0.0.1\tlocalhost" in lines
    assert lines[-2:] == ["10.70.1.2\tweb-1.db.shop.svc.cluster.local\tweb-1", "1.2.3.4\tx"]


def frame(stream: int, text: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def test_frames_come_in_pieces_of_any_size() -> None:
    data = frame(1, b"one") + frame(2, b"two") + frame(1, b"")
    for size in range(1, len(data) + 1):
        frames, found = Frames(), []
        for begin in range(0, len(data), size):
            found += frames.feed(data[begin : begin + size])
        assert found == [("stdout", b"one"), ("stderr", b"two"), ("stdout", b"")]


def test_half_lines_of_two_streams_do_not_mix() -> None:
    lines, found, at = Lines(), [], b"1970-01-01T00:00:01Z "
    for stream, text in (("stdout", b"ab"), ("stderr", b"x\n"), ("stdout", b"cd\n"), ("stdout", b"rest")):
        found += lines.feed(stream, at + text)  # type: ignore[arg-type]
    found += lines.rest()
    assert found == [
        LogLine(1.0, "stderr", b"x"), LogLine(1.0, "stdout", b"abcd"), LogLine(1.0, "stdout", b"rest")
    ]  # fmt: skip


def test_a_terminals_log_has_no_frames() -> None:
    lines, found = Lines(tty=True), []
    for data in (b"1970-01-01T00:00:01Z a", b"b\r\n1970-01-01T00:00:02Z c\r\n"):
        for stream, piece in Whole().feed(data):
            found += lines.feed(stream, piece)
    assert found == [LogLine(1.0, "stdout", b"ab"), LogLine(2.0, "stdout", b"c")]


def test_memory_in_use_leaves_out_what_the_kernel_would_give_up() -> None:
    assert specs.used_memory({"memory_stats": {"usage": 10, "stats": {"total_inactive_file": 4}}}) == 6  # v1
    assert specs.used_memory({"memory_stats": {"usage": 10, "stats": {"inactive_file": 3}}}) == 7  # v2
    assert specs.used_memory({}) == 0


def test_an_image_is_built_anew_when_anything_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x")
    first = fingerprint(Source(tmp_path), "base")
    assert fingerprint(Source(tmp_path), "base") == first
    assert len({first, fingerprint(Source(tmp_path), "other"), fingerprint(Source(tmp_path, {"A": "1"}), "base")}) == 3
    (tmp_path / "server.py").write_text("")
    assert fingerprint(Source(tmp_path), "base") != first


@pytest.mark.skipif(platform.machine() not in pause.NAMES, reason="the pause program is for amd64 and arm64")
def test_pause_waits_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pause"
    file.write_bytes(pause.program(platform.machine()))
    file.chmod(0o755)
    running = subprocess.Popen([file])
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.2)
    running.send_signal(signal.SIGKILL)
    assert running.wait(5) == -signal.SIGKILL


def test_pause_is_small_and_unknown_machines_are_said() -> None:
    assert all(len(pause.program(each)) < 200 for each in pause.CODE)
    with pytest.raises(KeyError):
        pause.program("riscv64")


def test_where_engines_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(connect.candidates({"DOCKER_HOST": "tcp://x:1"})) == ["tcp://x:1"]
    place = tmp_path / ".docker/run"
    place.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as sock:
        monkeypatch.chdir(place)  # paths of sockets are short
        sock.bind("docker.sock")
        assert f"unix://{place}/docker.sock" in list(connect.candidates({}, tmp_path))


def test_an_engine_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{short}/hangs.sock")
        sock.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/hangs.sock")
        with pytest.raises(connect.NoEngine, match="does not answer"):
            connect.find(0.3)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(connect.NoEngine, match="no Docker engine answers"):
        connect.find(1)


# ---- pulls and builds ----


def layer(id: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": id, "status": status, "progressDetail": detail}


def test_a_pull_is_summed_up_and_each_word_waits_twice_as_long() -> None:
    pull = PullProgress(100.0)
    assert pull.feed({"status": "Pulling from library/nginx", "id": "1.27"}, 100.9) == ""
    assert pull.feed(layer("a", "Pulling fs layer"), 101.0) == ""  # nothing is known yet
    assert pull.feed(layer("b", "Already exists"), 101.0) == ""
    first = pull.feed(layer("a", "Downloading", 5_000_000, 20_000_000), 101.0)
    assert first == "5.0 of 20.0 MB downloaded, 1 of 2 layers unpacked"
    assert pull.feed(layer("a", "Downloading", 6_000_000, 20_000_000), 101.9) == ""
    assert pull.feed(layer("c", "Waiting"), 102.0) == "6.0 of 20.0+ MB downloaded, 1 of 3 layers unpacked"
    assert pull.feed(layer("a", "Download complete"), 103.9) == ""
    assert pull.feed(layer("a", "Extracting", 3, 20_000_000), 104.0).startswith("20.0 of 20.0+ MB")
    assert pull.feed(layer("a", "Pull complete"), 108.0).endswith("2 of 3 layers unpacked")


def test_a_quick_pull_is_not_talked_about() -> None:
    pull = PullProgress(0.0)
    assert not any(pull.feed(layer("a", "Downloading", n, 9), 0.4) for n in range(9))


DOCKERFILE = [*instructions("ARG BASE\n# a comment\nFROM ${BASE}\n\nCOPY a \\\n  b\nRUN echo hi; exit 3\n")]
SAID = (
    "Step 1/4 : ARG BASE\nStep 2/4 : FROM ${BASE}\n ---> 3cf97daba985\nStep 3/4 : COPY a b\n ---> Using cache\n"
    " ---> 7fd734dea827\nStep 4/4 : RUN echo hi; exit 3\n ---> Running in 0123456789ab\nhi\n\x1b[91moh\n\x1b[0m"
)


def test_a_build_is_told_as_the_local_runtime_tells_it() -> None:
    for size in (1, 7, len(SAID)):  # however it comes in pieces
        build = BuildProgress(DOCKERFILE)
        pieces = [SAID[at : at + size] for at in range(0, len(SAID), size)]
        lines = [line for piece in pieces for line in build.feed({"stream": piece})]
        assert lines == [
            "ARG BASE", "FROM ${BASE}", "COPY a b  (as before)", "RUN echo hi; exit 3", "  hi", "  oh",
        ]  # fmt: skip
        why = build.failure("The command '/bin/sh -c echo hi; exit 3' returned a non-zero code: 3")
        assert why == ("Dockerfile line 7: RUN echo hi; exit 3: ended with exit code 3; what it printed says why")


def test_what_a_build_made_is_known_by_its_id() -> None:
    build = BuildProgress(DOCKERFILE)
    assert build.failure("dockerfile parse error line 4") == "dockerfile parse error line 4"
    build.feed({"aux": {"ID": "sha256:1"}})
    assert build.feed({"stream": "Successfully built 0123456789ab\nSuccessfully tagged shop:v1\n"}) == []
    assert build.id == "sha256:1"


def test_names_are_as_people_write_them() -> None:
    told = ["docker.io/library/nginx:1.27", "docker.io/k8slab/web:v1", "quay.io/x/y:1", "shop:v1", "<none>:<none>"]
    assert specs.repository(told) == ["nginx:1.27", "k8slab/web:v1", "quay.io/x/y:1", "shop:v1"]
    assert specs.repository(None) == []


def test_on_podman_who_joins_a_network_is_told_its_host_name() -> None:
    assert "Hostname" not in config()
    podman = specs.container_config(ContainerSpec("c-1", "uid-1", "main", "w"), IMAGE, replace(ON, shares_name=False))
    assert podman["Hostname"] == "web-1"
