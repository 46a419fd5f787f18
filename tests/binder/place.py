"""A launch of that image within mybinder's limits, and what the kernel counts of it meanwhile.

One CPU, 2 GB, user 1000, no capability, no new privileges, the engine's seccomp filter (no user namespaces, no mount),
no network but loopback, ports below 1024 for root only. Jupyter is served below a user's prefix, as by JupyterHub.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.binder.image import NAME

HOME, PREFIX, PORT, TOKEN = "/home/jovyan", "/user/someone/", 8888, "of-a-test"
LIMITS = [
    "--cpus=1", "--memory=2g", "--memory-swap=2g", "--user=1000:1000", "--cap-drop=ALL", "--network=none",
    "--security-opt=no-new-privileges", "--sysctl=net.ipv4.ip_unprivileged_port_start=1024",
]  # fmt: skip
JUPYTER = [
    "jupyter", "lab", "--ip=127.0.0.1", f"--port={PORT}", "--no-browser", f"--ServerApp.base_url={PREFIX}",
    f"--IdentityProvider.token={TOKEN}",
]  # fmt: skip
SECOND = 1.0
MIB = 1 << 20
COUNTERS = (  # what is used, its statistics, the word in them for cached files that nobody needs
    ("memory.current", "inactive_file"),
    ("memory.usage_in_bytes", "total_inactive_file"),
)


class Place:
    """A container that runs. `peak` is the most memory it has had so far, in MiB, less cached files nobody needs."""

    def __init__(self, host: str) -> None:
        self.docker = ["docker", "-H", host]
        started = subprocess.run(
            [*self.docker, "run", "--detach", "--env", f"JUPYTERHUB_SERVICE_PREFIX={PREFIX}", *LIMITS, NAME, *JUPYTER],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.id = started.stdout.strip()
        self.peak = 0.0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, args=[group(self.id)])
        self.watcher.start()

    def watch(self, folder: Path) -> None:
        """As docker and Kubernetes count: ten times a second."""
        used, idle = next(names for names in COUNTERS if (folder / names[0]).exists())
        while not self.over.wait(SECOND / 10):
            with contextlib.suppress(OSError):
                statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                now = int((folder / used).read_text()) - int(statistics[idle])
                self.peak = max(self.peak, round(now / MIB, 1))

    def run(self, *command: str, stdin: bytes = b"") -> str:
        """Run a command in it; what it printed. Raises AssertionError with what it said when it failed."""
        done = subprocess.run([*self.docker, "exec", "-i", self.id, *command], input=stdin, capture_output=True)
        assert done.returncode == 0, (done.stdout[-2000:] + done.stderr[-3000:]).decode()
        return done.stdout.decode()

    def put(self, files: Mapping[str, bytes], folder: str) -> None:
        """Have these files in a folder of it, as the user's own."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        self.run("mkdir", "-p", folder)
        self.run("tar", "-x", "-C", folder, stdin=packed.getvalue())

    def script(self, path: Path, *arguments: str) -> list[dict[str, object]]:
        """Run one of our programs in it; what it told, an object a line."""
        told = self.run("python", "-c", path.read_text(), *arguments)
        return [json.loads(line) for line in told.splitlines() if line.startswith("{")]

    @property
    def pid(self) -> int:
        """Of its first process, as this machine counts."""
        asked = [*self.docker, "inspect", "--format", "{{.State.Pid}}", self.id]
        return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

    def end(self) -> None:
        self.over.set()
        self.watcher.join()
        subprocess.run([*self.docker, "rm", "--force", self.id], capture_output=True)


def group(id: str) -> Path:
    """The container's control group for memory."""
    roots = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")]
    inside = [f"docker/{id}", f"system.slice/docker-{id}.scope"]
    return next(folder for root in roots for name in inside if (folder := root / name).is_dir())


@contextlib.contextmanager
def launched(host: str) -> Iterator[Place]:
    place = Place(host)
    try:
        yield place
    finally:
        place.end()
