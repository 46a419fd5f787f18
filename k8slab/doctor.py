"""What this machine can do for a lab, what is missing, and the line that would add it. `k8slab doctor` prints it.

It has `runtime/isolation.py` and `runtime/cgroups.py` try fences and limits for real; the rest it looks up. Lessons
read it as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from itertools import groupby

from k8slab import tools, vm
from k8slab.runtime import cgroups, isolation
from k8slab.runtime.base import FENCES, GUARDS
from k8slab.runtime.engine import connect
from k8slab.runtime.network import PodNetworks

GIB = 1 << 30
ENOUGH_MEMORY = 1 * GIB  # a lab, JupyterLab, a kernel and a dozen containers
OPEN_LOW_PORTS = "sudo sysctl net.ipv4.ip_unprivileged_port_start=0"
ENGINE_SECONDS = 2.0  # for an engine to answer
MEANINGS = {
    "user": "its own user numbers",
    "pid": "it sees its own processes only",
    "mount": "its own view of the files",
    "uts": "its own host name",
    "ipc": "its own shared memory and queues",
    "net": "its own network",
    "cgroup": "its own view of its limits",
    "files": "your files are out of its reach",
    "calls": "dangerous calls to the kernel are refused (seccomp)",
    "privileges": "it has no rights of root, and gets none",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is there or not: what it means, or why it is missing; and the line that would add it, if any."""

    group: str
    name: str
    present: bool
    detail: str = ""
    remedy: str = ""


Findings = list[Finding]


def examine() -> Findings:
    """Look at everything; takes a tenth of a second at most where fences work."""
    return [*_machine(), *_runtimes(), *_images(), *_fences(), *_guards(), *_limits(), *_programs()]


def as_json(findings: list[Finding]) -> str:
    """For programs: a list of objects."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: list[Finding], width: int | None = None) -> str:
    """For people: a table no wider than their terminal, and below it the lines that would add what is missing."""
    width = width or shutil.get_terminal_size((100, 24)).columns
    names = max(len(finding.name) for finding in findings) + 4
    lines = []
    for group, members in groupby(findings, key=lambda finding: finding.group):
        lines.append(group)
        for finding in members:
            head = f"  {finding.name:<{names}}{'yes' if finding.present else 'no':<5}"
            # Never within a word or a path: those are read, and copied, whole.
            room = max(width - len(head), 24)
            said = textwrap.wrap(finding.detail, room, break_long_words=False, break_on_hyphens=False) or [""]
            lines += [head + said[0], *(" " * len(head) + line for line in said[1:])]
        lines.append("")
    lines += [f"{one.name}: {one.remedy}" for one in findings if not one.present and one.remedy]
    return "\n".join(lines).rstrip()


def _machine() -> Iterator[Finding]:
    import psutil

    yield Finding("machine", "Python", True, platform.python_version())
    yield Finding("machine", "CPUs", True, str(_cpus()))
    memory = min(psutil.virtual_memory().total, _memory_limit())
    enough = memory >= ENOUGH_MEMORY
    yield Finding("machine", "memory", enough, f"{memory / GIB:.1f} GiB", "" if enough else "1 GiB or more is needed")
    low = _can_bind("127.0.0.1", range(1023, 1000, -1))
    other = "a Service on port 80 is served on another port of its address"
    detail = "Services are served on the ports they name" if low else other
    yield Finding("machine", "ports below 1024", low, detail, "" if low else OPEN_LOW_PORTS)


def _runtimes() -> Iterator[Finding]:
    yield _engine()
    local = sys.platform == "linux" and _can_bind("127.127.0.1", [0])
    detail = "containers are processes of this machine" if local else "needs Linux with 127.0.0.0/8 as its loopback"
    yield Finding("runtime", "local", local, detail)
    yield Finding("runtime", "simulated", True, "containers are records, for scale and tests")
    reason = vm.why_not()
    detail = reason or "boots with a kernel of its own (lesson 01)"
    yield Finding("machine beside it", "virtual machine", not reason, detail)


def _images() -> Iterator[Finding]:
    """What `k8slab images build` can do on the local runtime."""
    found = isolation.probe()
    runs = bool(found.bubblewrap)
    detail = "each in a container of its own" if runs else f"COPY only: {_why(found.missing.get('mount'))}"
    yield Finding("images", "RUN in Dockerfiles", runs, detail)


def _engine() -> Finding:
    """An engine that hangs takes two seconds to be found out."""
    try:
        engine = connect.find(ENGINE_SECONDS)
    except connect.NoEngine as none:
        return Finding("runtime", "docker", False, none.problem, none.remedy)
    return Finding("runtime", "docker", True, f"{engine.name} {engine.version} at {engine.url}")


def _fences() -> Iterator[Finding]:
    """What each container has of its own."""
    found = isolation.probe()
    missing = {**found.missing, "net": _network()}
    fences = found.fences if missing["net"] else found.fences | {"net"}
    for fence in FENCES:
        yield Finding("fence", fence, fence in fences, _why(missing.get(fence)) or MEANINGS[fence])


def _network() -> str:
    """Why pods have no networks of their own; empty if they have. One is made, tried and removed."""
    trial = PodNetworks(f"d{os.getpid()}", IPv4Network(f"127.62.{os.getpid() % 256}.0/24"))
    problem = trial.open()
    trial.close()
    return problem


def _guards() -> Iterator[Finding]:
    """What holds a container beside them."""
    found = isolation.probe()
    for guard in GUARDS:
        yield Finding("guard", guard, guard in found.guards, _why(found.missing.get(guard)) or MEANINGS[guard])


def _limits() -> Iterator[Finding]:
    groups = cgroups.Cgroups(f"doctor-{os.getpid()}")
    groups.close()
    found = isolation.abilities(isolation.probe(), groups, "")
    for limit in cgroups.LIMITS:
        detail = _why(found.missing.get(limit)) or "kept by the kernel for each container as a whole"
        yield Finding("limit", limit, limit in found.limits, detail)


def _programs() -> Iterator[Finding]:
    for tool in tools.TOOLS.values():
        path = tools.path_of(tool.name)
        yield Finding("program", tool.name, path is not None, path or tool.purpose, "" if path else tool.install)


def _why(missing: str | None) -> str:
    return " ".join((missing or "").split())


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _memory_limit() -> float:
    """What a container around us allows, in bytes."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            return int(file.read())
    return float("inf")


def _can_bind(address: str, ports: Iterable[int]) -> bool:
    """Whether one of the ports can be opened there (any of them may be in use)."""
    for port in ports:
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind((address, port))
            return True
    return False
