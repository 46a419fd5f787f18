"""The decision: a pod and the nodes go in, a node (or every node's reason) comes out. Nothing here waits or writes.

`loop.py` acts on it, `batch.py` uses its pieces to place many pods of one kind, `explain.py` tells it to whoever asks.
The words of a refusal are kube-scheduler's (pkg/scheduler/framework/types.go, FitError).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from k8slab.api.objects import Key
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.filters import NOT_NAMED, Filters
from k8slab.scheduler.matching import pinned
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.refusals import Refusal
from k8slab.scheduler.scores import SCORES, Peers, Rate, Scale, World

NO_PEERS = Peers()
TO_FIND = 100  # minFeasibleNodesToFind in pkg/scheduler/schedule_one.go
NO_CLAIMS = "no new claims to deallocate"  # what DynamicResources says of every pod without such claims

Best = tuple[int, int, int, tuple[object, ...]]  # what nodes are compared by, the least first


@dataclass(frozen=True)
class Decision:
    """Where a pod goes, and why: kept so that it can be explained."""

    pod: Key
    node: str | None
    total: int  # nodes in the cluster
    filters: tuple[str, ...] = ()  # who could refuse, in the order in which they were asked
    plugins: tuple[str, ...] = ()  # whose scores `scores` holds, in this order
    scores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # weighted, of every node that would do
    refused: Mapping[str, Refusal] = field(default_factory=dict)  # the nodes that were looked at and will not
    absent: Refusal | None = None  # why the nodes in neither were not looked at; None: enough had been found
    verdict: Refusal | None = None  # why no node was looked at at all
    preemption: str | None = None  # why no other pod has to leave for this one; None if one has, or none need to
    cleared: str = ""  # the node on which room is being made for it
    victims: tuple[Key, ...] = ()  # the pods that have to leave that node

    @property
    def refused_by(self) -> frozenset[str]:
        """The plugins that stood in the way."""
        alone = {refusal.plugin for refusal in (self.absent, self.verdict) if refusal}
        return frozenset({refusal.plugin for refusal in self.refused.values()} | alone)

    @property
    def message(self) -> str:
        """What the event FailedScheduling says."""
        if not self.total:
            return "no nodes available to schedule pods"
        if self.verdict:
            said = f"0/{self.total} nodes are available: {', '.join(self.verdict.reasons)}."
        else:
            refusals = [*self.refused.values(), *[self.absent] * (self.total - len(self.refused) if self.absent else 0)]
            said = unavailable(self.total, (reason for each in refusals if each for reason in each.reasons))
        return said if self.preemption is None else f"{said} {NO_CLAIMS}, preemption: {self.preemption}"


def unavailable(total: int, reasons: Iterable[str]) -> str:
    """`0/3 nodes are available: 1 Too many pods, 2 Insufficient cpu.`"""
    counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
    return f"0/{total} nodes are available: {', '.join(counted)}."


def decide(pod: PodInfo, cache: Cache, peers: Peers = NO_PEERS, start: int = 0) -> Decision:
    """Look at the nodes from `start` on, round and round, until enough would do; take the best of those."""
    nodes, filters = cache.nodes, Filters(pod, cache)
    if filters.verdict:
        return Decision(pod.key, None, len(nodes), filters.plugins, verdict=filters.verdict)
    there = cache.infos.get(pod.nominated)
    if there and there.node and not filters.refusal(there):  # room was made for it here: nobody else is asked
        return Decision(pod.key, there.name, len(nodes), filters.plugins, scores={there.name: ()})
    names = pinned(pod)
    looked_at = nodes if names is None else [node for node in nodes if node.name in names]
    fitting, refused = filtered(filters, looked_at, start)
    judge = Judge(pod, World(cache, peers), fitting)
    best = min(fitting, key=lambda node: judge.best(node, judge.table[node.name]), default=None)
    return Decision(
        pod.key,
        best.name if best else None,
        len(nodes),
        filters.plugins,
        judge.plugins,
        judge.table,
        refused,
        NOT_NAMED if names is not None and len(looked_at) < len(nodes) else None,
    )


def enough(nodes: int) -> int:
    """How many fitting nodes to choose from: all, but no more than Kubernetes' least, however large the cluster.

    (percentageOfNodesToScore, 10 % of 5,000 nodes by default, is for a scheduler of sixteen threads.)
    """
    return min(nodes, TO_FIND)


def filtered(filters: Filters, nodes: Sequence[NodeInfo], start: int = 0) -> tuple[list[NodeInfo], dict[str, Refusal]]:
    """The first nodes from `start` on that would do, `enough` of them, and why those between would not."""
    wanted = enough(len(nodes))
    fitting: list[NodeInfo] = []
    refused: dict[str, Refusal] = {}
    start = start % len(nodes) if nodes else 0
    for node in (*nodes[start:], *nodes[:start]) if start else nodes:
        if refusal := filters.refusal(node):
            refused[node.name] = refusal
            continue
        fitting.append(node)
        if len(fitting) == wanted:
            break
    return fitting, refused


class Judge:
    """Scores nodes for one kind of pod. The scales are set by the candidates it was made with."""

    def __init__(self, pod: PodInfo, world: World, candidates: Sequence[NodeInfo]) -> None:
        self._peers = world.peers
        self._parts: list[tuple[int, Rate, Scale]] = []
        plugins, columns = [], []
        for score in SCORES:
            if rate := score.prepare(pod, world, candidates):
                ratings = [rate(node) for node in candidates]
                scale = score.scale(ratings)
                columns.append([score.weight * scale(rating) for rating in ratings])
                self._parts.append((score.weight, rate, scale))
                plugins.append(score.plugin)
        self.plugins = tuple(plugins)
        names = [node.name for node in candidates]
        self.table = dict(zip(names, zip(*columns, strict=True), strict=True)) if columns else dict.fromkeys(names, ())

    def scores(self, node: NodeInfo) -> tuple[int, ...]:
        """What each plugin gives the node, times its weight."""
        return tuple(weight * scale(rate(node)) for weight, rate, scale in self._parts)

    def best(self, node: NodeInfo, scores: tuple[int, ...]) -> Best:
        """The order of nodes, best first. Among equals kube-scheduler draws lots; a lesson is easier to follow when
        the node with fewer of the pod's own kind, then the emptier one, then the first by name is taken."""
        return -sum(scores), self._peers.on(node), len(node.pods), node.order
