"""Autoscale: what a HorizontalPodAutoscaler measures, reckons and does, over time.

`show(lab, "web")` gives the one view of an autoscaler. `autoscale_model.py` makes the picture, `autoscale.js` draws it.
Raise the load with a Traffic view, and watch this one.
"""

from __future__ import annotations

import threading

from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.widgets import autoscale_model
from k8slab.widgets.autoscale_model import KINDS, History
from k8slab.widgets.base import View, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Snapshot

PATIENCE = 3.0  # s to wait for the first look at the cluster


def show(lab: Lab, name: str) -> Autoscale:
    """The view of this autoscaler; the same one however often it is asked for."""
    if lab.read(f"horizontalpodautoscaler/{name}") is None:
        how = f"`kubectl autoscale deployment {name} --min=1 --max=10 --cpu-percent=50` makes one for a Deployment."
        raise LabError(f"The namespace {lab.namespace!r} has no HorizontalPodAutoscaler {name!r}. {how}")
    return Autoscale.shown((lab.name, lab.namespace, name), lambda: Autoscale(lab, name))


class Autoscale(View):
    """One autoscaler."""

    _esm = source("view.js", "live.js", "chart.js", "autoscale.js")
    _css = source("tokens.css", "live.css", "chart.css")

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab, self.name, self._namespace = lab, name, lab.namespace
        self._latest: Snapshot = {}
        self._history = History()
        super().__init__((lab.name, lab.namespace, name))

    def start(self) -> None:
        """Follow the cluster, and wait for the first look at it."""
        first = threading.Event()

        def heard(snapshot: Snapshot) -> None:
            self._latest = snapshot
            first.set()
            self.post(lambda: None)

        self._unfollow = self._lab.api.follow(KINDS, heard)
        first.wait(PATIENCE)

    def stop(self) -> None:
        """Follow it no more."""
        self._unfollow()

    def draw(self) -> Picture:
        """Load, metric, replicas, and the formula."""
        now = autoscale_model.look(self._latest, self.name, self._namespace)
        self._history = autoscale_model.advance(self._history, now, self._clock.time())
        told = autoscale_model.picture(self._history, now, self.name, self._lab.speed)
        return {**told, "problem": self._unfollow.problem}

    def text(self) -> str:
        """What it reckons, in plain words."""
        return autoscale_model.text(self._picture)

    def html(self) -> str:
        """The same, for a page."""
        return autoscale_model.html(self._picture)
