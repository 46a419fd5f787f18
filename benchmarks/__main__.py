"""`make bench`: measure what a person waits for, each figure several times, as min / median / p90 / max.

python -m benchmarks [--runs N] [NAME ...]        names: up, memory, pod, kill, container
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable

from benchmarks import lab

TARGETS = {  # DESIGN's numbers: seconds, or MB for memory
    "up": 1.0,
    "memory": 80.0,
    "pod": 0.250,
    "kill": 0.400,
    "container": 0.030,
}
FIGURES: dict[str, tuple[str, Callable[[lab.Bench], list[float]]]] = {
    "up": ("k8slab up to the first answered `kubectl get nodes`, s", lab.up),
    "memory": ("memory of an idle lab with 3 nodes, all its processes, MB (PSS)", lab.memory),
    "container": ("container start: spec seen to process running, s", lab.container_start),
    "container, bubblewrap alone": ("the same fences by hand: bwrap … true, s", lab.bubblewrap_alone),
    "container, docker run": ("docker run of a static binary, s", lab.docker_run),
    "pod": ("pod: `kubectl create` begun to Ready and its server answering, s", lab.pod_ready),
    "kill": ("pod deleted to its replacement Ready and answering, s", lab.kill_to_replacement),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    print(f"{'':66} {'min':>7} {'median':>7} {'p90':>7} {'max':>7}   target")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="k8slab-bench-") as folder, lab.Bench(folder, given.runs) as bench:
        for name, (words, measure) in FIGURES.items():
            figure = name.partition(",")[0]
            if given.names and figure not in given.names:
                continue
            values = sorted(measure(bench))
            if not values:
                print(f"{words:66} not here: {lab.why_not(name)}")
                continue
            target = TARGETS.get(name)
            missed += target is not None and statistics.median(values) > target
            print(_row(words, values, target), flush=True)
    print("all targets reached" if not missed else f"{missed} missed")
    return 0


def _row(words: str, values: list[float], target: float | None) -> str:
    p90 = values[min(len(values) - 1, round(0.9 * (len(values) - 1)))]
    shown = " ".join(f"{value:7.3f}" if value < 10 else f"{value:7.1f}" for value in (
        values[0], statistics.median(values), p90, values[-1]))  # fmt: skip
    verdict = "" if target is None else f"   ≤ {target:g} " + ("✓" if statistics.median(values) <= target else "✗")
    return f"{words:66} {shown}{verdict}"


if __name__ == "__main__":
    sys.exit(main())
