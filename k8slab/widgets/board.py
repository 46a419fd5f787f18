"""The board: nodes, pods as tiles, what is wished and what is, and why; alive, and to be pressed.

`show(lab)` gives a lab's one board. It joins what others decide: `board_model.py` makes the picture, `noticing.py` and
`story.py` tell what happened, `board_actions.py` acts, `still.py` puts it into words; `board.js` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api.objects import condition, condition_is
from k8slab.clock import from_timestamp
from k8slab.widgets import board_actions, still, story, versions
from k8slab.widgets.base import STAGE, View, source
from k8slab.widgets.board_drain import Drains
from k8slab.widgets.board_model import KINDS, Facts, picture
from k8slab.widgets.console import Console
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import LabLike
from k8slab.widgets.noticing import World, notice
from k8slab.widgets.terminal import Terminal, in_pod
from k8slab.widgets.watching import LabView, about

CONSOLE = ("exec", "hang_up", "type", "resize", "again")


def show(lab: LabLike) -> Board:
    """The lab's board; the same one however often it is asked for, until it is closed."""
    return Board.of(lab)


class Board(LabView):
    """A lab's cluster, live."""

    KINDS = KINDS
    _esm = source(*STAGE, "console.js", "board_pods.js", "board_parts.js", "board_more.js", "board_pick.js", "board.js")
    _css = source("tokens.css", "console.css", "board.css")

    def __init__(self, lab: LabLike) -> None:
        self._world: World | None = None
        self._last: Picture = {}
        self._story: story.Story = ()
        self._deeds: list[story.Deed] = []
        self._off: dict[str, float] = {}
        self._drains = Drains()
        self._console: Console | None = None
        super().__init__(lab)

    def draw(self) -> Picture:
        """The picture with its story and what is real here."""
        now, snapshot = self._clock.time(), self.latest
        world = World(snapshot)
        happenings = notice(self._world, world) if self._world else []
        self._world = world if snapshot else None  # what is there at the first look did not happen now
        deeds, self._deeds = self._deeds, []
        self._story = story.advance(self._story, happenings, deeds, now)
        self._forget_power(world)
        book = versions.book(self.lab.name)
        before = {**self._last, "versions": book.known}
        self._drains.go_on(world, self.lab.api, now)
        self._last = picture(snapshot, Facts(now, self.lab.speed, self._off), before)
        book.share(self._last["versions"])
        more = {"story": story.told(self._story), "lab": about(self.lab), "problem": self.problem}
        if self._console:
            more["console"] = self._console.picture()
        return {**self._last, **more, "draining": dict(self._drains.notes)}

    def act(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a click asked for."""
        if message.get("do") in CONSOLE:
            return self._at_console(message)
        done = board_actions.run(message, World(self.latest), self.lab.api)
        if done.deed:
            self._deeds.append(done.deed)
        if done.drain:
            self._drains.begin(done.drain, World(self.latest))
        if done.power:
            node, on = done.power
            self._off.pop(node, None)
            if not on:
                self._off[node] = self._clock.time()
        return done.answer or {}

    def wake(self) -> float | None:
        """A drain goes on though nothing is heard."""
        return self._drains.wake()

    def stop(self) -> None:
        """Follow the cluster no more, and hang up."""
        self._hang_up()
        super().stop()

    def _at_console(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """`exec` opens a terminal in a pod, `hang_up` closes it; the rest is for whoever is there."""
        if message.get("do") == "exec":
            pod = board_actions.pod_of(message, World(self.latest))
            self._hang_up()
            meta = pod["metadata"]
            self._console = in_pod(self.lab.api, meta["name"], meta.get("namespace", ""), self.changed)
            self.frame = Terminal.frame
        elif message.get("do") == "hang_up":
            self._hang_up()
        elif self._console:
            self._console.act(message)
        return {}

    def _hang_up(self) -> None:
        console, self._console = self._console, None
        self.frame = View.frame
        if console:
            console.close()

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
