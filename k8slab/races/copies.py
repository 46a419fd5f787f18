"""One copy of the work, running: a process that is spoken to through its pipes, or a virtual machine through its line.

Every copy does the same when it begins: it says so, and says on which kernel. Every copy ends when nobody holds it any
more, so that a notebook that dies leaves none. `contestants.py` starts them.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from collections.abc import Sequence
from typing import Protocol

from k8slab.clock import Clock
from k8slab.settings import LabError

SLOWEST = 60.0  # s for one answer
LOOP = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"  # the work: the same instructions in every copy
SCRIPT = f"echo begun; UNAME -r; while read -r again; do {LOOP}; echo done; done"


class Copy(Protocol):
    """A copy that was started. `first` is when its first instruction was heard of, by the clock it was given."""

    first: float
    kernel: str
    pid: int

    def begin(self) -> None:
        """Wait until it has begun. Raises LabError if it does not."""

    def work(self) -> float:
        """Have it do the work once; how many seconds that took."""

    def end(self) -> None:
        """End it, and wait until it is gone. May be called twice."""


class Piped:
    """A copy that is a process of this machine, or behind one."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self.first, self.kernel, self._clock, self._heard = 0.0, "", clock, b""
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise LabError(f"{command[0]} could not be started: {error.strerror}.") from None
        self.pid = self._process.pid

    def begin(self) -> None:
        said = self._line()
        self.first = self._clock.monotonic()
        if said != "begun":
            raise LabError(f"It did not start: {said or 'it ended without a word'}.")
        self.kernel = self._line()

    def work(self) -> float:
        assert self._process.stdin is not None
        since = self._clock.monotonic()
        self._process.stdin.write(b"again\n")
        self._process.stdin.flush()
        if self._line() != "done":
            raise LabError("It ended before its work was done.")
        return self._clock.monotonic() - since

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # its script ends when there is nothing more to read
        try:
            self._process.wait(SLOWEST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._heard:
                if not selector.select(SLOWEST):
                    raise LabError(f"It did not answer within {SLOWEST:g} s.")
                data = os.read(self._process.stdout.fileno(), 4096)
                if not data:
                    said, self._heard = self._heard, b""
                    return said.decode(errors="replace").strip()
                self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode(errors="replace").strip()


class Booted:
    """A copy that is a virtual machine."""

    def __init__(self, clock: Clock) -> None:
        self.first, self.kernel, self._clock, self.pid = 0.0, "", clock, 0

    def begin(self) -> None:
        from k8slab import vm

        on = self._clock.monotonic()
        self._machine = vm.boot()
        self.pid = self._machine.pid
        self.first = on + self._machine.times["first"]
        self.kernel = self._machine.run("uname -r")

    def work(self) -> float:
        since = self._clock.monotonic()
        self._machine.run(LOOP)
        return self._clock.monotonic() - since

    def end(self) -> None:
        if hasattr(self, "_machine"):
            self._machine.power_off()
