"""A container by hand: each step changes what is seen, or says why not; and it stays short enough for a class."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8slab import by_hand
from k8slab.runtime import isolation


def test_each_step_changes_what_is_seen_or_says_why() -> None:
    taken = list(by_hand.steps())
    assert [step.call for step in taken] == [call for call, _, _ in by_hand.STEPS]
    assert all(step.refused or step.rows() or "USER" in step.call or "IPC" in step.call for step in taken)
    last = taken[-1].after
    assert last["kernel"] == os.uname().release  # that is what a container does not have of its own
    assert last["memory I may have"] == "256 MiB"
    if {"user", "pid", "mount", "uts"} <= isolation.probe().fences and not any(step.refused for step in taken):
        assert (last["my pid"], last["processes"], last["host name"], last["network"]) == ("1", "1", "container", "lo")
        assert "host name" in repr(taken[1])
        assert "<td>→ container</td>" in taken[1]._repr_html_()


def test_what_the_machine_refuses_is_told_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(flags: int) -> int:
        by_hand.ctypes.set_errno(1)
        return -1

    monkeypatch.setattr(by_hand.libc, "unshare", refuse, raising=False)
    taken = list(by_hand.steps())
    assert all("Operation not permitted" in repr(step) for step in taken[:-1])
    assert ("memory I may have", taken[-1].before["memory I may have"], "256 MiB") in taken[-1].rows()


def test_it_can_be_read_in_class() -> None:
    assert len(Path(by_hand.__file__).read_text().splitlines()) < 100
