"""The life of every view: one publisher thread, messages into its queue, a picture out of it, only when it changed.

Each view says what it shows (`draw`) and what it does when pressed (`act`); `view.js` is this file's other half in the
browser. `watching.py` adds a cluster to look at; `board.py` is the first view. Why it is made so: callbacks may run on
any thread and only the publisher, inside the context of the cell that showed the view, can reach the browser on every
ipykernel.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import anywidget
import traitlets

from k8slab.clock import Clock
from k8slab.widgets.delta import Picture, diff

STAGE = ("view.js", "stage.js", "marks.js", "keys.js")  # what a view's own script stands upon, in this order
FOLDER = Path(__file__).parent
log = logging.getLogger(__name__)

V = TypeVar("V", bound="View")
_shown: dict[tuple[type, Hashable], View] = {}


def source(*names: str) -> str:
    """Files of this folder as one text: read once, so that no instance watches a path (anywidget#929)."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


class View(anywidget.AnyWidget):
    """A picture of something, kept current. Subclasses give `draw`, and `act` if it can be pressed."""

    frame = 0.1  # s between two pictures: ten a second is a hundred times below what Jupyter drops
    state = traitlets.Dict().tag(sync=True)  # {"seq", "now", "picture"}: what a browser starts from

    def __init__(self, key: Hashable = None) -> None:
        self._clock = Clock()
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._picture: Picture = {}
        self._seq = 0
        self._clients: dict[str, bool] = {}  # browser pages showing it -> whether it can be seen there
        self._watched = True  # until every page says that nobody looks
        self._closing = threading.Event()
        self._key = (type(self), key)
        run = contextvars.copy_context().run
        self._publisher = threading.Thread(target=run, args=(self._publish,), name=f"k8slab view {key}", daemon=True)
        self.start()
        self._picture = self.draw()
        super().__init__()
        self.on_msg(lambda _, content, __: self.post(lambda: self._hear(content)))
        self._publisher.start()

    @classmethod
    def shown(cls: type[V], key: Hashable, make: Callable[[], V]) -> V:
        """The view that already shows this, or a new one: a cell that runs again shows the same model."""
        view = _shown.get((cls, key))
        if not isinstance(view, cls):
            view = make()
            _shown[(cls, key)] = view
        return view

    @classmethod
    def all_shown(cls) -> list[View]:
        """Every open view of this kernel."""
        return list(_shown.values())

    def start(self) -> None:
        """Begin to look; may wait a moment, so that the first picture shows something."""

    def stop(self) -> None:
        """Look no more."""

    def draw(self) -> Picture:
        """What it looks like now. Runs on the publisher's thread, as `act` does."""
        raise NotImplementedError

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what was pressed, and answer. Raises with a sentence for the learner."""
        raise ValueError(f"This view does not know how to {message.get('do')}.")

    def wake(self) -> float | None:
        """In how many seconds to draw again though nothing was heard (counters, windows); None: not before then."""
        return None

    def changed(self) -> None:
        """Have it drawn anew, soon. From any thread."""
        self.post(_nothing)

    def post(self, work: Callable[[], None]) -> None:
        """Have something done by the publisher, which then draws. From any thread; returns at once."""
        self._inbox.put(work)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The synced state; a page opened later starts from the present picture, not from the first."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "state" in state:
            state["state"] = self._whole()
        return state

    def close(self) -> None:
        """Stop publishing, let go of everything. May be called twice."""
        if not self._closing.is_set():
            self._closing.set()
            self.stop()
            self._inbox.put(None)
            if _shown.get(self._key) is self:
                del _shown[self._key]
            if threading.current_thread() is not self._publisher:
                self._publisher.join(timeout=5)
            self.layout.close()
        super().close()

    def text(self) -> str:
        """The picture in plain words."""
        return object.__repr__(self)

    def html(self) -> str:
        """The picture as it should stand in a page without a kernel."""
        return ""

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = {"text/plain": self.text(), "text/html": self.html()}
        return {**data, **{mime: text for mime, text in still.items() if text}}, metadata

    def _publish(self) -> None:
        while not self._closing.is_set():
            for work in self._waited():
                if work is None:
                    return
                self._guarded(work)
            self._guarded(self._send_news)
            self._closing.wait(self.frame)

    def _waited(self) -> list[Callable[[], None] | None]:
        """What was posted; waits for something, but no longer than the view wants to sleep while somebody looks."""
        try:
            first = self._inbox.get(timeout=self.wake() if self._watched else None)
        except Empty:
            return []
        return [first, *_drained(self._inbox)]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.exception("a view could not go on")
            with contextlib.suppress(Exception):
                self.send({"type": "trouble", "say": f"The view had a problem: {error}"})

    def _send_news(self) -> None:
        picture = self.draw()
        patch = diff(self._picture, picture)
        self._picture = picture
        if not patch:
            return
        self._seq += 1  # also while nobody looks, so that a page that comes back sees that it missed something
        if self._watched:
            self.send({"type": "diff", "seq": self._seq, "now": self._clock.time(), "patch": patch})

    def _hear(self, message: Any) -> None:
        if not isinstance(message, dict):
            return
        client, do = str(message.get("client", "")), message.get("do")
        if do in ("hello", "seen", "bye"):
            self._clients.pop(client, None)
            if do != "bye":
                self._clients[client] = bool(message.get("on", True))
            self._watched = any(self._clients.values())
        if do in ("hello", "resync") or (do == "seen" and self._watched and message.get("seq") != self._seq):
            self.send({"type": "state", **self._whole()})
        elif do not in ("seen", "bye"):
            self.send({"type": "answer", "id": message.get("id"), **self._answer(message)})

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": True, **self.act(message)}
        except Exception as error:
            return {"ok": False, "say": str(error) or type(error).__name__}

    def _whole(self) -> dict[str, Any]:
        return {"seq": self._seq, "now": self._clock.time(), "picture": self._picture}


def _nothing() -> None:
    """Posted, it has the view drawn."""


def _drained(inbox: SimpleQueue[Any]) -> list[Any]:
    items = []
    with contextlib.suppress(Empty):
        while True:
            items.append(inbox.get_nowait())
    return items
