"""Runs a race: each kind in turn, one copy alone, then all of them at once, so that no kind disturbs another.

`contestants.py` starts the copies; what was measured becomes a `result.Race`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from statistics import median

from k8slab.clock import Clock
from k8slab.races.contestants import Docker, Kind, Local, Process, VirtualMachine
from k8slab.races.copies import Copy
from k8slab.races.result import Race, Run
from k8slab.settings import LabError

KINDS = ("process", "container", "docker", "vm")
MOST = 50
QUICK = 0.5  # s: what starts more quickly is started alone three times
Heard = Callable[[Run], None]
_CONTESTANTS: dict[str, Callable[[], Kind]] = {
    "process": Process,
    "container": Local,
    "docker": Docker,
    "vm": VirtualMachine,
}


def race(n: int = 3, kinds: Sequence[str] = KINDS, hear: Heard | None = None) -> Race:
    """Start `n` copies of the same work as each kind, and measure. A kind that is not here says why.

    Takes a few seconds, most of them for virtual machines. `hear` is told of each kind as it begins and gets on, from
    the thread that calls. Raises LabError for a number or a kind that there is none of. In the end nothing is left.
    """
    if not 1 <= n <= MOST:
        raise LabError(f"A race is for 1 to {MOST} copies, not for {n}.")
    for kind in kinds:
        if kind not in KINDS:
            raise LabError(f"There is no kind {kind!r} to race: choose among {', '.join(KINDS)}.")
    tell = hear or (lambda _: None)
    return Race(n, cores(), tuple(_one(_CONTESTANTS[kind](), n, tell) for kind in kinds))


def _one(kind: Kind, n: int, tell: Heard) -> Run:
    run = Run(kind.key, absent=kind.absent())
    tell(run)
    if run.absent:
        return run
    fit = min(n, kind.room())
    run.note = "" if fit == n else f"{fit} of {n} copies: there is no memory for more."
    try:
        kind.prepare()
        try:
            _measure(kind, run, fit, tell)
        finally:
            kind.finish()
    except LabError as error:
        run.absent = str(error)
    run.state = "done"
    tell(run)
    return run


def _measure(kind: Kind, run: Run, n: int, tell: Heard) -> None:
    clock = Clock()
    run.state, run.disk = "running", kind.disk
    lone: list[float] = []

    def begun(copy: Copy, seconds: float) -> None:
        run.times, run.kernel = sorted([*run.times, seconds]), copy.kernel
        tell(run)

    while len(lone) < 3 and sum(lone) < QUICK:  # the first start may have waited for a disk
        with _started(kind, clock, 1, lambda _, seconds: lone.append(seconds)) as copies:
            run.work = copies[0].work()
    run.alone = median(lone)

    with _started(kind, clock, n, begun) as copies:
        run.memory = [taken for copy in copies if (taken := kind.memory(copy)) is not None]


@contextmanager
def _started(kind: Kind, clock: Clock, n: int, begun: Callable[[Copy, float], None]) -> Iterator[list[Copy]]:
    """`n` copies, started at once, which have all begun: told of each, how many seconds it took. Ended in the end."""
    copies: list[Copy] = []
    go = clock.monotonic()
    with ThreadPoolExecutor(n) as many:
        try:
            copies += [kind.start(clock) for _ in range(n)]
            waiting = {many.submit(copy.begin): copy for copy in copies}
            for future in as_completed(waiting):
                future.result()
                begun(waiting[future], waiting[future].first - go)
            yield copies
        finally:
            list(many.map(lambda copy: copy.end(), copies))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
