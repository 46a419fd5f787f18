"""A learner opens JupyterLab, runs lesson 05 cell by cell, clicks a pod dead, and sees its replacement come up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
LESSON = "05-deployments-and-replicas.ipynb"
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SHOTS = os.environ.get("K8SLAB_SHOTS")


@pytest.fixture
def jupyter(tmp_path):
    """JupyterLab as `k8slab lessons` starts it, in an empty home folder; its address with the token."""
    env = {**os.environ, "HOME": str(tmp_path), "K8SLAB_STATE_DIR": str(tmp_path / "state"), "K8SLAB_RUNTIME": "local"}
    k8slab = str(Path(sys.executable).with_name("k8slab"))
    log = (tmp_path / "jupyter.log").open("w+")
    command = [k8slab, "lessons", "--dir", str(tmp_path / "lessons"), "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path)
    try:
        while not (
            found := re.search(r"http://127\.0\.0\.1:\d+/lab\S*token=\w+", (tmp_path / "jupyter.log").read_text())
        ):
            assert server.poll() is None, (tmp_path / "jupyter.log").read_text()
        yield re.sub(r"/lab\S*\?", f"/lab/tree/{LESSON}?", found.group())
    finally:
        server.terminate()
        server.wait(20)
        subprocess.run([k8slab, "down", "--all"], env=env, check=True)


@pytest.fixture
def page(jupyter):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(jupyter)
        yield page
        browser.close()


def run_until(page: Page, text: str) -> None:
    """Run cell after cell, as with Shift+Enter, until the one that contains `text` has run."""
    while True:
        cell = page.locator(".jp-Notebook .jp-Cell.jp-mod-active").element_handle()
        words, code = cell.inner_text(), "jp-CodeCell" in cell.get_attribute("class")
        page.keyboard.press("Shift+Enter")
        if code:  # its prompt gets a number once it has run
            page.wait_for_function(
                "cell => /\\[\\d+\\]/.test(cell.querySelector('.jp-InputPrompt').innerText)", arg=cell, timeout=90_000
            )
        if text in words:
            return


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def test_lesson_05_by_its_cells(page):
    page.wait_for_selector(".jp-Notebook .jp-Cell.jp-mod-active", timeout=60_000)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=90_000)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    run_until(page, 'lab.wait("deployment/web")')
    board = page.locator(".kl.board").first
    board.scroll_into_view_if_needed()
    tiles = board.locator(".pods .tile")
    expect(tiles).to_have_count(3)
    expect(board.locator('.pods .tile[data-state="ready"]')).to_have_count(3, timeout=20_000)
    expect(board.locator(".say").first).to_contain_text(re.compile("wants\\s*3.*has\\s*3"))

    before = set(tiles.locator(".id").all_inner_texts())
    victim = tiles.first.locator(".id").inner_text()
    tiles.first.click()
    board.get_by_role("button", name=re.compile("^Delete")).click()
    ready = board.locator('.pods .tile[data-state="ready"] .id')
    page.wait_for_function(
        """([board, before]) => {
            const now = [...board.querySelectorAll('.pods .tile[data-state="ready"] .id')].map((e) => e.innerText);
            return now.length === 3 && now.some((id) => !before.includes(id));
        }""",
        arg=[board.element_handle(), sorted(before)],
        timeout=20_000,
    )
    shot(page, "lesson-05")
    assert victim not in ready.all_inner_texts()
    expect(board.locator(".story")).to_contain_text("You deleted")
