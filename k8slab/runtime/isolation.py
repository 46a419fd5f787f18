"""What fences this machine lets us put around a container: each tried for real, and what is missing explained.

`local.py` builds its sandboxes by it (`sandbox.py`), `doctor` and the board show it. A network is a pod's, not a
container's: `network.py` tries that one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from k8slab.runtime.base import Abilities
from k8slab.runtime.cgroups import Cgroups
from k8slab.runtime.shim import landlock, seccomp

TIME_LIMIT = 2.0  # seconds; a try takes some 5 ms
NAMESPACES = {fence: [f"--unshare-{fence}"] for fence in ("pid", "uts", "ipc", "cgroup")}
PROC = ["--proc", "/proc"]
NO_OUTSIDE = (
    "pods with a network of their own reach each other, Services and this machine, not the internet; "
    "with K8SLAB_POD_NETWORK=shared they have this machine's"
)
NO_WALL = (
    "a container can read and change your files, as any program of yours: neither a mount namespace nor Landlock "
    "(Linux 5.13 or newer, `landlock` among the kernel's lsm=) is to be had"
)
SWITCHES = (  # file, value that forbids, what to say
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
)


@dataclass(frozen=True)
class Isolation:
    """The fences there are, how to ask bubblewrap for them, and why the others are not."""

    bubblewrap: str = ""  # its path; empty: no fence at all
    options: tuple[str, ...] = ()
    fences: frozenset[str] = frozenset()
    proc: bool = False  # a /proc of the container's own
    missing: Mapping[str, str] = field(default_factory=dict)
    guards: frozenset[str] = frozenset({"privileges"})  # out of base.GUARDS
    landlock: int = 0  # its version; 0: it is not there, or not needed


def unfenced(reason: str) -> Isolation:
    """No fence, for this reason; what guards there are all the same."""
    return guarded(without(reason))


def without(reason: str) -> Isolation:
    """No fence, and no guard looked for."""
    return Isolation(missing=dict.fromkeys(["user", "mount", *NAMESPACES], reason))


def guarded(found: Isolation) -> Isolation:
    """With what else holds a container on this machine: a root of its own or Landlock, and a filter of its calls."""
    guards, missing, version = set(found.guards), dict(found.missing), 0
    if "mount" not in found.fences:
        version = landlock.version()
    if version or "mount" in found.fences:
        guards.add("files")
    else:
        missing["files"] = NO_WALL
    if "pid" not in found.fences:
        reach = "cannot signal those outside" if version >= landlock.SCOPED_VERSION else "can end those of yours"
        missing["pid"] = f"a container sees every process here and {reach}: {missing['pid']}"
    if seccomp.available():
        guards.add("calls")
    else:
        missing["calls"] = "this kernel has no filters for system calls (CONFIG_SECCOMP_FILTER)"
    return replace(found, guards=frozenset(guards), missing=missing, landlock=version)


@cache
def probe() -> Isolation:
    """Try them, once for each process of ours. One run of some 6 ms where all work, else one for each."""
    return guarded(fences())


def fences() -> Isolation:
    """The namespaces alone."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        return without("bubblewrap is not installed: apt install bubblewrap")
    every = ["--unshare-user", *(option for options in NAMESPACES.values() for option in options)]
    if not refusal(bubblewrap, [*every, *PROC]):
        fences = frozenset({"user", "mount", *NAMESPACES})
        return Isolation(bubblewrap, tuple(every), fences, True)
    return one_by_one(bubblewrap)


def one_by_one(bubblewrap: str) -> Isolation:
    """Each fence by itself. Without a user namespace only root may put up any."""
    missing: dict[str, str] = {}
    options = ["--unshare-user"]
    if refused := refusal(bubblewrap, options):
        missing["user"] = explain(refused)
        options = []
        if refusal(bubblewrap, options):
            return without(missing["user"])
    fences = {"mount"} | ({"user"} if options else set())
    base = list(options)
    for fence, wanted in NAMESPACES.items():
        if refused := refusal(bubblewrap, [*base, *wanted]):
            missing[fence] = explain(refused)
        else:
            options += wanted
            fences.add(fence)
    refused = refusal(bubblewrap, [*options, *PROC]) if "pid" in fences else "it needs a pid namespace"
    if refused:
        missing["proc"] = f"containers have an empty /proc: {explain(refused)}"
    return Isolation(bubblewrap, tuple(options), frozenset(fences), not refused, missing)


def refusal(bubblewrap: str, options: list[str]) -> str:
    """Run `true` behind these fences: empty if it ran, else what bubblewrap said."""
    command = [bubblewrap, *options, "--ro-bind", "/", "/", "--dev", "/dev", shutil.which("true") or "/bin/true"]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIME_LIMIT, text=True)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return str(failure)
    said = done.stderr.strip().removeprefix("bwrap: ").partition(". See <")[0]  # where Debian explains it, or not
    return "" if done.returncode == 0 else said or f"exit {done.returncode}"


def explain(refused: str) -> str:
    """bubblewrap's words, and the line that would help if the cause is known."""
    for file, forbids, remedy in SWITCHES:
        path = Path("/proc/sys", file)
        if path.exists() and path.read_text().strip() == forbids:
            return f"{refused} (the kernel is set to refuse: {remedy})"
    if "\nSeccomp:\t2" in Path("/proc/self/status").read_text():
        remedy = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
        return f"{refused} (a filter around this process refuses; who starts this container can allow it: {remedy})"
    return refused


def abilities(found: Isolation, groups: Cgroups, shared: str) -> Abilities:
    """What is real here; `shared`: why pods have no networks of their own, empty if they have.

    A limit that no control group keeps may still be kept, and `missing` then says how.
    """
    fences = found.fences if shared else found.fences | {"net"}
    missing = {**found.missing, **groups.missing, **({"net": shared} if shared else {"outside": NO_OUTSIDE})}
    limits = set(groups.limits)
    if "memory" in missing:
        limits.add("memory")
        missing["memory"] = f"kept by looking ten times a second, not by the kernel; {missing['memory']}"
    if "pids" in missing:
        limits.add("pids")
        missing["pids"] = f"kept by looking ten times a second: who forks too much is killed; {missing['pids']}"
    if "cpu" in missing:
        missing["cpu"] = f"not kept, a container may use every CPU; {missing['cpu']}"
    return Abilities(True, fences, frozenset(limits), True, missing, found.guards)
