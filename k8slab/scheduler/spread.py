"""Evenly over zones, nodes or whatever a label names: `topologySpreadConstraints`, as a filter and as a score.

A constraint counts the pods its selector picks in each domain (value of its topology key); `census.py` has the numbers.
What a pod without constraints gets by default is in `scores.py`. The rules are kube-scheduler's
(pkg/scheduler/framework/plugins/podtopologyspread).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import log
from typing import NamedTuple

from k8slab.api.objects import Obj, encode
from k8slab.api.selectors import LabelSelector, Requirement, from_object
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.census import Kin
from k8slab.scheduler.matching import selects, untolerated
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.refusals import Filter, Refusal

PLUGIN = "PodTopologySpread"
UNEVEN = Refusal(PLUGIN, ("node(s) didn't match pod topology spread constraints",), True)
NOWHERE = Refusal(PLUGIN, ("node(s) didn't match pod topology spread constraints (missing required label)",), False)
HOSTNAME = "kubernetes.io/hostname"
IGNORED = -1  # the rating of a node that lacks a topology key


class Constraint(NamedTuple):
    """One of the pod's constraints."""

    key: str
    max_skew: int
    selector: LabelSelector
    min_domains: int
    honours_affinity: bool
    honours_taints: bool


def constraints(pod: PodInfo, action: str) -> list[Constraint]:
    """The pod's constraints with this `whenUnsatisfiable`."""
    asked = pod.spec.get("topologySpreadConstraints") or ()
    return [_constraint(each, pod) for each in asked if each.get("whenUnsatisfiable") == action]


def _constraint(asked: Obj, pod: PodInfo) -> Constraint:
    selector = from_object(asked.get("labelSelector"))
    keys = [key for key in asked.get("matchLabelKeys") or () if key in pod.labels]
    if keys:
        same = (Requirement(key, "=", (pod.labels[key],)) for key in keys)
        selector = LabelSelector((*selector.requirements, *same))
    return Constraint(
        asked["topologyKey"],
        int(asked["maxSkew"]),
        selector,
        int(asked.get("minDomains") or 1),
        asked.get("nodeAffinityPolicy", "Honor") == "Honor",
        asked.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def domains(pod: PodInfo, constraint: Constraint, keys: Sequence[str], cache: Cache) -> Mapping[str, str]:
    """The nodes that count, and the domain each is in."""
    honoured = [
        [pod.spec.get("nodeSelector"), pod.node_affinity] if constraint.honours_affinity else None,
        pod.tolerations if constraint.honours_taints else None,
    ]
    question = ("domains", constraint.key, *keys, encode(honoured))
    return cache.recall(question, lambda: _domains(pod, constraint, keys, cache))


def _domains(pod: PodInfo, constraint: Constraint, keys: Iterable[str], cache: Cache) -> dict[str, str]:
    return {
        node.name: node.labels[constraint.key]
        for node in cache.nodes
        if all(key in node.labels for key in keys)
        and (not constraint.honours_affinity or selects(pod, node))
        and (not constraint.honours_taints or not untolerated(pod, node))
    }


def counted(pod: PodInfo, selector: LabelSelector, cache: Cache) -> tuple[Kin, ...]:
    """The kin whose pods a constraint counts: of the pod's own namespace only."""

    def work_out() -> tuple[Kin, ...]:
        return tuple(kin for kin in cache.kin.get(pod.key.namespace, {}).values() if selector.matches(kin.labels))

    return cache.recall(("counted", pod.key.namespace, selector), work_out)


def totals(of_node: Mapping[str, str], every: Iterable[Kin]) -> dict[str, int]:
    """How many pods each domain has; those on their way out are not counted."""
    total = dict.fromkeys(of_node.values(), 0)
    for kin in every:
        for node, number in kin.nodes.items():
            if (domain := of_node.get(node)) is not None:
                total[domain] += number - kin.leaving.get(node, 0)
    return total


def topology_spread(pod: PodInfo, cache: Cache) -> Filter | None:
    """The constraints that forbid: no domain may have more than `maxSkew` pods more than the emptiest one."""
    hard = constraints(pod, "DoNotSchedule")
    if not hard:
        return None
    keys = [constraint.key for constraint in hard]
    checks = []
    for constraint in hard:
        total = totals(domains(pod, constraint, keys, cache), counted(pod, constraint.selector, cache))
        least = min(total.values()) if len(total) >= constraint.min_domains and total else 0
        most = constraint.max_skew + least - constraint.selector.matches(pod.labels)
        checks.append((constraint.key, total, most))
    return partial(_refuse, checks)


def _refuse(checks: Sequence[tuple[str, Mapping[str, int], int]], pod: PodInfo, node: NodeInfo) -> Refusal | None:
    for key, total, most in checks:
        domain = node.labels.get(key)
        if domain is None:
            return NOWHERE
        if total.get(domain, 0) > most:
            return UNEVEN
    return None


def crowding(pod: PodInfo, nodes: Sequence[NodeInfo], cache: Cache) -> Mapping[str, int] | None:
    """For the score of the constraints that only wish: how crowded each node's domains are; None without any."""
    soft = constraints(pod, "ScheduleAnyway")
    if not soft:
        return None
    keys = [constraint.key for constraint in soft]
    rated = [node for node in nodes if all(key in node.labels for key in keys)]
    crowds = dict.fromkeys((node.name for node in rated), 0.0)
    for constraint in soft:
        every = counted(pod, constraint.selector, cache)
        if constraint.key == HOSTNAME:
            size, numbers = len(rated), {node.name: _on(node, every) for node in rated}
        else:
            total = totals(domains(pod, constraint, keys, cache), every)
            size = len({node.labels[constraint.key] for node in rated})
            numbers = {node.name: total.get(node.labels[constraint.key], 0) for node in rated}
        weight = log(size + 2)
        for name, number in numbers.items():
            crowds[name] += number * weight + constraint.max_skew - 1
    return {node.name: int(crowds[node.name] + 0.5) if node.name in crowds else IGNORED for node in nodes}


def _on(node: NodeInfo, every: Iterable[Kin]) -> int:
    return sum(kin.nodes.get(node.name, 0) - kin.leaving.get(node.name, 0) for kin in every)
