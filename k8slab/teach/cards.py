"""The cards of a lesson as one widget: guess, check, quiz, title and recap, each a picture and what a press does.

A card is a view like the board (`widgets/base.py`), so a press is only posted, and its one publisher thread acts and
draws. `exercise.py` has the one card that does more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from k8slab.teach import still
from k8slab.widgets.base import View, source
from k8slab.widgets.delta import Picture

HERE = Path(__file__).parent
Press = Callable[[Mapping[str, Any]], None]


class Card(View):
    """One card: `picture` says what it shows, `presses` what each button does. Presses run on the card's own thread."""

    _esm = "\n".join([source("view.js"), *((HERE / name).read_text(encoding="utf-8") for name in ("cards.js",))])
    _css = "\n".join([source("tokens.css"), (HERE / "cards.css").read_text(encoding="utf-8")])

    def __init__(
        self, key: Hashable, picture: Callable[[], Picture], presses: Mapping[str, Press] | None = None
    ) -> None:
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
