"""Which of the nodes that would do is the best? Seven scores, with the weights of kube-scheduler's default profile.

Each score first looks at the pod, the cluster and all candidates, and answers with a function that rates one node
(kube-scheduler's PreScore and Score; no function: the score has nothing to say). A scale then brings the ratings to
0…100. `decide.py` adds them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import NamedTuple

from k8slab.api.objects import Obj
from k8slab.scheduler import affinity
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.matching import matches_term, tolerates
from k8slab.scheduler.nodeinfo import ZONE, NodeInfo
from k8slab.scheduler.podinfo import Group, PodInfo
from k8slab.scheduler.spread import HOSTNAME, IGNORED, crowding
from k8slab.scheduler.terms import PREFERRED

MAX = 100
SMALL, LARGE = 23 << 20, 1000 << 20  # bytes between which an image counts: imagelocality/image_locality.go
HOST_SKEW, ZONE_SKEW = 3, 5  # the default constraints: podtopologyspread/plugin.go, systemDefaultConstraints


class Peers(NamedTuple):
    """The pods this one is to be kept apart from: those of its owner, or those behind the same Services."""

    groups: tuple[Group, ...] = ()
    zones: Mapping[str, int] = {}

    def on(self, node: NodeInfo) -> int:
        """How many of them the node has."""
        found = 0
        for group in self.groups:
            found += node.groups.get(group, 0)
        return found


class World(NamedTuple):
    """What a pod is rated against."""

    cache: Cache
    peers: Peers = Peers()


Rate = Callable[[NodeInfo], int]
Scale = Callable[[int], int]


class Score(NamedTuple):
    """One of the opinions that are added up."""

    plugin: str
    weight: int
    prepare: Callable[[PodInfo, World, Sequence[NodeInfo]], Rate | None]
    scale: Callable[[Sequence[int]], Scale]


def least_allocated(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer the emptier node: the mean of what would stay free of CPU and of memory, in percent."""
    cpu, memory = pod.assumed.get("cpu", 0), pod.assumed.get("memory", 0)

    def rate(node: NodeInfo) -> int:
        total, weights = 0, 0
        for resource, wanted in (("cpu", cpu), ("memory", memory)):
            room = node.allocatable.get(resource, 0)
            if room:
                weights += 1
                total += max(0, room - node.assumed.get(resource, 0) - wanted) * MAX // room
        return total // weights if weights else 0

    return rate


def balanced_allocation(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer the node where CPU and memory would be used up alike; silent for a pod that requests nothing."""
    cpu, memory = pod.requests.get("cpu", 0), pod.requests.get("memory", 0)
    if not cpu and not memory:
        return None

    def rate(node: NodeInfo) -> int:
        shares = [
            min(1.0, (node.requested.get(resource, 0) + wanted) / node.allocatable[resource])
            for resource, wanted in (("cpu", cpu), ("memory", memory))
            if node.allocatable.get(resource)
        ]
        deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
        return int((1 - deviation) * MAX)

    return rate


def topology_spread(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer domains with fewer pods like this one: by its own constraints, or by those every pod has by default."""
    if pod.spec.get("topologySpreadConstraints"):
        crowds = crowding(pod, nodes, world.cache)
        return (lambda node: crowds.get(node.name, IGNORED)) if crowds else None
    return _spread_by_default(world.peers, nodes)


def _spread_by_default(peers: Peers, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Fewer of the pod's peers on the node, and in the zone. The more places there are, the more one peer weighs."""
    if not peers.groups:
        return None
    host_weight = log(len(nodes) + 2)
    zone_weight = log(len({node.zone for node in nodes}) + 2)

    def rate(node: NodeInfo) -> int:
        crowd = 0.0
        if HOSTNAME in node.labels:
            crowd += peers.on(node) * host_weight + HOST_SKEW - 1
        if ZONE in node.labels:
            crowd += peers.zones.get(node.zone, 0) * zone_weight + ZONE_SKEW - 1
        return int(crowd + 0.5)

    return rate


def tolerated_taints(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer nodes without PreferNoSchedule taints the pod does not tolerate. Rates the number of such taints."""
    if not any(_discourages(taint) for node in nodes for taint in node.taints):
        return None
    bears = [t for t in pod.tolerations if t.get("effect", "") in ("", "PreferNoSchedule")]
    return lambda node: sum(_discourages(taint) and not tolerates(bears, taint) for taint in node.taints)


def _discourages(taint: Obj) -> bool:
    return taint.get("effect") == "PreferNoSchedule"


def preferred_affinity(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer the nodes the pod's affinity prefers: the weights of the terms that match, added."""
    terms = pod.node_affinity.get(PREFERRED)
    if not terms:
        return None
    return lambda node: sum(term["weight"] for term in terms if matches_term(term["preference"], node))


def inter_pod_affinity(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer to be where the pod, and the pods that are there, would rather have it: weights of terms, added."""
    wishes = affinity.preferences(pod, world.cache)
    if not wishes:
        return None
    return lambda node: sum(weight * places.get(node.labels.get(key, ""), 0) for weight, key, places in wishes)


def image_locality(pod: PodInfo, world: World, nodes: Sequence[NodeInfo]) -> Rate | None:
    """Prefer nodes that have large images of the pod already; the more nodes have an image, the more it counts."""
    sizes = {image: [node.images[image] for node in nodes if image in node.images] for image in pod.images}
    if sum(max(each, default=0) for each in sizes.values()) < SMALL:
        return None
    spread = {image: len(each) / len(nodes) for image, each in sizes.items()}
    small, large = SMALL, LARGE * len(pod.images)

    def rate(node: NodeInfo) -> int:
        there = sum(int(node.images.get(image, 0) * spread[image]) for image in pod.images)
        return MAX * (min(max(there, small), large) - small) // (large - small)

    return rate


def as_is(ratings: Sequence[int]) -> Scale:
    """Ratings that are 0…100 already."""
    return lambda rating: rating


def share_of_highest(ratings: Sequence[int]) -> Scale:
    """The highest rating becomes 100 (helper.DefaultNormalizeScore)."""
    highest = max(ratings, default=0)
    return lambda rating: rating * MAX // highest if highest else rating


def fewest_best(ratings: Sequence[int]) -> Scale:
    """A rating of 0 becomes 100, the highest 0 (DefaultNormalizeScore, reversed)."""
    highest = max(ratings, default=0)
    return lambda rating: MAX - rating * MAX // highest if highest else MAX


def least_crowded_best(ratings: Sequence[int]) -> Scale:
    """The lowest rating becomes 100; an ignored node gets nothing (podtopologyspread/scoring.go, NormalizeScore)."""
    counted = [rating for rating in ratings if rating != IGNORED]
    highest, lowest = max(counted, default=0), min(counted, default=0)

    def scale(rating: int) -> int:
        if rating == IGNORED:
            return 0
        return MAX * (highest + lowest - rating) // highest if highest else MAX

    return scale


def from_lowest_to_highest(ratings: Sequence[int]) -> Scale:
    """The lowest rating, perhaps below zero, becomes 0, the highest 100 (interpodaffinity/scoring.go)."""
    highest, lowest = max(ratings, default=0), min(ratings, default=0)
    return lambda rating: int(MAX * ((rating - lowest) / (highest - lowest))) if highest > lowest else 0


SCORES = (
    Score("TaintToleration", 3, tolerated_taints, fewest_best),
    Score("NodeAffinity", 2, preferred_affinity, share_of_highest),
    Score("NodeResourcesFit", 1, least_allocated, as_is),
    Score("PodTopologySpread", 2, topology_spread, least_crowded_best),
    Score("InterPodAffinity", 2, inter_pod_affinity, from_lowest_to_highest),
    Score("NodeResourcesBalancedAllocation", 1, balanced_allocation, as_is),
    Score("ImageLocality", 1, image_locality, as_is),
)
WEIGHTS = {score.plugin: score.weight for score in SCORES}
