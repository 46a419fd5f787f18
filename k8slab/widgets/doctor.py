"""`lab.doctor()`: this machine as a picture. Which runtime, which fences around a container, what is missing, and the
line that would add it.

`k8slab/doctor.py` tries everything for real; this file groups, words and draws it: a still picture, for there is
nothing to press. The table of `k8slab doctor` is folded into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from k8slab.doctor import MEANINGS, Finding, Findings, as_text, examine
from k8slab.widgets.feed import LabLike
from k8slab.widgets.still import style

NAMES = {  # fence or limit -> how a learner would say it; the namespace's own name stays beside it
    "user": "Users",
    "pid": "Processes",
    "mount": "Files",
    "uts": "Host name",
    "ipc": "Shared memory",
    "net": "Network",
    "cgroup": "Control group",
    "files": "Your files",
    "calls": "Kernel calls",
    "privileges": "Rights",
    "cpu": "CPU",
    "memory": "Memory",
    "pids": "Processes",
}
WORDS = {"ready": "there", "notready": "in part", "pending": "missing"}
RUNTIMES = {"docker": "Docker Engine", "local": "Linux processes", "simulated": "Records"}


class Row(NamedTuple):
    """One thing that is there, in part, or missing; `code` is the name it has elsewhere."""

    name: str
    text: str
    state: str
    code: str = ""


class Group(NamedTuple):
    """Things of one sort."""

    title: str
    rows: Sequence[Row]

    @property
    def tally(self) -> str:
        """How many of them are there."""
        return f"{sum(row.state == 'ready' for row in self.rows)} of {len(self.rows)}"


class Machine(NamedTuple):
    """All that is drawn. `fixes` are names with the lines that would add them."""

    headline: str
    facts: str
    runtimes: Sequence[Row]
    chosen: str
    around: Sequence[Group]
    beside: Sequence[Group]
    fixes: Sequence[tuple[str, str]]


def show(lab: LabLike) -> Doctor:
    """What is real here. Takes some ten milliseconds where fences work: each is tried."""
    return Doctor(examine(), lab.abilities)


class Doctor:
    """The picture; its words are those of `k8slab doctor`."""

    def __init__(self, findings: Findings, abilities: Mapping[str, Any]) -> None:
        self.findings = findings
        self.machine = compose(findings, abilities)

    def __repr__(self) -> str:
        return f"{self.machine.headline}\n\n{as_text(self.findings, 100)}"

    def _repr_html_(self) -> str:
        return draw(self.machine, as_text(self.findings, 100))


def compose(findings: Iterable[Finding], lab: Mapping[str, Any]) -> Machine:
    """What was found, and what the lab's own runtime says of itself. Pure."""
    found = list(findings)
    by: dict[str, list[Finding]] = {}
    for one in found:
        by.setdefault(one.group, []).append(one)
    runtime = str(lab.get("runtime", ""))
    around = _around(runtime, by, lab)
    helpers = [Row(one.name, one.detail, _state(one)) for one in by.get("program", ()) if one.name != "docker"]
    beside = [Row(_capital(one.name), one.detail, _state(one)) for group in BESIDE for one in by.get(group, ())]
    return Machine(
        _headline(runtime, around),
        " · ".join(_machine(by.get("machine", ()))),
        [Row(RUNTIMES[one.name], one.detail, _state(one), one.name) for one in by.get("runtime", ())],
        runtime,
        around,
        [Group("The lab", _lab(lab)), Group("Beside it", beside), Group("Helpers", helpers)],
        [(NAMES.get(one.name, one.name), one.remedy) for one in found if not one.present and one.remedy],
    )


BESIDE = ("machine beside it", "images")


def _around(runtime: str, by: Mapping[str, Sequence[Finding]], lab: Mapping[str, Any]) -> list[Group]:
    """What each container of this lab has around it. An engine's containers have what the engine gives them."""
    if runtime in ("simulated", "cluster"):  # nothing runs, or not here
        return []
    if runtime == "docker":
        there, missing = set(lab.get("fences", ())), dict(lab.get("missing", {}))
        rows = [
            Row(NAMES[name], MEANINGS[name] if name in there else missing.get(name, ""), _is(name in there), name)
            for name in lab.get("all_fences", ())
        ]
        return [Group("Fences", rows)]
    fences = {group: [_row(one) for one in by.get(group, ())] for group in ("fence", "guard", "limit")}
    titles = {"fence": "Fences", "guard": "Guards", "limit": "Limits"}
    return [Group(titles[group], rows) for group, rows in fences.items() if rows]


def _headline(runtime: str, around: Sequence[Group]) -> str:
    if runtime == "simulated":
        return "Containers here are records: nothing runs, and nothing is fenced."
    if runtime == "cluster":
        return "Containers are your cluster's: what fences them is decided there."
    real = "containers of Docker Engine" if runtime == "docker" else "real processes"
    counts = [f"{group.tally} {group.title.lower()}" for group in around]
    return f"Containers here are {real}, with {_listed(counts)}." if counts else f"Containers here are {real}."


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def _machine(findings: Iterable[Finding]) -> Iterator[str]:
    for one in findings:
        if one.name == "ports below 1024":
            yield "ports below 1024 open" if one.present else "ports below 1024 closed"
        elif one.name == "CPUs":
            yield f"{one.detail} CPU{'' if one.detail == '1' else 's'}"
        else:
            yield f"{one.name} {one.detail}" if one.name == "Python" else one.detail


def _row(one: Finding) -> Row:
    return Row(NAMES.get(one.name, one.name), one.detail, _state(one), one.name)


def _state(one: Finding) -> str:
    return _is(one.present)


def _is(there: bool) -> str:
    return "ready" if there else "pending"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lab(lab: Mapping[str, Any]) -> list[Row]:
    records = lab.get("runtime") == "simulated"
    if lab.get("runtime") == "cluster":
        return [Row("Everything", "Your cluster's own.", "ready")]
    addresses = "Names only: nothing listens." if records else "Real TCP: `lab.get` and `curl` reach them."
    nodes = f"{lab.get('nodes', 'Several')} on one machine. A pulled plug ends their containers."
    speed = float(lab.get("speed", 1.0))
    time = "Kubernetes’ own waits." if speed == 1 else f"Kubernetes’ waits, divided by {speed:g}."
    return [
        Row("API", f"Answers as Kubernetes {lab.get('version', '')} would.", "ready"),
        Row("Addresses", addresses, _is(not records)),
        Row("Nodes", nodes, "notready"),
        Row("Time", time, "ready" if speed == 1 else "notready"),
    ]


# ---- the picture -----------------------------------------------------------------------------------------------


def draw(machine: Machine, table: str) -> str:
    """One figure, complete in itself: the machine, in it a container with its fences, beside it the rest."""
    runtimes = "".join(_runtime(row, row.code == machine.chosen) for row in machine.runtimes)
    around = "".join(_fences(group) for group in machine.around)
    container = (
        f'<section class="box" aria-label="A container"><h3>A container</h3>{around}</section>' if around else ""
    )
    beside = "".join(_facts(group) for group in machine.beside if group.rows)
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{_line(line)}</dd>" for name, line in machine.fixes)
    fixes = f'<div class="fixes"><p>What is missing comes with</p><dl>{lines}</dl></div>' if lines else ""
    return (
        f'<figure class="kl doctor"><style>{style("doctor.css")}</style>'
        f"<figcaption><b>{escape(machine.headline)}</b></figcaption>"
        f'<div class="place"><p class="where"><b>This machine</b> {escape(machine.facts)}</p>'
        f'<ul class="runtimes">{runtimes}</ul>{container}</div>'
        f'<div class="beside">{beside}</div>{fixes}'
        f"<details><summary>As a table</summary><pre>{escape(table)}</pre></details></figure>"
    )


def _runtime(row: Row, chosen: bool) -> str:
    return _item(row, '<span class="kl-badge">this lab</span>' if chosen else "", "chosen" if chosen else "")


def _fences(group: Group) -> str:
    tiles = "".join(map(_item, group.rows))
    return f'<h4>{escape(group.title)} <span>{group.tally}</span></h4><ul class="fences">{tiles}</ul>'


def _facts(group: Group) -> str:
    title, rows = escape(group.title), "".join(map(_item, group.rows))
    return f'<section aria-label="{title}"><h3>{title}</h3><ul class="facts">{rows}</ul></section>'


def _item(row: Row, badge: str = "", cls: str = "") -> str:
    return f'<li class="{cls}" data-state="{row.state}">{_sign(row)}{_name(row)}{badge}{_said(row)}</li>'


def _sign(row: Row) -> str:
    return f'<i class="kl-glyph" role="img" aria-label="{WORDS[row.state]}"></i>'


def _name(row: Row) -> str:
    code = f" <code>{escape(row.code)}</code>" if row.code else ""
    return f"<span><b>{escape(row.name)}</b>{code}</span>"


def _said(row: Row) -> str:
    word = "" if row.state == "ready" else f"<em>{_capital(WORDS[row.state])}.</em> "
    return f"<p>{word}{_marked(row.text)}</p>"


def _line(fix: str) -> str:
    return _marked(fix if "`" in fix else f"`{fix}`")


def _marked(text: str) -> str:
    """`Like this` is what can be typed."""
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(escape(text).split("`")))
