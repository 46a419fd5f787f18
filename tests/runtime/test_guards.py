"""What holds a container beside its namespaces: the filter of its calls, and the wall around its files."""

from __future__ import annotations

import errno
import os
import platform
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from k8slab.runtime import isolation
from k8slab.runtime.base import GUARDS, Mount
from k8slab.runtime.shim import landlock, seccomp
from tests.runtime.world import World, alive, local


@pytest.fixture(params=["local", "bare"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "local" and not isolation.probe().bubblewrap:
        pytest.skip(str(isolation.probe().missing))
    async with local(tmp_path / "lab", fenced=request.param == "local") as runtime:
        yield await World.make(runtime)


# the filter, as the kernel runs it


def answer(machine: str, number: int, argument: int = 0, audit: int | None = None) -> int:
    """What the program answers to a call: a few lines of the machine the kernel has for it."""
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    data = struct.pack(
        "=iIQ6Q", number, seccomp.MACHINES[machine].audit if audit is None else audit, 0, argument, *[0] * 5
    )
    at = held = 0
    while True:
        operation, yes, no, operand = code[at]
        at += 1
        if operation == seccomp.LOAD:
            held = int.from_bytes(data[operand : operand + 4], "little")
        elif operation == seccomp.ANSWER:
            return operand
        else:
            true = {
                seccomp.EQUAL: held == operand,
                seccomp.AT_LEAST: held >= operand,
                seccomp.ANY_BIT: bool(held & operand),
            }
            at += yes if true[operation] else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_gets_its_answer(machine: str) -> None:
    column = seccomp.MACHINES[machine].column
    refused = {numbers[column] for numbers in seccomp.REFUSED.values()}
    assert len(refused) == len(seccomp.REFUSED)
    for number in range(500):
        wanted = seccomp.REFUSE if number in refused else seccomp.UNKNOWN if number == seccomp.CLONE3 else seccomp.ALLOW
        assert (number, answer(machine, number)) == (number, wanted)
    clone, signal, thread = seccomp.MACHINES[machine].clone, 17, 0x3D0F00
    assert answer(machine, clone, signal) == answer(machine, clone, thread) == seccomp.ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(machine, clone, flag | signal) == seccomp.REFUSE
    assert answer(machine, 39, audit=0x40000003) == seccomp.UNKNOWN  # a 32-bit program
    assert answer(machine, seccomp.X32 + 39) == seccomp.UNKNOWN
    assert answer(machine, -1) == seccomp.UNKNOWN


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", f"/usr/include/{platform.machine()}-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_the_kernels(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"{header} is not here (linux-libc-dev)")
    known = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", Path(header).read_text()))
    ours = {name: numbers[seccomp.MACHINES[machine].column] for name, numbers in seccomp.REFUSED.items()}
    assert ours == {name: int(known[name]) for name in ours}
    assert seccomp.MACHINES[machine].clone == int(known["clone"])


TRY = """
import ctypes, errno, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
table = {table}
for name, number in table.items():
    ctypes.set_errno(0)
    print(name, libc.syscall(number, 0, 0, 0, 0, 0), errno.errorcode.get(ctypes.get_errno()))
thread = threading.Thread(target=lambda: print('a thread runs')); thread.start(); thread.join()
print('a child ends', os.waitpid(os.posix_spawn('/bin/true', ['true'], {{}}), 0)[1])
print('it writes', open(os.environ.get('TMPDIR', '/tmp') + '/mine', 'w').write('x'))
"""


async def test_dangerous_calls_are_refused_and_others_are_not(world: World) -> None:
    if "calls" not in world.runtime.abilities.guards:
        pytest.skip(world.runtime.abilities.missing["calls"])
    table = {name: numbers[seccomp.MACHINES[platform.machine()].column] for name, numbers in seccomp.REFUSED.items()}
    said = await world.run("python", "-c", TRY.format(table=table))
    assert said[:-3] == [f"{name} -1 EPERM" for name in table]
    assert said[-3:] == ["a thread runs", "a child ends 0", "it writes 1"]


async def test_a_command_run_inside_is_filtered_as_well(world: World) -> None:
    if "calls" not in world.runtime.abilities.guards:
        pytest.skip(world.runtime.abilities.missing["calls"])
    id = await world.start("sleep", "1000")
    running = await world.runtime.exec(id, ["grep", "Seccomp:", "/proc/self/status"])
    assert b"".join([data async for _, data in running.output()]).split() == [b"Seccomp:", b"2"]


# the wall


async def seen(world: World, program: str, **more: object) -> list[str]:
    return await world.run("python", "-c", program, **more)


LOOK = "import sys\nfor p in sys.argv[1:]:\n try: print(open(p).read())\n except OSError as e: print(e.errno)"


async def test_what_is_the_users_is_out_of_reach(world: World, tmp_path: Path) -> None:
    if "files" not in world.runtime.abilities.guards:
        pytest.skip(world.runtime.abilities.missing["files"])
    secrets = [tmp_path / "token", tmp_path / "lab" / "kubeconfig"]
    for secret in secrets:
        secret.write_text("secret")
    elsewhere = [*map(str, secrets), f"/proc/{os.getpid()}/environ"]
    said = await world.run("python", "-c", LOOK, *elsewhere)
    assert set(said) <= {str(errno.EACCES), str(errno.ENOENT)}
    write = f"import os\ntry: open({str(tmp_path / 'x')!r}, 'w')\nexcept OSError: print('refused')\nprint(os.listdir('.') != None)"
    assert "True" in await world.run("python", "-c", write)
    assert not (tmp_path / "x").exists()


async def test_a_wall_lets_through_what_a_container_needs(world: World, tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir()
    (tmp_path / "rw").mkdir()
    (tmp_path / "ro" / "in").write_text("hello")
    mounts = [Mount(str(tmp_path / "ro"), "/ro", True), Mount(str(tmp_path / "rw"), "/rw")]
    program = "import sys; ro, rw = sys.argv[1:]\nprint(open(ro).read())\nopen(rw + '/out', 'w').write('out')\ntry: open(ro, 'w')\nexcept OSError: print('read-only')"
    id = await world.start("python", "-c", program, "/ro/in", "/rw", mounts=mounts)
    if "files" in world.runtime.abilities.guards:
        assert await world.output(id) == ["hello", "read-only"]
    assert (tmp_path / "rw" / "out").read_text() == "out"
    shell = "echo x > /dev/null; cat /etc/passwd > /dev/null; ls / > /dev/null 2>&1; mkdir a && mv a b && cd b && pwd"
    assert (await world.run("sh", "-c", shell))[-1].endswith("/b")
    assert "True" in await world.run("python", "-c", "import multiprocessing as m; l = m.Lock(); print(l.acquire())")


async def test_an_exec_may_signal_the_container_and_a_container_nobody_outside(world: World) -> None:
    sleeper = await world.start("sleep", "1000")
    inside = await world.runtime.exec(sleeper, ["sh", "-c", "sleep 1000 & kill -9 $! && echo killed"])
    assert b"killed" in b"".join([data async for _, data in inside.output()])
    (target, *_) = alive(f"K8SLAB_CONTAINER={sleeper}")
    said = await world.run(
        "python", "-c", f"import os\ntry: os.kill({target}, 0); print('reached')\nexcept OSError: print('no')"
    )
    if landlock.version() >= landlock.SCOPED_VERSION or "pid" in world.runtime.abilities.fences:
        assert said == ["no"]


def test_each_guard_is_there_or_explained() -> None:
    for found in (isolation.probe(), isolation.unfenced("why")):
        assert found.guards | (found.missing.keys() & set(GUARDS)) == set(GUARDS)


def test_without_any_wall_the_consequence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "available", lambda: False)
    found = isolation.unfenced("no bubblewrap")
    assert found.guards == {"privileges"}
    assert "can read and change your files" in found.missing["files"]
    assert "can end those of yours" in found.missing["pid"]
    assert "CONFIG_SECCOMP_FILTER" in found.missing["calls"]
