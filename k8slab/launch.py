"""Find, start and stop a lab's server process. The command line and `Lab()` in a notebook both come through here.

A server holds a lock as long as it lives, so who runs is never guessed from a process id in a file. The one who starts
a server takes the lock and hands it over, open, to the new process; `server.py` writes `server.json` when it answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from k8slab.settings import LabError, Settings, StateFolder

PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_PREFIXES = ("LC_", "XDG_", "K8SLAB_", "DOCKER_", "PYTHON")
TICK = 0.005  # s between two looks at the lock
STOP_SECONDS = 15  # after which a server that was asked to go is killed


def start(settings: Settings, **asked: Any) -> dict[str, Any]:
    """Start the lab, or find it running: what its server says of itself (`server.json`). Raises LabError.

    `asked` are the knobs somebody asked for by name; a lab that is there already with others is an error, not a
    surprise.
    """
    folder = settings.folder.make()
    with _turn(folder):
        lock = _take_or_answer(folder)
        if lock is None:
            told = _told(folder)
            _compare(folder, told, asked)
            return told
        try:
            return _spawn(_as_kept(settings, asked), folder, lock)
        finally:
            os.close(lock)


def running(folder: StateFolder) -> dict[str, Any] | None:
    """What the lab's server says of itself, or None when no server runs. Raises LabError if the folder is not ours."""
    if not folder.path.exists():
        return None
    folder.check()
    with _turn(folder), contextlib.suppress(FileNotFoundError):
        lock = _take(folder)
        if lock is None:
            return _told(folder)
        os.close(lock)
    return None


def stop(settings: Settings) -> bool:
    """Take the lab down: no process, port or file of it is left. False if there was none. Raises LabError."""
    folder = settings.folder
    if not folder.path.exists():
        return False
    folder.check()
    with _turn(folder):
        _forget_in_kubectl(folder)
        lock = _end_server(folder)
        try:
            if folder.runtime.is_dir():  # whatever a server that was killed could not take along
                _sweep(_as_kept(settings, {}), lock)
            shutil.rmtree(folder.path, ignore_errors=not folder.path.exists())  # the server takes it along, too
        finally:
            os.close(lock)
    with contextlib.suppress(OSError):
        folder.path.parent.rmdir()
    return True


def labs(settings: Settings) -> list[str]:
    """The names of all labs that have a folder, running or not."""
    if not settings.root.is_dir():
        return []
    return sorted(path.name for path in settings.root.iterdir() if (path / "server.lock").exists())


@contextlib.contextmanager
def _turn(folder: StateFolder) -> Iterator[None]:
    """One at a time: two terminals that start, ask or stop the same lab wait for each other."""
    path = folder.path.with_name(f".{folder.path.name}.turn")
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(fd).st_ino:
                break
        os.close(fd)  # the one before us has removed it
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _take(folder: StateFolder) -> int | None:
    """The server's lock, or None when a server holds it. Raises FileNotFoundError when the folder has gone."""
    fd = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.lock.stat().st_ino == os.fstat(fd).st_ino:
            return fd
    except BlockingIOError:
        os.close(fd)
        return None
    except FileNotFoundError:
        os.close(fd)
        raise
    os.close(fd)  # the lab we opened it in has gone; there is another by now
    return _take(folder)


def _take_or_answer(folder: StateFolder) -> int | None:
    """The lock, or None when a server answers; one that is about to go is waited for."""
    for _ in range(int(STOP_SECONDS / TICK)):
        lock = _take(folder.make())
        if lock is not None:
            return lock
        if _listens(folder):
            return None
        threading.Event().wait(TICK)
    return None


def _listens(folder: StateFolder) -> bool:
    """Whether the server is ready, and not one that is just being killed."""
    try:
        port = int(json.loads(folder.server.read_bytes())["server"].rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True


def _told(folder: StateFolder) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(folder.server.read_bytes())
    except (OSError, ValueError) as error:
        name = folder.path.name
        raise LabError(
            f"The lab {name!r} has a server that does not answer. `k8slab down --name {name}` removes it; "
            f"{folder.log} says what happened."
        ) from error
    return told


def _compare(folder: StateFolder, have: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise LabError unless the lab is the one that was asked for."""
    for knob, value in asked.items():
        if value is not None and knob in have and have[knob] != value and value != "auto":
            raise LabError(
                f"The lab {folder.path.name!r} has {knob} {have[knob]}, not {value}. "
                "Take it down first (`k8slab down`), or give the other one a name of its own (`--name`)."
            )


def _as_kept(settings: Settings, asked: Mapping[str, Any]) -> Settings:
    """The settings with the shape the lab has had before its server stopped."""
    try:
        kept = json.loads(settings.folder.lab.read_bytes())
    except (OSError, ValueError):
        return settings
    _compare(settings.folder, kept, asked)
    return replace(settings, **{row.name: kept[row.name] for row in fields(settings) if row.name in kept})


def _spawn(settings: Settings, folder: StateFolder, lock: int) -> dict[str, Any]:
    """Start the server, detached, and wait for its word that it answers."""
    hears, tells = os.pipe()
    try:
        process = _server(settings, folder, ["--lock", str(lock), "--tell", str(tells)], (lock, tells))
        os.close(tells)
        answer = _hear(hears, settings.start_seconds)
    finally:
        os.close(hears)
    process.wait()  # only the first of two processes: the server itself is nobody's child
    if "error" in answer:
        raise LabError(answer["error"])
    if not answer:
        raise LabError(f"The lab did not start: {_last(folder.log)} The whole story is in {folder.log}.")
    return answer


def _server(settings: Settings, folder: StateFolder, more: list[str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    knobs = ("name", "nodes", "cpu", "memory", "runtime", "speed", "idle_hours", "store", "state_dir", "base_image")
    options = [f"--{knob.replace('_', '-')}={getattr(settings, knob)}" for knob in knobs]
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "k8slab.server", *options, *more],
            cwd=Path(__file__).parent.parent,  # `-m` looks there first: a learner's `typing.py` is not ours
            env={k: v for k, v in os.environ.items() if k in PASSED or k.startswith(PASSED_PREFIXES)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=fds,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _hear(fd: int, seconds: float) -> dict[str, Any]:
    """The server's one message; empty when it died, or was silent for too long."""
    said = b""
    while select.select([fd], [], [], seconds)[0]:
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        said += chunk
        if said.endswith(b"\n"):
            return dict(json.loads(said))
    return {}


def _end_server(folder: StateFolder) -> int:
    """Ask the server, if there is one, to take the lab down; insist; return its lock, which says that it has gone."""
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    pid = 0
    for number in (0, signal.SIGUSR1, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)
        for _ in range(int(STOP_SECONDS / TICK) if pid else 1):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            threading.Event().wait(TICK)
        pid = int(folder.lock.read_text() or 0)
    os.close(lock)
    raise LabError(f"The server of lab {folder.path.name!r} (process {pid}) cannot be stopped. Is it yours?")


def _forget_in_kubectl(folder: StateFolder) -> None:
    """kubectl keeps what it found at an address for hours: the next lab there may be another."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        port = int(json.loads(folder.lab.read_bytes())["port"])
        cache = Path(os.environ.get("KUBECACHEDIR") or Path.home() / ".kube" / "cache")
        shutil.rmtree(cache / "discovery" / f"127.0.0.1_{port}")


def _sweep(settings: Settings, lock: int) -> None:
    """End what a killed server left running."""
    folder = settings.folder
    process = _server(settings, folder, ["--lock", str(lock), "--sweep"], (lock,))
    if process.wait() != 0:
        raise LabError(f"Not all of the lab could be removed: {_last(folder.log)} The whole story is in {folder.log}.")


def _last(log: Path) -> str:
    """The log's last line: of a traceback, the one that says what went wrong."""
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].rstrip(".") + "." if lines else "it said nothing."
    return "it said nothing."
