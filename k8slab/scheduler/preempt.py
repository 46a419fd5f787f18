"""Who has to leave so that a more important pod can come: the dry run on every node, and the choice among them.

`loop.py` asks when no node would have a pod, and carries the choice out. On each node where it could help, all less
important pods are thought away; then, the most important first, each that can stay beside the newcomer is let off. Of
the nodes the one is taken where the least is lost. The rules are kube-scheduler's
(pkg/scheduler/framework/preemption, plugins/defaultpreemption).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from k8slab.api.objects import Obj, condition, is_terminating, labels_of
from k8slab.api.selectors import from_object
from k8slab.clock import from_timestamp
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import Decision, unavailable
from k8slab.scheduler.filters import Filters
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo, priority_of

CANDIDATES, SHARE = 100, 10  # minCandidateNodesAbsolute, minCandidateNodesPercentage
TARGET, BY_SCHEDULER = "DisruptionTarget", "PreemptionByScheduler"  # condition of a victim, and its reason
OFFSET = 1 << 31  # makes every priority positive: many victims are worse than one, also below zero

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER = "not eligible due to preemptionPolicy=Never."
WAITS = "not eligible due to a terminating pod on the nominated node."

PodsOn = Callable[[str], Iterable[Obj]]  # the name of a node -> its pods


@dataclass(frozen=True)
class Candidate:
    """A node and the pods that would have to leave it, the most important first."""

    node: str
    victims: tuple[Obj, ...]
    violations: int  # how many of them a PodDisruptionBudget would rather keep

    @property
    def loss(self) -> tuple[float, ...]:
        """By what candidates are compared, the least first."""
        highest = priority_of(self.victims[0])
        begun = min(_started(pod) for pod in self.victims if priority_of(pod) == highest)
        total = sum(priority_of(pod) + OFFSET for pod in self.victims)
        return self.violations, highest, total, len(self.victims), -begun


def preempt(pod: PodInfo, cache: Cache, decision: Decision, pods_on: PodsOn, budgets: Sequence[Obj]) -> Candidate | str:
    """Where room can be made for a pod that no node would have, or why it can not (in the words of the message)."""
    if not pod.preempts:
        return NEVER
    if _is_being_cleared(pod, cache, decision, pods_on):
        return WAITS
    if decision.verdict:
        return unavailable(decision.total, [NOT_HELPFUL] * decision.total)
    nodes = [cache.infos[name] for name, refusal in decision.refused.items() if refusal.resolvable]
    wanted = max(CANDIDATES, len(nodes) * SHARE // 100)
    found: list[Candidate] = []
    reasons = [NOT_HELPFUL] * (decision.total - len(nodes))
    for node in nodes:
        result = dry_run(pod, node, cache, pods_on, budgets)
        if isinstance(result, Candidate):
            found.append(result)
        else:
            reasons += result
        if len(found) == wanted:
            break
    return min(found, key=lambda candidate: candidate.loss) if found else unavailable(decision.total, reasons)


def _is_being_cleared(pod: PodInfo, cache: Cache, decision: Decision, pods_on: PodsOn) -> bool:
    """Whether its victims are still on their way out; a node that is out for good is not waited for."""
    refusal = decision.refused.get(pod.nominated)
    if not pod.nominated or pod.nominated not in cache.infos or (refusal and not refusal.resolvable):
        return False
    return any(priority_of(other) < pod.priority and _is_leaving(other) for other in pods_on(pod.nominated))


def _is_leaving(pod: Obj) -> bool:
    return is_terminating(pod) and (condition(pod, TARGET) or {}).get("reason") == BY_SCHEDULER


def dry_run(
    pod: PodInfo, node: NodeInfo, cache: Cache, pods_on: PodsOn, budgets: Sequence[Obj]
) -> Candidate | Sequence[str]:
    """The fewest pods that would have to leave this node, or why that would not help. Leaves the cache as it was."""
    if not node.priorities or min(node.priorities) >= pod.priority:
        return (NO_VICTIMS,)
    there = (each for each in pods_on(node.name) if each["metadata"]["uid"] in node.pods)
    lesser = [each for each in there if priority_of(each) < pod.priority]
    with cache.without(node, [each["metadata"]["uid"] for each in lesser]) as away:
        if refusal := Filters(pod, cache).refusal(node):
            return refusal.reasons
        missed, others = by_budget(sorted(lesser, key=_importance), budgets)
        victims: list[Obj] = []
        violations = 0
        for place, each in enumerate((*missed, *others)):
            uid = each["metadata"]["uid"]
            cache.put_on(node.name, uid, away[uid])
            if Filters(pod, cache).refusal(node) is None:
                del away[uid]
                continue
            cache.take_off(node.name, uid)
            victims.append(each)
            violations += place < len(missed)
    if not victims:
        return (NO_VICTIMS,)
    return Candidate(node.name, tuple(sorted(victims, key=_importance)), violations)


def by_budget(pods: Iterable[Obj], budgets: Sequence[Obj]) -> tuple[list[Obj], list[Obj]]:
    """Those that a PodDisruptionBudget would miss, and the others; each takes from its budgets in turn."""
    left = [(each.get("status") or {}).get("disruptionsAllowed", 0) for each in budgets]
    missed: list[Obj] = []
    others: list[Obj] = []
    for pod in pods:
        broken = False
        for index, budget in enumerate(budgets):
            if _covers(budget, pod):
                left[index] -= 1
                broken = broken or left[index] < 0
        (missed if broken else others).append(pod)
    return missed, others


def _covers(budget: Obj, pod: Obj) -> bool:
    meta = pod["metadata"]
    if budget["metadata"]["namespace"] != meta.get("namespace") or not labels_of(pod):
        return False
    selector = from_object(budget["spec"].get("selector"))
    disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
    return bool(selector) and selector.matches(labels_of(pod)) and meta["name"] not in disrupted


def _importance(pod: Obj) -> tuple[float, float]:
    """Higher priority first, then who has run for longer."""
    return -priority_of(pod), _started(pod)


def _started(pod: Obj) -> float:
    begun = (pod.get("status") or {}).get("startTime")
    return from_timestamp(begun) if begun else float("inf")
