"""Isolation: what a process sees as one fence after the other is put around it, and what a virtual machine sees.

`lab.isolation()` shows it and has it looked at, for real (`k8slab.races.looking`); `isolation.js` draws. It looks at
the machine below and not at the cluster: the lab only lends its name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from k8slab.races import looking
from k8slab.races.looking import ASPECTS, Step
from k8slab.widgets.base import STAGE, View, source
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import LabLike

Looker = Callable[[Callable[[Step], None]], list[Step]]
NAMES = {
    "user": "who it is",
    "hostname": "host name",
    "pids": "processes",
    "network": "network devices",
    "files": "files in /tmp",
    "memory": "memory",
    "kernel": "kernel",
}


def show(lab: LabLike, *, looker: Looker = looking.look) -> Isolation:
    """The lab's view of what fences hide; looked at when it is first shown."""
    return Isolation.shown(lab.name, lambda: Isolation(lab, looker))


class Isolation(View):
    """The steps, one to be chosen, and three ways to run beside each other."""

    _esm = source(*STAGE, "isolation.js")
    _css = source("tokens.css", "live.css", "isolation.css")

    def __init__(self, lab: LabLike, looker: Looker) -> None:
        self.lab, self._looker = lab, looker
        self._steps: list[Step] = []
        self._done = False
        self._problem = ""
        self._thread: threading.Thread | None = None
        super().__init__(lab.name)

    def start(self) -> None:
        """Look for the first time."""
        self.look()

    def stop(self) -> None:
        """Wait until the last look is over."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def look(self) -> None:
        """Have everything looked at anew, in a thread of its own."""
        if self._thread is not None and not self._done:
            raise ValueError("It is being looked at already.")
        self._steps, self._done, self._problem = [], False, ""
        self._thread = threading.Thread(target=self._look, name="k8slab isolation", daemon=True)
        self._thread.start()

    def draw(self) -> Picture:
        """What each step saw."""
        return {**picture(self._steps, done=self._done), "problem": self._problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Look again."""
        if message.get("do") == "look":
            self.look()
            return {}
        return super().act(message)

    def text(self) -> str:
        """The steps in plain words."""
        return text(self._picture)

    def html(self) -> str:
        """The steps as a table."""
        return html(self._picture)

    def _look(self) -> None:
        def heard(step: Step) -> None:
            self._steps = [*self._steps, step]
            self.changed()

        try:
            self._steps = self._looker(heard)
        except Exception as error:
            self._problem = f"It could not be looked at: {error}"
        self._done = True
        self.changed()


def picture(steps: list[Step], *, done: bool) -> Picture:
    """Each step with its answers and which of them changed, and the three that stand side by side. Pure."""
    drawn, before = {}, dict[str, str]()
    for place, step in enumerate(steps):
        said = {aspect: words(aspect, value) for aspect, value in step.sees.items()}
        differs = [aspect for aspect in ASPECTS if before and said and told_apart(aspect, said, before)]
        drawn[step.name] = {
            "order": place, "title": step.title, "call": step.call, "ok": step.ok, "why": step.why, "sees": said,
            "changed": differs if step.name != "vm" else [],
        }  # fmt: skip
        before = said if step.ok and step.name != "vm" else before
    inside = [step.name for step in steps if step.ok and step.name != "vm"]
    sides = {"process": "process", "container": inside[-1] if len(inside) > 1 else "", "vm": "vm"}
    names = [{"key": aspect, "name": NAMES[aspect]} for aspect in ASPECTS]
    return {"steps": drawn, "sides": sides, "aspects": names, "done": done, "say": _say(steps, done)}


def words(aspect: str, value: str) -> str:
    """An answer for people."""
    if aspect == "network":
        devices = value.split()
        return ", ".join(devices) if len(devices) <= 3 else f"{', '.join(devices[:2])} and {len(devices) - 2} more"
    if aspect == "memory" and value.split()[0].isdigit():
        return f"{int(value.split()[0]) / 1024:,.0f} MiB"
    return value


def told_apart(aspect: str, now: Mapping[str, str], before: Mapping[str, str]) -> bool:
    """Whether the fence changed this answer; a count that moves by itself has to fall by half."""
    if aspect in ("pids", "files") and now[aspect].isdigit() and before[aspect].isdigit():
        return int(now[aspect]) * 2 <= int(before[aspect]) and now[aspect] != before[aspect]
    return now[aspect] != before[aspect]


def text(found: Picture) -> str:
    """A line for each step."""
    lines = [found["say"]]
    for step in sorted(found["steps"].values(), key=lambda step: step["order"]):
        sees = ", ".join(f"{NAMES[aspect]} {value}" for aspect, value in step["sees"].items())
        lines.append(f"  {step['title']}: {sees or 'refused: ' + step['why']}")
    return "\n".join(lines)


def html(found: Picture) -> str:
    """A table: a row for each step."""
    cell = "style='padding:2px 12px 2px 0;text-align:left'"
    head = "".join(f"<th {cell}>{escape(name)}</th>" for name in ("", *NAMES.values()))
    rows = []
    for step in sorted(found["steps"].values(), key=lambda step: step["order"]):
        title = f"<th {cell}>{escape(step['title'])}</th>"
        seen = "".join(f"<td {cell}>{escape(step['sees'].get(aspect, ''))}</td>" for aspect in NAMES)
        refused = f"<td colspan='{len(NAMES)}'>{escape(step['why'])}</td>"
        rows.append(f"<tr>{title}{seen if step['ok'] else refused}</tr>")
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    say = f"<figcaption>{escape(found['say'])}</figcaption>"
    style = "font:13px/1.5 system-ui,sans-serif;margin:0"
    return f"<figure style='{style}'>{say}<table style='border-collapse:collapse'>{body}</table></figure>"


def _say(steps: list[Step], done: bool) -> str:
    fences = [step for step in steps if step.name not in ("process", "vm")]
    if not done:
        return f"Looking: {len(fences)} fences so far." if steps else "A process is asked what it sees."
    put = sum(step.ok for step in fences)
    return f"{put} of {len(fences)} fences can be put around a process here, by hand and without root."
