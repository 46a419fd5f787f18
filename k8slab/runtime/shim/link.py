"""A connected server: its half-read requests, its half-written answers, the file descriptors it sent along."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

CHUNK = 64 << 10


class Link:
    """One end of the wire. Nothing here waits."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fds: list[int] = []
        self._inbox = b""
        self.outbox = b""

    def receive(self) -> list[bytes] | None:
        """The requests that have come completely; None once the other side has gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, CHUNK, 8, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return []
        except OSError:
            return None
        self.fds += fds
        *requests, self._inbox = (self._inbox + data).split(b"\n")
        return requests if data else None

    def send(self, message: dict[str, Any]) -> None:
        """Put a message on its way; what does not fit now goes when there is room."""
        self.outbox += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write as much as the other side takes."""
        try:
            while self.outbox:
                self.outbox = self.outbox[self.sock.send(self.outbox) :]
        except BlockingIOError:
            return
        except OSError:  # it has gone; `receive` will say so
            self.outbox = b""

    def close(self) -> None:
        """Let go of descriptors whose request never came."""
        for fd in self.fds:
            os.close(fd)
