"""Autoscale: what a HorizontalPodAutoscaler measures, reckons and does, over time.

`show(lab, "web")` gives the one view of an autoscaler. `autoscale_model.py` makes the picture, `autoscale.js` draws it.
Raise the load with a Traffic view, and watch this one.
"""

from __future__ import annotations

from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.widgets import autoscale_model
from k8slab.widgets.autoscale_model import KINDS, History
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.watching import LabView


def show(lab: Lab, name: str) -> Autoscale:
    """The view of this autoscaler; the same one however often it is asked for."""
    if lab.api.find("HorizontalPodAutoscaler", name, lab.namespace) is None:
        how = f"`kubectl autoscale deployment {name} --min=1 --max=10 --cpu-percent=50` makes one for a Deployment."
        raise LabError(f"The namespace {lab.namespace!r} has no HorizontalPodAutoscaler {name!r}. {how}")
    return Autoscale.of(lab, name, lab.namespace)


class Autoscale(LabView):
    """One autoscaler."""

    KINDS = KINDS
    lab: Lab
    _esm = source(*STAGE, "live.js", "timeline.js", "autoscale.js")
    _css = source("tokens.css", "live.css", "timeline.css")

    def __init__(self, lab: Lab, name: str, namespace: str) -> None:
        self.name, self._namespace = name, namespace
        self._history = History()
        super().__init__(lab, (name, namespace))

    def draw(self) -> Picture:
        """Load, metric, replicas, and the formula."""
        now = autoscale_model.look(self.latest, self.name, self._namespace)
        self._history = autoscale_model.advance(self._history, now, self._clock.time())
        told = autoscale_model.picture(self._history, now, self.name, self.lab.speed)
        return {**told, "problem": self.problem}

    def text(self) -> str:
        """What it reckons, in plain words."""
        return autoscale_model.text(self._picture)

    def html(self) -> str:
        """The same, for a page."""
        return autoscale_model.html(self._picture)
