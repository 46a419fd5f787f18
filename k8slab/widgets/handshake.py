"""The handshake: a client and a server as two lanes, and every packet between them, a press at a time.

`conversation.py` has the conversation, in a process of its own; this view starts it, in a network namespace of its own
where this machine allows one, and puts what it tells into words. `handshake.js` draws it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from k8slab.settings import LabError
from k8slab.widgets import still
from k8slab.widgets.base import STAGE, View, source
from k8slab.widgets.conversation import ANSWER, REQUEST
from k8slab.widgets.delta import Picture

NEXT = {"": "connect", "connect": "ask", "ask": "leave", "leave": "close", "close": "connect"}  # what may follow what
COMMAND = [sys.executable, "-m", "k8slab.widgets.conversation"]
PRIVATE = ["--unshare-user", "--unshare-net", "--cap-add", "CAP_NET_RAW", "--dev-bind", "/", "/", "--die-with-parent"]
CAPTURED = "Captured packets: both ends have a network namespace of their own, and this is all that crossed it."
STATES_ONLY = "This machine lets nobody look at packets ({why}). What you see is what its kernel says of both sockets."
SAYS = {  # what a packet means: who sends it, and its flags
    ("client", "SYN"): "I want to talk. My bytes are counted from 0.",
    ("server", "SYN ACK"): "I heard you, and expect your byte 1. My own are counted from 0.",
    ("client", "ACK"): "I have everything before byte {ack}.",
    ("server", "ACK"): "I have everything before byte {ack}.",
    ("client", "ACK PSH"): "Here are {size} bytes, from number {seq}: a request.",
    ("server", "ACK PSH"): "Here are {size} bytes, from number {seq}: the answer.",
    ("client", "ACK FIN"): "I shall send no more.",
    ("server", "ACK FIN"): "Neither shall I.",
}
SAID = {  # the news, by the step taken last
    "": "Nobody talks yet. The server listens.",
    "connect": "Three packets, and both ends are connected. Nothing of HTTP has been said.",
    "ask": "A request and its answer, and the connection stays. TCP remembers it; HTTP does not.",
    "leave": "The client has hung up. The server could still send.",
    "close": "Both have hung up. Whoever did so first remembers it for a minute.",
}
STATE_SAYS = {
    "LISTEN": "waits for somebody to call",
    "SYN-SENT": "has called",
    "ESTABLISHED": "is connected",
    "FIN-WAIT-2": "has hung up, and waits for the other to",
    "CLOSE-WAIT": "knows that the other has hung up",
    "TIME-WAIT": "remembers the connection for a minute, for what may still be on its way",
    "CLOSED": "has no connection",
}


def show(lab: Any) -> Handshake:
    """The one handshake of this kernel."""
    view = Handshake.shown("handshake", Handshake)
    view.lab = lab
    return view


class Handshake(View):
    """A conversation over TCP, told by its packets, or by its sockets where packets are not to be seen."""

    _esm = source(*STAGE, "handshake.js")
    _css = source("tokens.css", "live.css", "handshake.css")
    lab: Any = None  # whose notebook asked for it: the conversation itself needs none

    def __init__(self) -> None:
        super().__init__("handshake")

    def start(self) -> None:
        """Begin a conversation: in a network of its own if there can be one."""
        bubblewrap = shutil.which("bwrap")
        for command in ([bubblewrap, *PRIVATE, "--", *COMMAND], COMMAND) if bubblewrap else (COMMAND,):
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if ready := self._heard():
                break
        else:
            raise LabError("Python could not be started once more on this machine, so there is nobody to talk.")
        self._captured, why = bool(ready["captured"]), str(ready["why"])
        self._source = CAPTURED if self._captured else STATES_ONLY.format(why=why)
        self._done, self._events, self._states = "", list[Picture](), {"client": "CLOSED", "server": "LISTEN"}

    def stop(self) -> None:
        """Both ends go."""
        if self._child.stdin:
            self._child.stdin.close()
        self._child.wait(5)
        if self._child.stdout:
            self._child.stdout.close()

    def draw(self) -> Picture:
        """What was seen so far, and what can be done next."""
        return {
            "source": self._source,
            "captured": self._captured,
            "events": {str(n): {**event, "n": n} for n, event in enumerate(self._events)},
            "states": {end: {"name": name, "say": STATE_SAYS.get(name, "")} for end, name in self._states.items()},
            "next": NEXT[self._done],
            "request": REQUEST.strip() if self._done in ("ask", "leave", "close") else "",
            "answer": ANSWER.strip() if self._done in ("ask", "leave", "close") else "",
            "say": SAID[self._done],
        }

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the next step."""
        word = str(message.get("do"))
        if word not in SAID:
            return super().act(message)
        if word != NEXT[self._done]:
            raise LabError(f"What comes next is: {NEXT[self._done]}.")
        if word == "connect":
            self._events.clear()
        if self._child.poll() is not None or not self._child.stdin:
            raise LabError("The conversation has ended. Run this cell again for a new one.")
        self._child.stdin.write(word + "\n")
        self._child.stdin.flush()
        while (seen := self._heard()) and seen["kind"] != "done":
            self._events.extend(events(seen, self._states, word))
            if seen["kind"] == "states":
                self._states = {end: seen[end] for end in ("client", "server")}
        self._done = word
        return {}

    def text(self) -> str:
        """The view in plain words."""
        lines = [self._source, *(f"  {line(event)}" for event in self._picture["events"].values())]
        return "\n".join([*lines, *(f"  The {end}: {s['name']}" for end, s in self._picture["states"].items())])

    def html(self) -> str:
        """The view in plain words, for a page without a kernel."""
        return still.words("TCP handshake", self.text())

    def _heard(self) -> dict[str, Any] | None:
        told = self._child.stdout.readline() if self._child.stdout else ""
        return json.loads(told) if told else None


def events(seen: Mapping[str, Any], before: Mapping[str, str], step: str) -> list[Picture]:
    """What the picture has of something seen: a packet, or each end whose state is another now."""
    if seen["kind"] == "packet":
        flags, size = " ".join(seen["flags"]), len(seen["data"])
        say = SAYS.get((seen["from"], flags), "").format(ack=seen["ack"], seq=seen["seq"], size=size)
        first = seen["data"].partition("\r\n")[0]
        told = {**seen, "flags": flags, "data": first, "size": size, "say": say, "step": step}
        return [{name: value for name, value in told.items() if value is not None}]  # what is None no diff can carry
    if seen["kind"] != "states":
        return []
    changed = [end for end in ("client", "server") if seen[end] != before[end]]
    return [
        {"kind": "state", "at": seen["at"], "from": end, "was": before[end], "now": seen[end], "step": step,
         "say": f"The {end} {STATE_SAYS.get(seen[end], 'changes')}."}
        for end in changed
    ]  # fmt: skip


def line(event: Mapping[str, Any]) -> str:
    """One event in plain words."""
    if event["kind"] == "state":
        return f"{event['from']}: {event['was']} -> {event['now']}"
    other = "server" if event["from"] == "client" else "client"
    numbers = f"seq {event['seq']}" + (f", ack {event['ack']}" if "ack" in event else "")
    return f"{event['at']:.3f} ms  {event['from']} -> {other}  {event['flags']}  {numbers}  {event['say']}"
