"""Measures the race that stands in where a machine has no engine or no virtual machine: k8slab/races/reference.json.

`make race`, on a quiet machine. It brings an engine, as the tests do; it refuses to record a race in which a kind is
absent, or one beside other work (`--busy`: record it all the same).
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.engine import at_hand
from k8slab.races import race
from k8slab.races.starting import cores

TARGET = Path(__file__).parent.parent / "k8slab" / "races" / "reference.json"


def main() -> None:
    """Race, and write it down."""
    load = os.getloadavg()[0]
    if load > cores() / 2 and "--busy" not in sys.argv:
        sys.exit(f"Not recorded: others work on this machine (load {load:.1f} on {cores()} cores).")
    with tempfile.TemporaryDirectory() as folder, at_hand(Path(folder)):
        found = race(5)
    print(found)
    if missing := [run.name for run in found.runs if not run.measured]:
        sys.exit(f"Not recorded: no {', no '.join(missing)} here.")
    processor = next(
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    record = {
        "machine": f"{found.cores} cores of {processor}, {system}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **found.as_dict(),
    }
    TARGET.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
