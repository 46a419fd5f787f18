"""Journey: one apply, hop by hop, apiserver to process, with the object as it stood and the real time each hop took.

`lab.journey("deployment/web")` follows the next apply of it, `lab.journey(manifest)` applies and follows. A lab tells
its hops (`trace.py`); any other cluster only the seconds in its objects (`journey_outside.py`), and the view says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from k8slab.api.errors import ApiError
from k8slab.api.objects import Obj
from k8slab.lab import manifests
from k8slab.settings import LabError
from k8slab.widgets import journey_model, journey_outside, journey_picture
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.journey_picture import EXACT, OUTSIDE, WAITING
from k8slab.widgets.watching import LabView


def show(lab: Any, what: str | Path | Mapping[str, Any]) -> Journey:
    """The view of an object's way; a manifest is applied as soon as somebody follows it."""
    asked = what if isinstance(what, str) else ""
    if asked and "\n" not in asked and "/" in asked and not asked.endswith((".yaml", ".yml", ".json")):
        try:
            return Journey.of(lab, *journey_model.named(asked))
        except ValueError as error:
            raise LabError(str(error)) from None
    text = manifests.text_of(what)
    view = Journey.of(lab, *followed(manifests.documents(text)))
    lab.apply(text)
    return view


def followed(documents: Sequence[Obj]) -> tuple[str, str]:
    """Whose way is shown: that of the first object that makes pods, or is one. Raises LabError."""
    for obj in documents:
        name = (obj.get("metadata") or {}).get("name")
        if obj.get("kind") in journey_model.KINDS and name:
            return str(obj["kind"]), str(name)
    raise LabError(
        f"A journey ends at a process: the manifest needs one of {', '.join(journey_model.KINDS)} with a name."
    )


class Journey(LabView):
    """The way of one object's last apply."""

    KINDS = journey_outside.WATCHED
    lab: Any  # a Lab: it is asked for its hops
    _esm = source(*STAGE, "live.js", "journey.js")
    _css = source("tokens.css", "live.css", "journey.css")

    def __init__(self, lab: Any, kind: str, name: str) -> None:
        self._kind, self._name, self._namespace = kind, name, lab.namespace
        self._number, self._hops, self._pod = 0, list[Obj](), ""
        self._drawn: tuple[Any, Picture] = None, {}
        super().__init__(lab, (kind, name))

    def start(self) -> None:
        """Have the lab write down its hops, and follow the objects."""
        self._follow()
        super().start()

    def stop(self) -> None:
        """Nobody follows it any more."""
        super().stop()
        with contextlib.suppress(Exception):  # the lab may be gone
            self._is_lab() and self.lab.follow_hops(self._kind, self._name, False)

    def wake(self) -> float | None:
        """A lab is asked again now and then while somebody looks: what is refused changes no object to be heard of."""
        return 1.0 if self._is_lab() else None

    def draw(self) -> Picture:
        """The stations so far."""
        with contextlib.suppress(ApiError, LabError, RuntimeError):  # away, or closed: what is known stays shown
            self._read_on()
        return {**self._picture_of(), "problem": self.problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Go with another pod."""
        if message.get("do") == "follow":
            self._pod = str(message.get("pod", ""))
            return {}
        return super().act(message)

    def text(self) -> str:
        """The journey in plain words."""
        return journey_picture.text(self._picture)

    def html(self) -> str:
        """The same, as a table."""
        return journey_picture.html(self._picture)

    def _is_lab(self) -> bool:
        return self.lab.context is None

    def _follow(self) -> None:
        if self._is_lab():
            self.lab.follow_hops(self._kind, self._name)

    def _read_on(self) -> None:
        """The hops that are new. A server that was started anew has forgotten whom it followed."""
        if not self._is_lab():
            return
        told = self.lab.hops(self._kind, self._name, self._number, len(self._hops))
        if told is None:
            self._follow()
        elif told["journey"]:
            if told["journey"] != self._number:
                self._number, self._hops = told["journey"], []
            self._hops += told["hops"]

    def _picture_of(self) -> Picture:
        """Drawn anew only for news: to compare objects line by line takes a moment."""
        news = self._number, len(self._hops), self._pod, None if self._hops else self.latest
        if self._drawn[0] != news:
            self._drawn = news, self._exact() if self._hops else self._outside()
        return self._drawn[1]

    def _exact(self) -> Picture:
        pods = journey_model.pods(self._hops)
        pod = self._pod if self._pod in pods else next(iter(pods), "")
        return self._told(journey_model.way(self._hops, pod), EXACT, pods, pod)

    def _outside(self) -> Picture:
        at = self._kind, self._name, self._namespace
        pods = journey_outside.pods(self.latest, *at)
        pod = self._pod if self._pod in pods else next(iter(pods), "")
        stations = journey_outside.way(self.latest, *at, pod)
        return self._told(stations, OUTSIDE if stations else WAITING, pods, pod)

    def _told(self, stations: Sequence[journey_model.Station], how: str, pods: Sequence[str], pod: str) -> Picture:
        what = f"{self._kind.lower()}/{self._name}"
        return journey_picture.picture(stations, how, what, pods, pod, self._is_lab())
