"""A journey as a lab with local containers told it: `journey.jsonl`, a hop a line, recorded and not written by hand."""

from __future__ import annotations

import json
from pathlib import Path

from tests.widgets.cluster import FakeLab

HOPS = [json.loads(line) for line in Path(__file__).with_name("journey.jsonl").read_text().splitlines()]


class RecordedLab(FakeLab):
    """A lab that is asked for its hops, and has told `known` of them so far."""

    def __init__(self, *objects, known=None, **more):
        super().__init__(*objects, **more)
        self.told, self.number, self.following = HOPS[:known], 0 if known == 0 else 1, None

    def follow_hops(self, kind, name, on=True):
        self.following = on

    def hops(self, kind, name, journey=0, since=0):
        if not self.following:
            return None
        return {"journey": self.number, "hops": self.told[since if journey == self.number else 0 :]}

    def goes_on(self, view):
        """All the rest, heard of as a view hears: something in the cluster has changed. After that the next apply."""
        again = len(self.told) == len(HOPS)
        self.number += again or not self.told
        self.told = HOPS[: len(HOPS) // 2] if again else HOPS
        view.changed()
