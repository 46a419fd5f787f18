"""A container's end: nothing of it stays, wherever its processes had hidden; and was it killed for want of memory?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

MARK = "K8SLAB_CONTAINER"  # in the environment of every process of a container, with the container's id


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process, if it is still there and ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_marked(id: str) -> None:
    """Kill every process that carries the container's mark, those that left its session and changed parents, too."""
    for number in [signal.SIGSTOP, *[signal.SIGKILL] * 100]:  # stopped first, they cannot fork faster than we kill
        marked = list(of_container(id))
        if not marked:
            return
        for pid in marked:
            kill(pid, number)


def of_container(id: str) -> Iterable[int]:
    """The pids of processes whose environment carries the mark with this id."""
    mark = f"\0{MARK}={id}\0".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as environ:
                if mark in b"\0" + environ.read() + b"\0":
                    yield int(name)
        except OSError:  # another user's, or gone
            continue


def leave_cgroups(folders: Iterable[str]) -> bool:
    """Kill who is left in them, remove them; True if the kernel had killed there for want of memory."""
    oom = False
    for folder in folders:
        oom = oom_kills(folder) > 0 or oom
        for _ in range(100):
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
    """How often the kernel killed in this control group for want of memory (v2: memory.events, v1: memory.oom_control)."""
    for name in ("memory.events", "memory.oom_control"):
        try:
            with open(f"{folder}/{name}") as counts:
                return sum(int(line.split()[1]) for line in counts if line.startswith("oom_kill "))
        except OSError:
            continue
    return 0
