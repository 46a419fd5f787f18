"""A lesson as a notebook uses it, on a pretended lab: cards shown, presses done, what is remembered."""

import json
import threading

import pytest

from k8slab.settings import LabError
from k8slab.teach import exercise, words
from k8slab.teach.lesson import Lesson
from k8slab.teach.progress import NAME, Progress
from tests.teach.fakelab import FakeLab, deployment, web


def until(fact, seconds=5.0):
    for _ in range(int(seconds / 0.01)):
        if fact():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come about")


@pytest.fixture
def shown(monkeypatch):
    cards = []
    monkeypatch.setattr("k8slab.teach.lesson._display", cards.append)
    return cards


@pytest.fixture
def lesson(tmp_path, monkeypatch, shown):
    monkeypatch.chdir(tmp_path)
    lesson = Lesson(words.load("05"), FakeLab(deployment(), *web(3)))
    yield lesson
    lesson.close()


def kept(kind, key):
    return json.loads(open(NAME).read())["lessons"]["05"][kind][key]


def test_a_guess_and_what_happened(lesson, shown):
    lesson.predict("delete-one")
    shown[0].act({"do": "guess", "option": 0})
    assert shown[0].draw()["chosen"] == 0
    lesson.reveal("delete-one", seconds=0.2)
    marks = [option["mark"] for option in shown[1].draw()["options"]]
    assert marks == ["guess", "yes", ""]
    assert "0.2 s after the delete" in shown[1].text()
    assert "said" not in shown[0].draw() or shown[0].draw()["said"] == []
    assert kept("predict", "delete-one") == {"guess": 0, "right": False}


def test_only_the_first_guess_counts_and_none_after_the_reveal(lesson, shown):
    lesson.predict("delete-one")
    shown[0].act({"do": "guess", "option": 0})
    shown[0].act({"do": "guess", "option": 1})
    assert kept("predict", "delete-one")["guess"] == 0
    lesson.reveal("delete-one", seconds=1)
    shown[0].act({"do": "guess", "option": 2})
    assert shown[0].draw()["options"][1]["note"] == "your guess, and what happened"


def test_a_run_without_a_guess_shows_the_reveal_all_the_same(lesson, shown):
    lesson.predict("crash")
    lesson.reveal("crash")
    assert shown[1].draw()["said"]
    lesson.predict("crash")
    assert shown[2] is shown[0]
    assert shown[0].draw()["open"]


def test_a_fact_that_was_not_given_is_asked_for(lesson):
    with pytest.raises(LabError, match="needs seconds"):
        lesson.reveal("delete-one")


@pytest.mark.parametrize("call", ["predict", "reveal", "check", "start", "hint", "quiz"])
def test_a_key_that_is_not_there_lists_those_that_are(lesson, call):
    with pytest.raises(LabError, match="It has: "):
        getattr(lesson, call)("nonsense")


@pytest.mark.parametrize("option", [None, -1, 3, "1", 1.0])
def test_an_option_that_is_not_there(lesson, shown, option):
    lesson.predict("crash")
    with pytest.raises(ValueError, match="no such option"):
        shown[0].act({"do": "guess", "option": option})


def test_a_check_tells_and_remembers(lesson, shown):
    assert lesson.check("five").kind == "none"
    assert shown[0].draw()["outcome"]["title"] == "Not begun"
    lesson.lab.objects[:] = [deployment(replicas=5), *web(5)]
    shown[0].act({"do": "check"})
    assert shown[0].draw()["outcome"]["title"] == "Right"
    lesson.lab.objects.clear()
    assert lesson.check("five").kind == "none"
    assert kept("exercise", "five") == {"right": True, "hints": 0}


def test_while_it_is_on_its_way_the_card_looks_again(lesson, shown, monkeypatch):
    monkeypatch.setattr(exercise, "AGAIN", 0.01)
    lesson.lab.objects[:] = [deployment(replicas=5), *web(4)]
    assert lesson.check("five").kind == "soon"
    assert shown[0].draw()["until"] > 0
    lesson.lab.objects[:] = [deployment(replicas=5), *web(5)]
    until(lambda: shown[0].draw()["outcome"]["title"] == "Right")
    until(lambda: not [t for t in threading.enumerate() if t.name == "k8slab check"])
    assert shown[0].draw()["until"] == 0


def test_it_does_not_look_for_ever(lesson, shown, monkeypatch):
    monkeypatch.setattr(exercise, "AGAIN", 0.01)
    monkeypatch.setattr(exercise, "PATIENCE", 0.05)
    lesson.lab.objects[:] = [deployment(replicas=5), *web(4)]
    lesson.check("five")
    until(lambda: shown[0].draw()["until"] == 0)
    assert shown[0].draw()["outcome"]["title"] == "Still on its way"
    until(lambda: not [t for t in threading.enumerate() if t.name == "k8slab check"])


def test_starting_over_puts_the_situation_in_place(lesson, shown):
    lesson.check("patient")
    shown[0].act({"do": "over"})
    until(lambda: "crash web-7d5bc-0" in lesson.lab.told)
    until(lambda: shown[0].draw()["busy"] == "" and shown[0].draw().get("outcome"))


def test_hints_come_in_turn_and_the_solution_last(lesson, shown):
    lesson.check("five")
    for _ in range(6):
        shown[0].act({"do": "hint"})
    picture = shown[0].draw()
    assert [rung["title"] for rung in picture["ladder"]] == [
        "Where to look",
        "Which field",
        "Which command",
        "The solution",
    ]
    assert "kubectl scale" in picture["ladder"][3]["parts"][0]["code"]
    assert kept("exercise", "five")["hints"] == 4
    lesson.hint("patient")
    assert "One column" in shown[1].text()


def test_a_quiz_is_tried_again_until_it_is_right(lesson, shown):
    lesson.quiz("guest")
    card = shown[0]
    card.act({"do": "answer", "option": 0})
    assert [option["mark"] for option in card.draw()["options"]] == ["no", "", ""]
    assert "It would, if" in card.text()
    card.act({"do": "again"})
    card.act({"do": "answer", "option": 2})
    assert [option["mark"] for option in card.draw()["options"]] == ["", "", "yes"]
    assert kept("quiz", "guest") == {"answers": [0, 2], "right": True}


def test_who_gives_up_sees_the_answer(lesson, shown):
    lesson.quiz("guest")
    shown[0].act({"do": "answer", "option": 0})
    shown[0].act({"do": "give_up"})
    assert [option["mark"] for option in shown[0].draw()["options"]] == ["no", "", "yes"]
    assert not kept("quiz", "guest")["right"]


def test_reset_leads_back_to_the_beginning(lesson, shown):
    lesson.predict("crash")
    shown[0].act({"do": "guess", "option": 1})
    lesson.check("five")
    lesson.reset()
    assert lesson.lab.told == ["reset"]
    assert shown[0].draw()["chosen"] == -1
    assert "outcome" not in shown[1].draw()
    assert kept("predict", "crash")["right"]


def test_the_title_card_counts(lesson, shown):
    data, _ = lesson._repr_mimebundle_()
    assert "0 of 14 steps done" in data["text/plain"]
    assert "<section" in data["text/html"]
    lesson.predict("crash")
    shown[0].act({"do": "guess", "option": 1})
    assert "1 of 14 steps done" in lesson._repr_mimebundle_()[0]["text/plain"]
    lesson.recap()
    assert "The same pod, with RESTARTS 1." in shown[1].text()


def test_an_unknown_lesson():
    with pytest.raises(LabError, match="There are: 00, 01, .*05"):
        words.load("99")


def test_progress_survives_and_an_unreadable_file_is_put_aside(tmp_path):
    Progress("05", tmp_path).record("quiz", "guest", right=True)
    Progress("00", tmp_path).record("quiz", "night", right=False)
    again = Progress("05", tmp_path)
    again.record("quiz", "guest", right=False)
    assert again.of("quiz", "guest") == {"right": True}
    (tmp_path / NAME).write_text("{")
    fresh = Progress("05", tmp_path)
    assert fresh.of("quiz", "guest") == {}
    assert (tmp_path / "k8slab-progress.unreadable.json").read_text() == "{"


def test_progress_that_cannot_be_kept_is_told(tmp_path):
    progress = Progress("05", tmp_path / "gone")
    progress.record("quiz", "guest", right=True)
    assert "could not be written" in progress.problem
    assert progress.of("quiz", "guest")["right"]


def test_an_authors_lesson_beside_the_notebook_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "05-mine.words.json").write_text("{}")
    assert words.files()["05"].name == "05-deployments-and-replicas.words.json"
    (tmp_path / "src").mkdir()
    (tmp_path / "05-mine.ko.words.json").write_text("{}")
    assert words.files()["05"] == tmp_path / "05-mine.words.json"
    assert set(words.files()) >= {"00", "05"}
