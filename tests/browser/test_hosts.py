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
from tests.browser.lab import wait_for
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
    "voila, gallery": (["-m", "voila", "gallery.ipynb"], "/"),
}
ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "lessons" / "gallery.ipynb"
VIEWS = [name for name in vars(Shows) if find_spec(f"k8slab.widgets.{name}")]
HEARTBEAT = 12_000  # ms: a kubelet renews its lease every ten seconds
LATEST = 120_000  # ms: a busy machine starts a kernel slowly


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a notebook of one cell; its lab is taken down in the end."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)], metadata=kernel), tmp_path / "board.ipynb")
    (tmp_path / "gallery.ipynb").write_text(GALLERY.read_text())
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
    voila = request.param.startswith("voila")
    open_to_all = [] if voila else ["--ServerApp.token=", "--ServerApp.password=", "--allow-root"]
    command = [sys.executable, *arguments, f"--port={port}", "--no-browser", *open_to_all]
    env = {**os.environ, "HOME": str(home)}
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(port, server)
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


def stays_idle(page: Page) -> bool:
    """Whether the kernel does nothing through a heartbeat of every node, once it has finished what it was at.

    This is what a culler asks for (Binder's gives an idle kernel ten minutes): a view may not keep one awake.
    """

    def active() -> str:
        (kernel,) = page.request.get(f"{page.url.partition('/lab/')[0]}/api/kernels").json()
        assert isinstance(kernel["last_activity"], str)
        return str(kernel["last_activity"]) if kernel["execution_state"] == "idle" else "busy"

    before = "busy"
    while before == "busy" or before != active():
        before = active()
        page.wait_for_timeout(2_000)
    page.wait_for_timeout(HEARTBEAT)
    return before == active()


@pytest.mark.parametrize("served", ["jupyterlab"], indirect=True)
def test_in_jupyterlab_and_after_its_kernel_was_restarted(served, page):
    page.goto(served)
    run_until_ready(page)
    delete_one(page)
    assert violations(page, ".kl.board") == []
    assert page.evaluate("getComputedStyle(document.querySelector('.kl .kl-btn')).borderRadius") != "0px"
    assert stays_idle(page)
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


def test_the_gallery_shows_every_view_and_leaves_its_words(home, page, monkeypatch):
    """lessons/gallery.ipynb from top to bottom, on records; every view says something on paper too."""
    monkeypatch.setenv("K8SLAB_RUNTIME", "simulated")
    notebook = nbformat.read(GALLERY, as_version=4)
    nbclient.NotebookClient(notebook, timeout=200, store_widget_state=False).execute(cwd=str(home))
    shown = {
        cell.source: out["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if "</" in out.get("data", {}).get("text/html", "")
    }
    assert [name for name in VIEWS if not any(f"lab.{name}(" in source for source in shown)] == []
    assert all(data["text/plain"].strip() for data in shown.values())

    html, _ = HTMLExporter().from_notebook_node(notebook)
    (home / "gallery.html").write_text(html)
    page.route(re.compile("^https?:"), lambda route: route.abort())  # read in a train
    page.goto((home / "gallery.html").as_uri())
    assert page.locator("figure:visible").count() >= 6
    for still in ("diagram", "doctor"):
        assert violations(page, f".kl.{still}") == []
    tile = page.locator(".kl-d .tile").first
    assert tile.evaluate("(el) => getComputedStyle(el).fill") == "rgb(255, 255, 255)"  # the tokens came along


@pytest.mark.slow
@pytest.mark.parametrize("served", ["voila, gallery"], indirect=True)
def test_every_view_is_alive_on_one_page(served, page):
    """All at once in Voilà: each is drawn, none disturbs another, and axe-core finds nothing in any."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served)
    for name in VIEWS:
        expect(page.locator(f".kl.{name}").first).to_be_visible(timeout=LATEST)
        assert page.locator(f".kl.{name}").first.inner_text().strip(), name
    assert errors == []
    assert violations(page, ".kl") == []
