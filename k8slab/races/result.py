"""What a race found: numbers for each kind, a table of them, and what they foretell for other numbers of copies.

`starting.py` fills it in; the Race view draws it. Where a kind is missing here, a recorded race stands in for it and is
marked as a recording (`reference.json`, made by scripts/record_race.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from statistics import mean, median
from typing import Any

NAMES = {"process": "process", "container": "local container", "docker": "Docker container", "vm": "virtual machine"}
MIB = 1 << 20
HEAD = ("", "first instruction", "elsewhere", "all begun", "memory each", "disk each", "kernel")


@dataclass
class Run:
    """One kind's race: seconds and bytes. `absent` says why there was none."""

    kind: str
    absent: str = ""
    note: str = ""
    state: str = "waiting"  # then running, done
    kernel: str = ""  # what `uname -r` said in it
    alone: float = 0.0  # s to the first instruction of a copy that starts alone
    times: list[float] = field(default_factory=list)  # s to the first instruction of each, all started at once
    work: float = 0.0  # s that the same piece of work takes in it
    memory: list[int] = field(default_factory=list)  # PSS of each
    disk: int = 0  # of each, beyond what the machine has anyway

    @property
    def name(self) -> str:
        """Its name for people."""
        return NAMES[self.kind]

    @property
    def measured(self) -> bool:
        """Whether copies ran."""
        return bool(self.times)

    def begun(self, n: int) -> float:
        """Seconds until all of `n` copies have begun: between one and the number that ran measured, else foretold.

        A straight line through the copy that started alone and those that started at once.
        """
        most, ran = self.times[-1], len(self.times)
        slope = (most - self.alone) / (ran - 1) if ran > 1 else self.alone
        return max(self.alone, self.alone + slope * (n - 1)) if n > 1 else self.alone

    def overhead(self, n: int, seconds: float, cores: int) -> float:
        """Which share of the time is getting to work, from 0 to 1, if each of `n` copies works for `seconds`.

        Copies share the cores: twice as many of them as there are cores work twice as long.
        """
        return self.begun(n) / (self.begun(n) + seconds * max(1.0, n / cores))


@dataclass(frozen=True)
class Reference:
    """A race that was recorded: on which machine, and when."""

    machine: str
    date: str
    n: int
    cores: int
    runs: Mapping[str, Run]


@cache
def reference() -> Reference:
    """The recorded race that stands in for what a machine lacks."""
    kept = json.loads((Path(__file__).parent / "reference.json").read_text())
    runs = {run["kind"]: Run(**run) for run in kept["runs"]}
    return Reference(kept["machine"], kept["date"], kept["n"], kept["cores"], runs)


@dataclass(frozen=True)
class Race:
    """What came out. A notebook shows it as a table; `runs` has the numbers, `race["vm"]` one kind's."""

    n: int
    cores: int
    runs: Sequence[Run]

    def __getitem__(self, kind: str) -> Run:
        return next(run for run in self.runs if run.kind == kind)

    def shown(self) -> list[tuple[Run, bool]]:
        """Each kind, and whether it is a recording that stands in for one that is absent here."""
        return [
            (run, False) if run.measured or run.kind not in reference().runs else (reference().runs[run.kind], True)
            for run in self.runs
        ]

    def first(self, kind: str) -> str:
        """When a copy of this kind that starts alone has its first instruction, in words; marked if recorded."""
        run, recorded = self._shown(kind)
        return _marked(lasting(run.alone), recorded) if run.measured else "(not measured)"

    def kernel(self, kind: str) -> str:
        """What `uname -r` says in it; marked if recorded."""
        run, recorded = self._shown(kind)
        return _marked(run.kernel, recorded) if run.measured else "(not measured)"

    def share(self, kind: str, n: int, seconds: float) -> str:
        """Which part of the time `n` copies with so many seconds of work spend on getting to work: "58 %"."""
        run, recorded = self._shown(kind)
        if not run.measured:
            return "(not measured)"
        part = 100 * run.overhead(n, seconds, reference().cores if recorded else self.cores)
        return _marked(f"{part:.0f} %" if part >= 1 else "less than 1 %", recorded)

    def as_dict(self) -> dict[str, Any]:
        """For views and files."""
        return {"n": self.n, "cores": self.cores, "runs": [asdict(run) for run in self.runs]}

    def __repr__(self) -> str:
        rows = [HEAD, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in HEAD)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _shown(self, kind: str) -> tuple[Run, bool]:
        return next(found for found in self.shown() if found[0].kind == kind)

    def _rows(self) -> Iterable[tuple[str, ...]]:
        for run, recorded in self.shown():
            name = f"{run.name} ×{len(run.times)}" + (" (recorded)" if recorded else "")
            if not run.measured:
                yield (name, *[""] * (len(HEAD) - 1))
                continue
            memory = size(round(mean(run.memory))) if run.memory else "not readable"
            begun, most = lasting(median(run.times)), lasting(run.times[-1])
            yield name, begun, "" if recorded else _elsewhere(run.kind), most, memory, size(run.disk), run.kernel

    def _notes(self) -> list[str]:
        notes = [f"{run.name}: {run.absent or run.note}" for run in self.runs if run.absent or run.note]
        if any(not recorded for _, recorded in self.shown()):
            kept = reference()
            notes.append(f"elsewhere: the same with {kept.n} copies of each, on {kept.date} on {kept.machine}.")
        if any(recorded for _, recorded in self.shown()):
            notes.append(f"(recorded): not measured here, but on {reference().date} on {reference().machine}.")
        return notes


def _elsewhere(kind: str) -> str:
    """When a copy of this kind had its first instruction in the recorded race, of those started at once."""
    kept = reference().runs.get(kind)
    return lasting(median(kept.times)) if kept and kept.measured else ""


def _marked(words: str, recorded: bool) -> str:
    return f"{words} (recorded)" if recorded else words


def lasting(seconds: float) -> str:
    """A time span: 4.1 ms, 1.32 s."""
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def size(count: int) -> str:
    """Bytes, for people: 0, 640 KiB, 53 MiB."""
    if count == 0:
        return "0"
    return f"{count / 1024:.0f} KiB" if count < MIB else f"{count / MIB:.{0 if count >= 10 * MIB else 1}f} MiB"
