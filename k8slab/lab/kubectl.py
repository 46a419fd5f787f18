"""The real kubectl, run against one cluster. `lab.py` and the magics hand it what was typed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from k8slab import tools
from k8slab.settings import LabError


class Refused(LabError):
    """kubectl ended with an error: the message is what it said."""


class Text(str):
    """Text that a notebook shows as it is, instead of quoted."""

    __slots__ = ()

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(self.rstrip("\n"))  # type: ignore[attr-defined]


class Kubectl:
    """Runs kubectl against the cluster of a kubeconfig (several files are joined by ':'), in one of its contexts."""

    def __init__(self, kubeconfig: str, context: str = "", namespace: str = "", cache: Path | None = None) -> None:
        self._environment = {"KUBECONFIG": kubeconfig}
        if cache is not None:  # so that what kubectl remembers of a lab goes with it
            self._environment["KUBECACHEDIR"] = str(cache)
        chosen = {"--context": context, "--namespace": namespace}
        self._flags = [f"{flag}={value}" for flag, value in chosen.items() if value]

    @staticmethod
    def available() -> bool:
        """Whether there is one."""
        return tools.path_of("kubectl") is not None

    def for_shell(self) -> dict[str, str]:
        """The environment in which a shell's `kubectl` means this cluster. (bash takes functions from there.)"""
        found = dict(self._environment)
        if self._flags:
            found["BASH_FUNC_kubectl%%"] = f'() {{ command kubectl {shlex.join(self._flags)} "$@"; }}'
        if path := tools.path_of("kubectl"):
            found["PATH"] = os.pathsep.join((str(Path(path).parent), os.environ.get("PATH", os.defpath)))
        return found

    def run(self, command: str | Sequence[str], text: str | None = None) -> Text:
        """Run a command ("get pods") with `text` as its standard input; what it printed. Raises Refused, LabError."""
        said: list[str] = []
        self.stream(command, said.append, text)
        return Text("".join(said))

    def stream(self, command: str | Sequence[str], show: Callable[[str], object], text: str | None = None) -> None:
        """The same, handing over each line as it comes. An interrupt ends the command, quietly."""
        with subprocess.Popen(
            [self._program(), *self._flags, *_words(command)],
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # an interrupted notebook cell tells us, and we tell kubectl
        ) as process:
            complaints: list[str] = []
            others = [threading.Thread(target=lambda: complaints.extend(process.stderr or ()))]
            if text is not None:
                others.append(threading.Thread(target=_feed, args=(process, text)))
            for other in others:
                other.start()
            try:
                for line in process.stdout or ():
                    show(line)
                process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                return
            finally:
                if process.poll() is None:
                    process.kill()
                for other in others:
                    other.join()
            said = "".join(complaints)
            if process.returncode != 0:
                raise Refused(said.strip() or f"kubectl ended with exit code {process.returncode}.")
            if said:
                show(said)

    def _program(self) -> str:
        if path := tools.path_of("kubectl"):
            return path
        raise LabError(tools.missing("kubectl"))


def _words(command: str | Sequence[str]) -> list[str]:
    """The arguments of a command line, with or without `kubectl` in front."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise LabError(f"The command cannot be read: {error}. Is a quotation mark missing?") from None
    if words[:1] == ["kubectl"]:
        del words[0]
    if shell := next((word for word in words if word in ("|", ">", ">>", "<", "&&", ";")), None):
        raise LabError(f"`{shell}` belongs to the shell. Write `!kubectl … {shell} …` in a cell of its own.")
    return words


def _feed(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has seen enough
        process.stdin.write(text)
        process.stdin.close()
