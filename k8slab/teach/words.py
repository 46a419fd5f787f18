"""A lesson's sentences, read from the words file that stands beside its notebook, and where both are found.

`scripts/build_notebooks.py` writes the file from the lesson's source; a translation is another such file. Code never
holds a sentence of a lesson: it says `lesson.predict("crash")`, and this file says the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slab.settings import LabError

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Option:
    """One answer to a question; `why` is empty for a prediction."""

    text: str
    right: bool
    why: str = ""


@dataclass(frozen=True)
class Question:
    """A prediction or a quiz question; `reveal` is what a prediction says in the end, a paragraph each."""

    ask: str
    options: Sequence[Option]
    reveal: Sequence[str] = ()

    @property
    def right(self) -> int:
        """The place of the right option."""
        return next(i for i, option in enumerate(self.options) if option.right)


@dataclass(frozen=True)
class Hint:
    """One rung of the ladder: what kind of help it is, and the help."""

    title: str
    text: str


@dataclass(frozen=True)
class Exercise:
    """What a check card needs: the task's title and goal, its hints in turn, and a solution's code and words."""

    title: str
    goal: Sequence[str]
    hints: Sequence[Hint] = ()
    solution: Sequence[Mapping[str, str]] = ()  # {"code": …} or {"text": …}


@dataclass(frozen=True)
class Words:
    """All that a lesson says outside its notebook's own text. `steps` are (kind, key), in the order of the lesson."""

    lesson: str
    title: str
    minutes: Mapping[str, int]
    you_will: Sequence[str]
    needs: Mapping[str, Sequence[str]]
    words: Mapping[str, str]
    runtimes: Mapping[str, str]
    steps: Sequence[tuple[str, str]]
    predict: Mapping[str, Question]
    quiz: Mapping[str, Question]
    exercise: Mapping[str, Exercise]
    folder: Path

    @property
    def checks(self) -> Path:
        """Where the checks of its exercises are."""
        return self.folder / "src" / f"checks_{self.lesson}.py"

    def find(self, kind: str, key: str) -> Any:
        """A prediction, quiz question or exercise. Raises LabError that lists those there are."""
        known: Mapping[str, Any] = getattr(self, kind)
        if key not in known:
            have = ", ".join(known) or "none"
            raise LabError(f"Lesson {self.lesson} has no {kind} {key!r}. It has: {have}.")
        return known[key]


def folders() -> list[Path]:
    """Where lessons are looked for: beside the notebook, then in the installed package or the repository.

    A folder counts if it has the checks as well: a learner's copy (`k8slab lessons`) has only the notebooks, and words
    and checks that belong together come from one place.
    """
    places = [Path.cwd(), PACKAGE / "lessons", PACKAGE.parent / "lessons"]
    return [place for place in places if (place / "src").is_dir()]


def files() -> dict[str, Path]:
    """The words file of every lesson there is, by number."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("[0-9][0-9]-*.words.json")):
            if path.name.count(".") == 2:  # a translation has its language in between
                found.setdefault(path.name[:2], path)
    return dict(sorted(found.items()))


def load(number: str) -> Words:
    """The words of a lesson. Raises LabError when there is no such lesson."""
    known = files()
    if number not in known:
        raise LabError(f"There is no lesson {number!r}. There are: {', '.join(known) or 'none'}.")
    return read(json.loads(known[number].read_bytes()), known[number].parent)


def read(raw: Mapping[str, Any], folder: Path) -> Words:
    """A words file's content with names for its parts."""
    kept = {**raw, "folder": folder, "steps": [(kind, key) for kind, key in raw["steps"]]}
    kept["predict"] = {key: _question(found) for key, found in raw["predict"].items()}
    kept["quiz"] = {key: _question(found) for key, found in raw["quiz"].items()}
    kept["exercise"] = {key: _exercise(found) for key, found in raw["exercise"].items()}
    return Words(**kept)


def _question(raw: Mapping[str, Any]) -> Question:
    return Question(raw["ask"], [Option(**option) for option in raw["options"]], raw.get("reveal", ()))


def _exercise(raw: Mapping[str, Any]) -> Exercise:
    return Exercise(raw["title"], raw["goal"], [Hint(**hint) for hint in raw["hints"]], raw["solution"])
