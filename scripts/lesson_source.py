"""Read a lesson's source and say what is wrong with it, all at once, with the line of each cell.

The rules are those of docs/authors.md: the header's fields, the tags, one right option, three hints, a call for every
key. `build_notebooks.py` turns what comes out into a notebook and its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import yaml

MARK = "# solution"
LONGEST_CELL = 10  # lines of code: one idea a cell
KEYED = ("predict", "quiz", "hints", "exercise")
TAGS = ("header", *KEYED, "solution", "raises-exception", "author-note")
RUNTIMES = ("docker", "local", "simulated", "cluster")
HEADER: Mapping[str, type] = {
    "lesson": str, "title": str, "minutes": dict, "you_will": list, "needs": dict, "words": dict, "runtimes": dict,
}  # fmt: skip
CALLS = {"predict": ("predict", "reveal"), "quiz": ("quiz",), "exercise": ("check",)}
COMMENT = re.compile(r"(^|\s)#\s")


class Mistake(Exception):
    """What is wrong with a source, a line each."""


@dataclass(frozen=True)
class Cell:
    """One cell. `tag` is the one of `tags` that we know, `line` where it begins."""

    kind: str
    text: str
    tags: tuple[str, ...]
    key: str
    line: int

    @property
    def tag(self) -> str:
        return next((tag for tag in self.tags if tag in TAGS), "")


@dataclass(frozen=True)
class Source:
    """A lesson as its author wrote it."""

    path: Path
    header: Mapping[str, Any]
    cells: tuple[Cell, ...]

    def tagged(self, tag: str, key: str | None = None) -> list[Cell]:
        """The cells with this tag, and this key."""
        return [cell for cell in self.cells if cell.tag == tag and key in (None, cell.key)]


def read(path: Path) -> Source:
    """The source, sound. Raises Mistake."""
    cells = _cells(path)
    header, wrong = _header(cells)
    source = Source(path, header, cells)
    found = [*wrong, *mistakes(source)]
    if found:
        raise Mistake("\n".join(f"{path.name}:{line}: {what}" for line, what in sorted(found)))
    return source


def header_of(path: Path) -> Mapping[str, Any]:
    """A source's header alone. Raises Mistake."""
    header, wrong = _header(_cells(path))
    if wrong:
        raise Mistake("\n".join(f"{path.name}:{line}: {what}" for line, what in wrong))
    return header


def _cells(path: Path) -> tuple[Cell, ...]:
    text = path.read_text(encoding="utf-8")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    notebook = jupytext.reads(text, fmt={"extension": ".py", "format_name": "percent", "comment_magics": False})
    return tuple(
        Cell(
            cell.cell_type,
            cell.source,
            tuple(cell.metadata.get("tags", ())),
            str(cell.metadata.get("key", "")),
            lines[i] if i < len(lines) else 0,
        )
        for i, cell in enumerate(notebook.cells)
    )


def _header(cells: tuple[Cell, ...]) -> tuple[Mapping[str, Any], list[tuple[int, str]]]:
    if not cells or cells[0].kind != "raw" or cells[0].tag != "header":
        return {}, [(1, 'the first cell must be the header: `# %% [raw] tags=["header"]`')]
    line = cells[0].line
    try:
        header = yaml.safe_load(cells[0].text)
    except yaml.YAMLError as error:
        return {}, [(line, f"the header is not YAML: {error}")]
    if not isinstance(header, dict):
        return {}, [(line, "the header is not a mapping")]
    return header, [(line, what) for what in _header_mistakes(header)]


def _header_mistakes(header: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in HEADER.items():
        if not isinstance(header.get(name), kind):
            yield f"the header needs {name!r}, of type {kind.__name__}"
    for name in header.keys() - HEADER.keys():
        yield f"the header has an unknown field {name!r}"
    minutes, needs, runtimes = (header.get(name) or {} for name in ("minutes", "needs", "runtimes"))
    if set(minutes) != {"teach", "practise"} or not all(isinstance(value, int) for value in minutes.values()):
        yield "minutes must be `{teach: 17, practise: 12}`"
    if set(needs) != {"lessons", "abilities"}:
        yield "needs must be `lessons` and `abilities`, lists that may be empty"
    if set(runtimes) != set(RUNTIMES):
        yield f"runtimes must say something of each: {', '.join(RUNTIMES)}"


def mistakes(source: Source) -> Iterator[tuple[int, str]]:
    """Everything wrong with the cells: (line, what)."""
    number = str(source.header.get("lesson", ""))
    if not source.path.name.startswith(f"{number}-"):
        yield 1, f"the file is lesson {source.path.name[:2]}, and the header says {number!r}"
    for cell in source.cells:
        yield from ((cell.line, what) for what in _cell_mistakes(cell))
    yield from _keys(source)


def _cell_mistakes(cell: Cell) -> Iterator[str]:
    for tag in cell.tags:
        if tag not in TAGS:
            yield f"unknown tag {tag!r}; known: {', '.join(TAGS)}"
    if (cell.tag in KEYED) != bool(cell.key):
        yield f"a {cell.tag or 'plain'} cell {'needs a' if cell.tag in KEYED else 'has no'} key"
    if cell.kind == "code":
        yield from _code_mistakes(cell)
    if cell.tag in ("predict", "quiz"):
        yield from _question_mistakes(cell)
    if cell.tag == "hints":
        items = re.findall(r"^\d+\. (.*)$", cell.text, re.MULTILINE)
        if len(items) != 3 or not all(item.startswith("**") for item in items):
            yield "hints are three numbered items, each beginning with its bold title"


def _code_mistakes(cell: Cell) -> Iterator[str]:
    lines = [line for line in cell.text.splitlines() if line.strip()]
    if len([line for line in lines if line.strip() != MARK]) > LONGEST_CELL:
        yield f"a cell has at most {LONGEST_CELL} lines of code, and this one has {len(lines)}"
    marks = [line for line in lines if line.strip() == MARK]
    if marks and cell.tag != "exercise":
        yield f"`{MARK}` stands in a cell that is no exercise"
    if any(COMMENT.search(line) for line in lines if line.strip() != MARK):
        yield "code holds no comments: what it does is said in the text before it"


def _question_mistakes(cell: Cell) -> Iterator[str]:
    options = re.findall(r"^- \[([ x])\] ", cell.text, re.MULTILINE)
    if options.count("x") != 1:
        yield f"exactly one option must be marked [x], and {options.count('x')} are"
    if cell.tag == "predict" and len(options) != 3:
        yield f"a prediction has three options, and this one has {len(options)}"
    if not cell.text.startswith("**") or not cell.text.split("\n\n")[0].endswith("**"):
        yield "the question comes first, all of it in bold"
    reasons = re.findall(r"^- \[[ x]\] .*\n  \S", cell.text, re.MULTILINE)
    if cell.tag == "quiz" and len(reasons) != len(options):
        yield "every option of a quiz needs its reason, indented below it"
    if cell.tag == "predict" and cell.text.rstrip().splitlines()[-1].startswith("- ["):
        yield "after the options a prediction says what is revealed"


def _keys(source: Source) -> Iterator[tuple[int, str]]:
    """Each key once, and each of them called with all it needs."""
    code = "\n".join(without_mark(cell.text) for cell in source.cells if cell.kind == "code")
    seen: set[tuple[str, str]] = set()
    for cell in source.cells:
        if cell.kind != "markdown" or cell.tag not in KEYED:
            continue
        if (cell.tag, cell.key) in seen:
            yield cell.line, f"the {cell.tag} {cell.key!r} is there twice"
        seen.add((cell.tag, cell.key))
        for call in CALLS.get(cell.tag, ()):
            if f'lesson.{call}("{cell.key}"' not in code:
                yield cell.line, f'no code cell calls lesson.{call}("{cell.key}")'
        if cell.tag == "predict":
            yield from _facts(cell, code)
    yield from _exercises(source, seen)
    yield from _calls(code, seen)


def _facts(cell: Cell, code: str) -> Iterator[tuple[int, str]]:
    """Each blank in what is revealed is given by the call."""
    call = re.search(rf'lesson\.reveal\("{re.escape(cell.key)}"(.*)\)', code)
    for blank in sorted(set(re.findall(r"\{(\w+)\}", cell.text))):
        if call and not re.search(rf"\b{blank}=", call[1]):
            yield cell.line, f"lesson.reveal({cell.key!r}) does not give {blank!r}"


def _exercises(source: Source, seen: Iterable[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    keys = set(seen)
    checks = source.path.parent / f"checks_{source.path.name[:2]}.py"
    known = (
        re.findall(r'^@check\("([\w-]+)"', checks.read_text(encoding="utf-8"), re.MULTILINE) if checks.exists() else []
    )
    for cell in source.tagged("exercise"):
        if cell.kind == "code":
            if ("exercise", cell.key) not in keys:
                yield cell.line, f"the exercise {cell.key!r} has no text"
            continue
        if ("hints", cell.key) not in keys:
            yield cell.line, f"the exercise {cell.key!r} has no hints"
        if cell.key not in known:
            yield cell.line, f'{checks.name} has no @check("{cell.key}")'
        if not any(MARK in code.text for code in source.tagged("exercise", cell.key)):
            yield cell.line, f"the exercise {cell.key!r} has no `{MARK}`"


def _calls(code: str, seen: set[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Each call is about a key that is there."""
    kinds = {"predict": "predict", "reveal": "predict", "quiz": "quiz", "check": "exercise", "start": "exercise"}
    for call, key in re.findall(r'lesson\.(\w+)\("([^"]+)"', code):
        if call in kinds and (kinds[call], key) not in seen:
            yield 1, f"lesson.{call}({key!r}) is called, and there is no {kinds[call]} of that key"


def without_mark(text: str) -> str:
    """The code, for looking at calls: without the solution's mark."""
    return text.replace(MARK, "")
