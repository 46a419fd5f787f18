"""A race that is really run: everything begins, is measured, and is gone afterwards."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import psutil
import pytest

from k8slab.races import contestants, copies, race, starting
from k8slab.runtime import isolation
from k8slab.settings import LabError
from k8slab.vm import initramfs, machine
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """For what a race lays ready: others may race on this machine, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def left():
    """Processes below us that are not gone, and folders."""
    return [*psutil.Process().children(recursive=True), *Path(tempfile.gettempdir()).glob("k8slab-race-*")]


def test_processes_and_containers():
    before = left()
    heard = []
    found = race(3, ("process", "container"), lambda run: heard.append((run.kind, run.state, len(run.times))))
    assert left() == before
    for run in found.runs:
        assert len(run.times) == len(run.memory) == 3
        assert run.times == sorted(run.times)
        assert 0 < run.alone < PATIENCE
        assert run.work > 0
        assert run.kernel == platform.release()  # a container borrows the kernel of its machine
    assert found["container"].memory[0] > found["process"].memory[0] > 0
    assert [count for kind, _, count in heard if kind == "process"] == [0, 1, 2, 3, 3]


def test_a_container_without_fences_is_a_process_in_a_folder(monkeypatch):
    monkeypatch.setattr(isolation, "probe", lambda: isolation.unfenced("refused"))
    assert len(race(2, ("container",)).runs[0].times) == 2


def test_a_machine_without_busybox_races_with_its_own_shell(monkeypatch):
    monkeypatch.setattr(initramfs, "busybox", lambda: None)
    found = race(1)
    assert [run.kind for run in found.runs if run.measured] == ["process", "container"]
    assert all("install" in run.absent or "engine" in run.absent for run in found.runs[2:])


@pytest.mark.parametrize(
    ("n", "kinds", "word"), [(0, ("process",), "1 to 50"), (51, ("vm",), "1 to 50"), (1, ("jail",), "jail")]
)
def test_what_cannot_race(n, kinds, word):
    with pytest.raises(LabError, match=word):
        race(n, kinds)


def test_a_copy_that_does_not_start_says_what_was_said(monkeypatch):
    monkeypatch.setattr(contestants, "shell", lambda busybox: ["/bin/sh", "-c", "echo no such thing; exit 1"])
    before = left()
    (run,) = race(2, ("process",)).runs
    assert "no such thing" in run.absent
    assert left() == before


def test_a_program_that_is_not_there(monkeypatch):
    monkeypatch.setattr(contestants, "shell", lambda busybox: ["/no/such/program"])
    assert "could not be started" in race(1, ("process",)).runs[0].absent


def test_a_copy_that_ends_while_it_works():
    copy = copies.Piped(["/bin/sh", "-c", "echo begun; uname -r; read again"], starting.Clock())
    copy.begin()
    with pytest.raises(LabError, match="before its work"):
        copy.work()
    copy.end()


@pytest.mark.vm
def test_virtual_machines():
    running = list(machine.running())
    found = race(2, ("vm",))["vm"]
    assert found.absent == ""
    assert found.kernel != os.uname().release
    assert len(found.times) == len(found.memory) == 2
    assert found.disk > 10 << 20
    assert list(machine.running()) == running


@pytest.mark.vm
def test_no_more_machines_than_there_is_memory_for(monkeypatch):
    monkeypatch.setattr(contestants.VirtualMachine, "room", lambda self: 1)
    found = race(3, ("vm",))["vm"]
    assert len(found.times) == 1
    assert found.note == "1 of 3 copies: there is no memory for more."


@pytest.mark.engine
def test_docker_containers(docker_env, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", docker_env["DOCKER_HOST"])
    found = race(2, ("docker",))["docker"]
    assert found.absent == ""
    assert found.kernel == os.uname().release
    assert len(found.times) == 2
    assert found.disk > 1 << 20
