"""The views a lab can show: one line each. `lab.board()` shows `k8slab.widgets.board`, and so on.

Each view's module has `show(lab, …)`. It is found by name, because widgets are built upon the lab, which knows none of
them; mixed into `Lab`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _view(module: str, what: str) -> Callable[..., Any]:
    """A method of a lab that shows the view of this module; whatever else it is given goes to the view."""

    def show(self: object, *about: Any, **options: Any) -> Any:
        return import_module(f"k8slab.widgets.{module}").show(self, *about, **options)

    show.__name__, show.__qualname__, show.__doc__ = module, f"Lab.{module}", what
    return show


class Shows:
    """A view of the cluster by its name, alive in the notebook. Asked for again, it is the same view."""

    board = _view("board", "Nodes and pods, what is wished and what is; to be pressed.")
    traffic = _view("traffic", "Requests through a Service, and which pod answered.")
    loop = _view("loop", "One controller's read, compare, act, step by step.")
    journey = _view("journey", "One apply, hop by hop, apiserver to process, and the real time each took.")
    rollout = _view("rollout", "Old and new ReplicaSets as they trade places.")
    autoscale = _view("autoscale", "Load, metric, and wanted and actual replicas over time.")
    scheduling = _view("scheduling", "Why a pod went to its node, or to none; and what if it wished otherwise.")
    shop = _view("shop", "Browsers side by side on the cart app, and where their state lives.")
    handshake = _view("handshake", "Client and server as two lanes: SYN, data, FIN.")
    isolation = _view("isolation", "What a process sees as each fence is added.")
    race = _view("race", "Process, container and virtual machine, started at once.")
    terminal = _view("terminal", "A small terminal: for kubectl, or inside a pod.")
    diagram = _view(
        "diagram", "Who owns whom, drawn from the objects as they are now; `since=` an earlier one, what changed."
    )
    doctor = _view("doctor", "This machine as a picture: its runtimes, the fences, what is missing and what adds it.")
