"""A real machine, booted: how fast, what it is, and that it is gone afterwards, however its owner ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from k8slab import vm
from k8slab.settings import LabError
from k8slab.vm import accel, kernel, machine
from tests.waiting import PATIENCE

pytestmark = pytest.mark.vm
FIRST = 2.5  # s to the first user instruction, emulated


@pytest.fixture(scope="module")
def booted():
    with vm.boot() as found:
        yield found


def test_it_has_a_kernel_of_its_own(booted):
    release = booted.run("uname -r")
    assert kernel.find().name == f"linux-{release}"
    assert release.exit_code == 0


def test_its_first_instruction_comes_soon(booted):
    with vm.boot(kvm=False) as found:
        spent = psutil.Process(found.pid).cpu_times()
        assert spent.user + spent.system < FIRST  # what it took of a core: a busy machine lets it wait longer
        assert 0 < found.times["kernel"] < found.times["first"]
        assert "emulated" in repr(found)


def test_it_answers_in_full(booted):
    assert booted.run("echo one; echo 'two \"three\"'; printf 'no end'") == 'one\ntwo "three"\nno end'
    assert booted.run("exit 7").exit_code == 7
    assert "not found" in booted.run("no-such-program")
    assert len(booted.run("seq 1 20000").splitlines()) == 20000
    assert booted.run("cat") == ""  # it has nothing to read, and waits for nobody


def test_it_says_what_it_costs(booted):
    memory = booted.memory
    assert memory["host"] > memory["used"] > 1 << 20
    assert memory["guest"] <= machine.MEMORY << 20
    assert kernel.find().stat().st_size < booted.disk < kernel.find().stat().st_size + (4 << 20)


def test_a_command_that_hangs_is_not_waited_for():
    with vm.boot() as found, pytest.raises(machine.Late, match="did not answer"):
        found.run("sleep 100", timeout=0.2)


def test_switched_off_it_is_off():
    found = vm.boot()
    found.power_off()
    found.power_off()
    assert not psutil.pid_exists(found.pid)
    assert "off" in repr(found)
    with pytest.raises(LabError, match="Boot another"):
        found.run("uname")


def test_a_machine_that_goes_off_by_itself_says_so():
    with vm.boot() as found, pytest.raises(LabError, match="went off"):
        found.run("reboot -f")


def test_a_thread_that_ends_does_not_take_its_machine_along():
    found = []
    thread = threading.Thread(target=lambda: found.append(vm.boot()))
    thread.start()
    thread.join()
    with found[0]:
        assert found[0].run("echo here") == "here"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_it_ends_with_the_process_that_booted_it(end):
    code = "import sys; from k8slab import vm; m = vm.boot(); print(m.pid, flush=True); sys.stdin.read()"
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid = int(owner.stdout.readline())
    qemu = psutil.Process(pid)
    assert "qemu" in qemu.name()
    owner.send_signal(end)
    owner.wait()
    psutil.wait_procs([qemu], timeout=PATIENCE)
    assert not psutil.pid_exists(pid)
    owner.stdin.close()
    owner.stdout.close()


def test_kvm_that_hangs_is_found_out_once(tmp_path, monkeypatch, booted):
    (tmp_path / "k8slab" / "vm").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    tried = []
    monkeypatch.setattr(accel, "_boots", lambda: tried.append(1))
    assert [accel.kvm_works(), accel.kvm_works()] == [False, False]
    assert tried == [1]


def test_the_command_line_runs_one_command():
    done = subprocess.run([sys.executable, "-m", "k8slab.vm", "--", "uname", "-r"], capture_output=True, text=True)
    assert kernel.find().name == f"linux-{done.stdout.strip()}"
    assert done.returncode == 0
