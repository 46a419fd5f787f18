"""Every view, once: how a test makes it upon a pretended lab, and something that happens there.

`test_contract.py` and `test_contract_browser.py` run each through what all views promise, and take its picture for
docs/gallery.md. A new view adds a Case here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from k8slab.widgets import board
from k8slab.widgets.base import View
from tests.widgets import cluster
from tests.widgets.cluster import FakeLab, pod


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


VIEWS = (
    Case(
        "board",
        lambda: FakeLab(*cluster.mixed(time.time())),
        board.show,
        _one_pod_more,
        "The **board**: what is wished and what is, pods in every state on their nodes, and the story of what happened.",
    ),
)
