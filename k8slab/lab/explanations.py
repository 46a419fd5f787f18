"""What `lab.explain("pod")` gives back: why the scheduler chose a node, or none, as data and as a table.

The scheduler's own account of its last decision comes from `/k8slab/explain` (scheduler/explain.py); `faults.py` asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


class Explanation:
    """One decision: `node` (empty if none would do), `message`, `nodes` (each one's verdict), `preemption`, `data`."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.pod: str = data["pod"]
        self.node: str = data["node"]
        self.message: str = data["message"]
        self.nodes: Sequence[Mapping[str, Any]] = data["nodes"]
        self.preemption: Mapping[str, Any] = data["preemption"]

    @property
    def headline(self) -> str:
        """The outcome in one sentence."""
        if self.node:
            return f"{self.pod} goes to {self.node}."
        if self.preemption["node"]:
            victims = ", ".join(name.partition("/")[2] for name in self.preemption["victims"])
            return f"{self.pod} waits for {self.preemption['node']}, which {victims} must leave. {self.message}"
        return f"{self.pod} has no node. {self.message}"

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
