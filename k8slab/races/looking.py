"""What a process sees as fences are put around it, one more at a time; and what a virtual machine sees beside it.

Each step runs the same few questions for real, through `unshare` of util-linux, and notes the answers. The Isolation
view shows them; a step that this machine refuses says why, and the next one goes on without it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from k8slab import tools, vm
from k8slab.settings import LabError

TIME_LIMIT = 10.0  # s; a look takes some 20 ms
ASPECTS = ("user", "hostname", "pids", "network", "files", "memory", "kernel")
LOOK = (  # a line for each aspect, in this order
    "id -un 2>/dev/null || id -u; hostname; ls -d /proc/[0-9]* | wc -l; "
    "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\\n' ' '; echo; ls -A /tmp | wc -l; "
    "l=$(ulimit -v); [ $l = unlimited ] && sed -n 's/MemTotal: *//p' /proc/meminfo || echo $l kB; uname -r"
)


@dataclass(frozen=True)
class Step:
    """One fence more. `sees` has an answer for each of ASPECTS, or nothing if the machine refused, and `why` it did."""

    name: str
    title: str
    call: str  # what asks the kernel for it
    ok: bool = True
    why: str = ""
    sees: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Fence:
    name: str
    title: str
    call: str
    flags: tuple[str, ...] = ()
    first: str = ""  # what is done behind the fence before looking


FENCES = (
    _Fence("user", "users of its own", "unshare(CLONE_NEWUSER)", ("--user", "--map-root-user")),
    _Fence("uts", "a host name of its own", "unshare(CLONE_NEWUTS)", ("--uts",), "hostname inside; "),
    _Fence("pid", "process numbers of its own", "unshare(CLONE_NEWPID)", ("--pid", "--fork", "--mount-proc")),
    _Fence("net", "a network of its own", "unshare(CLONE_NEWNET)", ("--net",)),
    _Fence("mount", "a /tmp of its own", "unshare(CLONE_NEWNS), mount()", ("--mount",), "mount -t tmpfs none /tmp; "),
    _Fence("limit", "a limit on memory", "setrlimit(RLIMIT_AS)", (), "ulimit -v 262144; "),
)


def look(hear: Callable[[Step], None] = lambda _: None) -> list[Step]:
    """All steps: the plain process, each fence on top of those before, and the virtual machine. Takes a few seconds."""
    steps = []
    for step in _steps():
        steps.append(step)
        hear(step)
    return steps


def _steps() -> Iterator[Step]:
    yield _seen(Step("process", "a plain process", "fork(), execve()"), ["sh", "-c", LOOK])
    flags, before = list[str](), ""
    for fence in FENCES:
        step = Step(fence.name, fence.title, fence.call)
        tried = _seen(step, _behind([*flags, *fence.flags], before + fence.first))
        if tried.ok:
            flags, before = [*flags, *fence.flags], before + fence.first
        yield tried
    yield _machine(Step("vm", "a virtual machine", "KVM_RUN, or QEMU's emulation"))


def _behind(flags: list[str], before: str) -> list[str]:
    return [*(["unshare", *flags] if flags else []), "sh", "-c", f"{before}{LOOK}"]


def _machine(step: Step) -> Step:
    try:
        with vm.boot() as machine:
            return _answered(step, machine.run("hostname inside; " + LOOK))
    except LabError as error:
        return Step(step.name, step.title, step.call, False, str(error))


def _seen(step: Step, command: list[str]) -> Step:
    if tools.path_of(command[0]) is None:
        return Step(step.name, step.title, step.call, False, f"{command[0]} is not installed here.")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, stdin=subprocess.DEVNULL, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Step(step.name, step.title, step.call, False, str(error))
    if done.returncode or len(done.stdout.splitlines()) < len(ASPECTS):
        said = (done.stderr.strip().splitlines() or ["it was refused"])[0]
        return Step(step.name, step.title, step.call, False, said)
    return _answered(step, done.stdout)


def _answered(step: Step, said: str) -> Step:
    answers = [line.strip() for line in said.splitlines()[-len(ASPECTS) :]]
    return Step(step.name, step.title, step.call, True, "", dict(zip(ASPECTS, answers, strict=False)))
