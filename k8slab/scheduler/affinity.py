"""Near some pods and apart from others: the filter and the score of InterPodAffinity.

Both look only at what can matter: the pod's own terms (`terms.py`) and the opinions of pods that are there, counted in
`census.py`. The rules are kube-scheduler's (pkg/scheduler/framework/plugins/interpodaffinity).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from k8slab.scheduler.cache import Cache
from k8slab.scheduler.census import Census, Kin, Opinion
from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo
from k8slab.scheduler.refusals import Filter, Refusal
from k8slab.scheduler.terms import Term

PLUGIN = "InterPodAffinity"
NOT_NEAR = Refusal(PLUGIN, ("node(s) didn't match pod affinity rules",), False)
NOT_APART = Refusal(PLUGIN, ("node(s) didn't match pod anti-affinity rules",), True)
UNWANTED = Refusal(PLUGIN, ("node(s) didn't satisfy existing pods anti-affinity rules",), True)
HARD_WEIGHT = 1  # hardPodAffinityWeight: what another pod's required affinity to this one counts for

Places = Mapping[str, int]


class Matter(NamedTuple):
    """What pods that are there say of this one."""

    banned: tuple[tuple[str, Opinion], ...]  # topology key, whoever does not want it there
    liked: tuple[tuple[int, str, Opinion], ...]  # weight, topology key, whoever would like it there (or, negative, not)


def opinions_on(pod: PodInfo, cache: Cache) -> Matter:
    """Whom of those that are there this pod concerns."""
    if not cache.opinions:
        return Matter((), ())
    namespace, labels = pod.key.namespace, pod.usage.labels
    return cache.recall(("opinions on", namespace, labels), lambda: _opinions_on(pod, cache))


def _opinions_on(pod: PodInfo, cache: Cache) -> Matter:
    def means(term: Term) -> bool:
        return term.means(pod.key.namespace, pod.labels, cache.namespace_labels)

    banned, liked = [], []
    for opinion in cache.opinions.values():
        near, apart, rather_near, rather_apart = opinion.terms
        banned += [(term.key, opinion) for term in apart if means(term)]
        liked += [(HARD_WEIGHT, term.key, opinion) for term in near if means(term)]
        liked += [(term.weight, term.key, opinion) for term in rather_near if means(term)]
        liked += [(-term.weight, term.key, opinion) for term in rather_apart if means(term)]
    return Matter(tuple(banned), tuple(liked))


def meant(terms: Sequence[Term], cache: Cache) -> tuple[Kin, ...]:
    """The kin that all of these terms speak of."""
    return cache.recall(("meant", *terms), lambda: tuple(_meant(terms, cache)))


def _meant(terms: Sequence[Term], cache: Cache) -> Iterator[Kin]:
    for namespace, space in cache.kin.items():
        if all(term.covers(namespace, cache.namespace_labels) for term in terms):
            yield from (kin for kin in space.values() if all(term.selector.matches(kin.labels) for term in terms))


def inter_pod_affinity(pod: PodInfo, cache: Cache) -> Filter | None:
    """Required affinity and anti-affinity: the pod's own, and that of pods that are there."""
    terms, banned = pod.terms, opinions_on(pod, cache).banned
    if not terms.near and not terms.apart and not banned:
        return None
    near = [(term.key, [kin.places(term.key) for kin in meant(terms.near, cache)]) for term in terms.near]
    first = not any(places for _, every in near for places in every) and _means_itself(pod, cache)
    apart = [(term.key, kin.places(term.key)) for term in terms.apart for kin in meant((term,), cache)]
    avoided = [(key, opinion.places(key)) for key, opinion in banned]

    def refuse(pod: PodInfo, node: NodeInfo) -> Refusal | None:
        labels = node.labels
        for key, every in near:
            place = labels.get(key)
            if place is None or not (first or any(places.get(place) for places in every)):
                return NOT_NEAR
        if _any_in(apart, labels):
            return NOT_APART
        return UNWANTED if _any_in(avoided, labels) else None

    return refuse


def _means_itself(pod: PodInfo, cache: Cache) -> bool:
    """The first of pods that want to be together may go anywhere."""
    namespace, labels = pod.key.namespace, pod.labels
    return all(term.means(namespace, labels, cache.namespace_labels) for term in pod.terms.near)


def _any_in(taken: Sequence[tuple[str, Places]], labels: Mapping[str, str]) -> bool:
    return any(key in labels and places.get(labels[key]) for key, places in taken)


def preferences(pod: PodInfo, cache: Cache) -> list[tuple[int, str, Places]]:
    """What counts in the score: a weight for every pod in a place, by the place's key."""
    wishes: list[tuple[int, str, Census]] = [
        (sign * term.weight, term.key, kin)
        for sign, terms in ((1, pod.terms.rather_near), (-1, pod.terms.rather_apart))
        for term in terms
        for kin in meant((term,), cache)
    ]
    wishes += opinions_on(pod, cache).liked
    return [(weight, key, places) for weight, key, census in wishes if (places := census.places(key))]
