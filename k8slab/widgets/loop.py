"""Loop: the controllers below an object, wish beside reality; held by the lab, their loops are turned by hand.

`show(lab, "deployment/web", hold=True)` holds them, for five minutes at most. `loop_model.py` makes the picture and the
words, `controllers/turning.py` holds and turns, `loop.js` draws.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from k8slab.settings import LabError
from k8slab.widgets import loop_model
from k8slab.widgets.base import STAGE, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.loop_model import PHASES, Row
from k8slab.widgets.watching import LabView

FREE = "No loop is held, so there is nothing to step through: they run by themselves."
IDLE = "No loop has been woken: nothing they look at has changed."
LONGEST = 300.0  # s: the lab ends a hold then by itself (`controllers/turning.py`)
MOST = 100  # steps in one call


class Told(str):
    """What steps did: in a notebook it is shown as lines, not as a quoted text."""

    def __repr__(self) -> str:
        return str(self)


def show(lab: Any, what: str, hold: bool = False) -> Loop:
    """The view of the loops below this object, held or not."""
    try:
        kind, name = loop_model.named(what)
    except ValueError as error:
        raise LabError(str(error)) from None
    view = Loop.of(lab, kind, name)
    if hold and lab.context is None:
        view.hold()
    return view


class Loop(LabView):
    """The loops below one object."""

    KINDS = loop_model.KINDS
    lab: Any  # a Lab: it is asked to hold
    _esm = source(*STAGE, "live.js", "loop.js")
    _css = source("tokens.css", "live.css", "loop.css")

    def __init__(self, lab: Any, kind: str, name: str) -> None:
        self._kind, self._name, self._namespace = kind, name, lab.namespace
        self._held, self._until = False, 0.0
        self._at: dict[str, Any] = {}
        self._told: list[str] = []
        self._one = threading.Lock()  # a cell and a click do not step at the same time
        super().__init__(lab, (kind, name))

    def hold(self) -> None:
        """Hold the loops: nobody repairs anything until `step` or `run`. Five minutes at most."""
        with self._one:
            self._at = {}
            self._ask("hold")
            self._until = self._clock.time() + LONGEST
        self.changed()

    def step(self, n: int = 1) -> Told:
        """Go on by so many steps of read, compare, act; tells what they did."""
        with self._one:
            told = []
            for _ in range(min(n, MOST)):
                told.append(self._step())
                if told[-1] in (FREE, IDLE):
                    break
            self._told += told
        self.changed()
        return Told("\n".join(told))

    def run(self) -> None:
        """Let the loops run by themselves again."""
        with self._one:
            self._at = {}
            if self._held:
                self._ask("release")
        self.changed()

    def stop(self) -> None:
        """Look no more; hold no more."""
        super().stop()
        with contextlib.suppress(Exception):  # the lab may be gone
            self.run()

    def wake(self) -> float | None:
        """When the hold ends by itself."""
        return max(0.1, self._until - self._clock.time()) if self._held else None

    def draw(self) -> Picture:
        """The loops, and the step that was taken last."""
        self._held = self._held and self._clock.time() < self._until
        what = f"{self._kind} {self._name}"
        can = self.lab.context is None
        told = loop_model.picture(self._rows(), self._at, self._told, what, self._held)
        return {**told, "can": can, "problem": self.problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hold, step, run."""
        do = message.get("do")
        if do == "hold":
            self.hold()
        elif do == "step":
            self.step()
        elif do == "run":
            self.run()
        else:
            return super().act(message)
        return {}

    def text(self) -> str:
        """The view in plain words."""
        return loop_model.text(self._picture)

    def html(self) -> str:
        """The same, for a page."""
        return loop_model.html(self._picture)

    def _rows(self) -> list[Row]:
        return loop_model.rows(self.latest, self._kind, self._name, self._namespace)

    def _ask(self, do: str, kind: str = "", name: str = "") -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.lab.turn_loops(do, kind or self._kind, name or self._name)
        self._held = bool(told["held"])
        return told

    def _step(self) -> str:
        now = self._ask("look") if self._held else {}
        if not self._held:
            self._at = {}
            return FREE
        if self._at.get("phase") in (None, "act") and not self._begin(now["waiting"]):
            return IDLE
        row, said = self._at["row"], self._at["said"]
        phase = PHASES[len(said)]
        if phase == "act":
            said[phase] = loop_model.acted(self._ask("turn", row.kind, row.name)["wrote"], row)
        else:
            said[phase] = loop_model.read(row) if phase == "read" else loop_model.compare(row)
        self._at = {**self._at, "phase": phase, "said": dict(said)}
        return f"{row.kind} {row.name}, {phase}: {said[phase]}"

    def _begin(self, waiting: list[Mapping[str, str]]) -> bool:
        rows = {row.key: row for row in self._rows()}
        found = [rows[key] for one in waiting if (key := f"{one['kind']}/{one['name']}") in rows]
        self._at = {"row": found[0], "key": found[0].key, "said": {}} if found else {}
        return bool(found)
