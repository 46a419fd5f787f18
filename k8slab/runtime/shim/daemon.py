"""From a started program to a listening daemon: one for each lab, then `keeper.py` has the word."""

from __future__ import annotations

import fcntl
import os
import resource
import socket

from .keeper import Keeper
from .spawn import PR_SET_CHILD_SUBREAPER, PR_SET_NAME, libc

SOCKET, LOCK = "shim.sock", "shim.lock"


def main(folder: str, lab: str) -> None:
    """Listen, and only then let the one who started us go on; end at once if the lab has a shim already.

    `lab` is not used: it stands in the command line so that `ps` tells whose shim this is.
    """
    os.chdir(folder)  # for a short, relative socket name: a Unix socket's path has 108 bytes at most
    os.umask(0o177)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen(8)
    if os.fork():
        os._exit(0)
    os.setsid()
    libc.prctl(PR_SET_NAME, b"k8slab-shim", 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a container's orphans become our children, not init's
    many = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (many, many))
    Keeper(listener).run()
    if os.path.lexists(SOCKET):
        os.unlink(SOCKET)
