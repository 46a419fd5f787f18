"""A small terminal in the notebook: `lab.terminal()` for kubectl, `lab.terminal("web-…")` inside a pod.

A view (`watching.py`) with nothing but a `console.py` in it; `terminal.js` draws it and sends the keys.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Protocol

from k8slab.widgets.base import STAGE, source
from k8slab.widgets.console import Console, Shell
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Api, LabLike, Process
from k8slab.widgets.watching import LabView, about

IN_A_POD = ("sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")
PROMPT = {"PS1": "$ ", "PS0": "", "PROMPT_COMMAND": ""}
STILL = "background:#f5f7fa;color:#1f2328;border-radius:9px;padding:12px;font:12px/1.5 monospace;white-space:pre-wrap"


class ShellLab(LabLike, Protocol):
    """A lab that a shell of this machine can be pointed at."""

    def shell_environment(self) -> Mapping[str, str]: ...


def show(lab: ShellLab, pod: Any = None, command: str | Sequence[str] = (), *, container: str = "") -> Terminal:
    """A terminal: in a pod (its name, or one of `lab.pods()`), or else a shell whose kubectl means this lab."""
    name = str(getattr(pod, "name", None) or pod or "").removeprefix("pod/")
    words = ("sh", "-c", command) if isinstance(command, str) else tuple(command)
    return Terminal.of(lab, name, words, container)


class Terminal(LabView):
    """One process on a terminal, alive in the notebook."""

    frame = 0.03  # s: whoever types waits for the echo
    _esm = source(*STAGE, "console.js", "terminal.js")
    _css = source("tokens.css", "console.css", "terminal.css")

    def __init__(self, lab: ShellLab, pod: str = "", command: tuple[str, ...] = (), container: str = "") -> None:
        self._pod, self._command, self._container = pod, command, container
        super().__init__(lab, (pod, command, container))

    def start(self) -> None:
        """Start the process."""
        lab: Any = self.lab
        if self._pod:
            self._console = in_pod(lab.api, self._pod, "", self.changed, self._command, self._container)
        else:
            self._console = Console("kubectl", "", lambda: _shell(lab, self._command), self.changed)

    def stop(self) -> None:
        """End it."""
        self._console.close()

    def join(self, lab: LabLike) -> None:
        """The process lives on, whoever asks for it again."""
        self.lab = lab

    def draw(self) -> Picture:
        """The screen, and whose it is."""
        return {"console": self._console.picture(), "lab": about(self.lab)}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keys, mostly."""
        if message.get("do") not in ("type", "resize", "again"):
            return super().act(message)
        self._console.act(message)
        return {}

    def text(self) -> str:
        """What stands on the screen."""
        return f"Terminal of {self._pod or self.lab.name}\n{self._console.text()}"

    def html(self) -> str:
        """What stood on the screen."""
        head = f"<figcaption>Terminal of {escape(self._pod or self.lab.name)}, as it stood</figcaption>"
        return f"<figure style='margin:0'>{head}<pre style='{STILL}'>{escape(self._console.text())}</pre></figure>"


def in_pod(
    api: Api, pod: str, namespace: str, changed: Any, command: Sequence[str] = (), container: str = ""
) -> Console:
    """A console whose process runs in a container of this pod: its shell, if no command is given."""
    words = list(command) or list(IN_A_POD)
    at = (f" -n {namespace}" if namespace and namespace != "default" else "") + (
        f" -c {container}" if container else ""
    )
    same = f"kubectl exec -it {pod}{at} -- {' '.join(command) or 'sh'}"
    return Console(pod, same, lambda: api.execute(pod, namespace, words, container), changed)


def _shell(lab: ShellLab, command: tuple[str, ...]) -> Process:
    bash = shutil.which("bash")
    shell = [bash, "--norc", "--noprofile", "-i"] if bash else ["sh", "-i"]
    return Shell(list(command) or shell, {**PROMPT, **lab.shell_environment()})
