from __future__ import annotations

import os
from pathlib import Path

from k8slab.runtime import usage


def test_a_family_by_the_kernels_own_lists(tmp_path: Path) -> None:
    for pid, threads in {1: {1: "2 3", 7: "8"}, 2: {2: "4"}, 3: {3: ""}, 4: {4: ""}, 8: {8: "99"}}.items():
        for thread, children in threads.items():
            folder = tmp_path / str(pid) / "task" / str(thread)
            folder.mkdir(parents=True)
            (folder / "children").write_text(children)
    assert sorted(usage.family(1, tmp_path)) == [1, 2, 3, 4, 8, 99]  # 99 has just ended: its folder is gone


def test_a_family_without_them() -> None:
    assert usage.family(os.getpid(), Path("/nowhere"))[0] == os.getpid()


def test_of_processes() -> None:
    found = usage.of_processes(os.getpid())
    assert found
    assert found.cpu_seconds > 0
    assert found.memory > 1 << 20
    assert usage.of_processes(1 << 22) is None
