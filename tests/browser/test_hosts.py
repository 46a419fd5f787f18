"""The board where notebooks are shown: JupyterLab, Notebook 7, Voilà; and what stays of it in an exported page."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect, sync_playwright

from k8slab.lab.shows import Shows
from tests.widgets.axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
CELL = """
from k8slab import Lab
lab = Lab("hosts", runtime="simulated")
lab.kubectl("create deployment web --image=k8slab/web:v1 --replicas=3") if not lab.read("deployment/web") else None
lab.wait("deployment/web")
lab.board()
"""
HOSTS = {
    "jupyterlab": (["-m", "jupyterlab"], "/lab/tree/board.ipynb"),
    "notebook": (["-m", "notebook"], "/notebooks/board.ipynb"),
    "voila": (["-m", "voila", "board.ipynb"], "/"),
}
ROOT = Path(__file__).parents[2]
LATEST = 120_000  # ms: a busy machine starts a kernel slowly


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a notebook of one cell; its lab is taken down in the end."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)], metadata=kernel), tmp_path / "board.ipynb")
    monkeypatch.setenv("K8SLAB_STATE_DIR", str(tmp_path / "state"))
    yield tmp_path
    subprocess.run([sys.executable, "-m", "k8slab.cli", "down", "--all"], check=True)


@pytest.fixture
def served(home, request):
    """The address of the notebook in a host, once it answers."""
    arguments, path = HOSTS[request.param]
    if find_spec(arguments[1]) is None:
        pytest.skip(f"{arguments[1]} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    voila = request.param == "voila"
    open_to_all = [] if voila else ["--ServerApp.token=", "--ServerApp.password=", "--allow-root"]
    command = [sys.executable, *arguments, f"--port={port}", "--no-browser", *open_to_all]
    env = {**os.environ, "HOME": str(home)}
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        while True:
            assert server.poll() is None, (home / "server.log").read_text()
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(LATEST)
        yield page
        browser.close()


def run_until_ready(page: Page) -> None:
    """Shift+Enter in the first cell until three pods are shown ready.

    Pressed again where it came to nothing, as a person would: a notebook that still connects to its kernel takes the
    key, marks the cell, and forgets it.
    """
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    deadline = time.monotonic() + LATEST / 1000
    while time.monotonic() < deadline:
        if "*" not in cell.locator(".jp-InputPrompt").inner_text():
            cell.locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")
        with contextlib.suppress(AssertionError):
            expect(page.get_by_text("Run this cell again")).to_have_count(0, timeout=5_000)
            return ready(page, timeout=15_000)
    return ready(page, timeout=1_000)


def ready(page: Page, timeout: int = LATEST) -> None:
    expect(page.locator('.kl.board .tile[data-state="ready"]')).to_have_count(3, timeout=timeout)


def delete_one(page: Page) -> None:
    """By keyboard alone: the tile, Enter to its actions, along to Delete."""
    tile = page.locator(".kl.board .pods .tile").first
    victim = tile.get_attribute("data-uid")
    tile.focus()
    page.keyboard.press("Delete")
    expect(page.locator(f'.kl.board .pods .tile[data-uid="{victim}"]')).to_have_count(0, timeout=LATEST)
    ready(page)
    expect(page.locator(".kl.board .story")).to_contain_text("You deleted")


@pytest.mark.parametrize("served", ["jupyterlab"], indirect=True)
def test_in_jupyterlab_and_after_its_kernel_was_restarted(served, page):
    page.goto(served)
    run_until_ready(page)
    delete_one(page)
    assert violations(page, ".kl.board") == []
    assert page.evaluate("getComputedStyle(document.querySelector('.kl .kl-btn')).borderRadius") != "0px"
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).click()
    page.get_by_role("button", name=re.compile("Confirm.*Restart|^Restart$")).click()
    expect(page.locator(".kl.board")).to_contain_text("Run this cell again", timeout=LATEST)
    run_until_ready(page)
    expect(page.locator(".kl.board")).not_to_contain_text("Run this cell again")


@pytest.mark.slow
@pytest.mark.parametrize("served", ["notebook"], indirect=True)
def test_in_notebook_7(served, page):
    page.goto(served)
    run_until_ready(page)
    delete_one(page)


@pytest.mark.slow
@pytest.mark.parametrize("served", ["voila"], indirect=True)
def test_in_voila(served, page):
    page.goto(served)
    ready(page)
    delete_one(page)


def test_an_exported_page_shows_it_as_it_stood(home):
    """As `jupyter nbconvert --to html` does it with a saved notebook: no kernel, no script of ours, no network."""
    notebook = nbformat.read(home / "board.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=200, store_widget_state=False).execute(cwd=str(home))
    html, _ = HTMLExporter().from_notebook_node(notebook)
    figure = re.search(r"<figure.*?</figure>", html, re.DOTALL)
    assert figure
    assert "web wants <b>3</b>" in figure[0]
    assert len(re.findall(r"Ready, 1/1", figure[0])) == 3
    (output,) = [out for out in notebook.cells[0].outputs if "text/html" in out.get("data", {})]
    assert output["data"]["text/plain"].startswith("Board of hosts: All is as wished.")
    (home / "board.html").write_text(html)
    assert Path(home / "board.html").stat().st_size < 3_000_000


def test_the_gallery_shows_every_view_and_leaves_its_words(home, monkeypatch):
    """lessons/gallery.ipynb from top to bottom, on records; every view says something on paper too."""
    monkeypatch.setenv("K8SLAB_RUNTIME", "simulated")
    notebook = nbformat.read(ROOT / "lessons" / "gallery.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=200, store_widget_state=False).execute(cwd=str(home))
    views = {
        cell.source: out["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if "application/vnd.jupyter.widget-view+json" in out.get("data", {})
    }
    called = {name for name in vars(Shows) if any(f"lab.{name}(" in source for source in views)}
    assert called >= {name for name in vars(Shows) if find_spec(f"k8slab.widgets.{name}")}
    assert all(data["text/plain"].strip() and "</" in data["text/html"] for data in views.values())
