"""What a benchmark writes down: its own rows anew, everybody else's as they were."""

from __future__ import annotations

import pytest

from benchmarks import numbers


def test_rows_are_replaced_kept_and_ordered(tmp_path):
    file = tmp_path / "numbers.md"
    file.write_text(f"# Words\n\n{numbers.BEGIN}\n{numbers.END}\n\nMore words.\n")
    numbers.record(file, {"b, s": ("≤ 1 ✓", "0.5", "0.6", "0.7", "day 1")}, ["a, s", "b, s"])
    numbers.record(file, {"a, s": ("", "2", "", "", "day 2"), "c": ("", "not here", "", "", "day 2")}, ["a, s", "b, s"])
    numbers.record(file, {"b, s": ("≤ 1 ✗", "1.5", "1.6", "1.7", "day 3")}, ["a, s", "b, s"])
    text = file.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| a, s |  | 2 |  |  | day 2 |",
        "| b, s | ≤ 1 ✗ | 1.5 | 1.6 | 1.7 | day 3 |",
        "| c |  | not here |  |  | day 2 |",
    ]
    assert text.startswith("# Words\n")
    assert text.endswith("\nMore words.\n")


def test_a_file_without_a_table_is_left_alone(tmp_path):
    file = tmp_path / "numbers.md"
    file.write_text("# Words\n")
    with pytest.raises(ValueError, match="no table"):
        numbers.record(file, {}, [])
    assert file.read_text() == "# Words\n"
