"""Every view, once: how a test makes it upon a pretended lab, and something that happens there.

`test_contract.py` and `test_contract_browser.py` run each through what all views promise, and take its picture for
docs/gallery.md. A new view adds a Case here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from k8slab.widgets import board, terminal
from k8slab.widgets.base import View
from tests.widgets import cluster
from tests.widgets.cluster import FakeLab, pod
from tests.widgets.page import Page


@dataclass(frozen=True)
class Case:
    """A view under contract. `change` makes something happen in the lab that the picture must show."""

    name: str
    lab: Callable[[], FakeLab]
    show: Callable[[FakeLab], View]
    change: Callable[[FakeLab, View], None]
    caption: str  # what one sees, in a sentence or two: for docs/gallery.md

    def __str__(self) -> str:
        return self.name


def _one_pod_more(lab: FakeLab, view: View) -> None:
    lab.api.becomes(*lab.api.all(), pod(f"more-{len(lab.api.now['Pod'])}"))


SAID = (
    "/app $ \x1b[1;36mls\x1b[0m\r\n\x1b[34mapp.py\x1b[0m  \x1b[32mstart.sh\x1b[0m\r\n/app $ wget -qO- localhost:8080\r\n"
    "Hello from \x1b[1mweb-7d5bc-x2j5h\x1b[0m\r\n/app $ cat /etc/shadow\r\n\x1b[31mPermission denied\x1b[0m\r\n/app $ "
)


def _with_prompt(lab: FakeLab) -> View:
    view = terminal.show(lab, "web-7d5bc-x2j5h")
    if "/app" not in str(view._picture):
        Page(view).until(lambda: "/app" in str(view._picture))
    return view


def _something_said(lab: FakeLab, view: View) -> None:
    before = view._console.text().count("denied")
    lab.api.process.say(SAID.removeprefix("/app $ "))
    for _ in range(1000):
        if view._console.text().count("denied") > before:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the terminal has not heard it")


VIEWS = (
    Case(
        "board",
        lambda: FakeLab(*cluster.mixed(time.time())),
        board.show,
        _one_pod_more,
        "The **board**: what is wished and what is, pods in every state on their nodes, and the story of what happened.",
    ),
    Case(
        "terminal",
        FakeLab,
        _with_prompt,
        _something_said,
        "The **terminal**: a shell in a pod's container, on a real TTY over the API; without a pod, a shell for kubectl.",
    ),
)
