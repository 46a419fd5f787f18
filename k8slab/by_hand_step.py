"""What a process sees of its machine, and what one step of `by_hand.py` has changed of it: as text, as a table."""

from __future__ import annotations

import os
import resource
import socket
from dataclasses import dataclass
from html import escape
from pathlib import Path

Seen = dict[str, str]


@dataclass(frozen=True)
class Step:
    """One call, and what the process saw before and after it. `refused` says why this machine did not allow it."""

    call: str
    meaning: str
    before: Seen
    after: Seen
    refused: str = ""

    def rows(self) -> list[tuple[str, str, str]]:
        """What changed: name, before, after. Other processes come and go, so nothing if it was refused."""
        return (
            []
            if self.refused
            else [(name, self.before[name], now) for name, now in self.after.items() if now != self.before.get(name)]
        )

    def __repr__(self) -> str:
        told = [f"  {name}: {before}  ->  {after}" for name, before, after in self.rows()]
        return "\n".join([f"{self.call}: {self.meaning}", *(told or [f"  {self.refused or 'nothing to be seen'}"])])

    def _repr_html_(self) -> str:
        rows = [f"<tr><th>{escape(n)}</th><td>{escape(b)}</td><td>→ {escape(a)}</td></tr>" for n, b, a in self.rows()]
        table = f"<table>{''.join(rows)}</table>" if rows else f"<p>{escape(self.refused or 'Nothing to be seen.')}</p>"
        return f"<p><code>{escape(self.call)}</code> {escape(self.meaning)}</p>{table}"


def look() -> Seen:
    """What this process sees of the machine."""
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    return {
        "my pid": str(os.getpid()),
        "processes": str(sum(map(str.isdigit, os.listdir("/proc")))),
        "user": str(os.getuid()),
        "host name": socket.gethostname(), "mounts": str(Path("/proc/self/mounts").read_text().count("\n")),
        "network": " ".join(name for _, name in socket.if_nameindex()),
        "memory I may have": "no limit" if memory == resource.RLIM_INFINITY else f"{memory >> 20} MiB",
        "kernel": os.uname().release,
    }  # fmt: skip
