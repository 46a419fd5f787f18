"""A container's end: nothing of it stays, wherever its processes had hidden; and was it killed for want of memory?"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

ROUNDS = 100  # of looking for more, at most
PATIENCE = 10.0  # seconds that the dead may take to leave
MARK = "K8SLAB_CONTAINER"  # in the environment of every process of a container, with the container's id


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process, if it is still there and ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_marked(id: str) -> None:
    """Kill every process that carries the container's mark, those that left its session and changed parents, too.

    A bomb forks faster than we kill. So all are stopped before one dies: those that stand still take the places that
    the container may have, and there are none for more.
    """
    stopped: set[int] = set()
    for _ in range(ROUNDS):
        moving = set(marked().get(id, ())) - stopped
        if not moving:
            break
        for pid in moving:
            kill(pid, signal.SIGSTOP)
        stopped |= moving
    for _ in range(ROUNDS):
        pids = marked().get(id, ())
        if not pids:
            return
        for pid in pids:
            kill(pid)


def marked() -> dict[str, list[int]]:
    """Container id -> its processes, told by the mark in their environment."""
    found: dict[str, list[int]] = {}
    name = f"\0{MARK}=".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = b"\0" + file.read() + b"\0"
        except OSError:  # another user's, or gone
            continue
        _, mark, rest = environ.partition(name)
        if mark:
            found.setdefault(rest.partition(b"\0")[0].decode(errors="replace"), []).append(int(pid))
    return found


def memory_of(pid: int) -> int:
    """Bytes of its own that a process and its descendants hold (pages of files and what they share left out)."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared = map(int, file.read().split()[:3])
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except (OSError, ValueError):  # gone meanwhile
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") + sum(memory_of(int(child)) for child in children)


def leave_cgroups(folders: Iterable[str]) -> bool:
    """Kill who is left in them, remove them; True if the kernel had killed there for want of memory.

    Nobody in them can fork meanwhile. To ask the kernel for members takes no lock of theirs; to read the environment
    of processes that fork all the time does, and waits for each.
    """
    oom = False
    late = time.monotonic() + PATIENCE
    for folder in folders:
        with contextlib.suppress(OSError), open(f"{folder}/pids.max", "w") as most:
            most.write("0")
    for folder in folders:
        oom = oom_kills(folder) > 0 or oom
        while time.monotonic() < late:
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:  # not empty yet: the dead leave a moment after they are killed
                for pid in members(folder):
                    kill(pid)
                time.sleep(0.001)
    return oom


def members(folder: str) -> list[int]:
    """The processes in a control group."""
    try:
        with open(f"{folder}/cgroup.procs") as procs:
            return [int(pid) for pid in procs.read().split()]
    except OSError:
        return []


def oom_kills(folder: str) -> int:
    """How often the kernel killed in this control group for want of memory."""
    for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
        try:
            with open(f"{folder}/{name}") as counts:
                return sum(int(line.split()[1]) for line in counts if line.startswith("oom_kill "))
        except OSError:
            continue
    return 0
