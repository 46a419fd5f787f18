"""The picture of a race: a lane for each kind, in words and numbers, and the share of getting to work.

Pure. `race.py` shows it; `k8slab.races.result` has the numbers and the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import mean, median

from k8slab.races import Run, cores, reference
from k8slab.races.result import lasting, size
from k8slab.widgets.delta import Picture

WORKS = (  # what the slider offers: seconds of work for each copy, and how one says it
    (0.01, "10 milliseconds"),
    (0.1, "a tenth of a second"),
    (1.0, "1 second"),
    (10.0, "10 seconds"),
    (60.0, "1 minute"),
    (600.0, "10 minutes"),
    (3600.0, "1 hour"),
)
WORK = 2
COPIES = (1, 2, 3, 5, 10, 15, 20, 30, 40, 50)
KERNELS = {True: "brings its own kernel", False: "borrows its machine’s kernel"}
HEAD = ("", "began after", "memory each", "disk each", "kernel")


def picture(runs: Sequence[Run], n: int, step: int, *, done: bool) -> Picture:
    """How the race stands with `n` copies each; `step` is the work's place in WORKS."""
    seconds, said = WORKS[step]
    shown = [_stand_in(run) if done else (run, False) for run in runs]
    process = next(run for run, _ in shown if run.kind == "process")
    lanes = {run.kind: _lane(i, runs[i], run, recorded, process) for i, (run, recorded) in enumerate(shown)}
    return {
        "n": n,
        "done": done,
        "lanes": lanes,
        "step": step,
        "steps": len(WORKS),
        "work": said,
        "shares": {run.kind: _shares(run, recorded, seconds) for run, recorded in shown if run.measured},
        "say": _say([run for run, _ in shown], n, done),
        "reference": f"on {reference().date} on {reference().machine}" if any(r for _, r in shown) else "",
    }


def text(found: Picture) -> str:
    """The race as lines."""
    lines = [found["say"]]
    for lane in _ordered(found):
        facts = ", ".join(filter(None, (lane["began"], lane["memory_said"], lane["disk_said"], lane["kernel"])))
        mark = " (recorded)" if lane["recorded"] else ""
        lines.append(f"  {lane['name']}{mark}: {facts or lane['word']}{'. ' + lane['why'] if lane['why'] else ''}")
    return "\n".join(lines)


def html(found: Picture) -> str:
    """The race as a table, readable on white and on black."""
    head = "".join(f"<th style='text-align:left;padding:2px 12px 2px 0'>{name}</th>" for name in HEAD)
    rows = []
    for lane in _ordered(found):
        name = lane["name"] + (" (recorded)" if lane["recorded"] else "")
        cells = (name, lane["began"] or lane["word"], lane["memory_said"], lane["disk_said"], lane["kernel"])
        rows.append("".join(f"<td style='padding:2px 12px 2px 0'>{escape(cell)}</td>" for cell in cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    notes = "".join(f"<p>{escape(lane['name'])}: {escape(lane['why'])}</p>" for lane in _ordered(found) if lane["why"])
    recorded = f"<p>Recorded: measured {escape(found['reference'])}.</p>" if found["reference"] else ""
    say = f"<figcaption>{escape(found['say'])}</figcaption>"
    table = f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<figure style='font:13px/1.5 system-ui,sans-serif;margin:0'>{say}{table}{notes}{recorded}</figure>"


def _stand_in(run: Run) -> tuple[Run, bool]:
    """The run, or the recorded one if it is absent; and whether it is."""
    return (run, False) if run.measured or run.kind not in reference().runs else (reference().runs[run.kind], True)


def _lane(place: int, here: Run, run: Run, recorded: bool, process: Run) -> Picture:
    began = median(run.times) if run.measured else 0.0
    memory = round(mean(run.memory)) if run.memory else 0
    return {
        "order": place,
        "name": run.name,
        "cat": place + 1,
        "state": "failed" if here.absent and not recorded else {"running": "starting"}.get(run.state, "pending"),
        "word": _word(here),
        "recorded": recorded,
        "why": here.absent or here.note,
        "times": list(run.times),
        "began": f"began after {lasting(began)}" if run.measured else "",
        "memory": memory,
        "memory_said": size(memory) if memory else ("memory not readable" if run.measured else ""),
        "disk": run.disk,
        "disk_said": ("nothing more" if run.disk == 0 else size(run.disk)) if run.measured else "",
        "kernel": run.kernel,
        "whose": KERNELS[run.kind == "vm"] if run.kernel else "",
        "slower": _slower(run, reference().runs["process"] if recorded else process),
    } | ({"state": "ready"} if run.measured and run.state == "done" else {})


def _word(run: Run) -> str:
    if run.absent:
        return "not on this machine"
    if run.measured:
        return f"{len(run.times)} begun"
    return "starting" if run.state == "running" else "waits for its turn"


def _slower(run: Run, process: Run) -> str:
    """What to say if the same piece of work takes much longer in it: it is played in software."""
    times = run.work / process.work if process.work and process.measured else 1.0
    return f"the same work takes {times:.0f} times as long in it" if times >= 3 else ""


def _shares(run: Run, recorded: bool, seconds: float) -> list[list[float]]:
    """[copies, share] for the chart; a recording is taken with its own machine's cores."""
    processors = reference().cores if recorded else cores()
    return [[n, round(run.overhead(n, seconds, processors), 4)] for n in COPIES]


def _say(runs: Sequence[Run], n: int, done: bool) -> str:
    if not done:
        begun, kinds = sum(len(run.times) for run in runs), sum(run.measured for run in runs)
        return f"{begun} copies of {kinds} kinds have begun." if begun else f"{n} of each kind will be started."
    measured = [run for run in runs if run.measured]
    if len(measured) < 2:
        return "The race is over."
    quick, slow = min(measured, key=lambda run: median(run.times)), max(measured, key=lambda run: median(run.times))
    times = median(slow.times) / max(median(quick.times), 1e-6)
    first, last = lasting(median(quick.times)), lasting(median(slow.times))
    return f"A {quick.name} began after {first}, a {slow.name} after {last}: {times:.0f} times as long."


def _ordered(found: Picture) -> list[Picture]:
    return sorted(found["lanes"].values(), key=lambda lane: lane["order"])
