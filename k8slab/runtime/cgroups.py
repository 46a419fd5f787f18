"""Limits that the kernel keeps for a whole container: control groups, version 2 or 1, where this user may write them.

`local.py` makes a group for each container; `shim/` moves it in, and sees at its end whether memory ran out.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PERIOD = 100_000  # microseconds; the kernel's and Kubernetes' default for CPU limits
PIDS = 512  # processes and threads a container may have
LIMITS = ("cpu", "memory", "pids")
REMEDY = "run the lab where control groups may be written: as root, or by `systemd-run --user --scope -p Delegate=yes`"


class Cgroups:
    """The groups of one lab, by a name unique on this machine: `parents` is the folder of each limit we may set."""

    def __init__(self, lab: str, roots: Mapping[str, Path] | None = None) -> None:
        self.parents: dict[str, Path] = {}
        self.missing: dict[str, str] = {}
        self.version = 2
        found = dict(candidates()) if roots is None else roots
        guinea_pig = subprocess.Popen(["sleep", "5"]) if found else None
        for limit, folder in found.items():
            self.version = 2 if (folder / "cgroup.controllers").exists() else 1
            assert guinea_pig
            if problem := usable(folder / f"k8slab-{lab}", limit, self.version, guinea_pig.pid):
                self.missing[limit] = f"{problem}: {REMEDY}"
            else:
                self.parents[limit] = folder / f"k8slab-{lab}"
        if guinea_pig:
            guinea_pig.kill()
            guinea_pig.wait()
        for parent in self.parents.values():
            self.discard([str(parent / "trial")])
        for limit in LIMITS:
            if limit not in self.parents:
                self.missing.setdefault(limit, f"there is no control group to be written: {REMEDY}")
        self.limits = frozenset(LIMITS) & self.parents.keys()

    def make(self, id: str, cpu: float | None, memory: int | None, pids: bool) -> list[str]:
        """A container's groups, with their limits set (cores, bytes, whether to count processes); the folders to join.

        None without a limit: to move a process into a group costs some 10 ms, a grace period of the kernel's RCU.
        """
        made = []
        for limit, parent in self.parents.items():
            values = list(self._values(limit, cpu, memory, pids))
            if values:
                folder = parent / id
                folder.mkdir(exist_ok=True)
                made.append(str(folder))
            for file, value in values:
                with contextlib.suppress(FileNotFoundError):  # swap accounting may be off
                    (folder / file).write_text(value)
        return list(dict.fromkeys(made))

    def _values(self, limit: str, cpu: float | None, memory: int | None, pids: bool) -> Iterator[tuple[str, str]]:
        if limit == "pids" and pids:
            yield "pids.max", str(PIDS)
        elif limit == "memory" and memory:
            yield ("memory.max" if self.version == 2 else "memory.limit_in_bytes"), str(memory)
            yield ("memory.swap.max", "0") if self.version == 2 else ("memory.memsw.limit_in_bytes", str(memory))
        elif limit == "cpu" and cpu:
            quota = max(1000, int(cpu * PERIOD))
            yield ("cpu.max", f"{quota} {PERIOD}") if self.version == 2 else ("cpu.cfs_quota_us", str(quota))

    def discard(self, folders: Sequence[str]) -> None:
        """Remove groups that nobody has joined."""
        for folder in folders:
            with contextlib.suppress(OSError):
                Path(folder).rmdir()

    def close(self) -> None:
        """Remove the lab's own groups; its containers' are gone."""
        for parent in set(self.parents.values()):
            self.discard([*map(str, parent.glob("*/")), str(parent)])


def candidates() -> Iterator[tuple[str, Path]]:
    """For each controller, the group to make the lab's under: our own, or in version 2 the nearest that delegates."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" and "" in own:
            yield from delegating(Path(mount), Path(mount, inside(own[""], root)))
        elif kind == "cgroup":
            for controller in set(LIMITS) & set(options.split(",")) & own.keys():
                yield controller, Path(mount, inside(own[controller], root))


def inside(path: str, root: str) -> str:
    """Where a group is below the mount whose top is `root`."""
    return (path.removeprefix(root) if root != "/" else path).lstrip("/")


def delegating(top: Path, own: Path) -> Iterator[tuple[str, Path]]:
    """Version 2: the nearest group upwards whose children may be limited, for all controllers it lets them have."""
    for folder in [own, *own.parents]:
        if not folder.is_relative_to(top):
            return
        try:
            enabled = (folder / "cgroup.subtree_control").read_text().split()
        except OSError:
            continue
        if "memory" in enabled or "pids" in enabled:
            yield from ((controller, folder) for controller in enabled if controller in LIMITS)
            return


def usable(folder: Path, controller: str, version: int, pid: int) -> str:
    """Make the lab's group, and move a process into one below it: empty if that works, else why not."""
    try:
        folder.mkdir(exist_ok=True)
        if version == 2:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        (folder / "trial").mkdir(exist_ok=True)
        (folder / "trial" / "cgroup.procs").write_text(str(pid))
    except OSError as problem:
        for made in (folder / "trial", folder):
            with contextlib.suppress(OSError):
                made.rmdir()
        return f"{problem.strerror} ({folder})"
    return ""
