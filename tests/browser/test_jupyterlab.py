"""A learner opens JupyterLab, runs lesson 05 cell by cell, clicks a pod dead, and sees its replacement come up.

The short form of `test_walk.py`, which goes through every lesson from end to end.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.lab import CHROMIUM, LATEST, SWITCHES, Notebook, served
from tests.lessons.notebooks import ROOT
from tests.widgets.alive import shot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
LESSON = ROOT / "lessons/05-deployments-and-replicas.ipynb"
REPLACED = """([board, before]) => {
  const now = [...board.querySelectorAll('.pods .tile[data-state="ready"] .id')].map((e) => e.innerText);
  return now.length === 3 && now.some((id) => !before.includes(id));
}"""


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser.new_page(viewport={"width": 1440, "height": 1000})
        browser.close()


def test_lesson_05_by_its_cells(page, tmp_path):
    with served(tmp_path) as address:
        notebook = Notebook(page, address, LESSON)
        while 'lab.wait("deployment/web")' not in notebook.source:
            notebook.run()
        notebook.run()
        board = page.locator(".kl.board").first
        board.scroll_into_view_if_needed()
        tiles = board.locator(".pods .tile")
        expect(board.locator('.pods .tile[data-state="ready"]')).to_have_count(3, timeout=LATEST)
        expect(board.locator(".say").first).to_contain_text(re.compile("wants\\s*3.*has\\s*3"))

        before = sorted(tiles.locator(".id").all_inner_texts())
        victim = tiles.first.locator(".id").inner_text()
        tiles.first.click()
        board.get_by_role("button", name=re.compile("^Delete")).click()
        page.wait_for_function(REPLACED, arg=[board.element_handle(), before], timeout=LATEST)
        expect(board).to_contain_text("All is as wished", timeout=LATEST)
        board.evaluate("board => board.scrollIntoView({block: 'start'})")
        shot(
            page,
            "lesson-05-board",
            "Lesson 05: a pod **deleted** by a click, and its replacement beside it.",
            of="#main",
        )
        assert victim not in board.locator('.pods .tile[data-state="ready"] .id').all_inner_texts()
        expect(board.locator(".story")).to_contain_text("You deleted")
