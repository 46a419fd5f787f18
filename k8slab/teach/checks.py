"""What an exercise asks of the cluster: `@check` makes one, `Ask` decides its outcome, `load` finds those of a lesson.

A check reads the cluster through a Lab and answers; it never sees the learner's code, so any route counts. It remembers
nothing and never waits: the card (`cards.py`) runs it afresh while its outcome is `soon`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from k8slab.lab import Lab
from k8slab.settings import LabError

Kind = Literal["none", "wrong", "soon", "right", "fault"]
_BLANK = re.compile(r"\{(\w+)\}")

OUR_MISTAKE = (
    "The check itself failed: {error}. That is our mistake and not yours. "
    "Go on with the lesson, and please tell its authors."
)


def fill(sentence: str, values: Mapping[str, Any]) -> str:
    """The sentence with `{name}` replaced. Raises KeyError with the name of a value that was not given."""
    return _BLANK.sub(lambda blank: str(values[blank[1]]), sentence)


@dataclass(frozen=True)
class Outcome:
    """What a check found: not begun, not right and why, still on its way, right; or that it could not look (`fault`).

    `sentence` is whole and has names for its `values`, so that a translation can replace it as one.
    """

    kind: Kind
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The sentence with its values."""
        return fill(self.sentence, self.values)

    def _ipython_display_(self) -> None:
        """Nothing: the card beside it has said it all."""


class _Answered(Exception):
    """The check has its answer; the rest of it need not run."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Ask:
    """What a check asks, in order. The first fact that does not hold decides the outcome."""

    def begun(self, fact: object, sentence: str, **values: Any) -> None:
        """Else: not begun."""
        self._ask(fact, "none", sentence, values)

    def that(self, fact: object, sentence: str, **values: Any) -> None:
        """Else: not right, and the sentence says why."""
        self._ask(fact, "wrong", sentence, values)

    def soon(self, fact: object, sentence: str, **values: Any) -> None:
        """Else: still on its way; the card looks again for a while."""
        self._ask(fact, "soon", sentence, values)

    def _ask(self, fact: object, kind: Kind, sentence: str, values: Mapping[str, Any]) -> None:
        if not fact:
            raise _Answered(Outcome(kind, sentence, values))


@dataclass(frozen=True)
class Check:
    """One exercise's check. `start`, if there is one, puts its situation in place, as often as it is called."""

    key: str
    read: Callable[[Lab, Ask], str]
    start: Callable[[Lab], object] | None = None

    def run(self, lab: Lab) -> Outcome:
        """Look at the cluster now. Never raises: a check that crashes is an outcome too."""
        try:
            outcome = self._decide(lab)
            outcome.said  # noqa: B018 - a sentence that cannot be said is a mistake of the check, too
        except LabError as error:
            return Outcome("fault", "{problem}", {"problem": error})
        except Exception as error:
            return Outcome("fault", OUR_MISTAKE, {"error": f"{type(error).__name__}: {error}"})
        return outcome

    def _decide(self, lab: Lab) -> Outcome:
        try:
            return Outcome("right", self.read(lab, Ask()))
        except _Answered as answer:
            return answer.outcome


def check(key: str, start: Callable[[Lab], object] | None = None) -> Callable[[Callable[[Lab, Ask], str]], Check]:
    """Make a function the check of the exercise `key`. It returns the sentence that says what is right."""
    return lambda read: Check(key, read, start)


def load(path: Path) -> dict[str, Check]:
    """The checks of a lesson's file, by key; none if there is no such file."""
    if not path.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"k8slab_lessons.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {found.key: found for found in vars(module).values() if isinstance(found, Check)}
