"""What became of the requests: counted per pod and per version, with how long they took and why they failed.

`traffic.py` adds each result as it comes; `traffic_model.py` reads the counts for its picture, and `rollout.py` the
seconds. Numbers are exact; times are of the latest thousand answers of each.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from k8slab.widgets.requests import Result

LATEST = 1000  # answers whose times are kept, for each row
SECONDS = 900  # of which the answers and failures are kept one by one
DOTS = 3  # requests shown flying, of each picture's


@dataclass
class Row:
    """The requests of one pod, of one version, or of all."""

    answered: int = 0
    failed: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))

    def add(self, result: Result) -> None:
        """Count one. Answered is what came back below 500: a 404 is an answer, a 500 is none a client can use."""
        if fails(result):
            self.failed += 1
        else:
            self.answered += 1
            self.times.append(result.took)

    def within(self, share: float) -> int:
        """Milliseconds within which this share of the latest answers came; 0 without any."""
        ordered = sorted(self.times)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0


def fails(result: Result) -> bool:
    """Whether a client got nothing it can use: no answer at all, or a 5xx."""
    return result.status == 0 or result.status >= 500


def reason(result: Result) -> str:
    """Why it failed, in words under which failures are counted."""
    return result.problem or f"answered with {result.status}"


class Tally:
    """All that was counted since `clear`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[int, list[int]] = {}  # second -> [answered, failed]
        self.on_failure: list[Callable[[], object]] = []  # called, on any thread, when a request has failed
        self.clear()

    def clear(self) -> None:
        """Count from zero. What is known of each second stays: a chart may be drawn from it."""
        with self._lock:
            self.all, self.pods, self.versions = Row(), dict[str, Row](), dict[str, Row]()
            self.reasons: Counter[str] = Counter()
            self._flights: list[tuple[str, bool]] = []
            self._last_failure: tuple[float, str, str] | None = None  # when, why, of which pod

    def add(self, result: Result, pod: str, version: str) -> None:
        """Count a result; `pod` and `version` are empty when nobody knows who answered."""
        with self._lock:
            failed = fails(result)
            for row in (self.all, self.pods.setdefault(pod, Row()), self.versions.setdefault(version, Row())):
                row.add(result)
            second = self._seconds.setdefault(int(result.at), [0, 0])
            second[failed] += 1
            if len(self._seconds) > SECONDS:
                del self._seconds[next(iter(self._seconds))]
            if failed:
                self.reasons[reason(result)] += 1
                self._last_failure = (result.at, reason(result), pod)
            if len(self._flights) < DOTS or failed:
                self._flights = [*self._flights, (pod, failed)][-DOTS:]
        for tell in self.on_failure if failed else ():
            tell()

    def flights(self) -> list[tuple[str, bool]]:
        """Some of the requests since this was last asked, those that failed first: (pod, failed)."""
        with self._lock:
            taken, self._flights = self._flights, []
        return taken

    def last_failure(self) -> tuple[float, str, str] | None:
        """When the last request failed, why, and at which pod (empty: nobody knows)."""
        return self._last_failure

    def seconds(self) -> Mapping[int, tuple[int, int]]:
        """Second since 1970 -> (answered, failed); seconds without a request are left out."""
        with self._lock:
            return {second: (counts[0], counts[1]) for second, counts in self._seconds.items()}


def named_in(text: str, pods: Iterable[str]) -> str:
    """The pod whose name the answer contains, if only one: images that are not ours often print their hostname."""
    found = [name for name in pods if name in text]
    return found[0] if len(found) == 1 else ""
