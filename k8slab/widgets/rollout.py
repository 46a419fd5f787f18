"""Rollout: old and new pods of a Deployment as they trade places, their bounds, and the requests that fail.

`show(lab, "web")` gives the one view of a Deployment. `rollout_model.py` makes the picture, `rollout_actions.py` acts,
`rollout.js` draws. Failures are counted by an open Traffic view of the same Service, or, when asked to, from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api.selectors import from_labels
from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.widgets import rollout_actions, rollout_model, traffic, versions
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.requests import Load, Way
from k8slab.widgets.rollout_model import KINDS, History
from k8slab.widgets.tally import Tally
from k8slab.widgets.watching import LabView

LEASE = 30.0  # s for which the probe goes on without a word from a page
PROBE = 5.0  # requests a second
CHARTED = 180  # s of failures that are drawn


def show(lab: Lab, deployment: str) -> Rollout:
    """The view of this Deployment; the same one however often it is asked for."""
    if lab.api.find("Deployment", deployment, lab.namespace) is None:
        have = "`kubectl get deployments` lists them."
        raise LabError(f"The namespace {lab.namespace!r} has no Deployment {deployment!r}. {have}")
    return Rollout.of(lab, deployment, lab.namespace)


class Rollout(LabView):
    """One Deployment's releases."""

    KINDS = (*KINDS, "Service")
    lab: Lab
    _esm = source(*STAGE, "live.js", "timeline.js", "rollout.js")
    _css = source("tokens.css", "live.css", "timeline.css")

    def __init__(self, lab: Lab, deployment: str, namespace: str) -> None:
        self.deployment, self._namespace = deployment, namespace
        self._history = History()
        self._probe: tuple[Load, Tally, str] | None = None
        self._heard_tally: Tally | None = None
        self._until = 0.0
        super().__init__(lab, (deployment, namespace))

    def stop(self) -> None:
        """Follow no more, ask no more."""
        super().stop()
        self._listen(None)
        self._end_probe()

    def draw(self) -> Picture:
        """The versions, their bounds, and the failures."""
        now = rollout_model.look(self.latest, self.deployment, self._namespace)
        known = self._learn(now)
        self._history = rollout_model.advance(self._history, now, self._clock.time())
        told = rollout_model.picture(self._history, now, known, self.deployment)
        return {**told, "failures": self._failures(now), "problem": self.problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Undo, pause, resume, move the canary's share; or begin and end counting failures."""
        do, now = message.get("do"), rollout_model.look(self.latest, self.deployment, self._namespace)
        if do == "alive":
            self._lease()
        elif do == "probe":
            self._begin_probe(now) if message.get("on") else self._end_probe()
        else:
            return {"command": rollout_actions.run(message, now, self.lab.api)}
        return {}

    def text(self) -> str:
        """The rollout in plain words."""
        return rollout_model.text(self._picture)

    def html(self) -> str:
        """The same, for a page."""
        return rollout_model.html(self._picture)

    def _learn(self, now: rollout_model.Look | None) -> versions.Versions:
        book = versions.book(self.lab.name)
        if now is None:
            return book.known
        seen = [(key, rollout_model.as_pod(found)) for key, found in now.sets.items()]
        owners = {o["metadata"]["uid"]: o for kind in KINDS[:2] for o in self.latest.get(kind, ())}
        return book.share(versions.learn(book.known, seen, versions.revisions(owners)))

    # ---- failures -------------------------------------------------------------------------------------------------

    def _hear(self, message: Any) -> None:
        super()._hear(message)
        if isinstance(message, dict):
            self._lease()

    def _lease(self) -> None:
        """Somebody is there: the probe goes on while they look."""
        if self._probe:
            self._probe[0].allow(PROBE if self._watched else 0.0, LEASE if self._watched else 0.0)

    def _service(self, now: rollout_model.Look | None) -> str:
        """The first Service that sends requests to this Deployment's pods; empty if there is none."""
        labels = rollout_model.labels_of_template(now.deployment) if now else {}
        here = (s for s in self.latest.get("Service", ()) if s["metadata"].get("namespace") == self._namespace)
        return next((s["metadata"]["name"] for s in here if from_labels(s["spec"].get("selector")).matches(labels)), "")

    def _failures(self, now: rollout_model.Look | None) -> Picture:
        service = self._service(now)
        found = traffic.running(self.lab, service) if service else None
        tally = found.tally if found else self._probe[1] if self._probe else None
        self._listen(tally)
        said = {"service": service, "by": "traffic" if found else "probe" if self._probe else ""}
        if tally is None:
            return {**said, "seconds": {}}
        since = self._clock.time() - CHARTED
        failed = {str(second): counts[1] for second, counts in tally.seconds().items() if counts[1] and second > since}
        return {**said, "seconds": failed}

    def _listen(self, tally: Tally | None) -> None:
        if tally is self._heard_tally:
            return
        if self._heard_tally and self.changed in self._heard_tally.on_failure:
            self._heard_tally.on_failure.remove(self.changed)
        if tally:
            tally.on_failure.append(self.changed)
        self._heard_tally = tally

    def _begin_probe(self, now: rollout_model.Look | None) -> None:
        service = self._service(now)
        if not service:
            raise LabError("No Service sends requests to these pods, so there is nobody to ask.")
        if self._probe is None:
            tally = Tally()
            way = Way(self.lab.api, f"http://{service}", self._namespace, direct=self.lab.context is None)
            load = Load(way.ask, lambda result: tally.add(result, result.pod, ""), lambda: None)
            self._probe = (load, tally, service)
        self._lease()

    def _end_probe(self) -> None:
        if self._probe:
            self._probe[0].close()
            self._probe = None
