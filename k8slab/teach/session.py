"""What the learner has done since the lesson was opened: guesses, answers, hints, and what the checks found.

The cards draw from it (`pictures.py`), and presses change it (`lesson.py`). It ends with the notebook's kernel;
`progress.py` keeps what should outlive it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8slab.teach.checks import Outcome


@dataclass
class Predicted:
    """A prediction: the option guessed (-1: none), whether it was revealed, and the facts that came out."""

    guess: int = -1
    revealed: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Quizzed:
    """A quiz question: the options tried so far, the one that is shown with its reason (-1: none)."""

    tried: Sequence[int] = ()
    showing: int = -1
    given_up: bool = False


@dataclass
class Tried:
    """An exercise: what its check found last, how many hints are open (the solution is the one after the last)."""

    outcome: Outcome | None = None
    opened: int = 0
    busy: str = ""  # what is being done right now
    checked: float = 0.0  # when its check last ran, s since 1970
    until: float = 0.0  # it looks again by itself until then, s since 1970; 0: it does not


class Session:
    """Everything of one run, by key; what was not touched is as new."""

    def __init__(self) -> None:
        self._kept: dict[tuple[type, str], Any] = {}

    def predicted(self, key: str) -> Predicted:
        """What is known of a prediction."""
        return self._of(Predicted, key)  # type: ignore[no-any-return]

    def quizzed(self, key: str) -> Quizzed:
        """What is known of a quiz question."""
        return self._of(Quizzed, key)  # type: ignore[no-any-return]

    def tried(self, key: str) -> Tried:
        """What is known of an exercise."""
        return self._of(Tried, key)  # type: ignore[no-any-return]

    def _of(self, kind: type, key: str) -> Any:
        return self._kept.setdefault((kind, key), kind())

    def forget(self, kind: type, key: str) -> None:
        """Begin anew with one of them."""
        self._kept.pop((kind, key), None)
