"""What a container has used so far: its control groups know, else its processes are asked one by one."""

from __future__ import annotations

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
        top = psutil.Process(first)
        processes = [top, *top.children(recursive=True)]
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
