"""The pages about all lessons, from their headers: lessons/README.md (the way in) and lessons/glossary.md; and the
links of the front page that open them on Binder.

`build_notebooks.py` next door hands in the words files' contents, writes the pages and tells when they are stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

GITHUB = "OWNER/k8slab"  # where this repository is public; put yours here, and `make notebooks` puts it into every link
BINDER = "https://mybinder.org"
BEGIN, END = "<!-- Binder's links, made by `make notebooks` -->", "<!-- to here -->"
Header = Mapping[str, Any]
MADE = "<!-- Made by `make notebooks` from the lessons' headers. -->\n\n"


def pages(lessons: Mapping[str, Header]) -> dict[str, str]:
    """File name -> text, for lessons given as notebook's name without its ending -> header, in their order."""
    return {"README.md": _index(lessons), "glossary.md": _glossary(lessons)}


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


def _index(lessons: Mapping[str, Header]) -> str:
    rows = [_row(stem, header) for stem, header in lessons.items()]
    teach, practise = (sum(h["minutes"][part] for h in lessons.values()) for part in ("teach", "practise"))
    table = ["| lesson | to teach | to practise | after |", "|---|---|---|---|", *rows]
    total = f"All of them: {teach} minutes to teach, {practise} to practise."
    goals = [_goals(stem, header) for stem, header in lessons.items()]
    words = "Every term in one place: [glossary](glossary.md)."
    return MADE + "\n\n".join(["# Lessons", "\n".join(table), total, words, *goals]) + "\n"


def _row(stem: str, header: Header) -> str:
    minutes, after = header["minutes"], ", ".join(header["needs"]["lessons"]) or "nothing"
    return f"| {_link(stem, header)} | {minutes['teach']} min | {minutes['practise']} min | {after} |"


def _link(stem: str, header: Header) -> str:
    return f"[{header['lesson']} {header['title']}]({stem}.ipynb)"


def _goals(stem: str, header: Header) -> str:
    return "\n".join([f"## {_link(stem, header)}", "", "You will be able to:", "", *_items(header["you_will"])])


def _items(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _glossary(lessons: Mapping[str, Header]) -> str:
    found = [(word, said, _link(stem, h)) for stem, h in lessons.items() for word, said in h["words"].items()]
    rows = [f"| {word} | {said} | {link} |" for word, said, link in sorted(found, key=lambda row: row[0].lower())]
    return MADE + "\n".join(["# Glossary", "", "| word | meaning | lesson |", "|---|---|---|", *rows]) + "\n"
