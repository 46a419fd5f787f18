"""The pages about all lessons, from their headers: the index notebook, README.md, the map, glossary.md, timing.md; and
the links of the front page that open lessons on Binder.

`build_notebooks.py` next door hands in the words files' contents, writes the pages and tells when they are stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import lesson_plan

GITHUB = "OWNER/k8slab"  # where this repository is public; put yours here, and `make notebooks` puts it into every link
BINDER = "https://mybinder.org"
BEGIN, END = "<!-- Binder's links, made by `make notebooks` -->", "<!-- to here -->"
Header = Mapping[str, Any]
MADE = "<!-- Made by `make notebooks` from the lessons' headers. -->\n\n"
WELCOME = """\
# Containers and Kubernetes, by breaking them

You write down what should run. You kill it with a click. You watch it come back, and find out who did that.

Take the lessons in order; each ends with a link to the next. You need a terminal's basics and a little Python, and no
cluster. Begin with **{first}**."""
HERE = """\
## Where you are

Click into the next cell and press **Shift+Enter**. It shows what you have guessed, checked and answered so far.
That is kept in one file beside this notebook, and nothing of it leaves your machine."""
MAP = "An arrow leads from a lesson to those that build on it."
MORE = "Every term in one place: [glossary](glossary.md). For a class: [timing plan](timing.md)."


def pages(lessons: Mapping[str, Header]) -> dict[str, str]:
    """File name -> text, for lessons given as notebook's name without its ending -> header, in their order."""
    named = {_link(stem, header): header for stem, header in lessons.items()}
    return {
        "README.md": MADE + "\n\n".join(_about(lessons)) + "\n",
        "glossary.md": _glossary(lessons),
        "timing.md": MADE + lesson_plan.page(named),
    }


def front(page: str, lessons: Mapping[str, Header]) -> str:
    """The front page with links to Binder between its two marks: a badge, and a link for each lesson."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    badge = f"[![Open the lessons on Binder]({BINDER}/badge_logo.svg)]({_binder('00')})"
    links = [f"- [{h['lesson']} {h['title']}]({_binder(h['lesson'])})" for h in lessons.values()]
    return before + "\n".join([BEGIN, "", badge, "", *links, "", END]) + after


def _binder(lesson: str) -> str:
    """The address that opens a lesson's workspace; binder/workspaces.py makes those."""
    return f"{BINDER}/v2/gh/{GITHUB}/HEAD?urlpath={quote(f'lab/workspaces/{lesson}', safe='')}"


def notebook(lessons: Mapping[str, Header]) -> list[tuple[str, str]]:
    """The cells of the index notebook: (kind, text)."""
    first = next((_link(stem, header) for stem, header in lessons.items()), "")
    return [
        ("markdown", WELCOME.format(first=first)),
        ("markdown", HERE),
        ("code", "import k8slab\n\nk8slab.progress()"),
        *(("markdown", part) for part in _about(lessons)[1:]),
    ]


def mistakes(lessons: Mapping[str, Header]) -> Iterator[str]:
    """What headers say that does not fit together: a lesson needed that is not there or comes later, two meanings."""
    known: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for header in lessons.values():
        number = header["lesson"]
        for needed in header["needs"]["lessons"]:
            if needed not in seen:
                yield f"lesson {number} needs lesson {needed}, which does not come before it"
        seen.add(number)
        for word, said in header["words"].items():
            where, before = known.setdefault(word.lower(), (number, said))
            if before != said:
                yield f"lessons {where} and {number} say different things of the word {word!r}"


def after(lessons: Mapping[str, Header], stem: str) -> str:
    """The last cell of a lesson's notebook: where to go from there."""
    stems = list(lessons)
    following = stems[stems.index(stem) + 1 :][:1]
    links = [f"**Next: {_link(name, lessons[name])}**" for name in following]
    return " · ".join([*links, "[All lessons](index.ipynb)"])


def _about(lessons: Mapping[str, Header]) -> list[str]:
    rows = [_row(stem, header) for stem, header in lessons.items()]
    teach, practise = (sum(h["minutes"][part] for h in lessons.values()) for part in ("teach", "practise"))
    table = ["## The lessons", "", "| lesson | to teach | to practise | after |", "|---|---|---|---|", *rows]
    total = f"All of them: {teach} minutes to teach, {practise} to practise."
    goals = [_goals(stem, header) for stem, header in lessons.items()]
    drawn = "\n".join(["## Which needs which", "", MAP, "", *_map(list(lessons.values()))])
    return ["# Lessons", "\n".join([*table, "", total]), drawn, MORE, *goals]


def _row(stem: str, header: Header) -> str:
    minutes, needed = header["minutes"], ", ".join(header["needs"]["lessons"]) or "nothing"
    return f"| {_link(stem, header)} | {minutes['teach']} min | {minutes['practise']} min | {needed} |"


def _link(stem: str, header: Header) -> str:
    return f"[{header['lesson']} {header['title']}]({stem}.ipynb)"


def _goals(stem: str, header: Header) -> str:
    return "\n".join([f"### {_link(stem, header)}", "", "You will be able to:", "", *_items(header["you_will"])])


def _items(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _map(headers: Sequence[Header]) -> list[str]:
    """A Mermaid graph, which Jupyter and GitHub draw. An arrow that follows from others is left out."""
    needs = {header["lesson"]: list(header["needs"]["lessons"]) for header in headers}
    boxes = [f'  L{header["lesson"]}["{header["lesson"]} {header["title"]}"]' for header in headers]
    arrows = [f"  L{needed} --> L{number}" for number, all_of in needs.items() for needed in _direct(all_of, needs)]
    return ["```mermaid", "graph LR", *boxes, *arrows, "```"]


def _direct(all_of: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of the needed lessons that no other needed lesson needs already."""
    return [one for one in all_of if not any(one in _below(other, needs) for other in all_of if other != one)]


def _below(number: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    return {found for one in needs.get(number, ()) for found in (one, *_below(one, needs))}


def _glossary(lessons: Mapping[str, Header]) -> str:
    where: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for stem, header in lessons.items():
        for word, means in header["words"].items():
            where.setdefault(word, []).append(_link(stem, header))
            said[word] = means
    rows = [f"| {word} | {said[word]} | {', '.join(where[word])} |" for word in sorted(said, key=str.lower)]
    return MADE + "\n".join(["# Glossary", "", "| word | meaning | lesson |", "|---|---|---|", *rows]) + "\n"
