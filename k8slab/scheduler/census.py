"""Who is where: pods counted by node and, on demand, by the value of any node label.

`cache.py` counts every pod among its kin (pods with the same labels) and, if it has something to say about others,
among those of its opinion (pods with the same affinity). `affinity.py` and `spread.py` ask for numbers, so that one
rule costs the same for ten pods and for ten thousand alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8slab.scheduler.terms import Terms

NodeLabels = Callable[[str], Mapping[str, str]]


class Census:
    """How many there are, by node, and by place (the values of a node label): always current once asked for."""

    __slots__ = ("_labels", "_places", "nodes")

    def __init__(self, labels: NodeLabels) -> None:
        self.nodes: dict[str, int] = {}
        self._labels = labels
        self._places: dict[str, dict[str, int]] = {}

    def count(self, node: str, by: int) -> None:
        """So many more (or fewer) on a node."""
        tally(self.nodes, node, by)
        if self._places:
            labels = self._labels(node)
            for key, places in self._places.items():
                if key in labels:
                    tally(places, labels[key], by)

    def places(self, key: str) -> Mapping[str, int]:
        """How many are in each place: a living map, in which nothing is zero. Nodes without the label are nowhere."""
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = {}
            for node, number in self.nodes.items():
                if key in (labels := self._labels(node)):
                    tally(places, labels[key], number)
        return places

    def moved(self) -> None:
        """A node's labels have changed: places are found anew."""
        self._places = {}


class Kin(Census):
    """Pods of one namespace with the same labels. Those on their way out are also counted apart."""

    __slots__ = ("labels", "leaving", "namespace")

    def __init__(self, namespace: str, labels: Mapping[str, str], node_labels: NodeLabels) -> None:
        super().__init__(node_labels)
        self.namespace, self.labels = namespace, labels
        self.leaving: dict[str, int] = {}


class Opinion(Census):
    """Pods that say the same of other pods."""

    __slots__ = ("terms",)

    def __init__(self, terms: Terms, node_labels: NodeLabels) -> None:
        super().__init__(node_labels)
        self.terms = terms


def tally(counts: dict[Any, int], key: object, by: int) -> None:
    """Add to one of many counters; those at zero are not kept."""
    number = counts.get(key, 0) + by
    if number:
        counts[key] = number
    else:
        counts.pop(key, None)
