"""Whose tasks are too many: counted by descent and session, and held at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from k8slab.runtime.shim import forks
from tests.waiting import until

TREE = "import subprocess, sys, time\nfor n in range({}): subprocess.Popen(['sleep', '60'], start_new_session={})\nprint('up', flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    ("counts", "surged"),
    [
        ([100, 100, 120, 249], [False, False, False]),
        ([100, 250], [True]),
        ([100, 300, 310, 449, 450], [True, False, False, True]),  # calm begins anew where it was looked
        ([400, 200, 349, 350], [False, False, True]),  # the fewest count
        ([0, 0, 0], [False, False]),  # nothing is told
    ],
)
def test_a_surge_is_against_the_fewest_since_it_was_calm(
    monkeypatch: pytest.MonkeyPatch, counts: list[int], surged: list[bool]
) -> None:
    told = iter(counts)
    monkeypatch.setattr(forks, "tasks", lambda: next(told))
    found = forks.Forks()
    assert [found.surged() for _ in counts[1:]] == surged


def test_the_machine_tells_how_many_there_are() -> None:
    assert forks.tasks() > len(psutil.pids()) // 2


@contextmanager
def tree(children: int, *, sessions: bool) -> Iterator[psutil.Process]:
    command = [sys.executable, "-c", TREE.format(children, sessions)]
    root = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
    assert root.stdout
    assert root.stdout.readline() == b"up\n"
    found = psutil.Process(root.pid)
    try:
        yield found
    finally:
        for process in [*found.children(), found]:
            process.kill()
        root.wait()
        root.stdout.close()


def stopped(root: psutil.Process) -> set[str]:
    return {process.status() for process in [root, *root.children()]}


@pytest.mark.parametrize("sessions", [False, True], ids=["in its session", "in sessions of their own"])
def test_who_has_too_many_stands_still_and_nobody_else_does(sessions: bool) -> None:
    with tree(6, sessions=sessions) as guilty, tree(2, sessions=sessions) as other:
        roots, limits = {guilty.pid: "guilty", other.pid: "other"}, {"guilty": 4, "other": 4}
        assert forks.hold_guilty(roots, limits) == {"guilty"}
        until(lambda: stopped(guilty) == {psutil.STATUS_STOPPED})
        assert psutil.STATUS_STOPPED not in stopped(other)


def test_a_process_that_is_gone_has_no_family() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert forks.family(gone.pid) == (0, 0, 0)
    assert forks.family(os.getpid())[:2] == (os.getppid(), os.getsid(0))
