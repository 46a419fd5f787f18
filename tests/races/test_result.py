"""What a race's numbers foretell, and how they are shown. Nothing is started here."""

from __future__ import annotations

import pytest

from k8slab.races import Race, Run, reference

PROCESS = Run("process", alone=0.004, times=[0.004, 0.005, 0.006], work=0.02, memory=[600_000] * 3, kernel="6.1-host")
VM = Run("vm", alone=1.2, times=[1.4, 1.8, 2.2], work=0.2, memory=[150 << 20] * 3, disk=55 << 20, kernel="6.1-own")
ABSENT = Run("vm", absent="qemu-system-x86_64 is not installed here.")


@pytest.mark.parametrize(("n", "seconds"), [(1, 1.2), (2, 1.7), (3, 2.2), (5, 3.2)])
def test_when_all_have_begun(n, seconds):
    assert VM.begun(n) == pytest.approx(seconds)


def test_one_copy_foretells_the_slowest_line():
    assert Run("vm", alone=1.2, times=[1.2]).begun(10) == pytest.approx(12)


@pytest.mark.parametrize(
    ("run", "n", "seconds", "share"),
    [
        (PROCESS, 1, 0.004, 0.5),
        (VM, 1, 1.2, 0.5),
        (VM, 1, 1e9, 0.0),
        (VM, 1, 0, 1.0),
        (VM, 50, 1.2, 25.7 / (25.7 + 1.2 * 25)),  # on two cores, 25 pieces of work one after another
    ],
)
def test_the_share_of_getting_to_work(run, n, seconds, share):
    assert run.overhead(n, seconds, cores=2) == pytest.approx(share, abs=1e-6)


def test_the_table_says_it_all():
    shown = repr(Race(3, 2, (PROCESS, VM)))
    assert "process ×3" in shown
    assert "6.1-own" in shown
    assert "1.80 s" in shown
    assert "recorded" not in shown
    assert "<td>virtual machine ×3</td>" in Race(3, 2, (PROCESS, VM))._repr_html_()


def test_a_recording_stands_in_and_says_so():
    race = Race(3, 2, (PROCESS, ABSENT))
    assert race.shown() == [(PROCESS, False), (reference().runs["vm"], True)]
    for shown in (repr(race), race._repr_html_()):
        assert "(recorded): not measured here, but on " + reference().date in shown
        assert "qemu-system-x86_64 is not installed here." in shown


def test_the_recording_is_whole():
    kept = reference()
    assert set(kept.runs) == {"process", "container", "docker", "vm"}
    assert all(run.measured and run.memory and run.work and run.kernel for run in kept.runs.values())
    assert kept.runs["vm"].kernel != kept.runs["process"].kernel == kept.runs["docker"].kernel
    assert kept.machine
    assert len(kept.date) == 10


def test_in_words():
    race = Race(3, 2, (PROCESS, VM))
    assert (race.first("process"), race.first("vm")) == ("4.0 ms", "1.20 s")
    assert race.kernel("vm") == "6.1-own"
    assert race.share("vm", 1, 1.2) == "50 %"
    assert race.share("process", 1, 1.2) == "less than 1 %"
    recorded = Race(3, 2, (PROCESS, ABSENT))
    assert all(
        "(recorded)" in said for said in (recorded.first("vm"), recorded.kernel("vm"), recorded.share("vm", 1, 1.0))
    )
