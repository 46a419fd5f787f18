"""How much memory and disk this machine has left: the one all nodes of the lab share, whatever they say they have.

`pressure.py` asks. Inside a container (Binder, a classroom's JupyterHub) the limit of our own control group counts.
"""

from __future__ import annotations

import os
from pathlib import Path

GROUPS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # version 2, version 1
MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"))


def memory_available() -> int:
    """Bytes a process could still have."""
    free = _meminfo()
    for folder in MOUNTS:
        for limit, usage in GROUPS:
            if (left := _left(folder / limit, folder / usage, folder / "memory.stat")) is not None:
                free = min(free, left)
    return free


def _meminfo() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 1 << 62  # a kernel that does not say


def _left(limit: Path, usage: Path, stat: Path) -> int | None:
    """What a group has left, with the file pages that the kernel would give back first; None without a limit."""
    try:
        most, used = limit.read_text().strip(), int(usage.read_text())
        counts = dict(line.split() for line in stat.read_text().splitlines())
    except (OSError, ValueError):
        return None
    if most == "max" or int(most) >= 1 << 60:
        return None
    cached = int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
    return int(most) - used + cached


def disk_available(folder: Path) -> int:
    """Bytes that can still be written where this folder is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
