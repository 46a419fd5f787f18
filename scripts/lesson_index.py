"""The pages about all lessons, from their headers: lessons/README.md (the way in) and lessons/glossary.md.

`build_notebooks.py` next door hands in the words files' contents, writes the pages and tells when they are stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Header = Mapping[str, Any]
MADE = "<!-- Made by `make notebooks` from the lessons' headers. -->\n\n"


def pages(lessons: Mapping[str, Header]) -> dict[str, str]:
    """File name -> text, for lessons given as notebook's name without its ending -> header, in their order."""
    return {"README.md": _index(lessons), "glossary.md": _glossary(lessons)}


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
