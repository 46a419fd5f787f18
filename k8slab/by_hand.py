"""A container by hand, one namespace and one limit at a time: what the process sees after each. Made to be read.

    from k8slab import by_hand
    for step in by_hand.steps(): display(step)

To the kernel a container is a process that was told less, step by step. `runtime/sandbox.py` asks for the same calls.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from k8slab.by_hand_step import Step, look

NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
KEEP_PRIVATE = 0x44000  # MS_REC | MS_PRIVATE: what is mounted from here on is nobody else's
libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    """The kernel says no by a number below zero."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_root() -> None:
    """A user namespace: in it we are user 0, outside we stay who we were. All that follows needs nothing else."""
    user, group = os.getuid(), os.getgid()
    checked(libc.unshare(NEW_USER))
    for file, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", file).write_text(line)


def own_pids() -> None:
    """A pid namespace holds children only. So a child goes on as pid 1, and we wait for it."""
    checked(libc.unshare(NEW_PID))
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)


def own_mounts() -> None:
    """Mounts of our own; then a /proc that shows the processes of our namespace."""
    checked(libc.unshare(NEW_MOUNT))
    checked(libc.mount(b"none", b"/", None, KEEP_PRIVATE, None))
    checked(libc.mount(b"proc", b"/proc", b"proc", 0, None))


def own_name() -> None:
    """A host name to change without anybody noticing."""
    checked(libc.unshare(NEW_UTS))
    socket.sethostname("container")


STEPS: list[tuple[str, str, Callable[[], object]]] = [
    ("unshare(CLONE_NEWUSER)", "user 0 in here, the same user outside", become_root),
    ("unshare(CLONE_NEWUTS)", "a host name of its own", own_name),
    ("unshare(CLONE_NEWPID), fork()", "the first process of a world of its own", own_pids),
    ("unshare(CLONE_NEWNS), mount(/proc)", "mounts of its own: it sees its own processes only", own_mounts),
    ("unshare(CLONE_NEWIPC)", "shared memory and queues of its own", lambda: checked(libc.unshare(NEW_IPC))),
    ("unshare(CLONE_NEWNET)", "a network of its own, with nothing in it", lambda: checked(libc.unshare(NEW_NET))),
    ("setrlimit(RLIMIT_AS, 256 MiB)", "a limit: what asks for more memory gets none",
     lambda: resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))),
]  # fmt: skip


def steps() -> Iterator[Step]:
    """Start a process that takes the steps one by one, and say what it sees. What is refused is left out."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            before = look()
            for call, meaning, take in STEPS:
                refused = ""
                try:
                    take()
                except OSError as problem:
                    refused = f"this machine refuses: {problem.strerror}"
                after = look()
                os.write(writing, json.dumps([call, meaning, before, after, refused]).encode() + b"\n")
                before = after
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as lines:
        yield from (Step(*json.loads(line)) for line in lines)
    os.waitpid(child, 0)
