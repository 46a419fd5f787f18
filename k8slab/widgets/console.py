"""A process on a terminal, as a part of a view: what it shows, and keys to it. `terminal.py` and the board have one.

`screen.py` keeps what is seen. The process is a shell of this machine, in which kubectl already knows the cluster, or a
command in a container (`client/execute.py`).
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k8slab.settings import LabError
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Process
from k8slab.widgets.screen import Screen

SIZE = (80, 16)  # columns, rows: until the page says how much room there is
SMALLEST, LARGEST = (20, 4), (300, 100)
MOST = 65_536  # characters that may be typed (or pasted) at once


class Shell:
    """A program of this machine on a terminal of its own; when the terminal closes, it and its children get SIGHUP."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.ended = ""
        self._master, slave = pty.openpty()
        self._lock = threading.Lock()
        try:
            self._child = subprocess.Popen(
                command,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env={**os.environ, "TERM": "xterm-256color", **environment},
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
        except OSError as error:
            os.close(self._master)
            raise LabError(f"{command[0]} cannot be started: {error.strerror}") from error
        finally:
            os.close(slave)

    def read(self) -> bytes:
        """What it wrote, as it comes; nothing when it has ended."""
        with contextlib.suppress(OSError):
            if data := os.read(self._master, 65_536):
                return data
        code = self._child.wait()
        self.ended = "" if code == 0 else f"exit code {code}"
        return b""

    def write(self, data: bytes) -> None:
        """Type."""
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._master, data) :]

    def resize(self, size: tuple[int, int]) -> None:
        """Tell it how large the terminal is."""
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def close(self) -> None:
        """Hang up. May be called twice."""
        with contextlib.suppress(OSError):
            os.killpg(self._child.pid, signal.SIGHUP)
        with self._lock:
            if self._master >= 0:
                master, self._master = self._master, -1
                if self._child.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._child.wait(1)
                    self._child.kill()
                self._child.wait()
                os.close(master)


def _take_terminal() -> None:
    """In the child: its standard input becomes its controlling terminal, so that Ctrl-C reaches what runs there."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Console:
    """A process and its screen. `start` may fail with a sentence; `changed` is called when there is something new."""

    def __init__(self, title: str, same_as: str, start: Callable[[], Process], changed: Callable[[], None]) -> None:
        self._title, self._same_as, self._start, self._changed = title, same_as, start, changed
        self._screen = Screen(*SIZE)
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._thread: threading.Thread | None = None
        self._said = ""  # why there is no process
        self.again()

    def picture(self) -> Picture:
        """What is seen: rows by number, the cursor, and why nothing goes on if nothing does."""
        with self._lock:
            screen = self._screen
            at = [screen.first + len(screen.gone) + screen.y, min(screen.x, screen.columns - 1)]
            return {
                "title": self._title,
                "same": self._same_as,
                "rows": screen.picture(),
                "cursor": at if screen.cursor and self._process else [],
                "columns": screen.columns,
                "ended": self._said,
                "running": self._process is not None,
            }

    def text(self) -> str:
        """What is seen, in plain text."""
        with self._lock:
            return self._screen.text()

    def act(self, message: Mapping[str, Any]) -> None:
        """Keys (`type`), another size (`resize`), or from the beginning (`again`)."""
        do = message.get("do")
        if do == "type" and self._process:
            self._process.write(str(message.get("keys", ""))[:MOST].encode())
        elif do == "resize":
            self._resize(message.get("columns"), message.get("rows"))
        elif do == "again" and not self._process:
            self.again()

    def again(self) -> None:
        """Start it, or start it once more after it has ended."""
        try:
            process = self._start()
        except LabError as error:
            self._said = str(error)
            return
        size = (self._screen.columns, self._screen.rows)
        self._said, self._process = "", process
        process.resize(size)
        self._thread = threading.Thread(target=self._read, args=(process,), name="k8slab console", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process. May be called twice."""
        process, self._process = self._process, None
        if process:
            process.close()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _resize(self, columns: Any, rows: Any) -> None:
        if not (isinstance(columns, int) and isinstance(rows, int)):
            return
        size = (min(max(columns, SMALLEST[0]), LARGEST[0]), min(max(rows, SMALLEST[1]), LARGEST[1]))
        with self._lock:
            self._screen.resize(*size)
        if self._process:
            self._process.resize(size)

    def _read(self, process: Process) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while data := process.read():
            with self._lock:
                self._screen.feed(decode(data))
            self._changed()
        with self._lock:
            if self._process is process:
                self._process = None
                self._said = f"It has ended: {process.ended}." if process.ended else "It has ended."
                self._screen.feed("\x1b[?1049l\x1b[0m\r\n")
        process.close()
        self._changed()
