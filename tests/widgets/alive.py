"""A real view in this process and its real script in a real page, with the test between them as the wire."""

from __future__ import annotations

import json
import os
import queue
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from k8slab.widgets.base import View
from tests.widgets.browser import dress

SHOTS = os.environ.get("K8SLAB_SHOTS")


class Alive:
    """Shows a view on a page. Messages pass when the test looks: `until` and `pump` carry them."""

    def __init__(self, page: Any, view: View, *, dark: bool = False) -> None:
        self.page, self.view, self.carried = page, view, 0
        self.heard: list[dict[str, Any]] = []
        self.sent: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        view.send = self.sent.put
        dress(page, view._esm, view._css, view.get_state("state")["state"], dark=dark)
        self.pump()

    def pump(self) -> None:
        """Carry what is waiting, both ways."""
        for message in self.page.evaluate("(n) => sent.slice(n)", self.carried):
            self.carried += 1
            self.view._handle_custom_msg(message, [])
        while not self.sent.empty():
            self.heard.append(self.sent.get())
            self.page.evaluate("(message) => heard(message)", self.heard[-1])

    def changes(self, change: Callable[[], object]) -> None:
        """Make something happen, and wait until the page has drawn it."""
        seq = self.view._seq
        change()
        self.until(lambda: self.view._seq > seq)
        for _ in range(2):  # the second is begun only when what followed the first was sent
            done = threading.Event()
            self.view.post(done.set)
            self.until(done.is_set)
        self.pump()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def until(self, what: str | Callable[[], object]) -> Any:
        """Wait for a JavaScript expression, or a function, to be true; carries messages meanwhile."""
        for _ in range(500):
            self.pump()
            if found := self.page.evaluate(f"() => {what}") if isinstance(what, str) else what():
                return found
            self.page.wait_for_timeout(20)
        raise AssertionError(f"it did not happen: {what}\n{self.page.inner_text('body')}")

    def rest(self, seconds: float) -> None:
        """Carry messages for a while: to see that none come."""
        for _ in range(int(seconds * 50)):
            self.pump()
            self.page.wait_for_timeout(20)


def shot(page: Any, name: str, caption: str = "", *, of: str = ".kl") -> None:
    """Keep a picture of it for docs/gallery.md, if K8SLAB_SHOTS names a folder: `name` such as `board-dark`."""
    if not SHOTS:
        return
    assert re.fullmatch(r"[a-z0-9-]+", name), name
    folder = Path(SHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)
    page.locator(of).first.screenshot(path=folder / f"{name}.png", animations="disabled")
    if caption:
        (folder / f"{name}.json").write_text(json.dumps({"caption": caption}, ensure_ascii=False) + "\n")
