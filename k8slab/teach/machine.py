"""What is real on this machine, as a picture: the fences around a container, the rest of the lab, what could be added.

`doctor.py` finds it out; this file only groups and words it for lesson 00's card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slab.doctor import Finding, examine
from k8slab.widgets.delta import Picture

NAMES = {  # fence or limit -> how a learner would say it; the namespace's own name stays beside it
    "user": "Users",
    "pid": "Processes",
    "mount": "Files",
    "uts": "Host name",
    "ipc": "Shared memory",
    "net": "Network",
    "cgroup": "Limits",
    "files": "Your files",
    "calls": "Kernel calls",
    "privileges": "Rights",
    "cpu": "CPU",
    "memory": "Memory",
    "pids": "Processes",
}


def picture(lab: Mapping[str, Any]) -> Picture:
    """The card for this lab on this machine. Takes some ten milliseconds: the fences are tried for real."""
    return compose(examine(), lab)


def compose(findings: Iterable[Finding], lab: Mapping[str, Any]) -> Picture:
    """The picture of what was found. Pure."""
    found = list(findings)
    fences = [_finding(one) for one in found if one.group in ("fence", "guard")]
    limits = [_finding(one) for one in found if one.group == "limit"]
    programs = [one for one in found if one.group == "program"]
    columns = [
        {"title": "Around a container", "count": _count(fences), "rows": fences},
        {"title": "The lab", "rows": [*_lab(lab), *(_program(one) for one in programs if one.name == "kubectl")]},
        {"title": "Limits on a container", "count": _count(limits), "rows": limits},
        {"title": "Helpers", "rows": [_program(one) for one in programs if one.name != "kubectl"]},
    ]
    if lab.get("runtime") == "simulated":  # nothing is fenced where nothing runs
        columns = [columns[1], columns[3]]
    lacking = [one for one in found if not one.present and one.remedy]
    fixes = [{"name": NAMES.get(one.name, one.name), "line": one.remedy} for one in lacking]
    return {"kind": "machine", "tag": "This machine", "ask": "What is real here", "columns": columns, "fixes": fixes}


def _finding(one: Finding) -> Picture:
    return {
        "name": NAMES.get(one.name, one.name),
        "code": one.name,
        "text": one.detail,
        "state": "ready" if one.present else "pending",
    }


def _program(one: Finding) -> Picture:
    text = f"`{one.detail}`" if one.present else one.detail
    return {"name": one.name, "text": text, "state": "ready" if one.present else "pending"}


def _lab(lab: Mapping[str, Any]) -> list[Picture]:
    records = lab.get("runtime") == "simulated"
    containers = "Records that follow a script." if records else "Real Linux processes, real exit codes."
    addresses = "Names only: nothing listens." if records else "Real TCP: `lab.get` and `curl` reach them."
    nodes = f"In part: {lab.get('nodes', 'several')} on one machine. A pulled plug ends their containers."
    speed = float(lab.get("speed", 1.0))
    time = "Kubernetes’ own waits." if speed == 1 else f"In part: Kubernetes’ waits, divided by {speed:g}."
    return [
        {"name": "Containers", "text": containers, "state": "notready" if records else "ready"},
        {"name": "API", "text": f"Answers as Kubernetes {lab.get('version', '')} would.", "state": "ready"},
        {"name": "Addresses", "text": addresses, "state": "pending" if records else "ready"},
        {"name": "Nodes", "text": nodes, "state": "notready"},
        {"name": "Time", "text": time, "state": "ready" if speed == 1 else "notready"},
    ]


def _count(rows: list[Picture]) -> str:
    return f"{sum(row['state'] == 'ready' for row in rows)} of {len(rows)}"
