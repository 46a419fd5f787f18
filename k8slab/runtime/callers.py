"""Which container holds this end of a TCP connection? Asked of the kernel's tables, without privileges.

On one machine every connection over loopback comes from 127.0.0.1, so the address does not tell who calls.
`local.py` offers the answer; kubeproxy wants it for Services where it matters (session affinity, traffic that stays on
its node). Linux only, IPv4 only, a few milliseconds: it belongs in a thread.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable

from k8slab.runtime.shim.reap import marked

TABLE = "/proc/net/tcp"
Address = tuple[str, int]


def container_at(client: Address, server: Address) -> str | None:
    """The id of the container whose process has the socket at `client`, connected to `server`; None: no container's."""
    inode = inode_of(client, server)
    if inode is None:
        return None
    wanted = f"socket:[{inode}]"
    return next((id for id, pids in marked().items() if any(_holds(pid, wanted) for pid in pids)), None)


def inode_of(client: Address, server: Address) -> str | None:
    """The socket's inode."""
    ends = [_hex(client), _hex(server)]
    with open(TABLE) as table:
        next(table)  # its header
        return _find(table, ends)


def _find(rows: Iterable[str], ends: list[str]) -> str | None:
    for row in rows:
        fields = row.split()
        if fields[1:3] == ends:
            return fields[9]
    return None


def _hex(address: Address) -> str:
    """As the kernel writes it: the number as this machine's memory has it, and the port."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def _holds(pid: int, wanted: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{number}") == wanted for number in os.listdir(folder))
    except OSError:  # gone, or a file of it closed meanwhile
        return False
