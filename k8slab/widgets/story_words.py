"""The sentences of the story: titles of causes, and what followed from them. Whole sentences, one function each.

Pure. `story.py` looks them up by the word with which `noticing.py` named what happened. `**bold**` marks a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Facts = Mapping[str, Any]
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class Line:
    """A consequence. The same thing happening to more pods makes the sentence longer, not the list."""

    what: str
    names: tuple[str, ...] = ()
    facts: Facts = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    after: float = 0.0  # seconds since the cause, when it last grew


def _released(name: str, f: Facts) -> str:
    if f["tag"] == f["was"]:
        return f"**{name}** was given a new pod template"
    return f"**{f['tag']}** of **{name}** was released"


def _crashed(name: str, f: Facts) -> str:
    if f["times"] < 2:
        return f"**{name}**{_of(f)} crashed"
    nth = ORDINALS[f["times"]] if f["times"] < len(ORDINALS) else f"{f['times']}th"
    return f"**{name}**{_of(f)} crashed for the {nth} time"


TITLES: Mapping[str, Callable[[str, Facts], str]] = {
    "created": lambda name, f: f"{f['kind']} **{name}** was created and wants {pods(f['wants'])}",
    "released": _released,
    "scaled": lambda name, f: f"**{name}** should have {pods(f['wants'])}, not {f['was']} any more",
    "wish-gone": lambda name, f: f"{f['kind']} **{name}** was deleted",
    "deleted": lambda name, f: f"**{name}**{_of(f)} was deleted",
    "pod-created": lambda name, f: f"Pod **{name}** was created, with no owner",
    "freed": lambda name, f: f"**{name}** was released: it no longer belongs to {f['set']}",
    "crashed": _crashed,
    "silent": lambda name, f: f"**{name}** does not answer any more",
    "node-back": lambda name, f: f"**{name}** answers again",
    "cordoned": lambda name, f: f"**{name}** was cordoned: no new pod may go there",
    "uncordoned": lambda name, f: f"**{name}** takes pods again",
    # consequences that are told even where nobody knows their cause
    "no-image": lambda name, f: f"**{name}** cannot have its image",
    "backing-off": lambda name, f: f"**{name}** crashes again and again",
    "failed": lambda name, f: f"**{name}** failed",
    "unplaced": lambda name, f: f"**{name}** finds no node",
    "unhealthy": lambda name, f: f"**{name}** fails its {f['probe']} probe",
    "warning": lambda name, f: f"**{name}** has trouble",
    "evicted": lambda name, f: f"Pods of {f['node']} are given up",
    "done": lambda name, f: f"**{name}** has done its work",
    "made": lambda name, f: f"{f['kind']} {short(f['set'])} had too few pods",
}


def _made(n: Line, made: int) -> str:
    owner = f"{n.facts['kind']} {short(n.facts['set'])}"
    return f"{owner} wanted {n.facts['wants']}, saw {n.facts['saw']}, made {these(n.names)}."


def _placed(n: Line, made: int) -> str:
    what = these(n.names) if len(n.names) < 3 else f"{len(n.names)} pods"
    return f"The scheduler put {what} on {listed(n.nodes)}."


def _ready(n: Line, made: int) -> str:
    if len(n.names) == 1 and made < 2:
        return f"**{n.names[0]}** was ready {_soon(n)}."
    if len(n.names) >= made:
        all_of_them = "Both" if len(n.names) == 2 else f"All {len(n.names)}"
        return f"{all_of_them} were ready {_soon(n)}."
    return f"{len(n.names)} of {made} are ready."


def _unhealthy(n: Line, made: int) -> str:
    if n.facts["probe"] == "readiness":
        return f"{these(n.names)} runs, but its readiness probe fails: no requests for it yet."
    return f"{these(n.names)}: its {n.facts['probe']} probe fails, so the kubelet will start it again."


SENTENCES: Mapping[str, Callable[[Line, int], str]] = {  # the number: how many pods this chapter made
    "new-set": lambda n, _: f"The Deployment made a new ReplicaSet, {short(n.names[-1])}.",
    "made": _made,
    "placed": _placed,
    "ready": _ready,
    "let-go": lambda n, _: (
        f"{n.facts['kind']} {short(n.facts['set'])} has more than it wants: {these(n.names)} may go."
    ),
    "gone": lambda n, _: f"{these(n.names)} {'is' if len(n.names) == 1 else 'are'} gone.",
    "evicted": lambda n, _: f"{these(n.names)}: given up, because {listed(n.nodes)} does not answer.",
    "crashed": lambda n, _: f"Its container {n.facts['how']}. The kubelet on {listed(n.nodes)} started it again.",
    "silent": lambda n, _: "Its heartbeat stopped. How its pods are, nobody knows.",
    "freed": lambda n, _: "Its labels no longer match, so it does not count. It goes on running.",
    "done": lambda n, _: f"{these(n.names)} completed.",
    "no-image": lambda n, _: f"{these(n.names)} cannot start: {n.facts['why']}",
    "backing-off": lambda n, _: f"{these(n.names)}: {n.facts['why']}",
    "failed": lambda n, _: f"{these(n.names)} failed. {n.facts['why']}",
    "unplaced": lambda n, _: f"{these(n.names)} waits. {n.facts['why']}",
    "unhealthy": _unhealthy,
    "warning": lambda n, _: f"{these(n.names)}: {n.facts['reason']}. {n.facts['why']}",
}


def these(names: Sequence[str]) -> str:
    """Names in bold; of more than three, the first two and how many more."""
    bold = [f"**{name}**" for name in names]
    return f"{bold[0]}, {bold[1]} and {len(bold) - 2} more" if len(bold) > 3 else listed(bold)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def pods(number: int) -> str:
    """`one pod`, `3 pods`."""
    return "one pod" if number == 1 else f"{number} pods"


def short(name: str) -> str:
    """`7d5bc` of web-7d5bc: what tells one ReplicaSet of a Deployment from the next."""
    return name.rpartition("-")[2] or name


def _of(f: Facts) -> str:
    return f", a pod of **{f['app']}**," if f.get("owned") else ""


def _soon(n: Line) -> str:
    if n.after < 0.05:
        return "at once"
    return "after " + f"{n.after:.1f} s" if n.after < 10 else f"{n.after:.0f} s"
