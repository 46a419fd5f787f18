"""A view of a cluster: it follows the kinds it shows, and goes on with whichever of the lab's clients asked last.

`base.py` is the life of every view; `board.py`, `traffic.py` and their neighbours give `KINDS` and `draw`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from k8slab.api.objects import Obj
from k8slab.widgets.base import View
from k8slab.widgets.delta import Picture
from k8slab.widgets.feed import Following, LabLike, Snapshot

PATIENCE = 3.0  # s to wait for the first look at the cluster

T = TypeVar("T")
W = TypeVar("W", bound="LabView")


class LabView(View):
    """A view of a lab's cluster. `self.latest` holds every object of its `KINDS`, always as of now."""

    KINDS: ClassVar[Sequence[str]] = ()

    def __init__(self, lab: LabLike, key: Hashable = None) -> None:
        self.lab = lab
        self.latest: Snapshot = {}
        self._unfollow: Following | None = None
        super().__init__((lab.name, key))

    @classmethod
    def of(cls: type[W], lab: LabLike, *about: Any) -> W:
        """The lab's one view of this sort (about this, such as a Service's name); made if there is none yet."""
        view = cls.shown((lab.name, about[0] if len(about) == 1 else about or None), lambda: cls(lab, *about))
        view.join(lab)
        return view

    def start(self) -> None:
        """Follow the cluster, and wait for the first look at it."""
        if not self.KINDS:
            return
        first = threading.Event()

        def heard(snapshot: Snapshot) -> None:
            self.latest = snapshot
            first.set()
            self.changed()

        self._unfollow = self.lab.api.follow(self.KINDS, heard)
        first.wait(PATIENCE)

    def stop(self) -> None:
        """Follow it no more."""
        if self._unfollow:
            self._unfollow()

    def join(self, lab: LabLike) -> None:
        """Go on with this one of the lab's clients: the cell that made the other may have run again."""
        if lab is not self.lab:
            self.stop()
            self.lab = lab
            self.start()

    @property
    def problem(self) -> str:
        """Why nothing is heard of the cluster, or empty."""
        return self._unfollow.problem if self._unfollow else ""


class Memo(Generic[T]):
    """What was worked out of objects, kept for as long as they stay the same (`feed.py` promises the same dict)."""

    def __init__(self, work_out: Callable[[Obj], T]) -> None:
        self._work_out = work_out
        self._known: dict[int, tuple[Obj, T]] = {}  # by the dict's identity; it is held, so nobody else gets that

    def of(self, objects: Sequence[Obj]) -> list[T]:
        """The same for these; what was known of others is forgotten."""
        before = self._known
        self._known = {id(obj): before.get(id(obj)) or (obj, self._work_out(obj)) for obj in objects}
        return [found for _, found in self._known.values()]


def about(lab: LabLike) -> Picture:
    """What a view says of the lab itself: its name, what is real, how fast time goes, what it can do."""
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
