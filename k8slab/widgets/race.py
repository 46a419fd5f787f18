"""The Race: process, containers, virtual machine; when each began, what it takes, whose kernel it runs on.

`lab.race()` shows it and starts it; `race_model.py` makes the picture out of what `k8slab.races` measures, `race.js`
draws it. A race looks at the machine below and not at the cluster: the lab only lends its name.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any

from k8slab import races
from k8slab.races import MOST, Run
from k8slab.settings import LabError
from k8slab.widgets import race_model
from k8slab.widgets.base import STAGE, View, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import LabLike

Runner = Callable[..., races.Race]


def show(lab: LabLike, n: int = 3, *, runner: Runner = races.race) -> Race:
    """The lab's race, begun with `n` copies of each kind. Shown again with another number, it is run again."""
    view = Race.shown(lab.name, lambda: Race(lab, n, runner))
    if view.n != n:
        view.begin(n)
    return view


class Stopped(Exception):
    """The view was closed while its race ran."""


class Race(View):
    """A race, live. `result()` waits for it."""

    _esm = source(*STAGE, "live.js", "timeline.js", "race.js")
    _css = source("tokens.css", "live.css", "timeline.css", "race.css")

    def __init__(self, lab: LabLike, n: int, runner: Runner) -> None:
        self.lab, self.n, self._runner = lab, n, runner
        self._runs: dict[str, Run] = {}
        self._work = race_model.WORK
        self._thread: threading.Thread | None = None
        self._found: races.Race | None = None
        self._problem = ""
        super().__init__(lab.name)

    def start(self) -> None:
        """Begin the first race."""
        self.begin(self.n)

    def stop(self) -> None:
        """Have the race end early, and wait until all it started is gone."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def begin(self, n: int) -> None:
        """Race with `n` copies of each kind, in a thread of its own. Raises LabError if one is being run."""
        if not 1 <= n <= MOST:
            raise LabError(f"A race is for 1 to {MOST} copies, not for {n}.")
        if self.running:
            raise LabError("The race is still being run.")
        self.n, self._runs, self._found, self._problem = n, {}, None, ""
        self._thread = threading.Thread(target=self._race, name="k8slab race", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether a race is being run now."""
        return self._thread is not None and self._thread.is_alive() and self._found is None and not self._problem

    def result(self) -> races.Race:
        """What came out; waits until it has. Raises LabError if it could not be run."""
        if self._thread is not None:
            self._thread.join()
        if self._found is None:
            raise LabError(self._problem or "The race was stopped.")
        return self._found

    def draw(self) -> Picture:
        """Where the race stands, and what it foretells."""
        done = self._found is not None
        runs = [self._runs.get(kind, Run(kind)) for kind in races.KINDS]
        return {**race_model.picture(runs, self.n, self._work, done=done), "problem": self._problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Race again, or take another length of work for the chart."""
        if message.get("do") == "again":
            self.begin(int(message["n"]))
            return {}
        if message.get("do") == "work":
            self._work = max(0, min(len(race_model.WORKS) - 1, int(message["step"])))
            return {}
        return super().act(message)

    def text(self) -> str:
        """The race in plain words."""
        return race_model.text(self._picture)

    def html(self) -> str:
        """The race as a table."""
        return race_model.html(self._picture)

    def _race(self) -> None:
        def heard(run: Run) -> None:
            if self._closing.is_set():
                raise Stopped
            self._runs[run.kind] = copy.copy(run)
            self.changed()

        try:
            self._found = self._runner(self.n, hear=heard)
        except Stopped:
            return
        except Exception as error:
            self._problem = f"The race could not be run: {error}"
        self.changed()
