"""The browser's half of a view, played in Python: hears what is sent, applies it, and presses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from k8slab.widgets.base import View
from k8slab.widgets.delta import apply


class Page:
    """One page that shows a view. `heard` is every message; `picture` what a browser would draw now."""

    def __init__(self, view: View, client: str = "page") -> None:
        self.view, self.client = view, client
        self.heard: list[dict[str, Any]] = []
        self.news = threading.Condition()
        state = view.get_state("state")["state"]
        self.seq, self.picture = state["seq"], state["picture"]
        view.send = self._hear

    def _hear(self, message: dict[str, Any]) -> None:
        with self.news:
            self.heard.append(message)
            if message["type"] == "state":
                self.seq, self.picture = message["seq"], message["picture"]
            elif message["type"] == "diff" and message["seq"] == self.seq + 1:
                self.seq, self.picture = message["seq"], apply(self.picture, message["patch"])
            self.news.notify_all()

    def until(self, what: Callable[[], object]) -> Any:
        """Wait for it; looks again whenever something was heard, and now and then in between."""
        with self.news:
            for _ in range(1000):
                if found := what():
                    return found
                self.news.wait(0.01)
        raise AssertionError(f"it did not happen; heard: {self.heard}")

    def settled(self) -> None:
        """Until the publisher has done and drawn all that was asked of it before."""
        for _ in range(2):  # the second is begun only when what followed the first was sent
            done = threading.Event()
            self.view.post(done.set)
            assert done.wait(20)

    def press(self, **message: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""
        number = str(len(self.heard))
        self.say(id=number, **message)
        return self.until(lambda: next((m for m in self.heard if m["type"] == "answer" and m["id"] == number), None))

    def say(self, **message: Any) -> None:
        self.view._handle_custom_msg({"client": self.client, **message}, [])
