"""What an engine says while it pulls or builds, in our words: pure. `images.py` feeds in its streams."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8slab.runtime.dockerfile import Instruction

LAYER = {  # what the engine says of a layer, and whether it is unpacked then
    "Pulling fs layer": False, "Waiting": False, "Downloading": False, "Verifying Checksum": False,
    "Download complete": False, "Extracting": False, "Pull complete": True, "Already exists": True,
}  # fmt: skip
FIRST_WORD = 0.5  # real seconds; each word waits twice as long as the one before: a pod has few events to spend
MB = 1e6  # as engines count

STEP = re.compile(r"(?:Step|STEP) (\d+)/\d+ ?: ?(.*)")
CACHED = " ---> Using cache"
BETWEEN = re.compile(r" ?-+> ?[0-9a-f]+| ---> Running in [0-9a-f]+|Removing intermediate container [0-9a-f]+|COMMIT .*")
BUILT = re.compile(r"Successfully (?:built|tagged) \S+|[0-9a-f]{64}")
RED = re.compile(r"\x1b\[(?:91|0)m")  # how it marks what goes to stderr
ENDED = re.compile(r"returned a non-zero code: (\d+)|exit status (\d+)$")


@dataclass
class _Layer:
    size: int = 0  # 0: not told yet
    here: int = 0
    unpacked: bool = False


class PullProgress:
    """Sums up the layers of one image that is being pulled. `begun`: the time in seconds."""

    def __init__(self, begun: float) -> None:
        self._layers: dict[str, _Layer] = {}
        self._wait, self._next = FIRST_WORD, begun + FIRST_WORD

    def feed(self, step: Mapping[str, Any], now: float) -> str:
        """How far it is, if it is time to say so; else nothing."""
        status = str(step.get("status", ""))
        if status not in LAYER:
            return ""
        layer = self._layers.setdefault(str(step.get("id", "")), _Layer())
        detail = step.get("progressDetail") or {}
        layer.size = max(layer.size, int(detail.get("total") or 0))
        if status == "Downloading":
            layer.here = int(detail.get("current") or 0)
        elif status not in ("Pulling fs layer", "Waiting"):
            layer.here = layer.size
        layer.unpacked = LAYER[status]
        if now < self._next or not any(layer.size for layer in self._layers.values()):
            return ""
        self._wait *= 2
        self._next = now + self._wait
        return self._words()

    def _words(self) -> str:
        layers = self._layers.values()
        here, size = (sum(amounts) / MB for amounts in zip(*((one.here, one.size) for one in layers), strict=True))
        more = "+" if any(not (one.size or one.unpacked) for one in layers) else ""  # some have not told their size
        unpacked = sum(one.unpacked for one in layers)
        return f"{here:.1f} of {size:.1f}{more} MB downloaded, {unpacked} of {len(layers)} layers unpacked"


class BuildProgress:
    """The lines of one build, as the local runtime says them: each step, and indented what a RUN prints."""

    def __init__(self, dockerfile: Sequence[Instruction]) -> None:
        self.id = ""  # of what was built, once it is
        self._dockerfile = dockerfile
        self._number, self._step, self._held, self._rest = 0, "", "", ""

    def feed(self, piece: Mapping[str, Any]) -> list[str]:
        """What there is to say now."""
        self.id = str((piece.get("aux") or {}).get("ID") or self.id)
        *lines, self._rest = (self._rest + str(piece.get("stream") or "")).split("\n")
        return [said for line in lines for said in self._line(RED.sub("", line).removesuffix("\r"))]

    def _line(self, line: str) -> list[str]:
        held = []
        if self._held:
            if not line.strip():
                return []
            held = [self._held + "  (as before)" * (line == CACHED)]
            self._held = ""
        found = STEP.fullmatch(line)
        if found and int(found[1]) == self._number + 1:
            self._number, self._step = int(found[1]), found[2].strip()
            self._held = self._step
            return held
        known = line == CACHED or BETWEEN.fullmatch(line) or BUILT.fullmatch(line)
        return held if known or not line.strip() else [*held, f"  {line}"]

    def failure(self, why: str) -> str:
        """Which line of the Dockerfile it is about, and what went wrong there."""
        if not self._step:
            return why
        place = self._dockerfile[self._number - 1 : self._number]
        where = f"Dockerfile line {place[0].line}: " if place else ""
        if ended := ENDED.search(why):
            why = f"ended with exit code {ended[1] or ended[2]}; what it printed says why"
        return f"{where}{self._step}: {why}"
