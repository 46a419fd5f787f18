"""The local runtime as another user, with and without user namespaces: what is there works, what is missing is told."""

from __future__ import annotations

import json
import os
import resource
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from k8slab import doctor
from k8slab.runtime.sandbox import TASKS
from tests.runtime.world import SUBNET, local

ROOT = Path(__file__).parents[2]
NOBODY = 65531


def as_user() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    return {"PATH": os.defpath, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter that the other user may run, with our packages."""
    for candidate in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        command = [candidate, "-c", "import psutil, k8slab.runtime.local"]
        try:
            done = subprocess.run(command, env=environment(), cwd="/", capture_output=True, **as_user())
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    pytest.skip("no Python here that another user may run")


@pytest.fixture
def state() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="k8slab-test-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder / "lab"
    shutil.rmtree(folder)


def bounded() -> None:
    """Whatever a bomb does, it stays within this: the machine is not ours alone."""
    resource.setrlimit(resource.RLIMIT_NPROC, (1800, 1800))


def day(python: str, state: Path, *how: str) -> dict[str, Any]:
    script = str(ROOT / "tests" / "runtime" / "locked_down.py")
    done = subprocess.run(
        [python, script, str(state), SUBNET, *how],
        env=environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=bounded,
        **as_user(),
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return {f"{one['group']} {one['name']}": one for one in said} if "doctor" in how else dict(said)


def check(seen: dict[str, Any]) -> None:
    assert seen["uid"] != 0
    assert seen["status"] == 200
    assert seen["exit"] == 6
    assert seen["stopped"] == 0
    assert "NoNewPrivs:\t1" in seen["status_lines"]
    assert seen["hog"] == "OOMKilled"
    of_python, of_shell = seen["bombs"]
    assert of_python == [137, f"it had more than {TASKS} processes and threads, and was killed"]
    assert of_shell[0] in (137, 2)  # a shell that cannot fork may give up before it is found out
    assert seen["exec"] == f"inside {seen['hostname']}" or "uts" not in seen["fences"]
    assert "memory" in seen["limits"]


def agree(seen: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """What the doctor told is what containers had."""
    for group, has in (("fence", seen["fences"]), ("limit", seen["limits"])):
        said = {
            name.removeprefix(f"{group} ") for name, one in told.items() if one["group"] == group and one["present"]
        }
        assert said == set(has)


def test_another_user(python: str, state: Path) -> None:
    seen = day(python, state)
    check(seen)
    agree(seen, day(python, state, "doctor"))
    assert {"mount", "pid", "user"} <= set(seen["fences"]) or seen["missing"]["user"]
    assert not state.exists() or list(state.iterdir()) == []


def test_another_user_where_user_namespaces_are_forbidden(python: str, state: Path) -> None:
    seen = day(python, state, "forbid")
    check(seen)
    agree(seen, day(python, state, "doctor", "forbid"))
    assert seen["fences"] == []
    for fence in ("user", "mount", "pid", "uts", "ipc", "cgroup"):
        if shutil.which("bwrap"):
            assert "seccomp=unconfined" in seen["missing"][fence]
        else:
            assert "apt install bubblewrap" in seen["missing"][fence]


async def test_the_doctor_says_something_else_to_each_and_it_is_true(python: str, state: Path, tmp_path: Path) -> None:
    here = {f"{one.group} {one.name}": asdict(one) for one in doctor.examine()}
    async with local(tmp_path / "lab") as runtime:
        abilities = runtime.abilities
    agree({"fences": abilities.fences, "limits": abilities.limits}, here)
    user, locked = day(python, state, "doctor"), day(python, state, "doctor", "forbid")
    said = [{name: one for name, one in told.items() if one["group"] in ("fence", "limit")} for told in (user, locked)]
    assert said[0] != said[1]
    if os.getuid() == 0:  # then they are three
        assert here["fence net"]["present"] or "refuses" in here["fence net"]["detail"]
        assert all(here["fence net"] != told["fence net"] for told in said)
    for seen in (user, locked):
        assert not seen["fence net"]["present"]
        assert "needs root" in seen["fence net"]["detail"]
        assert seen["guard privileges"]["present"]
    assert user["fence mount"]["present"] or user["fence mount"]["detail"]
    assert not locked["fence mount"]["present"]
    files = locked["guard files"]
    assert files["present"] or "can read and change your files" in files["detail"]
    assert "a container sees every process here" in locked["fence pid"]["detail"]
