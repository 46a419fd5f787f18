from __future__ import annotations

from pathlib import Path

import pytest

from k8slab.runtime import logs
from k8slab.runtime.base import LogLine
from k8slab.runtime.shim import log
from k8slab.runtime.shim.log import Log


async def read(path: Path) -> list[LogLine]:
    return [line async for line in logs.read(path)]


async def test_lines_of_two_streams_with_halves_and_no_end(tmp_path: Path) -> None:
    written = Log(str(tmp_path / "log"))
    for stream, data in [(b"stdout", b"a\nb"), (b"stderr", b"oh"), (b"stdout", b"c\n\n"), (b"stderr", b" no\nend")]:
        written.take(stream, data)
    written.close()
    assert [(line.stream, line.text) for line in await read(tmp_path / "log")] == [
        ("stdout", b"a"),
        ("stdout", b"bc"),
        ("stdout", b""),
        ("stderr", b"oh no"),
        ("stderr", b"end"),
    ]


def test_the_format_is_the_cris(tmp_path: Path) -> None:
    written = Log(str(tmp_path / "log"))
    written.take(b"stdout", b"hello world\nhalf")
    written.close()
    first, second = (tmp_path / "log").read_text().splitlines()
    time, rest = first.split(" ", 1)
    assert len(time) == len("2026-01-01T00:00:00.123456789Z")
    assert time.endswith("Z")
    assert rest == "stdout F hello world"
    assert second.split(" ", 1)[1] == "stdout P half"


async def test_a_long_line_is_cut_in_the_file_and_whole_for_the_reader(tmp_path: Path) -> None:
    written = Log(str(tmp_path / "log"))
    for _ in range(5):
        written.take(b"stdout", b"x" * 10_000)
    written.take(b"stdout", b"\n")
    written.close()
    assert (tmp_path / "log").read_bytes().count(b" P ") == 3
    assert [len(line.text) for line in await read(tmp_path / "log")] == [50_000]


async def test_rotation_keeps_two_files_and_a_follower_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "FILE_LIMIT", 400)
    written = Log(str(tmp_path / "log"))
    count = 0

    async def more(seen: int) -> tuple[int, bool]:
        nonlocal count
        written.take(b"stdout", b"line %d\n" % count)
        count += 1
        return written.written, count == 50

    seen = [line.text async for line in logs.read(tmp_path / "log", more)]
    written.close()
    assert seen == [b"line %d" % i for i in range(50)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    late = [line.text for line in await read(tmp_path / "log")]
    assert late == seen[-len(late) :]
    assert len(late) > 5


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Log(str(tmp_path / "log"))

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log.os, "write", full)
    written.take(b"stdout", b"lost\n")
    monkeypatch.undo()
    written.take(b"stdout", b"kept\n")
    written.close()
    assert b"kept" in (tmp_path / "log").read_bytes()


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "log") == []
