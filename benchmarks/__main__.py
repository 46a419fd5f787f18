"""`make bench`: measure what a person waits for, each figure several times, as a distribution.

    python -m benchmarks [--runs N] [--write docs/numbers.md] [--simulated NODES,PODS] [NAME ...]

A name is a figure's first word: up, memory, container, docker, vm, pod, kill, import, read, write, proxy, board, scale.
`--simulated` (as in 5000,150000) takes minutes and is measured only when asked for. `--write` notes the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import operator
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import api, board, engine, lab, numbers, proxy, scale


@dataclass(frozen=True)
class Figure:
    """One row. DESIGN's number, if it has one, is held against the median or the 99th percentile."""

    words: str
    measure: Callable[[lab.Bench], list[float]]
    target: float | None = None
    at: Literal["median", "p99"] = "median"
    more_is_better: bool = False

    @property
    def aim(self) -> str:
        """The target, as people write it."""
        if self.target is None:
            return ""
        at = "" if self.at == "median" else f"{self.at} "
        return f"{at}{'≥' if self.more_is_better else '≤'} {self.target:g}"

    def missed(self, shown: dict[str, float]) -> bool:
        worse = operator.lt if self.more_is_better else operator.gt
        return self.target is not None and worse(shown[self.at], self.target)


FIGURES = {
    "up": Figure("k8slab up to the first answered `kubectl get nodes`, s", lab.up, 1.0),
    "memory": Figure("memory of an idle lab with 3 nodes, all its processes, MB (PSS)", lab.memory, 80.0),
    "container": Figure("container start: spec seen to process running, s", lab.container_start, 0.030),
    "container, bubblewrap alone": Figure("the same fences by hand: bwrap … true, s", lab.bubblewrap_alone),
    "container, docker run": Figure("docker run of a static binary, s", lab.docker_run),
    "docker": Figure("container start, docker: ours / the engine's own create and start", engine.ratios, 1.3),
    "vm": Figure("virtual machine, emulated: power-on to the first user instruction, s", lab.vm_first, 2.5),
    "pod": Figure("pod: `kubectl create` begun to Ready and its server answering, s", lab.pod_ready, 0.250),
    "kill": Figure("pod deleted to its replacement Ready and answering, s", lab.kill_to_replacement, 0.400),
    "import": Figure("`import k8slab`, beyond Python's own start, s", lab.imported, 0.15),
    "read": Figure("a read at 200 requests/s over HTTPS, ms", api.reads, 10.0, "p99"),
    "write": Figure("a write at 200 requests/s over HTTPS, ms", api.writes, 20.0, "p99"),
    "proxy": Figure("HTTP requests/s through kubeproxy", proxy.kubeproxy, 5000.0, more_is_better=True),
    "proxy, backend alone": Figure("  requests/s to the backend itself", proxy.backend_alone),
    "proxy, nginx": Figure("  requests/s through nginx, one worker", proxy.nginx),
    "proxy, a connection each": Figure("connections/s, a request each, through kubeproxy", proxy.short),
    "proxy, backend alone, a connection each": Figure("  connections/s to the backend itself", proxy.short_alone),
    "proxy, nginx, a connection each": Figure("  connections/s through nginx, one worker", proxy.short_nginx),
    "board": Figure("board, 200 pods, 10 changes/s: of a core, in the kernel, %", board.cost, 5.0),
    "scale": Figure("3 -> 300 pods Ready, simulated, s", scale.to_300, 1.5),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--simulated", metavar="NODES,PODS", help="a cluster of records, from nothing to all Ready")
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the figures into this file's table")
    given = parser.parse_args()
    print(f"{'':66} {'min':>7} {'median':>7} {'p90':>7} {'p99':>7} {'max':>7}   target")
    missed, noted = 0, {}
    for name, figure, values in _simulated(given.simulated) if given.simulated else _figures(given.names, given.runs):
        if not values:
            why = f"not here: {lab.why_not(name)}"
            print(f"{figure.words:66} {why}")
            noted[figure.words.strip()] = (figure.aim, why, "", "", numbers.when())
            continue
        shown = distribution(values)
        missed += figure.missed(shown)
        print(_row(figure, shown), flush=True)
        noted[figure.words.strip()] = _cells(figure, shown, len(values))
    if given.write:
        numbers.record(given.write, noted, [figure.words.strip() for figure in FIGURES.values()])
    print("all targets reached" if not missed else f"{missed} missed")
    return 0


def _figures(names: list[str], runs: int) -> Iterator[tuple[str, Figure, list[float]]]:
    chosen = {name: figure for name, figure in FIGURES.items() if not names or name.partition(",")[0] in names}
    with tempfile.TemporaryDirectory(prefix="k8slab-bench-") as folder, contextlib.ExitStack() as held:
        if any("docker" in name for name in chosen):
            held.enter_context(engine.at_hand(Path(folder)))
        bench = held.enter_context(lab.Bench(folder, runs))
        for name, figure in chosen.items():
            yield name, figure, sorted(figure.measure(bench))


def _simulated(size: str) -> Iterator[tuple[str, Figure, list[float]]]:
    nodes, pods = map(int, size.split(","))
    for words, value, target in scale.simulated(nodes, pods):
        yield words, Figure(words, lambda _: [], target), [value]


def distribution(values: list[float]) -> dict[str, float]:
    """Of sorted values."""

    def at(share: float) -> float:
        return values[min(len(values) - 1, round(share * (len(values) - 1)))]

    return {"min": values[0], "median": statistics.median(values), "p90": at(0.9), "p99": at(0.99), "max": values[-1]}


def _row(figure: Figure, shown: dict[str, float]) -> str:
    row = f"{figure.words:66} {' '.join(f'{_number(value):>7}' for value in shown.values())}"
    return f"{row}   {figure.aim} {'✗' if figure.missed(shown) else '✓'}" if figure.aim else row


def _cells(figure: Figure, shown: dict[str, float], count: int) -> numbers.Row:
    verdict = "" if not figure.aim else " ✗" if figure.missed(shown) else " ✓"
    median, p90, p99 = (_number(shown[at]) for at in ("median", "p90", "p99"))
    spread = (p90, p99) if count > 1 else ("", "")
    return (f"{figure.aim}{verdict}", median, *spread, numbers.when())


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
