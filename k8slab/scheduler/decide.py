"""The decision: a pod and the nodes go in, a node (or every node's reason) comes out. Nothing here waits or writes.

`loop.py` acts on it, `batch.py` uses its pieces to place many pods of one kind. The words of a refusal are
kube-scheduler's (pkg/scheduler/framework/types.go, FitError; preemption/preemption.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from k8slab.api.objects import Key
from k8slab.scheduler.cache import NodeInfo
from k8slab.scheduler.filters import NOT_NAMED, Filter, Refusal, filters_for, pinned
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.scores import SCORES, Peers, Rate, Scale

NO_PEERS = Peers()
TO_FIND = 100  # minFeasibleNodesToFind in pkg/scheduler/schedule_one.go

Best = tuple[int, int, int, tuple[object, ...]]  # what nodes are compared by, the least first


@dataclass(frozen=True)
class Decision:
    """Where a pod goes, and why: kept so that it can be explained."""

    pod: Key
    node: str | None
    total: int  # nodes in the cluster
    plugins: tuple[str, ...] = ()  # whose scores `scores` holds, in this order
    scores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # weighted, of every node that would do
    refused: Mapping[str, Refusal] = field(default_factory=dict)  # the nodes that were looked at and will not
    absent: Refusal | None = None  # why the nodes in neither were not looked at; None: enough had been found
    preempts: bool = True  # the pod may push others out (preemptionPolicy)
    missing: str = ""  # what no node could help with: none was looked at

    @property
    def refused_by(self) -> frozenset[str]:
        """The plugins that stood in the way."""
        absent = {self.absent.plugin} if self.absent else set()
        return frozenset({refusal.plugin for refusal in self.refused.values()} | absent)

    @property
    def message(self) -> str:
        """What the event FailedScheduling says."""
        if not self.total:
            return "no nodes available to schedule pods"
        refusals = [*self.refused.values(), *[self.absent] * (self.total - len(self.refused) if self.absent else 0)]
        reasons = self._count(reason for refusal in refusals if refusal for reason in refusal.reasons)
        if self.missing:
            reasons = f"0/{self.total} nodes are available: {self.missing}."
        return f"{reasons} no new claims to deallocate, preemption: {self._preemption(refusals)}"

    def _preemption(self, refusals: Sequence[Refusal | None]) -> str:
        if not self.preempts:
            return "not eligible due to preemptionPolicy=Never."
        found, helpless = "No preemption victims found for incoming pod", "Preemption is not helpful for scheduling"
        return self._count(found if refusal and refusal.resolvable else helpless for refusal in refusals)

    def _count(self, reasons: Iterable[str]) -> str:
        counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
        return f"0/{self.total} nodes are available: {', '.join(counted)}."


def decide(pod: PodInfo, nodes: Sequence[NodeInfo], peers: Peers = NO_PEERS, start: int = 0) -> Decision:
    """Look at the nodes from `start` on, round and round, until enough would do; take the best of those."""
    preempts = pod.spec.get("preemptionPolicy") != "Never"
    if pod.storage and (missing := pod.storage.missing):
        absent = Refusal("VolumeBinding", (missing,), False)
        return Decision(pod.key, None, len(nodes), absent=absent, preempts=preempts, missing=missing)
    names = pinned(pod)
    looked_at = nodes if names is None else [node for node in nodes if node.name in names]
    fitting, refused = filtered(pod, looked_at, start)
    judge = Judge(pod, peers, fitting)
    best = min(fitting, key=lambda node: judge.best(node, judge.table[node.name]), default=None)
    return Decision(
        pod.key,
        best.name if best else None,
        len(nodes),
        judge.plugins,
        judge.table,
        refused,
        NOT_NAMED if names is not None and len(looked_at) < len(nodes) else None,
        preempts,
    )


def enough(nodes: int) -> int:
    """How many fitting nodes to choose from: all, but no more than Kubernetes' least, however large the cluster.

    (percentageOfNodesToScore, 10 % of 5,000 nodes by default, is for a scheduler of sixteen threads.)
    """
    return min(nodes, TO_FIND)


def filtered(pod: PodInfo, nodes: Sequence[NodeInfo], start: int = 0) -> tuple[list[NodeInfo], dict[str, Refusal]]:
    """The first nodes from `start` on that would do, `enough` of them, and why those between would not."""
    rules, wanted = filters_for(pod), enough(len(nodes))
    fitting: list[NodeInfo] = []
    refused: dict[str, Refusal] = {}
    start = start % len(nodes) if nodes else 0
    for node in (*nodes[start:], *nodes[:start]) if start else nodes:
        refusal = refusal_of(pod, node, rules)
        if refusal:
            refused[node.name] = refusal
            continue
        fitting.append(node)
        if len(fitting) == wanted:
            break
    return fitting, refused


def refusal_of(pod: PodInfo, node: NodeInfo, rules: Sequence[Filter]) -> Refusal | None:
    """The first rule's word against the node."""
    for rule in rules:
        if refusal := rule(pod, node):
            return refusal
    return None


class Judge:
    """Scores nodes for one kind of pod. The scales are set by the candidates it was made with."""

    def __init__(self, pod: PodInfo, peers: Peers, candidates: Sequence[NodeInfo]) -> None:
        self._peers = peers
        self._parts: list[tuple[int, Rate, Scale]] = []
        plugins, columns = [], []
        for score in SCORES:
            if rate := score.prepare(pod, peers, candidates):
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
