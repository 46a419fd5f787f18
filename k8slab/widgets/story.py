"""What happened, told: newest cause first, its consequences grouped below it, each a whole sentence.

Pure: `advance(story, happenings, deeds, now)`. `noticing.py` finds what happened; what the learner did through a view is
told by the view itself (`Deed`), so that it need not be guessed. `**bold**` marks names; views draw it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from k8slab.widgets.noticing import Happening

CHAPTERS = 12  # told at most; older ones are forgotten
LINES = 8
BAD = {"no-image", "backing-off", "failed", "unplaced", "unhealthy", "warning"}


@dataclass(frozen=True)
class Deed:
    """What the learner did through a view: a title of its own, whom it concerns, and which causes it accounts for."""

    title: str
    about: frozenset[str]
    covers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Line:
    """A consequence. The same thing happening to more pods makes the sentence longer, not the list."""

    what: str
    names: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    after: float = 0.0  # seconds since the cause, when it last grew


@dataclass(frozen=True)
class Chapter:
    """A cause and what followed. `number` is its identity."""

    number: int
    at: float
    title: str
    about: frozenset[str]
    covers: frozenset[str] = frozenset()
    lines: Mapping[str, Line] = field(default_factory=dict)


Story = tuple[Chapter, ...]  # newest first


def advance(story: Story, happenings: Iterable[Happening], deeds: Sequence[Deed], now: float) -> Story:
    """The story with what the learner did, and then with what happened."""
    for deed in deeds:
        story = _open(story, deed.title, deed.about, deed.covers, now)
    for happening in happenings:
        story = _tell(story, happening, now)
    return story


def told(story: Story) -> dict[str, dict[str, Any]]:
    """The story as a picture: by number, `at` in seconds since 1970, and sentences with their lines."""
    return {
        str(chapter.number): {
            "at": chapter.at,
            "title": chapter.title,
            "lines": [{"say": _sentence(line, chapter), "bad": line.what in BAD} for line in chapter.lines.values()][:LINES],
        }
        for chapter in story
    }


def _tell(story: Story, happening: Happening, now: float) -> Story:
    if happening.cause:
        known = next((c for c in story if happening.cause in c.covers and now - c.at < 120), None)
        if known is None:
            title = TITLES[happening.what](happening.name, happening.facts)
            story = _open(story, title, happening.about, frozenset({happening.cause}), now)
            known = story[0]
        else:
            known = replace(known, about=known.about | happening.about, covers=_spent(known.covers, happening.cause))
            story = _put(story, known)
        return story if happening.what not in SENTENCES else _put(story, _extended(known, happening, now))
    if happening.what not in SENTENCES:
        return story
    chapter = _chapter_of(story, happening)
    if chapter is None:
        line = Line(happening.what, (happening.name,), happening.facts)
        if happening.what not in ALONE:
            return story
        return _open(story, ALONE[happening.what](happening.name, line.facts), happening.about, frozenset(), now)
    return _put(story, _extended(chapter, happening, now))


def _spent(covers: frozenset[str], cause: str) -> frozenset[str]:
    """A crash may come again and is then a cause of its own; a deletion cannot."""
    return covers - {cause} if cause.startswith("crashed:") else covers


def _chapter_of(story: Story, happening: Happening) -> Chapter | None:
    """The newest chapter about this very pod, else the newest about those it belongs to."""
    return next((c for c in story if happening.subject in c.about), None) or next(
        (c for c in story if happening.about & c.about), None
    )


def _open(story: Story, title: str, about: frozenset[str], covers: frozenset[str], now: float) -> Story:
    number = story[0].number + 1 if story else 1
    return (Chapter(number, now, title, about, covers), *story)[:CHAPTERS]


def _put(story: Story, chapter: Chapter) -> Story:
    return tuple(chapter if c.number == chapter.number else c for c in story)


def _extended(chapter: Chapter, happening: Happening, now: float) -> Chapter:
    key = f"{happening.what}:{happening.facts.get('set', '')}" if happening.what not in BAD else f"{happening.what}:{happening.subject}"
    line = chapter.lines.get(key) or Line(happening.what, facts=happening.facts)
    names = line.names if happening.name in line.names else (*line.names, happening.name)
    node = happening.facts.get("node")
    nodes = (*line.nodes, node) if node and node not in line.nodes else line.nodes
    line = replace(line, names=names, nodes=nodes, after=now - chapter.at)
    return replace(chapter, about=chapter.about | {happening.subject}, lines={**chapter.lines, key: line})


def _sentence(line: Line, chapter: Chapter) -> str:
    made = sum(len(other.names) for other in chapter.lines.values() if other.what == "made")
    return SENTENCES[line.what](line, made)


def _these(names: Sequence[str]) -> str:
    bold = [f"**{name}**" for name in names]
    if len(bold) > 3:
        return f"{bold[0]}, {bold[1]} and {len(bold) - 2} more"
    return " and ".join([", ".join(bold[:-1]), bold[-1]]) if len(bold) > 1 else "".join(bold)


def _list(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _pods(number: int) -> str:
    return "one pod" if number == 1 else f"{number} pods"


def _seconds(line: Line) -> str:
    return f"{line.after:.1f} s" if line.after < 10 else f"{line.after:.0f} s"


def _short(name: str) -> str:
    """7d5bc of web-7d5bc."""
    return name.rpartition("-")[2] or name


def _ordinal(number: int) -> str:
    words = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
    return words[number] if number < len(words) else f"{number}th"


def _of(facts: Mapping[str, Any]) -> str:
    return f", a pod of **{facts['app']}**," if facts.get("owned") else ""


def _crash_title(name: str, facts: Mapping[str, Any]) -> str:
    again = f" for the {_ordinal(facts['times'])} time" if facts["times"] > 1 else ""
    return f"**{name}**{_of(facts)} crashed{again}"


TITLES: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "created": lambda name, f: f"{f['kind']} **{name}** was created and wants {_pods(f['wants'])}",
    "released": lambda name, f: (
        f"**{f['tag']}** of **{name}** was released" if f["tag"] != f["was"] else f"**{name}** was given a new pod template"
    ),
    "scaled": lambda name, f: f"**{name}** should have {_pods(f['wants'])}, no longer {f['was']}",
    "wish-gone": lambda name, f: f"{f['kind']} **{name}** was deleted",
    "deleted": lambda name, f: f"**{name}**{_of(f)} was deleted",
    "pod-created": lambda name, f: f"Pod **{name}** was created, with no owner",
    "freed": lambda name, f: f"**{name}** was released: it no longer belongs to {f['set']}",
    "crashed": _crash_title,
    "silent": lambda name, f: f"**{name}** does not answer any more",
    "node-back": lambda name, f: f"**{name}** answers again",
    "cordoned": lambda name, f: f"**{name}** was cordoned: no new pod may go there",
    "uncordoned": lambda name, f: f"**{name}** takes pods again",
}

ALONE: dict[str, Callable[[str, Mapping[str, Any]], str]] = {  # consequences that are told even when their cause is unknown
    "no-image": lambda name, f: f"**{name}** cannot have its image",
    "backing-off": lambda name, f: f"**{name}** crashes again and again",
    "failed": lambda name, f: f"**{name}** failed",
    "unplaced": lambda name, f: f"**{name}** finds no node. {f['why']}",
    "done": lambda name, f: f"**{name}** has done its work",
    "made": lambda name, f: f"{f['kind']} {f['set']} made **{name}**",
}

SENTENCES: dict[str, Callable[[Line, int], str]] = {
    "new-set": lambda n, _: f"The Deployment made a new ReplicaSet, {_short(n.names[-1])}.",
    "made": lambda n, _: (
        f"{n.facts['kind']} {_short(n.facts['set'])} wanted {n.facts['wants']}, saw {n.facts['saw']}, made {_these(n.names)}."
    ),
    "placed": lambda n, _: (
        f"The scheduler put {_these(n.names)} on {_list(n.nodes)}."
        if len(n.names) < 3
        else f"The scheduler put {len(n.names)} pods on {_list(n.nodes)}."
    ),
    "ready": lambda n, made: (
        f"**{n.names[0]}** was ready after {_seconds(n)}."
        if len(n.names) == 1 and made < 2
        else f"{'All' if len(n.names) >= made else f'{len(n.names)} of'} {max(made, len(n.names))} were ready after {_seconds(n)}."
    ),
    "let-go": lambda n, _: f"{n.facts['kind']} {_short(n.facts['set'])} has more than it wants: {_these(n.names)} may go.",
    "gone": lambda n, _: f"{_these(n.names)} {'is' if len(n.names) == 1 else 'are'} gone.",
    "evicted": lambda n, _: f"{_these(n.names)}: given up, because {_list(n.nodes)} does not answer.",
    "crashed": lambda n, _: f"Its container {n.facts['how']}. The kubelet on {_list(n.nodes)} started it again.",
    "silent": lambda n, _: f"Its heartbeat stopped. How its {_pods(n.facts['pods'])} fare, nobody knows.",
    "freed": lambda n, _: "Its labels no longer match, so it does not count. It goes on running.",
    "done": lambda n, _: f"{_these(n.names)} completed.",
    "no-image": lambda n, _: f"{_these(n.names)} cannot start: {n.facts['why']}",
    "backing-off": lambda n, _: f"{_these(n.names)}: {n.facts['why']}",
    "failed": lambda n, _: f"{_these(n.names)} failed. {n.facts['why']}",
    "unplaced": lambda n, _: f"{_these(n.names)} waits. {n.facts['why']}",
    "unhealthy": lambda n, _: (
        f"{_these(n.names)} runs, but its readiness probe fails: no requests for it yet."
        if n.facts["probe"] == "readiness"
        else f"{_these(n.names)}: its {n.facts['probe']} probe fails, so the kubelet will start it again."
    ),
    "warning": lambda n, _: f"{_these(n.names)}: {n.facts['reason']}. {n.facts['why']}",
}
