"""What each card looks like, as plain data: pure functions of a lesson's words and what the learner has done.

`cards.py` sends a picture to the browser, where `cards.js` draws it; `still.py` puts it into words and HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8slab.teach.checks import Kind, fill
from k8slab.teach.progress import Progress
from k8slab.teach.session import Predicted, Quizzed, Session, Tried
from k8slab.teach.words import Exercise, Question, Words
from k8slab.widgets.delta import Picture

OUTCOMES: Mapping[Kind, tuple[str, str]] = {  # kind -> state of the look's glyphs, title
    "none": ("none", "Not begun"),
    "wrong": ("failed", "Not right yet"),
    "soon": ("starting", "Still on its way"),
    "right": ("ready", "Right"),
    "fault": ("unknown", "It could not look"),
}
HAPPENED = "what happened"
YOUR_GUESS = "your guess"
YOUR_ANSWER = "your answer"
BOTH = "your guess, and what happened"


def predict(question: Question, state: Predicted, *, reveal: bool) -> Picture:
    """A prediction, open until it is revealed. The card of the revealing cell also says what happened and why."""
    options: list[Picture] = [{"text": option.text, "mark": "", "note": ""} for option in question.options]
    told: Picture = {"kind": "predict", "tag": "Predict", "ask": question.ask, "open": not state.revealed}
    if not state.revealed:
        note = "This is your guess. You see the answer when the next cell runs." if state.guess >= 0 else "Choose one."
        return {**told, "options": options, "chosen": state.guess, "note": note}
    if state.guess >= 0:
        options[state.guess] |= {"mark": "guess", "note": YOUR_GUESS}
    options[question.right] |= {"mark": "yes", "note": BOTH if state.guess == question.right else HAPPENED}
    tag = "Predict · guessed, then run" if state.guess >= 0 else "Predict · run without a guess"
    said = [fill(text, state.facts) for text in question.reveal] if reveal else []
    return {**told, "tag": tag, "options": options, "said": said}


def quiz(question: Question, state: Quizzed, place: int, of: int) -> Picture:
    """A quiz question: open, answered wrong (with the reason, and the right option unmarked), or solved."""
    options: list[Picture] = [{"text": option.text, "mark": "", "note": ""} for option in question.options]
    told: Picture = {"kind": "quiz", "tag": f"Quiz · {place} of {of}", "ask": question.ask, "options": options}
    shown = state.showing
    if shown < 0 and not state.given_up:
        return {**told, "open": True, "chosen": -1, "solved": False}
    solved = shown == question.right or state.given_up
    for i in {shown, question.right} if solved else {shown}:
        if i >= 0:
            note = YOUR_ANSWER if i == shown else ""
            mark = "yes" if i == question.right else "no"
            options[i] |= {"mark": mark, "note": note, "why": question.options[i].why}
    return {**told, "open": False, "solved": solved}


def exercise(words: Exercise, state: Tried, place: int, *, can_start: bool) -> Picture:
    """A check's card: the task, what was found, and the ladder of hints with the solution on top."""
    told: Picture = {"kind": "check", "tag": f"Exercise {place}", "ask": words.title, "goal": list(words.goal)}
    if state.outcome:
        mark, title = OUTCOMES[state.outcome.kind]
        told["outcome"] = {"state": mark, "title": title, "say": state.outcome.said}
    rungs = [{"title": hint.title, "text": hint.text} for hint in words.hints]
    ladder: list[Picture] = [
        {"title": rung["title"], "text": rung["text"] if i < state.opened else ""} for i, rung in enumerate(rungs)
    ]
    if words.solution:
        opened = state.opened > len(rungs)
        ladder.append({"title": "The solution", "parts": list(words.solution) if opened else []})
    more = {"busy": state.busy, "until": state.until, "checked": state.checked, "can_start": can_start}
    return {**told, **more, "ladder": ladder, "opened": state.opened}


def steps(words: Words, session: Session, progress: Progress) -> list[Picture]:
    """The lesson's steps in order, each done, passed over, or still to come."""
    return [_step(words, kind, key, session, progress) for kind, key in words.steps]


def _step(words: Words, kind: str, key: str, session: Session, progress: Progress) -> Picture:
    known = progress.of(kind, key)
    skipped = False
    if kind == "predict":
        state = session.predicted(key)
        done = "guess" in known
        skipped = state.revealed and not done
        name = words.predict[key].ask
    else:
        done = bool(known.get("right"))
        name = words.quiz[key].ask if kind == "quiz" else words.exercise[key].title
    return {"state": "done" if done else "skip" if skipped else "", "name": name}


def title(words: Words, session: Session, progress: Progress, lab: Mapping[str, Any]) -> Picture:
    """The lesson's title card: what you will be able to do, how long it takes, how far you are, what is real here."""
    walked = steps(words, session, progress)
    done = sum(step["state"] == "done" for step in walked)
    minutes = words.minutes["teach"] + words.minutes["practise"]
    left = max(1, round(minutes * (1 - done / len(walked)))) if walked else minutes
    return {
        "kind": "title",
        "tag": f"Lesson {words.lesson}",
        "ask": words.title,
        "steps": walked,
        "done": done,
        "minutes": left,
        "you_will": list(words.you_will),
        "real": real(words, lab),
        "problem": progress.problem,
    }


def real(words: Words, lab: Mapping[str, Any]) -> list[Picture]:
    """What is real on this machine: facts with a name each."""
    runtime = str(lab.get("runtime", ""))
    facts: list[Picture] = [{"name": "Containers", "text": CONTAINERS.get(runtime, runtime), "state": "ready"}]
    if runtime == "simulated":
        facts[0]["state"] = "notready"
    if fences := list(lab.get("all_fences", ())):
        there = [fence for fence in fences if fence in lab.get("fences", ())]
        state = "ready" if len(there) == len(fences) else "notready" if there else "pending"
        facts.append({"name": "Fences", "text": f"{len(there)} of {len(fences)}", "state": state})
    if (speed := float(lab.get("speed", 1.0))) != 1:
        facts.append({"name": "Time", "text": f"Kubernetes’ waits, divided by {speed:g}", "state": "notready"})
    if (told := words.runtimes.get(runtime, "full")) != "full":
        facts.append({"name": "This lesson", "text": told, "state": "notready"})
    return facts


CONTAINERS = {
    "local": "Real Linux processes of this machine.",
    "docker": "Real containers of Docker Engine.",
    "simulated": "Records that follow a script; no process runs.",
    "cluster": "Those of your own cluster.",
}


def recap(
    words: Words, session: Session, progress: Progress, following: str, course: Sequence[Picture] = ()
) -> Picture:
    """What was guessed, checked and learned, how far the whole course is (`report.course`), and what comes next."""
    rows = []
    for kind, key in words.steps:
        known = progress.of(kind, key)
        rows.append({"kind": kind, **_recap_row(words, kind, key, session, known)})
    return {
        "kind": "recap",
        "tag": f"Lesson {words.lesson} · {words.title}",
        "ask": "What you did",
        "rows": [*rows, *course],
        "words": [{"word": word, "means": means} for word, means in words.words.items()],
        "next": following,
    }


def _recap_row(words: Words, kind: str, key: str, session: Session, known: Mapping[str, Any]) -> Picture:
    if kind == "predict":
        question, state = words.predict[key], session.predicted(key)
        guess = state.guess if state.guess >= 0 else known.get("guess", -1)
        mark = "pending" if guess < 0 else "ready" if guess == question.right else "failed"
        text = "Not guessed." if guess < 0 else question.options[guess].text
        return {"name": question.ask, "state": mark, "text": text}
    if kind == "quiz":
        tried = known.get("answers", ())
        solved = bool(known.get("right"))
        text = _times(len(tried), "answer") if solved else "Not solved yet."
        return {"name": words.quiz[key].ask, "state": "ready" if solved else "pending", "text": text}
    outcome = session.tried(key).outcome
    kind_now: Kind = "right" if known.get("right") else outcome.kind if outcome else "none"
    mark, said = OUTCOMES[kind_now]
    hints = known.get("hints", 0)
    text = f"{said}. With {_times(hints, 'hint')}." if hints and kind_now == "right" else f"{said}."
    return {"name": words.exercise[key].title, "state": mark, "text": text}


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def headings(rows: Sequence[Picture]) -> dict[str, list[Picture]]:
    """A recap's rows under the heading that each kind of step has."""
    names = {"predict": "Your guesses", "exercise": "Exercises", "quiz": "Quiz", "course": "All lessons"}
    grouped = {name: [row for row in rows if row["kind"] == kind] for kind, name in names.items()}
    return {name: members for name, members in grouped.items() if members}


def hint(words: Exercise, opened: int) -> Picture:
    """The hint just opened, or the solution, as a card of its own."""
    if opened > len(words.hints):
        return {"kind": "hint", "tag": words.title, "ask": "The solution", "parts": list(words.solution)}
    if not words.hints:
        return {"kind": "hint", "tag": words.title, "ask": "There is no hint for this one.", "parts": []}
    found = words.hints[opened - 1]
    return {
        "kind": "hint",
        "tag": f"{words.title} · Hint {opened}",
        "ask": found.title,
        "parts": [{"text": found.text}],
    }
