"""Build the notebooks: lessons/src/NN-name.py -> lessons/NN-name.ipynb and, beside it, its words.

The source is one jupytext percent file, solutions and all. The notebook is the exercise: solutions cut out, questions,
hints and the header moved into the words file. `lesson_index.py` makes the pages about all lessons.
`--solved DIR` writes the solved notebooks for tests; `--check` only
compares. `lesson_source.py` is next door: it says what is wrong with a source.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

sys.path.insert(0, str(Path(__file__).parent))
import lesson_index
from lesson_source import MARK, Cell, Mistake, Source, header_of, read

LESSONS = Path(__file__).parent.parent / "lessons"
FRONT = LESSONS.parent / "README.md"
MOVED = ("header", "predict", "quiz", "hints")  # into the words
NOTEBOOK = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
OPTION = re.compile(r"- \[([ x])\] (.*)")
HINT = re.compile(r"\d+\. \*\*(.+?)\*\*\s*(.*)", re.DOTALL)


def notebook(cells: Iterable[Cell], *, solved: bool = False) -> str:
    """The notebook's text: no outputs, no widget state, the same ids as long as a cell stays the same."""
    ids: set[str] = set()
    made = [_cell(cell, solved, ids) for cell in cells if _kept(cell, solved)]
    found = {"cells": made, "metadata": NOTEBOOK, "nbformat": 4, "nbformat_minor": 5}
    nbformat.validate(found)
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _kept(cell: Cell, solved: bool) -> bool:
    if cell.tag in MOVED or cell.tag == "author-note":
        return False
    return solved or cell.tag != "solution"


def _cell(cell: Cell, solved: bool, ids: set[str]) -> dict[str, Any]:
    text = cell.text
    if cell.kind == "code" and cell.tag == "exercise":
        text = with_solution(text) if solved else without_solution(text)
    metadata = {name: value for name, value in (("key", cell.key), ("tags", list(cell.tags))) if value}
    if cell.tag == "solution" and cell.kind == "code":
        metadata["jupyter"] = {"source_hidden": True}
    made = {
        "cell_type": cell.kind,
        "id": _id(cell, ids),
        "metadata": metadata,
        "source": text.splitlines(keepends=True),
    }
    return made | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {})


def _id(cell: Cell, ids: set[str]) -> str:
    """From the cell's own text, so that a cell put in elsewhere changes no other's."""
    stem = hashlib.sha256(f"{cell.kind}\n{cell.key}\n{cell.text}".encode()).hexdigest()[:8]
    found = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in ids)
    ids.add(found)
    return found


def without_solution(text: str) -> str:
    """What stands above the mark; all of it if there is no mark."""
    lines = text.splitlines()
    cut = next((i for i, line in enumerate(lines) if line.strip() == MARK), len(lines))
    return "\n".join(lines[:cut]).rstrip()


def with_solution(text: str) -> str:
    """All but the mark."""
    return "\n".join(line for line in text.splitlines() if line.strip() != MARK)


def words(source: Source) -> str:
    """The words file's text."""
    header = source.header
    found = {
        **{name: header[name] for name in ("lesson", "title", "minutes", "you_will", "needs", "words", "runtimes")},
        "steps": [[kind, key] for kind, key in steps(source)],
        "predict": {cell.key: _question(cell) for cell in source.tagged("predict")},
        "quiz": {cell.key: _question(cell) for cell in source.tagged("quiz")},
        "exercise": {
            cell.key: _exercise(cell, source) for cell in source.tagged("exercise") if cell.kind == "markdown"
        },
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def steps(source: Source) -> Iterable[tuple[str, str]]:
    """Predictions, exercises and quiz questions, as they come."""
    for cell in source.cells:
        if cell.kind == "markdown" and cell.tag in ("predict", "exercise", "quiz"):
            yield cell.tag, cell.key


def _question(cell: Cell) -> dict[str, Any]:
    """A bold question, options with the reason indented below each, then what is revealed."""
    ask, options, reveal = "", list[dict[str, Any]](), list[list[str]]()
    open_paragraph = False
    for line in cell.text.splitlines():
        if option := OPTION.match(line):
            options.append({"text": option[2].strip(), "right": option[1] == "x"})
        elif options and line.startswith("  ") and not reveal:
            options[-1]["why"] = f"{options[-1].get('why', '')} {line.strip()}".strip()
        elif not options:
            ask = f"{ask} {line.strip()}".strip()
        elif line.strip():
            if not open_paragraph:
                reveal.append([])
            reveal[-1].append(line.strip())
        open_paragraph = bool(reveal) and bool(line.strip())
    said = [" ".join(lines) for lines in reveal]
    return {"ask": ask.removeprefix("**").removesuffix("**"), "options": options} | ({"reveal": said} if said else {})


def _exercise(cell: Cell, source: Source) -> dict[str, Any]:
    heading, _, goal = cell.text.partition("\n")
    title = heading.lstrip("# ").removeprefix("Your turn:").strip()
    paragraphs = [" ".join(part.split("\n")) for part in goal.strip().split("\n\n")]
    hints = [_hint(item) for hints in source.tagged("hints", cell.key) for item in items(hints.text)]
    return {
        "title": title[:1].upper() + title[1:],
        "goal": paragraphs,
        "hints": hints,
        "solution": list(_solution(cell, source)),
    }


def _solution(exercise: Cell, source: Source) -> Iterable[dict[str, str]]:
    """The solution's code, and the `solution` cells that follow before the next heading of an exercise."""
    for cell in source.tagged("exercise", exercise.key):
        if cell.kind == "code":
            yield {"code": with_solution(cell.text)}
    after = source.cells[source.cells.index(exercise) + 1 :]
    for cell in after:
        if cell.kind == "markdown" and cell.tag == "exercise":
            return
        if cell.tag == "solution":
            yield {"code" if cell.kind == "code" else "text": " ".join(cell.text.split("\n"))}


def items(text: str) -> list[str]:
    """The items of a numbered list, each on one line."""
    found: list[str] = []
    for line in text.splitlines():
        if re.match(r"\d+\. ", line):
            found.append(line)
        elif line.strip() and found:
            found[-1] += " " + line.strip()
    return found


def _hint(item: str) -> dict[str, str]:
    match = HINT.match(item)
    assert match is not None, item  # lesson_source.py has checked it
    return {"title": match[1].rstrip("."), "text": match[2]}


def build(path: Path, *, solved: bool = False) -> dict[str, str]:
    """What a source becomes: file name -> text. Raises Mistake with every mistake in it."""
    source = read(path)
    onwards = plain("markdown", lesson_index.after(headers(path.parent), path.stem))
    text = notebook([*source.cells, onwards], solved=solved)
    return {f"{path.stem}.ipynb": text, f"{path.stem}.words.json": words(source)}


def plain(kind: str, text: str) -> Cell:
    """A cell that is no part of an exercise or a question."""
    return Cell(kind, text, (), "", 0)


def headers(folder: Path = LESSONS / "src") -> dict[str, Mapping[str, Any]]:
    """The header of every lesson by its notebook's name without its ending, in their order."""
    return {path.stem: header_of(path) for path in sources(folder)}


def sources(folder: Path = LESSONS / "src") -> list[Path]:
    """Every lesson's source."""
    return sorted(folder.glob("[0-9][0-9]-*.py"))


def gallery(path: Path = LESSONS / "src" / "gallery.py") -> dict[str, str]:
    """The notebook that shows every view: a plain one, with nothing to solve. File name -> text."""
    import jupytext

    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")["cells"]
    return {f"{path.stem}.ipynb": notebook(plain(cell["cell_type"], cell["source"]) for cell in cells)}


def index() -> dict[str, str]:
    """The notebook and the pages about all lessons. File name -> text. Raises Mistake."""
    lessons = headers()
    if found := list(lesson_index.mistakes(lessons)):
        raise Mistake("\n".join(found))
    cells = [plain(kind, text) for kind, text in lesson_index.notebook(lessons)]
    return {"index.ipynb": notebook(cells), **lesson_index.pages(lessons)}


def stale() -> list[str]:
    """Names of files that are not what their source says, and of files without a source."""
    want = {name: text for path in sources() for name, text in build(path).items()} | gallery() | index()
    have = {
        p.name: p.read_text(encoding="utf-8")
        for kind in ("*.ipynb", "*.words.json", "*.md")
        for p in LESSONS.glob(kind)
    }
    page = FRONT.read_text(encoding="utf-8")
    links = [] if lesson_index.front(page, headers()) == page else ["the links in README.md"]
    return links + sorted(name for name in want.keys() | have.keys() if want.get(name) != have.get(name))


def main(arguments: Sequence[str] | None = None) -> None:
    """Build all lessons; exit code 1 with the mistakes, or with what is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--solved", type=Path, metavar="DIR", help="write the solved notebooks there instead")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a notebook is stale")
    asked = parser.parse_args(arguments)
    try:
        if asked.check:
            if old := stale():
                sys.exit(f"Stale: {', '.join(old)}. `make notebooks` builds them again.")
            return
        folder = asked.solved or LESSONS
        folder.mkdir(parents=True, exist_ok=True)
        for path in sources():
            for name, text in build(path, solved=asked.solved is not None).items():
                (folder / name).write_text(text, encoding="utf-8")
        for name, text in ({} if asked.solved else gallery() | index()).items():
            (folder / name).write_text(text, encoding="utf-8")
        if not asked.solved:
            FRONT.write_text(lesson_index.front(FRONT.read_text(encoding="utf-8"), headers()), encoding="utf-8")
    except Mistake as mistake:
        sys.exit(str(mistake))


if __name__ == "__main__":
    main()
