"""What a process really sees behind each fence, and what is said where the machine refuses one."""

from __future__ import annotations

import os
import platform

import pytest

from k8slab.races import looking
from k8slab.runtime import isolation
from k8slab.vm import kernel
from k8slab.widgets.isolation import told_apart, words


@pytest.fixture(scope="module")
def steps():
    return {step.name: step for step in looking.look()}


def test_every_step_is_there_and_answers_or_says_why(steps):
    assert list(steps) == ["process", *(fence.name for fence in looking.FENCES), "vm"]
    for step in steps.values():
        assert set(step.sees) == (set(looking.ASPECTS) if step.ok else set())
        assert step.ok != bool(step.why)
    assert steps["process"].sees["kernel"] == platform.release()


def test_fences_hide(steps):
    if not {"user", "pid", "uts"} <= isolation.probe().fences:
        pytest.skip("this machine allows no namespaces")
    assert steps["uts"].sees["hostname"] == "inside" != steps["process"].sees["hostname"]
    assert int(steps["pid"].sees["pids"]) < 6 < int(steps["process"].sees["pids"])
    assert steps["net"].sees["network"] == "lo"
    assert steps["mount"].sees["files"] == "0"
    assert steps["limit"].sees["memory"] == "262144 kB"
    assert steps["limit"].sees["kernel"] == platform.release()  # the one thing that no fence changes


@pytest.mark.vm
def test_the_machine_sees_its_own_kernel(steps):
    assert kernel.find().name == f"linux-{steps['vm'].sees['kernel']}"


def test_a_machine_that_refuses(monkeypatch, tmp_path):
    (tmp_path / "unshare").write_text(
        "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2; exit 1\n"
    )
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(looking, "_machine", lambda step: step)
    steps = {step.name: step for step in looking.look()}
    assert [step.ok for step in steps.values()] == [True, False, False, False, False, False, True, True]
    assert "Operation not permitted" in steps["pid"].why
    assert steps["limit"].sees["memory"] == "262144 kB"  # a limit needs no namespace


@pytest.mark.parametrize(
    ("aspect", "value", "said"),
    [
        ("network", "lo", "lo"),
        ("network", "lo eth0 a b c", "lo, eth0 and 3 more"),
        ("memory", "262144 kB", "256 MiB"),
        ("hostname", "inside", "inside"),
    ],
)
def test_answers_for_people(aspect, value, said):
    assert words(aspect, value) == said


@pytest.mark.parametrize(("before", "now", "changed"), [("231", "229", False), ("231", "2", True), ("0", "0", False)])
def test_a_count_that_moves_by_itself_is_no_change(before, now, changed):
    assert told_apart("pids", {"pids": now}, {"pids": before}) is changed
