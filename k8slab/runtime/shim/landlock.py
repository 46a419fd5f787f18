"""A wall around what a process may open, where it cannot have a root of its own: Landlock, landlock(7).

`spawn.py` puts it up, `../sandbox.py` says where. Beyond files it keeps a process from looking into those outside
(their environment, their memory), and, since Linux 6.12, from sending them signals. No privilege is needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor
ASK_VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE = 1 << 13, 1 << 14
READING = EXECUTE | READ_FILE | READ_DIR
SINCE = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE}  # version -> the rights it brought; ioctl on devices stays free
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE  # the others make sense for folders alone
SCOPED_VERSION, SCOPES = 6, 0b11  # abstract Unix sockets, signals

libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Of Landlock in this kernel; 0: it has none, or a filter around us keeps us from asking."""
    return max(0, int(libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)))


def restrict(reading: Iterable[str], writing: Iterable[str], *, scoped: bool) -> None:
    """From now on this process opens nothing but these files and what is below these folders. Raises OSError.

    `scoped`: nor does it send signals to processes outside, where the kernel can refuse them. What is not there is
    left out. The process must have given up getting new privileges.
    """
    here = version()
    handled = sum(rights for since, rights in SINCE.items() if since <= here)
    rules = struct.pack("=QQQ", handled, 0, SCOPES if scoped else 0)
    size = len(rules) if here >= SCOPED_VERSION else 8
    ruleset = checked(libc.syscall(CREATE_RULESET, rules, size, 0))
    for rights, paths in ((READING, reading), (handled, writing)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                allow(ruleset, path, rights & handled)
    checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def allow(ruleset: int, path: str, rights: int) -> None:
    """One rule: these rights for a file, or for all below a folder."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= OF_FILES
        checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, fd), 0))
    finally:
        os.close(fd)


def checked(result: int) -> int:
    """What a call to the kernel returned, unless it failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
