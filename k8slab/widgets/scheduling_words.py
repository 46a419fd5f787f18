"""The words of the Scheduling view: what each filter asks, what each score prefers, a decision in a sentence or two.

Pure. `scheduling_model.py` makes the picture around them. A decision comes as the scheduler explains it
(`scheduler/explain.py`), and Kubernetes' own words stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from k8slab.widgets.delta import Picture
from k8slab.widgets.unplaced import explain

Why = Mapping[str, Any]

FILTERS = {
    "NodeUnschedulable": "Is it open for pods, not cordoned?",
    "NodeName": "Is it the node named in the pod?",
    "TaintToleration": "Does the pod tolerate its taints?",
    "NodeAffinity": "Has it the labels asked for?",
    "NodePorts": "Are the host ports free?",
    "NodeResourcesFit": "Is as much left as the pod requests?",
    "VolumeRestrictions": "May the pod share its volumes?",
    "VolumeBinding": "Can its volumes be reached there?",
    "PodTopologySpread": "Does the spread stay as asked for?",
    "InterPodAffinity": "Are the neighbours the right ones?",
}
SCORES = {  # plugin: (in two words, what it prefers)
    "TaintToleration": ("taints", "fewer taints that discourage"),
    "NodeAffinity": ("labels", "labels the pod would rather have"),
    "NodeResourcesFit": ("free room", "more CPU and memory left"),
    "PodTopologySpread": ("spread", "fewer pods of its kind, there and in the zone"),
    "InterPodAffinity": ("neighbours", "pods it would rather be with"),
    "NodeResourcesBalancedAllocation": ("balance", "CPU and memory used up alike"),
    "ImageLocality": ("image", "its image is there already"),
}
LOTS = (
    "Among equals kube-scheduler draws lots; the lab takes the node with fewer pods of its kind, then the emptier "
    "one, then the first by name."
)


def short(plugin: str) -> str:
    """A score in two words."""
    return SCORES.get(plugin, (plugin, ""))[0]


def sentence(why: Why, supposed: bool, at: str = "") -> str:
    """The outcome: the loud sentence. `at` is the node on which the pod is now; `**` marks what is bold."""
    pod, node = why["pod"], why["node"]
    if node and supposed:
        return f"**{pod}** would go to **{node}**" + (f", not to {at}." if at and at != node else ".")
    if node:
        return f"**{pod}** went to **{node}**."
    if why["preemption"]["node"]:
        waits = "would wait" if supposed else "waits"
        return f"**{pod}** {waits} for **{why['preemption']['node']}**: {victims(why)} must leave first."
    return f"No node {'would take' if supposed else 'takes'} **{pod}**."


def reasons(message: str) -> str:
    """The scheduler's message in plain words, as what follows "No node takes it"."""
    return explain(message).removeprefix("No node takes it: ")


def victims(why: Why) -> str:
    """The pods that have to leave, by name."""
    names = [name.partition("/")[2] for name in why["preemption"]["victims"]]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def lead(why: Why) -> str:
    """Why this one of the nodes that would do: by how many points, and whose."""
    fits = [node for node in why["nodes"] if node["verdict"] == "fits"]
    best = next((node for node in fits if node["name"] == why["node"]), None)
    others = sorted((node for node in fits if node is not best), key=lambda node: -node["total"])
    if best is None:
        return ""
    if not others:
        cleared = not best["scores"] and len(why["nodes"]) > 1
        return "Room was made for it there: nobody else was asked." if cleared else "No other node would do."
    second = others[0]
    ahead = best["total"] - second["total"]
    level = [node["name"] for node in others if node["total"] == second["total"]]
    if not ahead:
        return f"{best['total']} points, as many as {listed(level)}. {LOTS}"
    apart = {plugin: points - second["scores"].get(plugin, 0) for plugin, points in best["scores"].items()}
    parts = [f"{points:+d} {short(plugin)}" for plugin, points in sorted(apart.items(), key=lambda p: -p[1]) if points]
    return f"{plural(ahead, 'point')} ahead of {listed(level)}: {', '.join(parts).replace('-', '−')}."


def listed(names: Sequence[str], most: int = 3) -> str:
    """`node-1, node-2 and 4 more`."""
    if len(names) <= most:
        return " and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else "".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"


def plural(number: int, word: str) -> str:
    """`1 point`, `2 points`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def cores(milli: int) -> str:
    """CPU in cores: `0.5`."""
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def size(number: int) -> str:
    """Bytes in the largest unit that stays readable: `1.5 Gi`, `512 Mi`."""
    for unit, factor in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if number >= factor:
            return f"{number / factor:.1f}".removesuffix(".0") + f" {unit}"
    return str(number)


def text(picture: Picture) -> str:
    """The view in plain words."""
    lines = [picture["say"].replace("**", ""), *([picture["detail"]] if picture["detail"] else [])]
    lines += [f"  asks for {', '.join(one['say'] for one in picture['asks'])}"]
    lines += [f"  {each['plugin']}: {each['out']} of {each['of']} nodes out" for each in picture["filters"]]
    lines += [f"  {row['name']}: {_row(row)}" for row in ordered(picture)]
    return "\n".join([*lines, *(f"  {told['reason']}: {told['message']}" for told in picture["told"])])


def html(picture: Picture) -> str:
    """A figure with a table: a row for each node, self-contained."""
    cell = "style='padding:2px 14px 2px 0;text-align:left;vertical-align:top'"
    head = "".join(f"<th {cell}>{name}</th>" for name in ("Node", "Verdict", "CPU free", "Memory free"))
    rows = "".join(
        f"<tr><th {cell}>{escape(row['name'])}</th><td {cell}>{escape(_row(row))}</td>"
        + "".join(f"<td {cell}>{escape(row['room'].get(what, {}).get('say', ''))}</td>" for what in ("cpu", "memory"))
        + "</tr>"
        for row in ordered(picture)
    )
    say, detail = escape(picture["say"].replace("**", "")), escape(picture["detail"])
    told = "".join(f"<li>{escape(one['reason'])}: {escape(one['message'])}</li>" for one in picture["told"])
    return (
        "<figure style='font:13px/1.5 system-ui,sans-serif;margin:0'>"
        f"<p style='margin:4px 0;font-size:18px'>{say}</p><p style='margin:4px 0'>{detail}</p>"
        f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<ul>{told}</ul><figcaption>A decision of the scheduler, as it stood.</figcaption></figure>"
    )


def ordered(picture: Picture) -> list[Picture]:
    """The rows, as they stand below each other."""
    return sorted(picture["rows"].values(), key=lambda row: int(row["order"]))


def _row(row: Picture) -> str:
    if row["verdict"] == "refused":
        return f"{row['word']} by {row['plugin']}: {', '.join(row['reasons'])}"
    if not row["scores"]:
        return str(row["word"])
    parts = ", ".join(f"{short(plugin)} {points}" for plugin, points in row["scores"].items())
    return f"{row['word']}, {plural(row['total'], 'point')} ({parts})"
