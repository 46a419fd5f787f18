"""The pages about all lessons: what is drawn, planned and refused; and the way through the notebooks."""

import json
import re
from itertools import pairwise

import pytest

from tests.lessons.notebooks import build_notebooks

lesson_index, lesson_plan = build_notebooks.lesson_index, build_notebooks.lesson_index.lesson_plan


def header(number, *needs, teach=20, practise=10, **words):
    minutes = {"teach": teach, "practise": practise}
    return {
        "lesson": number,
        "title": f"Lesson {number}",
        "minutes": minutes,
        "needs": {"lessons": list(needs), "abilities": []},
        "words": words,
        "you_will": ["see"],
    }


def lessons(*headers):
    return {f"{one['lesson']}-x": one for one in headers}


def arrows(*headers):
    return re.findall(r"L(\d\d) --> L(\d\d)", lesson_index.pages(lessons(*headers))["README.md"])


def test_the_map_leaves_out_what_follows():
    found = arrows(header("00"), header("01", "00"), header("02", "00", "01"), header("03", "00", "02"))
    assert found == [("00", "01"), ("01", "02"), ("02", "03")]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([header("00"), header("01", "00", pod="A group."), header("02", pod="A group.")], []),
        ([header("00", "01"), header("01")], ["lesson 00 needs lesson 01, which does not come before it"]),
        (
            [header("00", pod="A."), header("01", Pod="B.")],
            ["lessons 00 and 01 say different things of the word 'Pod'"],
        ),
    ],
)
def test_headers_that_do_not_fit_together(headers, said):
    assert list(lesson_index.mistakes(lessons(*headers))) == said


def test_a_day_has_pauses_and_ends_in_time():
    eight = {f"0{n}": header(f"0{n}") for n in range(8)}
    for _, end in lesson_plan.DAYS:
        parts, left = lesson_plan.day(eight, end)
        assert parts[0].begin == lesson_plan.BEGIN
        assert parts[-1].end <= end
        assert all(one.end == two.begin for one, two in pairwise(parts))
        assert [part.what for part in parts if part.split] + left == list(eight)
        since = lesson_plan.BEGIN
        for part in parts:
            since = part.end if not part.split else since
            assert part.end - since <= lesson_plan.LONGEST
    assert left == []
    assert [part.what for part in parts].count("Lunch") == 1
    assert lesson_plan.day(eight, 12 * 60)[1] == ["05", "06", "07"]


def test_what_is_too_long_for_any_day():
    assert lesson_plan.day({"00": header("00", teach=999)}, 12 * 60) == ([], ["00"])


def test_whoever_begins_at_the_index_comes_through_all_lessons():
    """From link to link, in the notebooks as they are built."""
    links, stem = re.compile(r"\*\*(?:Next: )?\[.*?\]\((\S+?)\.ipynb\)\*\*"), "index"
    way = []
    while found := links.findall(last_words(stem)):
        (stem,) = found
        way.append(stem)
    assert way == [path.stem for path in build_notebooks.sources()]


def last_words(stem):
    """The index's welcome, or a lesson's last cell."""
    cells = json.loads((build_notebooks.LESSONS / f"{stem}.ipynb").read_text())["cells"]
    return "".join(cells[0 if stem == "index" else -1]["source"])
