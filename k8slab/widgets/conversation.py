"""A TCP conversation with itself, watched: a server, a client, their packets and what the kernel says of both ends.

`handshake.py` runs this file as a process of its own, if possible in a network namespace of its own, where nobody else
talks and looking at packets needs no root. It is told on stdin what to do next (a word of STEPS a line), and tells on
stdout, as JSON lines, what was seen: packets where they may be captured, socket states always.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from k8slab.clock import Clock

HOST = "127.0.0.1"
FLAGS = {"SYN": 0x02, "ACK": 0x10, "PSH": 0x08, "FIN": 0x01, "RST": 0x04}
ETHERNET, IPV4, TCP = 14, 0x0800, 6  # bytes of a header, EtherType, protocol
SO_TIMESTAMPNS = 35  # asm-generic/socket.h: Python's socket module has no name for it
QUIET = 0.05  # s without a packet: this step is over
STATES = (  # include/net/tcp_states.h; /proc/net/tcp has them as hexadecimal numbers, from 1
    "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED", "CLOSE-WAIT",
    "LAST-ACK", "LISTEN", "CLOSING",
)  # fmt: skip
REQUEST = "GET /cart HTTP/1.1\r\nHost: shop\r\nCookie: shop=ada42\r\n\r\n"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n2 x tea\r\n\r\n"


def parse(frame: bytes) -> dict[str, Any] | None:
    """What a TCP packet on Ethernet says (ports, flags, numbers, data), or None if it is none. RFC 9293, 3.1."""
    if len(frame) < ETHERNET + 40 or struct.unpack_from("!H", frame, 12) != (IPV4,) or frame[ETHERNET + 9] != TCP:
        return None
    length = struct.unpack_from("!H", frame, ETHERNET + 2)[0]
    at = ETHERNET + (frame[ETHERNET] & 15) * 4
    source, target, seq, ack = struct.unpack_from("!HHII", frame, at)
    data = frame[at + (frame[at + 12] >> 4) * 4 : ETHERNET + length]
    flags = [name for name, bit in FLAGS.items() if frame[at + 13] & bit]
    return {"source": source, "target": target, "flags": flags, "seq": seq, "ack": ack, "data": data.decode("latin-1")}


def states(table: str, server: int, client: int) -> dict[str, str]:
    """The kernel's word on both ends, from the text of /proc/net/tcp; an end that it has forgotten is CLOSED."""
    found = {"server": "CLOSED", "client": "CLOSED"}
    for line in table.splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        ports = (int(local[-4:], 16), int(remote[-4:], 16))
        name = STATES[int(state, 16) - 1] if 0 < int(state, 16) <= len(STATES) else "CLOSED"
        if ports == (server, client) or (ports == (server, 0) and found["server"] == "CLOSED"):
            found["server"] = name
        elif ports == (client, server):
            found["client"] = name
    return found


class Conversation:
    """The two ends, and the ear. Each step does one thing and gives what was seen of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ear, self.deaf = ear()
        self.listener = socket.create_server((HOST, 0))
        self.port: int = self.listener.getsockname()[1]
        self.client: socket.socket | None = None
        self.server: socket.socket | None = None
        self.client_port = 0
        self.first: dict[int, int] = {}  # port -> its first sequence number: the picture counts from there
        self.began = self.clock.time()

    def step(self, word: str) -> Iterator[dict[str, Any]]:
        """Do what the word says, and tell what there was to see."""
        STEPS[word](self)
        yield from self.packets()
        yield {"kind": "states", "at": self.at(self.clock.time()), **self.now()}

    def at(self, time: float) -> float:
        """Milliseconds since the conversation began."""
        return round((time - self.began) * 1000, 3)

    def now(self) -> dict[str, str]:
        """The states of both ends."""
        return states(Path("/proc/self/net/tcp").read_text(), self.port, self.client_port)

    def connect(self) -> None:
        """The three-way handshake: it is over when `connect` returns."""
        self.first.clear()
        self.began = self.clock.time()
        self.client = socket.socket()
        self.client.connect((HOST, self.port))
        self.client_port = self.client.getsockname()[1]
        self.server, _ = self.listener.accept()

    def ask(self) -> None:
        """A request and its answer, over the connection there is."""
        if self.client is None or self.server is None:
            return
        self.client.sendall(REQUEST.encode())
        self.server.recv(4096)
        self.server.sendall(ANSWER.encode())
        self.client.recv(4096)

    def leave(self) -> None:
        """The client hangs up. Whoever does so first is the one that has to wait afterwards (TIME-WAIT)."""
        if self.client is not None:
            self.client.close()

    def close(self) -> None:
        """The server hangs up too."""
        if self.server is not None:
            self.server.close()
        self.client = self.server = None

    def packets(self) -> Iterator[dict[str, Any]]:
        """What the ear heard since, until it is quiet."""
        while self.ear and select.select([self.ear], [], [], QUIET)[0]:
            frame, notes, _, _ = self.ear.recvmsg(65535, 64)
            packet = parse(frame)
            if packet and self.port in (packet["source"], packet["target"]):
                seconds, nanoseconds = struct.unpack("@ll", notes[0][2])
                yield self.told(packet, seconds + nanoseconds / 1e9)

    def told(self, packet: dict[str, Any], time: float) -> dict[str, Any]:
        """A packet with its numbers counted from the conversation's beginning."""
        source, target = packet["source"], packet["target"]
        self.first.setdefault(source, packet["seq"])
        relative = {
            name: (packet[name] - self.first.get(end, 0)) % 2**32 for name, end in (("seq", source), ("ack", target))
        }
        who = "server" if source == self.port else "client"
        numbers = {**relative, "ack": relative["ack"] if "ACK" in packet["flags"] else None}
        seen = {"kind": "packet", "at": self.at(time), "from": who, "flags": packet["flags"], "data": packet["data"]}
        return {**seen, **numbers}


STEPS = {
    "connect": Conversation.connect, "ask": Conversation.ask, "leave": Conversation.leave, "close": Conversation.close
}  # fmt: skip


def ear() -> tuple[socket.socket | None, str]:
    """A socket that hears every packet of this machine's loopback, or why there is none."""
    try:
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV4))
        heard.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        heard.bind(("lo", 0))
    except OSError as problem:
        return None, problem.strerror or str(problem)
    return heard, ""


def main() -> None:
    """Obey stdin until it ends."""
    conversation = Conversation()
    heard = conversation.ear is not None
    _tell({"kind": "ready", "captured": heard, "why": conversation.deaf, "port": conversation.port})
    for line in sys.stdin:
        for seen in conversation.step(line.strip()):
            _tell(seen)
        _tell({"kind": "done"})


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
