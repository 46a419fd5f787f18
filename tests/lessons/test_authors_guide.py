"""The lesson of five minutes that stands in docs/authors.md: written out from there, built and run as its author would."""

from __future__ import annotations

import re
import sys

import pytest

from tests.lessons.notebooks import ROOT, build_notebooks
from tests.lessons.test_lessons import announced_failures, lab, progress  # noqa: F401 - lab is a fixture

GUIDE = (ROOT / "docs/authors.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`lessons/src/([\w.-]+)`:\n\n```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
SOURCE = next(name for name in FILES if name.startswith("77-"))


@pytest.fixture
def written(lab):  # noqa: F811
    """The guide's files, and what the build makes of them, where a notebook finds them."""
    (lab.folder / "src").mkdir()
    for name, text in FILES.items():
        (lab.folder / "src" / name).write_text(text, encoding="utf-8")
    for name, text in build_notebooks.build(lab.folder / "src" / SOURCE).items():
        (lab.folder / name).write_text(text, encoding="utf-8")
    return lab


def test_it_has_a_source_and_its_checks():
    assert set(FILES) == {SOURCE, "checks_77.py"}


@pytest.mark.parametrize("solved", [True, False])
def test_the_lesson_in_the_guide_runs(written, solved):
    done = written.run(written.folder / "src" / SOURCE, solved=solved)
    assert announced_failures(done) == 0
    assert [found["right"] for found in progress(written, "77")["exercise"].values()] == [solved]


def test_every_tag_and_call_of_the_kit_is_explained():
    tags = {tag for tag in sys.modules[build_notebooks.Source.__module__].TAGS if f"`{tag}`" not in GUIDE}
    calls = ("predict", "reveal", "start", "check", "hint", "quiz", "recap", "reset")
    assert tags == set()
    assert {call for call in calls if f"lesson.{call}(" not in GUIDE} == set()
