"""What `lab.explain("pod")` and `lab.what_if("pod", cpu="2")` give back: why this node or none, as data and as a table.

The scheduler's own account of its last decision, or of one it only thought through, comes from `/k8slab/explain`
(scheduler/explain.py); `faults.py` asks. `otherwise` is the pod that wishes for something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from k8slab.api.objects import Obj, copy


class Explanation:
    """One decision: `node` (empty if none would do), `message`, `nodes` (each one's verdict), `preemption`, `data`.

    `supposed`: it was thought through and not acted upon.
    """

    def __init__(self, data: Mapping[str, Any], *, supposed: bool = False) -> None:
        self.data, self.supposed = data, supposed
        self.pod: str = data["pod"]
        self.node: str = data["node"]
        self.message: str = data["message"]
        self.nodes: Sequence[Mapping[str, Any]] = data["nodes"]
        self.preemption: Mapping[str, Any] = data["preemption"]

    @property
    def headline(self) -> str:
        """The outcome in one sentence."""
        if self.node:
            return f"{self.pod} {'would go' if self.supposed else 'goes'} to {self.node}."
        if self.preemption["node"]:
            victims = ", ".join(name.partition("/")[2] for name in self.preemption["victims"])
            waits = "would wait" if self.supposed else "waits"
            return f"{self.pod} {waits} for {self.preemption['node']}, which {victims} must leave. {self.message}"
        return f"{self.pod} {'would have' if self.supposed else 'has'} no node. {self.message}"

    def rows(self) -> list[tuple[str, ...]]:
        """A header, then a line a node: its total and what each score gave, or why it is out; the best first."""
        weights: Mapping[str, int] = self.data["weights"]
        plugins = [plugin for plugin in weights if any("scores" in node for node in self.nodes)]
        header = ("NODE", "TOTAL", *(f"{plugin} ×{weights[plugin]}" for plugin in plugins))
        order = sorted(self.nodes, key=lambda node: (node["name"] != self.node, -node.get("total", -1)))
        return [header if plugins else ("NODE", "VERDICT"), *(_row(node, plugins) for node in order)]

    def __repr__(self) -> str:
        rows = self.rows()
        columns = [[row[place] for row in rows if len(row) > place + 1] for place in range(len(rows[0]) - 1)]
        widths = [max(map(len, column)) for column in columns]
        lines = ["   ".join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in rows]
        return "\n".join([self.headline, "", *lines])

    def _repr_html_(self) -> str:
        header, *rows = self.rows()
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(_html(row, len(header), chosen=row[0] == self.node) for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{escape(self.headline)}</p>{table}"


def otherwise(
    pod: Obj,
    *,
    cpu: str | float | None = None,
    memory: str | float | None = None,
    node_selector: Mapping[str, str] | None = None,
    tolerations: Sequence[Mapping[str, Any]] = (),
    priority_class: str | None = None,
) -> Obj:
    """The pod with other wishes: requests of the whole pod, another node selector, more tolerations, another class.

    What is None stays as it is.
    """
    new = copy(pod)
    spec = new["spec"]
    for resource, quantity in (("cpu", cpu), ("memory", memory)):
        if quantity is not None:
            _request(spec, resource, str(quantity))
    if node_selector is not None:
        spec["nodeSelector"] = dict(node_selector)
    if tolerations:
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *map(dict, tolerations)]
    if priority_class is not None:
        for field in ("priority", "preemptionPolicy", "priorityClassName"):
            spec.pop(field, None)
        spec |= {"priorityClassName": priority_class} if priority_class else {}
    return new


def _request(spec: Obj, resource: str, quantity: str) -> None:
    """Have the pod ask for so much: its first container asks for all of it, and no limit stands in the way."""
    containers = spec.get("containers") or []
    for each in (spec, *(spec.get("initContainers") or ()), *containers):
        for side in ("requests", "limits"):
            ((each.get("resources") or {}).get(side) or {}).pop(resource, None)
    if containers:
        resources = containers[0]["resources"] = containers[0].get("resources") or {}
        resources["requests"] = {**(resources.get("requests") or {}), resource: quantity}


def _row(node: Mapping[str, Any], plugins: Sequence[str]) -> tuple[str, ...]:
    if node["verdict"] == "refused":
        return (node["name"], f"{node['plugin']}: {', '.join(node['reasons'])}")
    if node["verdict"] == "fits" and (scores := node["scores"]):
        return (node["name"], str(node["total"]), *(str(scores[plugin]) for plugin in plugins))
    return (node["name"], node["verdict"])


def _html(row: Sequence[str], columns: int, *, chosen: bool) -> str:
    *cells, last = (f"<b>{escape(cell)}</b>" if chosen else escape(cell) for cell in row)
    span = f' colspan="{columns - len(cells)}"' if columns > len(row) else ""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td{span}>{last}</td></tr>"
