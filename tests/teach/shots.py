"""Pictures of every kind of card, for tests and for people who look: `python -m tests.teach.shots DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from k8slab.teach import pictures, report, words
from k8slab.teach.checks import Outcome
from k8slab.teach.progress import Progress, kept
from k8slab.teach.session import Predicted, Quizzed, Session, Tried
from tests.teach import page

LAB = {
    "runtime": "local",
    "version": "1.36",
    "nodes": 3,
    "speed": 10,
    "fences": ["pid", "user", "mount", "uts"],
    "all_fences": ["user", "pid", "mount", "uts", "ipc", "net", "cgroup"],
}


def all_kinds(folder: Path):
    """A picture of each kind of card, in each of its states."""
    found = words.load("05")
    session, progress = Session(), Progress("05", folder)
    progress.record("predict", "objects", guess=1, right=False)
    progress.record("predict", "crash", guess=1, right=True)
    progress.record("exercise", "five", right=True, hints=2)
    progress.record("quiz", "guest", right=True, answers=[0, 2])
    session.predicted("objects").guess = 1
    session.predicted("delete-one").revealed = True
    asked, quizzed, task = found.predict["delete-one"], found.quiz["restarts"], found.exercise["patient"]
    revealed = Predicted(0, True, {"seconds": 0.21})
    outcomes = [
        Outcome("none", "`web` still wishes for {wish} pods, as in the lesson so far.", {"wish": 3}),
        Outcome("wrong", "You freed `{pod}`, which has never crashed. Look at RESTARTS.", {"pod": "web-7d5bc-m2k9s"}),
        Outcome("soon", "The wish is right. {ready} of five pods are ready.", {"ready": 3}),
        Outcome("right", "The patient runs on its own, and `web` is complete without it."),
        Outcome("fault", "The check itself failed: KeyError: 'spec'. That is our mistake and not yours."),
    ]
    return [
        pictures.title(found, session, progress, LAB),
        pictures.predict(asked, Predicted(), reveal=False),
        pictures.predict(asked, Predicted(1), reveal=False),
        pictures.predict(asked, revealed, reveal=False),
        pictures.predict(asked, revealed, reveal=True),
        *(
            pictures.exercise(task, Tried(outcome, i, checked=1e9), 2, can_start=True)
            for i, outcome in enumerate(outcomes)
        ),
        pictures.quiz(quizzed, Quizzed(), 1, 3),
        pictures.quiz(quizzed, Quizzed([1], 1), 1, 3),
        pictures.quiz(quizzed, Quizzed([1, 2], 2), 1, 3),
        pictures.quiz(quizzed, Quizzed([1], 1, given_up=True), 1, 3),
        pictures.hint(task, 1),
        pictures.recap(found, session, progress, "06 Services", report.course(report.all_lessons(), progress.path)),
        report.picture(report.rows(report.all_lessons(), kept(progress.path))),
    ]


def main(folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    shown = all_kinds(folder)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, dark, width in (("light", False, 1000), ("dark", True, 1000), ("narrow", False, 460)):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.on("pageerror", lambda error: print("error:", error))
            tab.on("console", lambda said: print("console:", said.text))
            for part, some in (("a", shown[:7]), ("b", shown[7:14]), ("c", shown[14:])):
                tab.set_content(page.html(*some, dark=dark))
                tab.wait_for_function("window.ready")
                tab.screenshot(path=folder / f"{name}-{part}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
