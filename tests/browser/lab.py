"""A person in JupyterLab: opens a lesson, runs it cell by cell, guesses, types, presses; and the server they use.

A cell is run by Shift+Enter, and whether it took is seen at its prompt: a kernel that has just been connected may lose
the first key. Cells are known by their place in the notebook: whatever is pressed in a cell's output selects that cell.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, TimeoutError, expect

CHROMIUM = "/usr/bin/chromium"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LATEST = 120_000  # ms: the machine may be busy
TAKEN = 10_000  # ms after which a key that changed nothing is pressed again
THEME = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"


@contextmanager
def served(home: Path, *, dark: bool = False, runtime: str = "local") -> Iterator[str]:
    """JupyterLab as `k8slab lessons` starts it, in an empty home folder; its address, to be filled with a notebook."""
    state = {"K8SLAB_STATE_DIR": str(home / "state"), "K8SLAB_RUNTIME": runtime, "K8SLAB_NAME": "walk"}
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # the virtual machine's kernel is there
    env = {**os.environ, "HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "XDG_CACHE_HOME": cache, **state}
    if dark:
        theme = home / ".jupyter/lab/user-settings" / THEME
        theme.parent.mkdir(parents=True)
        theme.write_text(json.dumps({"theme": "JupyterLab Dark"}))
    k8slab = str(Path(sys.executable).with_name("k8slab"))
    command = [k8slab, "lessons", "--dir", str(home / "lessons"), "--port", "0", "--no-browser"]
    log = home / "jupyter.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=home)
    try:
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+/lab)\S*(\?token=\w+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            threading.Event().wait(0.05)
        wait_for(int(found[1].rpartition(":")[2].partition("/")[0]), server)
        yield f"{found[1]}/tree/{{}}{found[2]}"
    finally:
        server.terminate()
        server.wait(30)
        subprocess.run([k8slab, "down", "--all"], env=env, check=True, capture_output=True)


def wait_for(port: int, server: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Until the server listens there: Jupyter prints its address a moment before."""
    while True:
        assert server.poll() is None, f"it ended: {server.args}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)


class Notebook:
    """A notebook that is open in a page; `at` is the place of the cell that runs next."""

    def __init__(self, page: Page, address: str, file: Path) -> None:
        self.page, self.at = page, 0
        self.written: set[int] = set()
        self.cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        self._open(address.format(file.name))
        expect(page.locator(".jp-Notebook .jp-Notebook-cell")).to_have_count(len(self.cells), timeout=LATEST)

    def _open(self, address: str) -> None:
        """Load the page and wait for its kernel; once more if a part of the page did not arrive in time."""
        for last in (False, True):
            self.page.goto(address, timeout=LATEST)
            try:
                self.idle()
                return
            except AssertionError:
                if last:
                    raise

    @property
    def source(self) -> str:
        """The text of the cell that runs next."""
        return "".join(self.cells[self.at]["source"])

    @property
    def next(self) -> Locator:
        """That cell."""
        return self.page.locator(".jp-Notebook .jp-Notebook-cell").nth(self.at)

    def idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle", timeout=LATEST
        )

    def run(self) -> Any:
        """Run the next cell, and go on to the one below; the cell, with what came out."""
        cell = self.next.element_handle()
        code = self.cells[self.at]["cell_type"] == "code" and (self.source.strip() or self.at in self.written)
        self.at += 1
        before = prompt(cell) if code else None
        for _ in range(3):
            self.focus(cell)
            self.page.keyboard.press("Shift+Enter")
            if self._taken(cell, before) and (not code or self._ran(cell)):
                break
        else:
            raise AssertionError(f"Shift+Enter did nothing in cell {self.at - 1}")
        if code:
            self.idle()
            cell.scroll_into_view_if_needed()  # what is out of sight is not drawn
        return cell

    def _taken(self, cell: Any, before: str | None) -> bool:
        try:
            self.page.wait_for_function(LEFT, arg=[cell, before], timeout=TAKEN)
        except TimeoutError:
            self.idle()
            return False
        return True

    def _ran(self, cell: Any) -> bool:
        """Whether it got its number: a notebook that still connects to its kernel may mark a cell and forget it."""
        self.page.wait_for_function(f"cell => {PROMPT} !== '[*]:'", arg=cell, timeout=LATEST)
        return prompt(cell) != "[ ]:"

    def focus(self, cell: Any) -> None:
        """Have the keyboard in the notebook, at this cell, whatever was pressed before."""
        cell.scroll_into_view_if_needed()
        cell.click(position={"x": 4, "y": 4})

    def write(self, text: str) -> None:
        """Type into the next cell."""
        self.next.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)
        self.written.add(self.at)

    def beside(self, cell: Any, of: str) -> Locator:
        """Do as the lessons say: right-click a view, *Create New View for Output*. The view in its new place."""
        cell.query_selector(of).click(button="right", position={"x": 8, "y": 8})
        self.page.locator(".lm-Menu-item", has_text="Create New View for").click()
        return self.page.locator(f".jp-LinkedOutputView {of}")


LEFT = """([cell, before]) => !cell.matches(".jp-mod-active")
  && (before === null || cell.querySelector(".jp-InputPrompt").textContent !== before)"""
PROMPT = "cell.querySelector('.jp-InputPrompt').textContent"


def prompt(cell: Any) -> str:
    """What stands left of a cell: `[ ]:`, `[*]:` or `[7]:`."""
    return str(cell.evaluate(f"cell => {PROMPT}"))


def failed(cell: Any) -> str:
    """What a cell's error output says; empty if it has none."""
    found = cell.query_selector(":is([data-mime-type$='jupyter.error'], [data-mime-type$='jupyter.stderr'])")
    return found.inner_text() if found else ""
