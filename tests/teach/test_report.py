"""How far a learner is: counted from the file, told in a terminal and on a card; and what is said of no file."""

import json

import pytest

from k8slab.settings import LabError
from k8slab.teach import report, words
from k8slab.teach.progress import NAME, Progress, kept
from k8slab.teach.report import Part
from tests.teach.test_lesson import until

TWO = [words.load("00"), words.load("05")]
DONE = {
    "00": {
        "predict": {"process": {"guess": 1, "right": True}, "ends": {"guess": 0, "right": False}},
        "exercise": {"second": {"right": True, "hints": 1}, "click": {"right": False, "hints": 0}},
        "quiz": {"night": {"answers": [0, 2], "right": True}},
        "nonsense": {"x": {}},
    }
}
ALL = {
    "00": {
        kind: {key: {"guess": 0, "right": True} for of, key in TWO[0].steps if of == kind} for kind in report.HEADINGS
    }
}


def test_each_kind_of_step_is_counted():
    begun, fresh = report.rows(TWO, DONE)
    assert begun.parts == {"predict": Part(3, 2, 1), "exercise": Part(2, 2, 1), "quiz": Part(3, 1, 1)}
    assert (begun.done, begun.steps, begun.state) == (4, 8, "starting")
    assert (fresh.done, fresh.steps, fresh.state) == (0, 14, "none")


@pytest.mark.parametrize(
    ("done", "coming"),
    [({}, "00"), (DONE, "00"), (ALL, "05"), ({"05": DONE["00"]}, "00"), ({**ALL, "05": {"quiz": {"guest": {"right": False}}}}, "05")],
)  # fmt: skip
def test_where_to_go_on(done, coming):
    assert report.following(report.rows(TWO, done)).lesson == coming


def test_when_all_is_done():
    found = report.rows(TWO[:1], ALL)
    assert report.following(found) is None
    assert "All of it is done." in report.text(found, NAME)
    assert report.picture(found)["ask"] == "All of it is done"


def test_what_a_terminal_says():
    lines = report.text(report.rows(TWO, DONE), "here/" + NAME).splitlines()
    assert lines[0].split() == ["guesses", "exercises", "quiz", "steps"]
    assert lines[1].split("   ")[0] == "00 Start here"
    assert lines[1].endswith("2 of 3, 1 right   1 of 2      1 of 3   4 of 8")
    assert lines[2].split()[-6:] == ["–", "–", "–", "0", "of", "14"]
    assert "Next: 00 Start here." in lines
    assert lines[-1].endswith("Nothing of it is sent anywhere.")


def test_without_a_file_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match=r"no guess and no check so far. `k8slab lessons` opens .*`--dir`"):
        report.told()
    with pytest.raises(LabError, match="Nothing is kept in"):
        report.told(tmp_path / "elsewhere")


@pytest.mark.parametrize("folder", ["", "k8slab-lessons"])
def test_it_looks_here_and_where_lessons_are_copied(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir(exist_ok=True)
    Progress("05", tmp_path / folder).record("quiz", "guest", right=True)
    assert "1 of 14" in report.told()


@pytest.mark.parametrize("damage", ["{", "[]", '{"lessons": 3}'])
def test_a_damaged_file(tmp_path, damage):
    (tmp_path / NAME).write_text(damage)
    if damage == "{":
        with pytest.raises(LabError, match="is damaged"):
            kept(tmp_path / NAME)
    else:
        assert kept(tmp_path / NAME) == {}


def test_the_card_sees_what_other_notebooks_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "AGAIN", 0.01)
    card = report.show()
    assert card is report.show()
    try:
        assert "00 Start here: 0 of 8 steps" in card.text()
        assert "<section" in card.html()
        Progress("00", tmp_path).record("quiz", "night", right=True)
        until(lambda: "00 Start here: 1 of 8 steps" in card.text())
        until(lambda: card._picture["rows"][0]["done"] == 1)  # it has drawn by itself
        (tmp_path / NAME).write_text("{")
        assert "is damaged" in json.dumps(card.draw())
    finally:
        card.close()
