"""Loop: the controllers below an object, wish beside reality; in slow motion, turned by hand, or switched off.

In each of these the lab holds the loops, for five minutes at most: `lab.loop("deployment/web", hold=True)` for steps
by hand, `slow=2` for one every two seconds, `off=True` for none. `loop_model.py` makes the picture and the words,
`controllers/turning.py` holds and turns, `loop.js` draws.
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
from k8slab.widgets.loop_model import HAND, PHASES, RUN, SLOW, SWITCHED_OFF, Row
from k8slab.widgets.watching import LabView

PAUSE, SHORTEST, SLOWEST = 1.5, 0.3, 10.0  # s between two steps in slow motion
OFF = "The controllers are switched off, so no step is taken. `hold()` turns them by hand."
FREE = "No loop is held, so there is nothing to step through: they run by themselves."
IDLE = "No loop has been woken: nothing they look at has changed."
LONGEST = 300.0  # s: the lab ends a hold then by itself (`controllers/turning.py`)
MOST = 100  # steps in one call


class Told(str):
    """What steps did: in a notebook it is shown as lines, not as a quoted text."""

    def __repr__(self) -> str:
        return str(self)


def show(lab: Any, what: str, hold: bool = False, *, slow: float = 0.0, off: bool = False) -> Loop:
    """The view of the loops below this object: as they are, held for steps by hand, in slow motion, or switched off."""
    try:
        kind, name = loop_model.named(what)
    except ValueError as error:
        raise LabError(str(error)) from None
    view = Loop.of(lab, kind, name)
    if lab.context is not None:
        return view
    if off:
        view.off()
    elif slow:
        view.slow(slow)
    elif hold:
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
        self._mode, self._pause, self._due = RUN, PAUSE, 0.0
        self._open: dict[str, float] = {}  # loop -> since when wish and reality differ
        self._at: dict[str, Any] = {}
        self._told: list[str] = []
        self._one = threading.Lock()  # a cell and a click do not step at the same time
        super().__init__(lab, (kind, name))

    def hold(self) -> None:
        """Hold the loops: nobody repairs anything until `step` or `run`. Five minutes at most."""
        self._enter(HAND)

    def slow(self, pause: float = PAUSE) -> None:
        """Slow motion: a step of read, compare, act every so many seconds. Raises LabError for a pause out of range."""
        if not SHORTEST <= pause <= SLOWEST:
            raise LabError(f"slow takes a pause of {SHORTEST:g} to {SLOWEST:g} seconds, not {pause:g}.")
        self._pause = pause
        self._enter(SLOW)

    def off(self) -> None:
        """Switch the controllers off: nobody compares, nobody acts. Five minutes at most."""
        self._enter(SWITCHED_OFF)

    def step(self, n: int = 1) -> Told:
        """Go on by so many steps of read, compare, act; tells what they did."""
        with self._one:
            told = [OFF] if self._held and self._mode == SWITCHED_OFF else []
            for _ in range(0 if told else min(n, MOST)):
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
        """When the hold ends by itself, or the next slow step is due."""
        if not self._held:
            return None
        next_ = min(self._until, self._due) if self._mode == SLOW else self._until
        return max(0.1, next_ - self._clock.time())

    def draw(self) -> Picture:
        """The loops, and the step that was taken last; in slow motion the next one is taken when it is due."""
        now = self._clock.time()
        self._held = self._held and now < self._until
        if self._held and self._mode == SLOW and now >= self._due:
            self._go_on()
        rows, mode = self._rows(), self._mode if self._held else RUN
        self._open = {row.key: self._open.get(row.key, now) for row in rows if row.wish != row.real}
        told = loop_model.picture(rows, self._at, self._told, f"{self._kind} {self._name}", mode)
        held = {"until": self._until, "since": self._open} if self._held else {"until": 0.0, "since": {}}
        return {**told, **held, "pause": self._pause, "can": self.lab.context is None, "problem": self.problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hold, step, slow, off, run."""
        do = message.get("do")
        if do == "hold":
            self.hold()
        elif do == "slow":
            self.slow(float(message.get("pause", self._pause)))
        elif do == "off":
            self.off()
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

    def _enter(self, mode: str) -> None:
        """Go on in this way; held already, they stay so, and no longer."""
        with self._one:
            self._at = {} if mode == SWITCHED_OFF or not self._held else self._at
            self._open = {}
            if not self._held or self._clock.time() >= self._until:
                self._ask("hold")
                self._until = self._clock.time() + LONGEST
            self._mode, self._due = mode, self._clock.time() + self._pause
        self.changed()

    def _go_on(self) -> None:
        """The step that is due in slow motion, unless somebody steps just now."""
        if not self._one.acquire(blocking=False):
            return
        try:
            if (told := self._step()) not in (FREE, IDLE):
                self._told.append(told)
            elif self._at.get("phase") == "act":
                self._at = {}  # nothing waits: what the last one said has been on show
        finally:
            self._due = self._clock.time() + self._pause
            self._one.release()

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
