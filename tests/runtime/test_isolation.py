from __future__ import annotations

from pathlib import Path

import pytest

from k8slab.runtime import isolation
from k8slab.runtime.base import FENCES
from k8slab.runtime.cgroups import Cgroups, delegating, inside
from k8slab.runtime.isolation import unfenced


def test_each_fence_is_there_or_explained() -> None:
    found = isolation.probe()
    assert found.fences | found.missing.keys() >= set(FENCES) - {"net"}
    for shared in ("", "pods share it"):
        real = isolation.abilities(found, Cgroups("test", {}), shared)
        assert ("net" in real.fences, real.missing.get("net", "")) == (not shared, shared)
        assert real.fences | real.missing.keys() >= set(FENCES)
    assert not found.fences & found.missing.keys()
    assert isolation.probe() is found


def test_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.shutil, "which", lambda name: None)
    found = isolation.probe.__wrapped__()
    assert found.fences == frozenset()
    assert found.missing["mount"] == "bubblewrap is not installed: apt install bubblewrap"


def refusing(monkeypatch: pytest.MonkeyPatch, *options: str) -> isolation.Isolation:
    monkeypatch.setattr(isolation.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        isolation, "refusal", lambda path, asked: next((f"no {option}" for option in options if option in asked), "")
    )
    return isolation.probe.__wrapped__()


def test_each_fence_is_tried_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refusing(monkeypatch, "--unshare-ipc", "--unshare-cgroup")
    assert found.fences == {"user", "mount", "pid", "uts"}
    assert found.missing["ipc"].startswith("no --unshare-ipc")
    assert found.options == ("--unshare-user", "--unshare-pid", "--unshare-uts")
    assert found.proc


def test_a_proc_that_may_not_be_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refusing(monkeypatch, "--proc")
    assert "pid" in found.fences
    assert not found.proc
    assert "empty /proc" in found.missing["proc"]


def test_root_may_do_without_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    found = refusing(monkeypatch, "--unshare-user")
    assert found.fences == {"mount", "pid", "uts", "ipc", "cgroup"}
    assert "user" in found.missing


def test_a_kernel_that_is_set_to_refuse_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = tmp_path / "max"
    switch.write_text("0\n")
    monkeypatch.setattr(isolation, "SWITCHES", ((str(switch), "0", "sysctl user.max_user_namespaces=15000"),))
    assert "sysctl user.max_user_namespaces=15000" in isolation.explain("No space left on device")


def test_no_fence_is_no_fence() -> None:
    assert set(unfenced("why").missing) >= set(FENCES) - {"net"}
    assert unfenced("why").fences == frozenset()


def test_limits_without_control_groups_are_explained() -> None:
    groups = Cgroups("test", {})
    assert groups.limits == frozenset()
    assert set(groups.missing) == {"cpu", "memory", "pids"}
    assert groups.make("id", 1.0, 1 << 20, True) == []


def test_limits_of_version_2(tmp_path: Path) -> None:
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (tmp_path / name).write_text("cpu memory pids")
    groups = Cgroups("test", dict.fromkeys(("cpu", "memory", "pids"), tmp_path))
    assert groups.limits == {"cpu", "memory", "pids"}
    (folder,) = groups.make("one", 0.5, 1 << 20, True)
    values = {path.name: path.read_text() for path in Path(folder).iterdir()}
    assert values == {"cpu.max": "50000 100000", "memory.max": "1048576", "memory.swap.max": "0", "pids.max": "512"}
    assert groups.make("none", None, None, False) == []


def test_limits_of_version_1(tmp_path: Path) -> None:
    groups = Cgroups("test", {name: tmp_path / name for name in ("cpu", "memory", "pids")})
    assert groups.limits == frozenset()  # the folders are not there
    for name in ("cpu", "memory", "pids"):
        (tmp_path / name).mkdir()
    groups = Cgroups("test", {name: tmp_path / name for name in ("cpu", "memory", "pids")})
    folders = groups.make("one", 2, None, False)
    assert [Path(folder).parent.parent.name for folder in folders] == ["cpu"]
    assert Path(folders[0], "cpu.cfs_quota_us").read_text() == "200000"


def test_a_group_that_may_not_be_written_is_explained(tmp_path: Path) -> None:
    groups = Cgroups("test", {"memory": tmp_path / "not" / "there"})
    assert "No such file or directory" in groups.missing["memory"]
    assert "as root" in groups.missing["memory"]


def test_where_groups_are(tmp_path: Path) -> None:
    assert inside("/docker/abc/x", "/docker/abc") == "x"
    assert inside("/user.slice/a", "/") == "user.slice/a"
    own = tmp_path / "user" / "session"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("\n")
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu memory pids io\n")
    assert dict(delegating(tmp_path, own)) == dict.fromkeys(("cpu", "memory", "pids"), tmp_path / "user")
