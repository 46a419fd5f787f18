"""What a container has used so far: its control groups know, else its processes are asked one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import psutil

from k8slab.runtime.base import Usage


def of_cgroups(folders: Sequence[str]) -> Usage | None:
    """CPU seconds so far, and memory in use less what the kernel would give back first (the kubelet's working set)."""
    seconds, memory = None, None
    for folder in map(Path, folders):
        if (folder / "cgroup.controllers").exists():
            seconds = counts(folder / "cpu.stat").get("usage_usec", 0) / 1e6
        for file, inactive in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
            if (folder / file).exists():
                memory = max(0, int((folder / file).read_text()) - counts(folder / "memory.stat").get(inactive, 0))
    return None if seconds is None or memory is None else Usage(seconds, memory)


def counts(file: Path) -> dict[str, int]:
    """A file of `name number` lines."""
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}


def of_processes(first: int) -> Usage | None:
    """The same for a process and its descendants (the CPU time of some that have ended may be missing)."""
    try:
        processes = [psutil.Process(pid) for pid in family(first)]
    except psutil.Error:
        return None
    seconds, memory = 0.0, 0
    for process in processes:
        try:
            with process.oneshot():
                times, size = process.cpu_times(), process.memory_info()
        except psutil.Error:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
        memory += size.rss - size.shared
    return Usage(seconds, memory)


def family(first: int, proc: Path = Path("/proc")) -> list[int]:
    """A process and its descendants. The kernel's own lists are asked where it keeps them: to look for parents among
    all processes of a machine takes a hundred times as long, and every container is looked at every few seconds.
    """
    if not (proc / str(first) / "task" / str(first) / "children").exists():
        return [first, *(child.pid for child in psutil.Process(first).children(recursive=True))]
    found = [first]
    for pid in found:  # grows as it goes
        for children in (proc / str(pid) / "task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found += map(int, children.read_text().split())
    return found
