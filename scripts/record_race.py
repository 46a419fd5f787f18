"""Measures the race that stands in where a machine has no engine or no virtual machine: k8slab/races/reference.json.

Run it on a quiet machine that has all four kinds: `python scripts/record_race.py`. It refuses to record a race in which
one is absent.
"""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from k8slab.races import race

TARGET = Path(__file__).parent.parent / "k8slab" / "races" / "reference.json"


def main() -> None:
    """Race, and write it down."""
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
