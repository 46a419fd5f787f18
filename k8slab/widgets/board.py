"""The board: nodes, pods as tiles, what is wished and what is, and why; alive, and to be pressed.

`show(lab)` gives a lab's one board. It joins what others decide: `board_model.py` makes the picture, `noticing.py` and
`story.py` tell what happened, `board_actions.py` acts, `still.py` puts it into words; `board.js` draws it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from k8slab.api.objects import condition, condition_is
from k8slab.clock import from_timestamp
from k8slab.widgets import board_actions, still, story, versions
from k8slab.widgets.base import View, source
from k8slab.widgets.board_model import KINDS, Facts, picture
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import LabLike, Snapshot
from k8slab.widgets.noticing import World, notice

PATIENCE = 3.0  # s to wait for the first look at the cluster


def show(lab: LabLike) -> Board:
    """The lab's board; the same one however often it is asked for, until it is closed."""
    board = Board.shown(lab.name, lambda: Board(lab))
    board.join(lab)
    return board


class Board(View):
    """A lab's cluster, live."""

    _esm = source("view.js", "board_pods.js", "board_parts.js", "board_pick.js", "board.js")
    _css = source("tokens.css", "board.css")

    def __init__(self, lab: LabLike) -> None:
        self._lab = lab
        self._latest: Snapshot = {}
        self._world: World | None = None
        self._last: Picture = {}
        self._story: story.Story = ()
        self._deeds: list[story.Deed] = []
        self._off: dict[str, float] = {}
        super().__init__(lab.name)

    def start(self) -> None:
        """Follow the cluster, and wait for the first look at it."""
        first = threading.Event()

        def heard(snapshot: Snapshot) -> None:
            self._latest = snapshot
            first.set()
            self.post(lambda: None)

        self._unfollow = self._lab.api.follow(KINDS, heard)
        first.wait(PATIENCE)

    def stop(self) -> None:
        """Follow it no more."""
        self._unfollow()

    def join(self, lab: LabLike) -> None:
        """Go on with this one of the lab's clients: the cell that made the other may have run again."""
        if lab is not self._lab:
            self.stop()
            self._lab = lab
            self.start()

    def draw(self) -> Picture:
        """The picture with its story and what is real here."""
        now, snapshot = self._clock.time(), self._latest
        world = World(snapshot)
        happenings = notice(self._world, world) if self._world else []
        self._world = world if snapshot else None  # what is there at the first look did not happen now
        deeds, self._deeds = self._deeds, []
        self._story = story.advance(self._story, happenings, deeds, now)
        self._forget_power(world)
        book = versions.book(self._lab.name)
        before = {**self._last, "versions": book.known}
        self._last = picture(snapshot, Facts(now, self._lab.speed, self._off), before)
        book.share(self._last["versions"])
        problem = self._unfollow.problem
        return {**self._last, "story": story.told(self._story), "lab": about(self._lab), "problem": problem}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a click asked for."""
        done = board_actions.run(message, World(self._latest), self._lab.api)
        if done.deed:
            self._deeds.append(done.deed)
        if done.power:
            node, on = done.power
            self._off.pop(node, None)
            if not on:
                self._off[node] = self._clock.time()
        return done.answer or {}

    def text(self) -> str:
        """The board in plain words."""
        return still.text(self._picture)

    def html(self) -> str:
        """The board as a still picture."""
        return still.html(self._picture)

    def _forget_power(self, world: World) -> None:
        """A node that became ready after its plug was pulled has power again, whoever put it back."""
        for node in world.nodes.values():
            name = node["metadata"]["name"]
            since = (condition(node, "Ready") or {}).get("lastTransitionTime")
            if name in self._off and condition_is(node, "Ready") and since and from_timestamp(since) > self._off[name]:
                del self._off[name]


def about(lab: LabLike) -> Picture:
    """What the board says of the lab itself: its name, what is real, how fast time goes, what it can do."""
    can = lab.abilities
    return {
        "name": lab.name,
        "speed": lab.speed,
        "runtime": str(can.get("runtime", "")),
        "real": bool(can.get("real", True)),
        "version": str(can.get("version", "")),
        "fences": sorted(can.get("fences", ())),
        "missing": {str(fence): str(why) for fence, why in dict(can.get("missing", {})).items()},
        "all_fences": list(can.get("all_fences", ())),
        "crash": bool(can.get("crash")),
        "power": bool(can.get("power")),
    }
