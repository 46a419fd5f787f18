"""The cards of a lesson as one widget: guess, check, quiz, title and recap, each a picture and what a press does.

A card is a view like the board (`widgets/base.py`), so a press is only posted, and its one publisher thread acts and
draws. `CheckCard` also looks again by itself while its outcome is `soon`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from k8slab.teach import still
from k8slab.widgets.base import View, source
from k8slab.widgets.delta import Picture

HERE = Path(__file__).parent
AGAIN = 0.5  # s between two looks while something is on its way
PATIENCE = 60.0  # s after which it looks no more by itself

Press = Callable[[Mapping[str, Any]], None]


class Card(View):
    """One card: `picture` says what it shows, `presses` what each button does. Presses run on the card's own thread."""

    _esm = "\n".join([source("view.js"), *((HERE / name).read_text(encoding="utf-8") for name in ("cards.js",))])
    _css = "\n".join([source("tokens.css"), (HERE / "cards.css").read_text(encoding="utf-8")])

    def __init__(self, key: Hashable, picture: Callable[[], Picture], presses: Mapping[str, Press] | None = None) -> None:
        self._make = picture
        self._presses = dict(presses or {})
        super().__init__(key)

    def draw(self) -> Picture:
        """What it looks like now."""
        return self._make()

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what was pressed."""
        do = str(message.get("do"))
        if do not in self._presses:
            raise ValueError(f"This card has no {do!r}.")
        self._presses[do](message)
        return {}

    def changed(self) -> None:
        """Have it drawn anew, soon. From any thread."""
        self.post(lambda: None)

    def text(self) -> str:
        """The card in plain words."""
        return still.text(self._make())

    def html(self) -> str:
        """The card as a page without a kernel shows it."""
        return still.html(self._make())


class CheckCard(Card):
    """A card that can look again by itself: `look(until)` runs on its thread and says whether to go on."""

    _esm = Card._esm
    _css = Card._css

    def __init__(
        self, key: Hashable, picture: Callable[[], Picture], presses: Mapping[str, Press], look: Callable[[], bool]
    ) -> None:
        self._look = look
        self._done = threading.Event()
        self._watcher: threading.Thread | None = None
        super().__init__(key, picture, presses)

    def watch(self) -> None:
        """Look again about twice a second, until there is an answer or patience ends. Once at a time."""
        if self._watcher is not None and self._watcher.is_alive() and not self._done.is_set():
            return
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(self._done,), name="k8slab check", daemon=True)
        self._watcher.start()

    def unwatch(self) -> None:
        """Look no more by itself."""
        self._done.set()

    def stop(self) -> None:
        """The card is about to go."""
        self.unwatch()

    def _watch(self, done: threading.Event) -> None:
        def look() -> None:
            if not done.is_set() and not self._look():
                done.set()

        while not done.wait(AGAIN):
            self.post(look)
