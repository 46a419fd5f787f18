"""How many pods each ReplicaSet of a Deployment should have now: arithmetic only, nothing is read or written.

Called by `deployment.py`. The rules are Kubernetes' (pkg/controller/deployment/rolling.go, sync.go and
util/deployment_util.go): never more than `replicas + maxSurge` pods, and of those that are available never fewer than
`replicas - maxUnavailable`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from k8slab.api.objects import Obj, annotations_of

DESIRED, MAXIMUM = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"

Sizes = list[tuple[Obj, int]]  # a ReplicaSet and the replicas it should have, in the order to do it


def fence_posts(deployment: Obj) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers of pods: percentages of surge round up, of unavailability down."""
    replicas, strategy = deployment["spec"]["replicas"], deployment["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    limits = strategy.get("rollingUpdate") or {}
    surge = math.ceil(_scaled(limits.get("maxSurge", "25%"), replicas))
    unavailable = math.floor(_scaled(limits.get("maxUnavailable", "25%"), replicas))
    if surge == 0 and unavailable == 0:
        unavailable = 1  # or nothing could ever move
    return surge, min(unavailable, replicas)


def _scaled(value: int | str, replicas: int) -> float:
    return value if isinstance(value, int) else int(value.removesuffix("%")) * replicas / 100


def new_replicas(deployment: Obj, new: Obj, old: Iterable[Obj], leaving: int = 0) -> int:
    """The size the new ReplicaSet may have now. `leaving` pods are no longer asked for, and still there.

    Kubernetes does not count those, and breaks its promise for the moment until they are deleted.
    """
    wanted, current = deployment["spec"]["replicas"], new["spec"]["replicas"]
    if current >= wanted or deployment["spec"]["strategy"]["type"] == "Recreate":
        return int(wanted)
    room = wanted + fence_posts(deployment)[0] - current - total(old) - leaving
    return int(current + min(max(room, 0), wanted - current))


def shrink_old(deployment: Obj, new: Obj, old: list[Obj]) -> Sizes:
    """What the old ReplicaSets can give up now: first their broken pods, then as many good ones as may be missing."""
    least = deployment["spec"]["replicas"] - fence_posts(deployment)[1]
    spare = total([*old, new]) - least - (size(new) - available(new))
    if spare <= 0:
        return []
    oldest_first = sorted((rs for rs in old if size(rs)), key=_age)
    sizes = {name(rs): size(rs) for rs in oldest_first}
    broken = {name(rs): size(rs) - available(rs) for rs in oldest_first}
    steps = _take(oldest_first, sizes, spare, broken)
    return steps + _take(oldest_first, sizes, sum(map(available, [*old, new])) - least, sizes)


def _take(sets: list[Obj], sizes: dict[str, int], budget: int, most: dict[str, int]) -> Sizes:
    """Take up to `budget` replicas away, from each no more than `most` says; `sizes` is kept up to date."""
    steps: Sizes = []
    for rs in sets:
        taken = min(budget, most[name(rs)], sizes[name(rs)])
        if taken > 0:
            budget -= taken
            sizes[name(rs)] -= taken
            steps.append((rs, sizes[name(rs)]))
    return steps


def is_scaling(deployment: Obj, sets: Iterable[Obj]) -> bool:
    """Whether `spec.replicas` was changed since the ReplicaSets got their sizes: they say what they were made for."""
    desired = (annotations_of(rs).get(DESIRED) for rs in sets if rs["spec"]["replicas"])
    return any(value is not None and value != str(deployment["spec"]["replicas"]) for value in desired)


def scale(deployment: Obj, new: Obj | None, old: list[Obj]) -> Sizes:
    """New sizes when the Deployment was scaled: all to the one that is active, or to each its share."""
    everybody = [*old, *([new] if new else [])]
    active = [rs for rs in everybody if rs["spec"]["replicas"]]
    wanted = deployment["spec"]["replicas"]
    if len(active) <= 1:
        only = active[0] if active else new or max(old, key=_age, default=None)
        return [(only, wanted)] if only and only["spec"]["replicas"] != wanted else []
    if new and is_saturated(deployment, new):
        return [(rs, 0) for rs in old if rs["spec"]["replicas"]]
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate":
        return []
    return proportional(deployment, active)


def proportional(deployment: Obj, active: list[Obj]) -> Sizes:
    """Each its share of what is to be added or taken away; what rounding leaves over goes to the largest."""
    wanted = deployment["spec"]["replicas"]
    ceiling = wanted + fence_posts(deployment)[0] if wanted else 0
    change = ceiling - total(active)
    newest_first = sorted(active, key=_age, reverse=True)  # who grows: the larger, among equals the newer
    ordered = sorted(newest_first if change > 0 else newest_first[::-1], key=size, reverse=True)
    shares, left = [], change
    for rs in ordered:
        share = _share(deployment, rs)
        shares.append(min(share, left) if change > 0 else max(share, left) if change else 0)
        left -= shares[-1]
    shares[0] += left
    return [(rs, max(0, size(rs) + share)) for rs, share in zip(ordered, shares, strict=True)]


def _share(deployment: Obj, rs: Obj) -> int:
    """By how many replicas this ReplicaSet would change if the whole Deployment kept its proportions."""
    wanted = deployment["spec"]["replicas"]
    if not wanted:
        return -size(rs)
    before = int(annotations_of(rs).get(MAXIMUM, 0)) or (deployment.get("status") or {}).get("replicas", 0)
    if not before:
        return 0
    return int(size(rs) * (wanted + fence_posts(deployment)[0]) / before + 0.5) - size(rs)


def is_saturated(deployment: Obj, new: Obj) -> bool:
    """Whether the new ReplicaSet alone already is all that was asked for, and available."""
    wanted = deployment["spec"]["replicas"]
    return bool(
        size(new) == wanted
        and annotations_of(new).get(DESIRED) == str(wanted)
        and (new.get("status") or {}).get("availableReplicas", 0) == wanted
    )


def name(rs: Obj) -> str:
    """The ReplicaSet's name."""
    return str(rs["metadata"]["name"])


def size(rs: Obj) -> int:
    """How many pods it is asked to have."""
    return int(rs["spec"]["replicas"])


def total(sets: Iterable[Obj]) -> int:
    """How many pods they are asked to have together."""
    return sum(map(size, sets))


def available(rs: Obj) -> int:
    """How many of the pods it is to have are available; its status may lag behind a smaller spec."""
    return min(size(rs), int((rs.get("status") or {}).get("availableReplicas", 0)))


def _age(rs: Obj) -> tuple[str, str]:
    return rs["metadata"].get("creationTimestamp", ""), name(rs)
