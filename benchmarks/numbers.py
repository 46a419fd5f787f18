"""`docs/numbers.md`: the table between its two marks is what was measured last; the words around it are ours.

`__main__.py` hands in what a run measured. Rows that it did not measure stay as they were, each with its date.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

BEGIN, END = "<!-- `make bench` writes from here -->", "<!-- to here -->"
HEAD = ("what", "target", "median", "p90", "p99", "measured")
Row = Sequence[str]  # a cell for each word of HEAD after the first


def record(path: Path, measured: Mapping[str, Row], order: Sequence[str]) -> None:
    """Put these rows (by what they measure) into the table; `order` says what comes first. Raises ValueError."""
    before, begun, rest = path.read_text().partition(BEGIN)
    table, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{path} has no table to write: {BEGIN} … {END}")
    rows = {**_rows(table), **measured}
    places = {what: place for place, what in enumerate(order)}
    lines = [HEAD, ["---"] * len(HEAD)]
    lines += [(what, *rows[what]) for what in sorted(rows, key=lambda what: places.get(what, len(places)))]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    path.write_text(f"{before}{BEGIN}\n{text}\n\n{machine()}\n{END}{after}")


def when() -> str:
    """The day, and how busy the machine was with other work: a figure means little without."""
    return f"{time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f}"


def machine() -> str:
    """What it was measured on, in a sentence."""
    memory = psutil.virtual_memory().total / 1e9
    return (
        f"Last measured on {psutil.cpu_count()} cores ({_processor()}), {memory:.0f} GB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rows(table: str) -> dict[str, Row]:
    rows = {}
    for line in table.splitlines():
        what, *cells = (cell.strip() for cell in line.strip("| ").split(" | "))
        if line.startswith("| ") and what not in ("what", "---"):
            rows[what] = cells
    return rows
