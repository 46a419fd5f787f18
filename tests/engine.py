"""An engine for the tests, started by hand and shared by all workers of a run; and a base image without a registry.

Each worker holds a lock on a file of the run. Beside them a keeper (`python -m tests.engine FOLDER`) runs dockerd, or
Podman's service, until the last one has let go of it, however it ended, and removes everything. The base image is a Debian with Python and
Redis, made by debootstrap once for a machine (half a minute) and kept in a cache folder. Without root, or with
K8SLAB_TEST_ENGINE=found, the engine that DOCKER_HOST or the usual sockets lead to is used instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from k8slab.runtime.engine import connect

BASE = "k8slab-test/base:1"
OFFICIAL = ("python:3.12-slim", "debian:latest")  # what Dockerfiles begin with, and no registry here has
PACKAGES = "python3,redis-server"
RECIPE = "1"  # raise it when the base is to be made anew
MIRROR = "http://deb.debian.org/debian"
APT = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/apt.conf.d",
    "/etc/apt/keyrings",
    "/etc/apt/auth.conf.d",
)
PATIENCE = 120.0
TOOLS = {"docker": ["dockerd"], "podman": ["podman", "crun", "unshare"]}
ROOT = "/tmp/k8slab-engine-"  # and some letters of the run's: paths of sockets have to be short


class Unavailable(Exception):
    """No engine can be had here; the message says why."""


@contextlib.contextmanager
def shared(run: Path, kind: str = "docker") -> Iterator[str]:
    """The run's engine, as a DOCKER_HOST, with the base image in it. `run` is the folder of all workers of a run."""
    if os.geteuid() != 0 or os.environ.get("K8SLAB_TEST_ENGINE") == "found":
        yield found()
        return
    if missing := [tool for tool in (*TOOLS[kind], "docker", "debootstrap") if shutil.which(tool) is None]:
        raise Unavailable(f"{', '.join(missing)} not installed: make system-test")
    folder = Path(f"{ROOT}{hashlib.sha256(bytes(run)).hexdigest()[:8]}-{kind}")
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "users").open("w") as users:
        with (folder / "making").open("w") as making:
            fcntl.flock(making, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            host = f"unix://{folder}/docker.sock"
            if not (folder / "ready").exists():
                start(folder, host)
                (folder / "ready").touch()
        yield host


def found() -> str:
    """An engine that was there before."""
    try:
        engine = connect.find()
    except connect.NoEngine as none:
        raise Unavailable(str(none)) from none
    client = engine.client()
    with contextlib.closing(client):
        if not client.images(name=BASE):
            raise Unavailable(f"the engine at {engine.url} has no image {BASE}: docker tag one that has Python")
    return engine.url


def start(folder: Path, host: str) -> None:
    with (folder / "keeper.log").open("w") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tests.engine", str(folder)], stdout=log, stderr=log, start_new_session=True,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
    wait_for(host, folder)
    load_base(host)


def load_base(host: str) -> None:
    with base().open("rb") as tar:
        subprocess.run(["docker", "-H", host, "import", "-", BASE], stdin=tar, check=True, capture_output=True)
        for name in OFFICIAL:
            subprocess.run(["docker", "-H", host, "tag", BASE, name], check=True, capture_output=True)


def wait_for(host: str, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while subprocess.run(["docker", "-H", host, "info"], capture_output=True).returncode:
        if time.monotonic() > end:
            said = (folder / "dockerd.log").read_text()[-2000:] if (folder / "dockerd.log").exists() else ""
            raise Unavailable(f"dockerd does not start: {said}")
        time.sleep(0.1)


def daemon(folder: Path) -> subprocess.Popen[bytes]:
    """The engine this folder is named for, with everything of its own below it; the bridges are the machine's."""
    if folder.name.endswith("-podman"):
        return podman(folder)
    command = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
        "-H", f"unix://{folder}/docker.sock", "--bridge", "none",
    ]  # fmt: skip
    with (folder / "dockerd.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def podman(folder: Path) -> subprocess.Popen[bytes]:
    """Its service, with crun: Debian's Podman asks runc for what a newer one refuses.

    crun in turn refuses a machine that has control groups of both versions. So the service sees those of version 1
    alone, in a mount namespace of its own.
    """
    places = {"CONTAINERS_CONF": folder / "containers.conf", "CONTAINERS_STORAGE_CONF": folder / "storage.conf"}
    places["CONTAINERS_CONF"].write_text(PODMAN.format(folder=folder))
    places["CONTAINERS_STORAGE_CONF"].write_text(STORAGE.format(folder=folder))
    serve = f"exec podman system service --time 0 unix://{folder}/docker.sock"
    hidden = "umount /sys/fs/cgroup/unified 2>/dev/null"
    with (folder / "dockerd.log").open("ab") as log:
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{hidden}; {serve}"],
            stdout=log, stderr=log, env={**os.environ, **{name: str(path) for name, path in places.items()}},
        )  # fmt: skip


PODMAN = """\
[containers]
default_ulimits = []
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/data"
runroot = "{folder}/exec"
"""


def base() -> Path:
    """The base image's files, as a tar."""
    made_by = hashlib.sha256(f"{RECIPE}{PACKAGES}".encode()).hexdigest()[:8]
    file = cache() / f"test-base-{made_by}.tar"
    with (cache() / "making").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if not file.exists():
            make_base(cache() / "root", file)
    return file


def cache() -> Path:
    """Where images are kept from one run to the next."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "k8slab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_base(root: Path, file: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release(), str(root), MIRROR]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"debootstrap fails: {done.stdout[-500:]}{done.stderr[-500:]}")
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for leftover in [*(root / "var/cache/apt/archives").glob("*.deb"), *(root / "var/lib/apt/lists").glob("*_*")]:
        leftover.unlink()
    for path in map(Path, APT):  # so that apt works in it as it does here
        if path.is_dir():
            shutil.copytree(path, root / path.relative_to("/"), dirs_exist_ok=True)
        elif path.exists():
            shutil.copy(path, root / path.relative_to("/"))
    making = file.with_suffix(".new")
    subprocess.run(["tar", "-C", str(root), "-cf", str(making), "."], check=True)
    making.rename(file)
    shutil.rmtree(root, ignore_errors=True)


def release() -> str:
    words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return words.get("VERSION_CODENAME", "bookworm") if words.get("ID") == "debian" else "bookworm"


def keep(folder: Path) -> None:
    """Run dockerd until nobody uses it; then nothing of it stays."""
    running = daemon(folder)
    try:
        with (folder / "users").open("r+") as users:
            fcntl.flock(users, fcntl.LOCK_EX)  # waits for the last of them
    finally:
        clear(f"unix://{folder}/docker.sock")
        end(running)
        remove(folder)


def clear(host: str) -> None:
    """No container stays: Podman's do not end with it. Those that others have joined go in the second round."""
    for _ in range(2):
        listed = subprocess.run(["docker", "-H", host, "ps", "-aq"], capture_output=True, text=True).stdout.split()
        for id in listed:
            subprocess.run(["docker", "-H", host, "rm", "-f", id], capture_output=True)


def end(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGTERM)
    try:
        running.wait(20)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def remove(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", path], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
