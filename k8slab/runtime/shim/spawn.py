"""A container's first moments, in the forked child: put on the limits, then become the command, as `runc init` does."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import resource
import signal
import termios
from collections.abc import Sequence
from typing import Any, NoReturn

from . import landlock, seccomp

PR_SET_PDEATHSIG, PR_SET_NAME, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 15, 24, 36, 38
NS_GET_USERNS = 0xB701  # the user namespace that owns a namespace (ioctl_ns(2))
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWNET = 0x40000000
NAMESPACES = ("user", "cgroup", "ipc", "uts", "pid", "mnt")  # `user` first: it gives the right to enter the others

libc = ctypes.CDLL(None, use_errno=True)


def become(spec: dict[str, Any], streams: Sequence[int], info: int, gate: int, trouble: int, host: int) -> NoReturn:
    """Become the command `spec` asks for, with `streams` as its standard ones.

    A fenced one is started by bubblewrap, which tells its pid on `info` and waits at `gate`. `host` is the first
    process of the container to join, or 0. What goes wrong is written to `trouble`, which closes when all went well.
    """
    try:
        signal.set_wakeup_fd(-1)
        prepare(spec, streams)
        if spec.get("network"):  # first: the right to is this machine's, not that of a user namespace
            enter_network(spec["network"])
        if not host:
            own_session(spec)
        for folder in spec.get("enter", spec.get("cgroups", ())):  # before bubblewrap: its cgroup namespace begins here
            enter_cgroup(folder)
        if spec["fenced"]:
            path, argv = spec["bubblewrap"], bubblewrap_line(spec, info, gate)
        else:
            path, argv = spec.get("program", spec["argv"][0]), spec["argv"]
            if host:
                join(host)
                own_session(spec)
            give_up_privileges()
            if walls := spec.get(
                "walls"
            ):  # a command that is run in a container may signal it: it is beside it, not inside
                landlock.restrict(walls["reading"], walls["writing"], scoped=not host)
            os.chdir(spec["cwd"])
            if spec.get("filtered"):
                seccomp.filter_self()
        os.execvpe(path, argv, spec["env"])
    except BaseException as failure:  # whatever it is: the parent's loop must never go on in its child
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else repr(failure)
        os.write(trouble, f"{spec['argv'][0]}: {reason}".encode())
    finally:
        os._exit(127)


def prepare(spec: dict[str, Any], streams: Sequence[int]) -> None:
    """The standard streams, the limits; and death, should the shim die."""
    for target, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in streams]):
        os.dup2(fd, target)
    for name, value in spec.get("limits", {}).items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and its children would ignore them, too
        signal.signal(ignored, signal.SIG_DFL)
    os.umask(0o022)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def own_session(spec: dict[str, Any]) -> None:
    """Signals meant for the shim's terminal, if it has any, are not for us; those of our own are."""
    os.setsid()
    if spec.get("tty") and not spec["fenced"]:  # behind fences, the command takes it for itself (sandbox.py)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def bubblewrap_line(spec: dict[str, Any], info: int, gate: int) -> list[str]:
    """bubblewrap's arguments. Its own options go through a file, so that `ps` shows what runs and not two screens."""
    for fd in (info, gate):
        os.set_inheritable(fd, True)
    options = ["--info-fd", str(info), "--block-fd", str(gate), *spec["options"]]
    if spec.get("filtered"):
        options += ["--seccomp", str(readable(seccomp.program(platform.machine())))]
    return [spec["title"], "--args", str(readable("\0".join(options).encode() + b"\0")), "--", *spec["argv"]]


def readable(content: bytes) -> int:
    """A file descriptor, open across exec, to read this from."""
    fd = os.memfd_create("for bubblewrap", 0)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def enter_cgroup(folder: str) -> None:
    """Move this process into a control group. Whoever forks all the time can hold that up for a second or two."""
    with open(f"{folder}/cgroup.procs", "w") as procs:
        procs.write("0")


def enter_network(path: str) -> None:
    """Go on in another network (`ip netns`)."""
    with open(path) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter the pod's network: " + os.strerror(ctypes.get_errno()))


def join(first: int) -> None:
    """Go on inside the namespaces of a container, whose first process this is.

    A container that does not run as user 0 has a user namespace within the one that owns its mounts and the others
    (bubblewrap needs rights to make them that such a user has not): we have to go the same way.
    """
    fds = []
    for name in NAMESPACES:
        path = f"/proc/{first}/ns/{name}"
        if os.path.lexists(path) and os.readlink(path) != os.readlink(f"/proc/self/ns/{name}"):
            fds.append(os.open(path, os.O_RDONLY))
            if name == "mnt":
                owner = fcntl.ioctl(fds[-1], NS_GET_USERNS)
                if not os.path.samestat(os.fstat(owner), os.stat(f"/proc/{first}/ns/user")):
                    fds = [owner, *fds[1:], fds[0]]
    for fd in fds:
        if libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), "cannot enter the container: " + os.strerror(ctypes.get_errno()))
    child = os.fork()  # only children are in a pid namespace that one has entered
    if child:
        os.closerange(0, 1 << 20)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def give_up_privileges() -> None:
    """Keep no capability, root or not, and get none again: what bubblewrap does for those it fences."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.capset((ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())
