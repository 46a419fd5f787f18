"""`k8slab.lesson("05")`: what a notebook holds of its lesson. It joins its words, checks, cluster and cards.

Every call shows a card in its cell and returns at once: nobody's click is waited for, so a notebook runs from top to
bottom without a person. A notebook opens a lesson once; opened again, the same one is led back to its beginning.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from k8slab.lab import Lab
from k8slab.settings import LabError
from k8slab.teach import checks, pictures, report, words
from k8slab.teach.cards import Card
from k8slab.teach.checks import Outcome
from k8slab.teach.exercise import ExerciseCard, Task
from k8slab.teach.progress import Progress
from k8slab.teach.session import Predicted, Quizzed, Session
from k8slab.teach.words import Exercise, Question
from k8slab.widgets.delta import Picture

_open: dict[str, Lesson] = {}


def lesson(number: str) -> Lesson:
    """The lesson with this number, on an empty cluster. Raises LabError when there is none, or no lab to be had."""
    found, lab, known = words.load(number), lab_here(), _open.get(number)
    if known is None or known.words != found or known.lab is not lab:
        if known is not None:  # its author has changed it, or the notebook holds another lab now
            known.close()
        known = _open[number] = Lesson(found, lab)
    known.reset()
    return known


def lab_here() -> Lab:
    """The notebook's lab: `lab` if that is one, else any, else the one that runs, else a new one."""
    if "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
        names = shell.user_ns if shell else {}
        for found in (names.get("lab"), *names.values()):
            if isinstance(found, Lab):
                return found
    return Lab()


class Lesson:
    """A lesson that is open. As a cell's last line it shows its title card."""

    def __init__(self, found: words.Words, lab: Lab) -> None:
        self.lab, self.words = lab, found
        self._checks = checks.load(found.checks)
        self._session, self._progress = Session(), Progress(found.lesson)
        self._cards: dict[tuple[str, str], Card] = {}

    def reset(self) -> None:
        """Lead back to a clean start: an empty cluster, nothing guessed. What was done once stays in the progress."""
        for card in self._cards.values():
            if isinstance(card, ExerciseCard):
                card.unwatch()
        self._session = Session()
        if self.lab.context is None:  # a cluster that is no lab is not ours to empty
            self.lab.reset()
        self._changed()

    def close(self) -> None:
        """Take its cards away; the lab goes on."""
        for card in self._cards.values():
            card.close()
        self._cards.clear()

    # ---- predict, and reveal --------------------------------------------------------------------------------------

    def predict(self, key: str) -> None:
        """Show a question to guess at. Shown again, it is open again."""
        question: Question = self.words.find("predict", key)
        self._session.forget(Predicted, key)

        def guess(message: Mapping[str, Any]) -> None:
            state = self._session.predicted(key)
            if not state.revealed:
                state.guess = _option(question, message)
                self._record("predict", key, guess=state.guess, right=state.guess == question.right)

        self._show("predict", key, lambda: self._question(key, reveal=False), guess=guess)

    def reveal(self, key: str, **facts: Any) -> None:
        """Show the guess beside what happened. `facts` fill the blanks of what is said."""
        self.words.find("predict", key)
        state = self._session.predicted(key)
        state.revealed, state.facts = True, facts
        try:
            self._question(key, reveal=True)
        except KeyError as missing:
            state.revealed = False
            raise LabError(f"What is revealed of {key!r} needs {missing.args[0]}: give it as an argument.") from None
        self._show("reveal", key, lambda: self._question(key, reveal=True))

    def _question(self, key: str, *, reveal: bool) -> Picture:
        return pictures.predict(self.words.predict[key], self._session.predicted(key), reveal=reveal)

    # ---- exercises ------------------------------------------------------------------------------------------------

    def start(self, key: str) -> None:
        """Put an exercise's situation in place."""
        self._exercise(key).begin()

    def check(self, key: str) -> Outcome:
        """Look at the cluster, show what was found; on its way, the card goes on looking. Returns the outcome."""
        card = self._exercise(key)
        outcome = card.look()
        _display(card)
        return outcome

    def hint(self, key: str) -> None:
        """Show the next hint of an exercise; after the last one, the solution. The card has them too."""
        self._exercise(key).open_rung()
        picture = pictures.hint(self.words.exercise[key], self._session.tried(key).opened)
        self._show("hint", f"{key} {picture['tag']}", lambda: picture)

    def _exercise(self, key: str) -> ExerciseCard:
        words: Exercise = self.words.find("exercise", key)
        if key not in self._checks:
            raise LabError(f"The exercise {key!r} has no check in {self.words.checks.name}. That is our mistake.")
        task = Task(
            words=words,
            place=list(self.words.exercise).index(key) + 1,
            check=self._checks[key],
            lab=lambda: self.lab,
            state=lambda: self._session.tried(key),
            record=partial(self._record, "exercise", key),
        )
        card = self._card("check", key, lambda: ExerciseCard(("check", self, key), task))
        assert isinstance(card, ExerciseCard)
        return card

    # ---- the rest -------------------------------------------------------------------------------------------------

    def quiz(self, key: str) -> None:
        """Show one question of the quiz."""
        question: Question = self.words.find("quiz", key)
        place = list(self.words.quiz).index(key) + 1

        def picture() -> Picture:
            return pictures.quiz(question, self._session.quizzed(key), place, len(self.words.quiz))

        def answer(message: Mapping[str, Any]) -> None:
            state = self._session.quizzed(key)
            state.showing = _option(question, message)
            state.tried = [*state.tried, state.showing]
            self._record("quiz", key, answers=list(state.tried), right=state.showing == question.right)

        def again(_: Mapping[str, Any]) -> None:
            self._session.quizzed(key).showing = -1

        def give_up(_: Mapping[str, Any]) -> None:
            self._session.quizzed(key).given_up = True

        self._session.forget(Quizzed, key)
        self._show("quiz", key, picture, answer=answer, again=again, give_up=give_up)

    def recap(self) -> None:
        """Show what was guessed, checked and learned, and the next lesson."""
        following = next((n for n in words.files() if n > self.words.lesson), "")
        title = words.load(following).title if following else ""
        coming, lessons = f"{following} {title}".strip(), report.all_lessons()

        def picture() -> Picture:
            course = report.course(lessons, self._progress.path)
            return pictures.recap(self.words, self._session, self._progress, coming, course)

        self._show("recap", "", picture)

    def _title(self) -> Picture:
        return pictures.title(self.words, self._session, self._progress, self.lab.abilities)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self._card("title", "", lambda: Card(("title", self), self._title))._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        return f"<Lesson {self.words.lesson}: {self.words.title}>"

    def _show(self, kind: str, key: str, picture: Any, **presses: Any) -> None:
        card = self._card(kind, key, lambda: Card((kind, self, key), picture, presses))
        card.changed()
        _display(card)

    def _card(self, kind: str, key: str, make: Any) -> Card:
        """The card of this step, the same whenever it is shown again."""
        if (kind, key) not in self._cards:
            self._cards[kind, key] = make()
        return self._cards[kind, key]

    def _record(self, kind: str, key: str, **facts: Any) -> None:
        before = self._progress.of(kind, key)
        if kind == "predict" and "guess" in before:
            facts = {"guess": before["guess"], "right": before["right"]}  # the first one counts
        self._progress.record(kind, key, **facts)
        self._changed()

    def _changed(self) -> None:
        for card in list(self._cards.values()):
            card.changed()


def _option(question: Question, message: Mapping[str, Any]) -> int:
    option = message.get("option")
    if not isinstance(option, int) or not 0 <= option < len(question.options):
        raise ValueError("There is no such option.")
    return option


def _display(card: Card) -> None:
    from IPython.display import display

    display(card)  # type: ignore[no-untyped-call]
