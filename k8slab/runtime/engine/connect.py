"""Finds the engine: DOCKER_HOST, else the usual sockets of Docker Engine, Docker Desktop, Colima and Podman.

An engine that hangs must hold up nobody: who asks whether there is one waits `PATIENCE` seconds at most. `docker.py`
works with what is found, `server.py` and `doctor.py` ask whether there is any.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 10.0  # real seconds for an engine to say that it is there: Podman's takes five when it is busy
WORK = 120.0  # and for one answer, once it works
START = "start Docker Desktop, or `sudo systemctl start docker`"
CONNECTIONS = 1  # kept open when nothing is asked: more are made when they are wanted, which takes no time


class NoEngine(Exception):
    """There is none, or none that answers: what was tried, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True)
class Engine:
    """One that answers."""

    url: str
    name: str  # "Docker Engine", "Docker Desktop", "Podman Engine"
    version: str
    architecture: str  # "amd64", "arm64"

    def client(self) -> Any:
        """A `docker.APIClient` for it, to be used from many threads."""
        return _client(self.url, WORK)


def candidates(environ: Mapping[str, str] | None = None, home: Path | None = None) -> Iterator[str]:
    """Where engines listen, best first. Only sockets that are there; DOCKER_HOST, if set, alone."""
    environ, home = os.environ if environ is None else environ, home or Path.home()
    if said := environ.get("DOCKER_HOST"):
        yield said
        return
    running = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    for path in (
        Path("/var/run/docker.sock"),
        running / "docker.sock",  # rootless
        home / ".docker/run/docker.sock",  # Docker Desktop on macOS
        home / ".docker/desktop/docker.sock",  # and on Linux
        home / ".colima/default/docker.sock",
        running / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    ):
        if _is_socket(path):
            yield f"unix://{path}"


def find(patience: float = PATIENCE) -> Engine:
    """The first that answers. Raises NoEngine. Blocks for up to `patience` seconds an engine tried."""
    tried = []
    for url in candidates():
        if importlib.util.find_spec("docker") is None:
            raise NoEngine("Python's docker package is not installed", 'pip install "k8slab[docker]"')
        found = _in_time(url, patience)
        if isinstance(found, Engine):
            return found
        tried.append(f"{url}: {_short(found)}")
    if not tried:
        raise NoEngine("no Docker engine was found", f"{START}, or set DOCKER_HOST")
    raise NoEngine(f"no Docker engine answers ({'; '.join(tried)})", START)


def _in_time(url: str, patience: float) -> Engine | Exception:
    """Ask in a thread that nobody waits for longer: whatever hangs, hangs alone."""
    answers: queue.SimpleQueue[Engine | Exception] = queue.SimpleQueue()

    def asking() -> None:
        try:
            answers.put(ask(url, patience))
        except Exception as error:  # of the SDK, of what it is built upon, or of what DOCKER_HOST names
            answers.put(error)

    threading.Thread(target=asking, daemon=True).start()
    try:
        return answers.get(timeout=patience)
    except queue.Empty:
        return TimeoutError("timed out")


def ask(url: str, patience: float = PATIENCE) -> Engine:
    """The engine at this address. Raises the SDK's errors."""
    client = _client(url, patience)
    try:
        told = client.version(api_version=False)
    finally:
        client.close()
    parts = [str(part.get("Name", "")) for part in told.get("Components") or ()]
    name = str((told.get("Platform") or {}).get("Name") or "Docker Engine")
    if any("Podman" in part for part in parts):
        name = "Podman Engine"
    return Engine(url, name, str(told.get("Version", "")), str(told.get("Arch", "amd64")))


def _client(url: str, patience: float) -> Any:
    import docker

    how: dict[str, Any] = {"base_url": url}
    if url == os.environ.get("DOCKER_HOST"):  # with the certificates it may need
        how |= docker.utils.kwargs_from_env()
    client = docker.APIClient(version="auto", timeout=patience, max_pool_size=CONNECTIONS, **how)
    _share_connections(client)
    return client


def _share_connections(client: Any) -> None:
    """The SDK keeps connections to a socket for each URL by itself: open ones would be left of each container asked."""
    import docker

    adapter = client.get_adapter(client.base_url)
    if isinstance(adapter, docker.transport.UnixHTTPAdapter):
        of_url = adapter.get_connection
        adapter.get_connection = lambda url, proxies=None: of_url(client.base_url, proxies)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _short(error: Exception) -> str:
    text = str(error)
    if "timed out" in text.lower():
        return "it does not answer"
    if "Permission denied" in text or "PermissionError" in text:
        return "permission denied (sudo usermod -aG docker $USER, then log in again)"
    return text.splitlines()[0][:200] if text else type(error).__name__
