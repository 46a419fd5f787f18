"""A launch on Binder: every lesson within its limits, and a learner who opens a link and then looks out of the window."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.binder.place import HOME, PORT, PREFIX, TOKEN, Place, launched
from tests.browser.lab import SWITCHES
from tests.lessons.notebooks import announced_failures, build_notebooks, prepared

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]
RUN = Path(__file__).with_name("run.py")
GOAL = 1024  # MiB
MINUTE = 60
QUIET = 12  # s without a word from the kernel
ADDRESS = f"http://127.0.0.1:{PORT}{PREFIX}"
KUBECONFIG = ["--kubeconfig", f"{HOME}/.local/state/k8slab/default/kubeconfig"]
KERNELS = ["curl", "--silent", "--header", f"Authorization: token {TOKEN}", f"{ADDRESS}api/kernels"]


def processes(place: Place) -> list[str]:
    """Name and line of each that runs. One that ended and was nobody's child is the first process's to collect."""
    lines = place.run("ps", "-eo", "stat=,comm=,args=").splitlines()
    return [line.split(None, 1)[1] for line in lines if not line.startswith("Z") and "ps -eo" not in line]


@pytest.mark.parametrize("solved", [True, False], ids=["solved", "untouched"])
def test_every_lesson(binder, note, solved):
    folder = f"{HOME}/of-a-test"
    lessons = {path.stem: prepared(path.name[:2], solved=solved) for path in build_notebooks.sources()}
    with launched(binder) as place:
        place.put({f"{name}.ipynb": nbformat.writes(book).encode() for name, book in lessons.items()}, folder)
        told = place.script(RUN, *(f"{folder}/{name}.ipynb" for name in lessons))
        assert [one["failure"] for one in told if one["failure"]] == []
        for name in lessons:
            announced_failures(nbformat.reads(place.run("cat", f"{folder}/{name}.ipynb"), as_version=4))
        progress = json.loads(place.run("cat", f"{folder}/k8slab-progress.json"))["lessons"]
        assert set(progress) == {name[:2] for name in lessons}
        assert all(one["right"] is solved for lesson in progress.values() for one in lesson["exercise"].values())
        left = place.run("kubectl", *KUBECONFIG, "get", "pods,deployments,services", "-A", "-o", "name").split()
        assert left == ["service/kubernetes"]
        place.run("k8slab", "down", "--all")
        assert [line.split()[0] for line in processes(place)] == ["jupyter-lab"]
        assert place.peak <= GOAL
    form = "solved" if solved else "untouched"
    note(f"seconds per lesson, {form}", ", ".join(f"{str(one['name'])[:2]}: {one['seconds']}" for one in told))
    note(f"peak memory, {form}", f"{place.peak:.0f} MiB")


@pytest.fixture
def page(binder, tmp_path):
    """A browser in the network of a launch that has just begun, and the launch, and when that was."""
    began = time.monotonic()
    with launched(binder) as place, sync_playwright() as playwright:
        inside = tmp_path / "chromium"  # the launch has no network but its loopback: the browser joins it
        inside.write_text(f'#!/bin/sh\nexec nsenter --net=/proc/{place.pid}/ns/net chromium "$@"\n')
        inside.chmod(0o755)
        browser = playwright.chromium.launch(executable_path=str(inside), args=SWITCHES)
        yield browser.new_page(viewport={"width": 1280, "height": 800}), place, began
        browser.close()


def opened(page: Page, place: Place, path: str) -> None:
    """Jupyter's page, as soon as Jupyter answers."""
    patience = ["--retry-connrefused", "--retry", str(MINUTE), "--retry-delay", "1"]
    place.run("curl", "--silent", "--fail", *patience, "--output", "/dev/null", f"{ADDRESS}api")
    page.goto(f"{ADDRESS}{path}?token={TOKEN}")


def run_until(page: Page, text: str) -> None:
    """Run cell after cell until the one that contains the text has run.

    By the cell that is active, and not by its place as `tests/browser/lab.py` does: the JupyterLab that Binder brings
    (4.4) takes cells out of the page that are not in sight.
    """
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


def last_activity(place: Place) -> str:
    [kernel] = json.loads(place.run(*KERNELS))
    assert kernel["execution_state"] == "idle"
    return str(kernel["last_activity"])


@pytest.mark.browser
def test_the_lesson_is_left_its_board_right_and_both_are_quiet(page, note):
    page, place, began = page
    opened(page, place, "lab/workspaces/05")
    page.wait_for_selector(".jp-Notebook .jp-Cell.jp-mod-active", timeout=60_000)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=60_000)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    run_until(page, "k8slab.Lab()")
    first = time.monotonic() - began
    run_until(page, "lab.board()")
    right = page.locator(".jp-LinkedOutputView .kl.board")
    expect(right).to_contain_text("Connected")
    assert time.monotonic() - began < MINUTE
    left = page.locator(".jp-Notebook")
    assert left.bounding_box()["x"] + left.bounding_box()["width"] <= right.bounding_box()["x"]

    run_until(page, 'lab.wait("deployment/web")')
    expect(right).to_contain_text(re.compile(r"wants\s*3.*has\s*3"))
    assert sum(line.startswith("k8s:web-") for line in processes(place)) == 3
    before = last_activity(place)
    page.wait_for_timeout(QUIET * 1000)
    assert last_activity(place) == before
    note("from launch to the first cell done", f"{first:.1f} s")
    note("memory with lesson 05's three pods", f"{place.peak:.0f} MiB")
