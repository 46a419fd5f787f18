"""An exercise's card: it runs the check, goes on looking while something is on its way, starts over, opens hints.

`lesson.py` shows it; what it found is kept in the lesson's session. `checks.py` decides the outcome.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from k8slab.clock import Clock
from k8slab.lab import Lab
from k8slab.teach import pictures
from k8slab.teach.cards import Card
from k8slab.teach.checks import Check, Outcome
from k8slab.teach.session import Tried
from k8slab.teach.words import Exercise
from k8slab.widgets.delta import Picture

AGAIN = 0.5  # s between two looks while something is on its way
PATIENCE = 60.0  # s after which it looks no more by itself


@dataclass(frozen=True)
class Task:
    """What an exercise's card is about: its words, its place in the lesson, its check, and where it stands."""

    words: Exercise
    place: int
    check: Check
    lab: Callable[[], Lab]
    state: Callable[[], Tried]  # of the present run
    record: Callable[..., None]  # into the progress


class ExerciseCard(Card):
    """One exercise. `look` is for cells, the presses are for clicks; both may come at once, from two threads."""

    _esm = Card._esm
    _css = Card._css

    def __init__(self, key: Hashable, task: Task) -> None:
        self._task = task
        self._time = Clock()
        self._done = threading.Event()
        self._done.set()
        presses = {"check": self.look, "over": self._over, "hint": self.open_rung}
        super().__init__(key, self._card, {do: lambda _, act=act: act() for do, act in presses.items()})  # type: ignore[misc]

    def _card(self) -> Picture:
        task = self._task
        return pictures.exercise(task.words, task.state(), task.place, can_start=task.check.start is not None)

    def look(self) -> Outcome:
        """Run the check now. While its outcome is `soon`, run it again about twice a second, for a minute at most."""
        outcome, state = self._run(), self._task.state()
        state.until = 0.0
        if outcome.kind == "soon":
            state.until = round(self._time.time() + PATIENCE, 1)
            self._watch()
        return outcome

    def begin(self) -> None:
        """Put the exercise's situation in place, and forget what was found. Raises what its `start` raises."""
        self.unwatch()
        if self._task.check.start is not None:
            self._task.check.start(self._task.lab())
        state = self._task.state()
        state.outcome, state.until = None, 0.0
        self.changed()

    def open_rung(self) -> None:
        """Open the next hint; after the last one, the solution."""
        words, state = self._task.words, self._task.state()
        state.opened = min(state.opened + 1, len(words.hints) + bool(words.solution))
        self._task.record(hints=state.opened)

    def unwatch(self) -> None:
        """Look no more by itself."""
        self._done.set()

    def stop(self) -> None:
        """The card is about to go."""
        self.unwatch()

    def _run(self) -> Outcome:
        state = self._task.state()
        outcome = state.outcome = self._task.check.run(self._task.lab())
        state.checked = round(self._time.time(), 1)
        self._task.record(right=outcome.kind == "right", hints=state.opened)
        return outcome

    def _over(self) -> None:
        self._task.state().busy = "It is being put in place …"
        self.post(self._begin_and_look)  # drawn first, done next

    def _begin_and_look(self) -> None:
        try:
            self.begin()
            self.look()
        finally:
            self._task.state().busy = ""

    def _watch(self) -> None:
        if self._done.is_set():
            self._done = threading.Event()
            watching: Any = (self._done,)
            threading.Thread(target=self._watching, args=watching, name="k8slab check", daemon=True).start()

    def _watching(self, done: threading.Event) -> None:
        """Has the card's own thread look, until that says enough."""
        while not done.wait(AGAIN):
            self.post(lambda: self._look_again(done))

    def _look_again(self, done: threading.Event) -> None:
        if done.is_set():
            return
        state = self._task.state()
        if self._run().kind != "soon" or self._time.time() > state.until:
            state.until = 0.0
            done.set()
