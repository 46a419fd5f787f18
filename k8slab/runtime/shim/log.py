"""A container's log file, in the format of the CRI (k8s.io/cri-api, "log format"); `../logs.py` reads it."""

from __future__ import annotations

import os
import time

FILE_LIMIT = 10 << 20  # bytes of a file before it is rotated (a kubelet's containerLogMaxSize is 10Mi, too)
LINE_LIMIT = 16 << 10  # longer lines are cut into pieces tagged P, as containerd does


class Log:
    """`time stream F text` for each line, P instead of F for a piece without its end; two files at most."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.written = 0  # bytes ever: a follower that has seen as many has seen all
        self.last = b""  # line
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size

    def take(self, stream: bytes, data: bytes) -> None:
        """Write the complete lines; keep the half one until its end comes, or too much of it."""
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        head = stamp() + stream
        out = b"".join([b"%s F %s\n" % (head, line) for line in lines])
        while len(rest) >= LINE_LIMIT:
            out += b"%s P %s\n" % (head, rest[:LINE_LIMIT])
            rest = rest[LINE_LIMIT:]
        self._rest[stream] = rest
        if lines:
            self.last = lines[-1]
        self._write(out)

    def final(self) -> bytes:
        """The last line, or the half one after it."""
        return self._rest[b"stderr"] or self.last

    def close(self) -> None:
        """Write what never got its newline, too."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(b"%s P %s\n" % (stamp() + stream, rest))
        os.close(self._fd)

    def _write(self, out: bytes) -> None:
        try:
            if self._size and self._size + len(out) > FILE_LIMIT:
                os.replace(self.path, self.path + ".1")
                os.close(self._fd)
                self._open()
            self._size += os.write(self._fd, out)
        except OSError:  # a full disk, or a folder pulled away, costs lines; it must not cost the lab
            return
        self.written += len(out)


def stamp() -> bytes:
    """Now, in RFC 3339 with nanoseconds, and a space."""
    now = time.time_ns()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**9))}.{now % 10**9:09d}Z ".encode()
