"""What a pod says about other pods: the terms of `podAffinity` and `podAntiAffinity`, read once.

`podinfo.py` keeps them with every pod, `affinity.py` applies them (staging/src/k8s.io/kube-scheduler/framework,
AffinityTerm).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from k8slab.api.objects import Obj, decode, encode
from k8slab.api.selectors import LabelSelector, from_object

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

NamespaceLabels = Callable[[str], Mapping[str, str]]


class Term(NamedTuple):
    """One term: which pods it means, and the node label whose value is a place they share."""

    key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    chosen: LabelSelector  # further namespaces, by their labels
    weight: int = 0

    def covers(self, namespace: str, labels_of: NamespaceLabels) -> bool:
        """Whether it speaks of pods of this namespace."""
        return namespace in self.namespaces or self.chosen.matches(labels_of(namespace))

    def means(self, namespace: str, labels: Mapping[str, str], labels_of: NamespaceLabels) -> bool:
        """Whether it speaks of such a pod."""
        return self.selector.matches(labels) and self.covers(namespace, labels_of)


class Terms(NamedTuple):
    """All that a pod says: near whom it must and would like to be, and from whom it must and would like to be apart."""

    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    rather_near: tuple[Term, ...] = ()
    rather_apart: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return any(self[:])


SILENT = Terms()


def terms_of(spec: Obj, namespace: str) -> Terms:
    """The terms of a pod of this namespace; equal ones are the same object."""
    affinity = spec.get("affinity") or {}
    said = [affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}]
    return _read(namespace, encode(said)) if any(said) else SILENT


@lru_cache(maxsize=2048)
def _read(namespace: str, said: bytes) -> Terms:
    near, apart = decode(said)
    return Terms(
        tuple(_required(near.get(REQUIRED) or (), namespace)),
        tuple(_required(apart.get(REQUIRED) or (), namespace)),
        tuple(_preferred(near.get(PREFERRED) or (), namespace)),
        tuple(_preferred(apart.get(PREFERRED) or (), namespace)),
    )


def _required(terms: Iterable[Obj], namespace: str) -> Iterable[Term]:
    return (_term(term, namespace, 0) for term in terms)


def _preferred(terms: Iterable[Obj], namespace: str) -> Iterable[Term]:
    return (_term(term["podAffinityTerm"], namespace, int(term["weight"])) for term in terms)


def _term(term: Obj, namespace: str, weight: int) -> Term:
    named, chosen = term.get("namespaces") or (), term.get("namespaceSelector")
    own = (namespace,) if not named and chosen is None else ()
    spaces = frozenset((*named, *own))
    return Term(term["topologyKey"], from_object(term.get("labelSelector")), spaces, from_object(chosen), weight)
