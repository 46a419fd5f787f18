"""Many pods of one kind: rank the nodes once, then place pod after pod by looking only at the nodes that changed.

`decide.py` ranks; a `Batch` keeps the ranking as a heap. A pod placed on a node makes that node worse and leaves the
others as they were, so the heap's top is looked at again and sinks if another is better by now. Borg does so with its
equivalence classes and cached scores (EuroSys'15, §3.4), kube-scheduler with opportunistic batching (KEP-5598).
`loop.py` uses it where there are so many nodes that ranking them for every pod would be slow.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from heapq import heapify, heappop, heappush, heapreplace

from k8slab.scheduler.cache import REMEMBERED, Cache
from k8slab.scheduler.decide import Decision, Judge, filtered
from k8slab.scheduler.filters import Filters
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.scores import Peers, World

TRIES = 16  # nodes looked at again for one pod, at most


class Batch:
    """The ranking of nodes for pods with one signature, from nodes `start` on; none of them relational (`filters.py`).

    It serves as many pods as it holds nodes and is then made anew: scales drift as nodes fill, and other nodes deserve
    their turn. So ranking costs a pod one node, however many there are.
    """

    def __init__(self, pod: PodInfo, peers: Peers, cache: Cache, start: int) -> None:
        self._cache = cache
        self._filters = Filters(pod, cache)
        self._zones = dict(peers.zones)  # counted on here, as the batch places pods
        fitting, refused = filtered(self._filters, cache.nodes, start)
        self.looked_at = len(fitting) + len(refused)
        self._judge = Judge(pod, World(cache, peers._replace(zones=self._zones)), fitting)
        self._heap = [(self._judge.best(node, self._judge.table[node.name]), node.name) for node in fitting]
        heapify(self._heap)
        self._left = len(fitting)
        self._seen = cache.freed_count
        self._refusal = Decision(pod.key, None, len(cache.nodes), self._filters.plugins, refused=refused)

    def place(self, pod: PodInfo) -> Decision | None:
        """The best node for one more pod of the kind (a refusal, if none would do from the start). None: used up."""
        if not self._caught_up():
            return None
        if not self._judge.table and not self._heap:
            return replace(self._refusal, pod=pod.key)
        node = self._top() if self._left > 0 else None
        if node is None:
            return None
        self._left -= 1
        if node.zone:
            self._zones[node.zone] = self._zones.get(node.zone, 0) + 1
        scores = ChainMap({node.name: self._judge.scores(node)}, self._judge.table)
        return replace(self._refusal, pod=pod.key, node=node.name, plugins=self._judge.plugins, scores=scores)

    def _top(self) -> NodeInfo | None:
        """The best node now. What the heap knows is never worse than the truth: pods have only been added since."""
        tries = TRIES
        while self._heap:
            known, name = self._heap[0]
            node = self._suitable(name)
            if node is None:
                heappop(self._heap)
                continue
            now = self._judge.best(node, self._judge.scores(node))
            tries -= 1
            if now <= known or not tries:
                return node
            heapreplace(self._heap, (now, name))
        return None

    def _caught_up(self) -> bool:
        """Rank again the nodes that got room since; False when they are too many to recall."""
        behind, self._seen = self._cache.freed_count - self._seen, self._cache.freed_count
        if behind > REMEMBERED:
            return False
        for name in {self._cache.freed[-turn] for turn in range(1, behind + 1)}:
            if node := self._suitable(name):
                heappush(self._heap, (self._judge.best(node, self._judge.scores(node)), name))
        return True

    def _suitable(self, name: str) -> NodeInfo | None:
        node = self._cache.infos.get(name)
        return node if node and node.node and self._filters.refusal(node) is None else None
