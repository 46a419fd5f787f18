"""What the shim knows of one container: how it was asked for, its main process, its output, its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from .attach import Listeners, Typing
from .log import Log
from .reap import kill

Answer = Callable[[dict[str, Any]], None]


def ignore(*_: object) -> None:
    """Nobody is waiting for this."""


class Container:
    """One process tree. Its first process is our child, or, when fenced, the child of a bubblewrap that is."""

    def __init__(self, spec: dict[str, Any], answer: Answer) -> None:
        self.id: str = spec["id"]
        self.spec = spec
        self.answer = answer  # to whom asked for the start, once it runs or cannot
        self.child = 0  # our own child
        self.first = 0  # the container's first process
        self.told = b""  # by bubblewrap, so far
        self.gate = -1  # a fenced one waits until this is closed
        self.trouble = self.info = -1  # what goes wrong before the command runs; what bubblewrap tells
        self.stdin = -1
        self.memory: int = spec.get("memory", 0)  # bytes, to be watched from here; 0: no limit, or the kernel's work
        self.tasks: int = spec.get("tasks", 0)  # processes and threads, to be counted from here; 0: the kernel does
        self.message = ""  # why we ended it
        self.outputs: dict[int, bytes] = {}  # file descriptor -> stream
        self.log: Log | None = Log(spec["log"]) if "log" in spec else None
        self.typing: Typing | None = None  # since somebody attached to it
        self.listeners: Listeners | None = None
        self.followers: list[tuple[int, Answer]] = []
        self.started = self.finished = 0.0
        self.exit_code: int | None = None
        self.oom = False
        self._pidfd = -1

    def state(self) -> dict[str, Any]:
        """What `list`, answers and events tell of it."""
        told = {"id": self.id, "pid": self.first, "started": self.started, "finished": self.finished}
        told |= {"exit_code": self.exit_code, "oom": self.oom, "message": self.message}
        return told | {"meta": self.spec.get("meta", {})}

    def streams(self, given: list[int]) -> list[int]:
        """Make what the child gets as its standard streams, keeping our ends; or take those an exec brought along."""
        if given:
            return given
        if self.spec.get("tty"):
            ours, theirs = os.openpty()
            self.outputs = {ours: b"stdout"}
            self.stdin = os.dup(ours)
            return [theirs, os.dup(theirs), os.dup(theirs)]
        if self.spec.get("stdin"):
            stdin, self.stdin = os.pipe()
        else:
            stdin = os.open(os.devnull, os.O_RDONLY)
        (out, out_in), (err, err_in) = os.pipe(), os.pipe()
        self.outputs = {out: b"stdout", err: b"stderr"}
        return [stdin, out_in, err_in]

    def has_become(self) -> bool:
        """Whether the command has taken bubblewrap's place: until then its root and namespaces are not complete."""
        try:
            with open(f"/proc/{self.first}/cmdline", "rb") as file:
                return not file.read().startswith(self.spec["title"].encode())
        except OSError:  # it has been, and its end is on the way
            return False

    def refused(self) -> bool:
        """Whether it ended because bubblewrap could not put up the fences, or found no such command."""
        return self.log is not None and self.log.final().startswith(b"bwrap: ")

    def runs(self, first: int) -> None:
        """Its first process is known, and goes."""
        self.first, self.started = first, time.time()
        if first != self.child:  # not ours to bury, so its number could become another's: hold on to the process itself
            try:
                self._pidfd = os.pidfd_open(first)
            except OSError:  # a kernel before 5.3, or a very short life
                self._pidfd = -1

    def answered(self, outcome: dict[str, Any]) -> None:
        """Answer the one who asked for the start, once."""
        answer, self.answer = self.answer, ignore
        answer(outcome)

    def fail(self, why: str) -> None:
        """It cannot run: say why, and leave nothing."""
        self.answered({"error": why})
        kill(self.child)

    def ended(self, code: int) -> None:
        """It is over, and all of its output is in the log."""
        for fd in (self._pidfd, self.gate, self.stdin):
            if fd >= 0:
                os.close(fd)
        self.exit_code = code if code >= 0 else 128 - code
        self.finished = time.time()
        if self.log:
            self.log.close()
        self.tell_followers()
        if not self.started:
            said = self.log.final().decode(errors="replace") if self.log else ""
            self.answered({"error": said.removeprefix("bwrap: ") or "it ended before it had begun"})

    def tell_followers(self) -> None:
        """Answer those whose log has grown, or never will again."""
        waiting, self.followers = self.followers, []
        written, over = self.log.written if self.log else 0, self.exit_code is not None
        for seen, answer in waiting:
            if over or written > seen:
                answer({"ok": {"written": written, "ended": over}})
            else:
                self.followers.append((seen, answer))

    def signal(self, number: int) -> None:
        """Send a signal to its first process (to bubblewrap, while there is none yet)."""
        if self._pidfd < 0:
            kill(self.first or self.child, number)
            return
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return

    def signal_all(self, number: int) -> None:
        """Send a signal to all who are still in the process groups that it began with, to all of them at once."""
        for group in {self.child, self.first} - {0}:
            try:
                os.killpg(group, number)
            except (ProcessLookupError, PermissionError):  # nobody; or its group is still ours
                continue
