"""A fork bomb that the kernel does not stop for a container as a whole: seen by how many tasks there are, and whose.

`keeper.py` asks ten times a second whether this machine's tasks (processes and threads) have surged, which one small
file tells; only then is every process looked at. What stays: a process that leaves its container's session and whose
parent ends is not counted, and where the number of tasks is hidden from us nothing is. Then RLIMIT_NPROC alone holds
them, until the container is stopped: its mark finds them all (`reap.py`).
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping

from .reap import kill

SURGE = 150  # more tasks on the whole machine than when it was last calm


class Forks:
    """How many tasks there are on this machine, against the fewest since it was last looked at."""

    def __init__(self) -> None:
        self._calm = tasks()

    def surged(self) -> bool:
        """Whether it is time to look whose they are; then, calm begins anew from here."""
        now = tasks()
        calm, self._calm = self._calm, min(self._calm, now)
        if now - calm < SURGE:
            return False
        self._calm = now
        return True


def tasks() -> int:
    """Of the whole machine; 0 if it cannot be told. The fourth word of /proc/loadavg is `running/all` (proc(5))."""
    try:
        with open("/proc/loadavg") as file:
            return int(file.read().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def hold_guilty(roots: Mapping[int, str], limits: Mapping[str, int]) -> set[str]:
    """The containers with more tasks than they may have, each of which stands still from the moment that it is known.

    `roots`: first process -> container. Whoever descends from one or is in its session is the container's. Parents are
    older than their children and come first, so one look is enough. It reads nothing for which a process that forks all
    the time would make us wait, as its environment does.
    """
    owners, counts, seen = dict(roots), Counter[str](), dict[str, list[int]]()
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        parent, session, threads = family(pid)
        id = owners.get(pid) or owners.get(parent) or owners.get(session)
        if id is None:
            continue
        owners[pid] = id
        counts[id] += threads
        seen.setdefault(id, []).append(pid)
        if counts[id] > limits[id]:
            for one in seen.pop(id):
                kill(one, signal.SIGSTOP)
    return {id for id, count in counts.items() if count > limits[id]}


def family(pid: int) -> tuple[int, int, int]:
    """A process's parent, its session and how many threads it has (proc_pid_stat(5)); zeroes if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        return int(words[1]), int(words[3]), int(words[17])
    except (OSError, ValueError, IndexError):
        return 0, 0, 0
