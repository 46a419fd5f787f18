"""A view of Python's and its JavaScript in a real browser, joined as a kernel and a notebook join them."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import Any

from tests.widgets.browser import DARK, MODEL

HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>view</title><style>{css}</style></head>
<body data-jp-theme-light="{light}" style="margin:0;padding:20px;background:{ground};{theme}">
<button id="before">before</button><main id="out"></main></body></html>"""


class Bridge:
    """Carries messages both ways while the test waits: `until` and `rest` are where that happens."""

    def __init__(self, page: Any, view: Any, *, dark: bool = False) -> None:
        self.page, self.view, self.carried = page, view, 0
        self.outbox: SimpleQueue[Any] = SimpleQueue()
        self.heard: list[Any] = []
        view.send = lambda message, *_: self.outbox.put(message)
        light = {"light": "true", "ground": "#fff", "theme": ""}
        page.set_content(
            HTML.format(css=view._css, **({"light": "false", "ground": "#111", "theme": DARK} if dark else light))
        )
        state = view.get_state("state")["state"]
        page.evaluate(MODEL, [view._esm, state])
        self.carry()

    def carry(self) -> None:
        """What each side has said since."""
        for message in self.page.evaluate("(n) => sent.slice(n)", self.carried):
            self.carried += 1
            self.view._handle_custom_msg(message, [])
        try:
            while True:
                message = self.outbox.get_nowait()
                self.heard.append(message)
                self.page.evaluate("(message) => heard(message)", message)
        except Empty:
            pass

    def until(self, what: Any, seconds: float = 15) -> Any:
        """Carry on until it is so: a function, or an expression of the page."""
        for _ in range(int(seconds * 50)):
            self.carry()
            found = self.page.evaluate(what) if isinstance(what, str) else what()
            if found:
                return found
            self.page.wait_for_timeout(20)
        raise AssertionError(f"it did not happen; the page says: {self.page.inner_text('main')}")

    def rest(self, seconds: float) -> None:
        """Carry on for a while."""
        for _ in range(int(seconds * 50)):
            self.carry()
            self.page.wait_for_timeout(20)
