"""Which pods a DaemonSet makes and which it deletes now. Pure; carried out by `daemonset.py`.

First every node gets what it should have (`keep`), then old versions give way to the new one (`roll`): without surge an
old pod is deleted before its successor comes, with surge afterwards. Source: pkg/controller/daemon/daemon_controller.go
(podsShouldBeOnNode) and update.go (rollingUpdate).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from k8slab.api.objects import Obj, is_pod_ready, is_terminating
from k8slab.clock import Clock
from k8slab.controllers.daemon_pods import ByNode, has_ended, is_of, is_up, places


@dataclass
class Plan:
    """Nodes that get a pod, and pods that go; `ended` are those that failed or finished, which goes more slowly."""

    create: list[str] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    ended: list[Obj] = field(default_factory=list)


def keep(ds: Obj, nodes: list[Obj], pods: ByNode, hash_: str, clock: Clock) -> Plan:
    """What makes every node have the pod it should, whatever its version."""
    plan = Plan()
    known = places(ds, nodes)
    for name, (wanted, kept) in known.items():
        here = pods.get(name, [])
        staying = [pod for pod in here if not is_terminating(pod)]
        if wanted and not here:
            plan.create.append(name)
        elif not kept:
            plan.delete += staying
        else:
            plan.ended += [pod for pod in staying if has_ended(pod)]
            running = [pod for pod in staying if not has_ended(pod)]
            if limits(ds, 1)[0] == 0:
                plan.delete += running[1:]
            elif wanted and not staying:
                plan.create.append(name)  # with surge, one that is going does not hold its successor up
            else:
                plan.delete += _surplus(ds, running, hash_, clock)
    for name, there in pods.items():
        if name not in known:  # nobody will ever place these
            plan.delete += [pod for pod in there if not pod["spec"].get("nodeName") and not is_terminating(pod)]
    return plan


def _surplus(ds: Obj, running: list[Obj], hash_: str, clock: Clock) -> list[Obj]:
    """With surge: all but the oldest of each version, and the old one when it is ill or the new one is up."""
    new = [pod for pod in running if is_of(pod, hash_)]
    old = [pod for pod in running if not is_of(pod, hash_)]
    gone = new[1:] + old[1:]
    if new and old and (not is_pod_ready(old[0]) or is_up(ds, new[0], clock)):
        gone.append(old[0])
    return gone


def limits(ds: Obj, desired: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers of nodes; both percentages round up."""
    strategy = ds["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = _scaled(rolling.get("maxSurge", 0), desired)
    unavailable = _scaled(rolling.get("maxUnavailable", 1), desired)
    if desired and not surge and not unavailable:
        unavailable = 1  # or nothing could ever move
    return surge, unavailable


def _scaled(value: int | str, total: int) -> int:
    return value if isinstance(value, int) else math.ceil(int(value.removesuffix("%")) * total / 100)


def roll(ds: Obj, nodes: Iterable[Obj], pods: ByNode, hash_: str, clock: Clock) -> Plan:
    """What brings the new version forward, within the limits."""
    wanted = [name for name, place in places(ds, nodes).items() if place.wanted]
    everywhere = {**pods, **{name: pods.get(name, []) for name in wanted}}
    surge, unavailable = limits(ds, len(wanted))
    if surge:
        return _roll_over(ds, everywhere, wanted, surge, hash_, clock)
    return _roll_down(ds, everywhere, unavailable, hash_, clock)


def _roll_down(ds: Obj, pods: ByNode, unavailable: int, hash_: str, clock: Clock) -> Plan:
    """Old pods that are down go at once, as they cost nothing; of those that are up, as many as may be missing."""
    missing, down, up = 0, list[Obj](), list[Obj]()
    for here in pods.values():
        new, old = _pair(here, hash_)
        if len(new) + len(old) != 1:
            missing += 1  # empty, or with more than it should have: `keep` looks after it
        elif new:
            missing += not is_up(ds, new[0], clock)
        elif is_up(ds, old[0], clock):
            up.append(old[0])
        else:
            down.append(old[0])
            missing += 1
    return Plan(delete=down + up[: max(0, unavailable - missing)])


def _pair(here: list[Obj], hash_: str) -> tuple[list[Obj], list[Obj]]:
    staying = [pod for pod in here if not is_terminating(pod)]
    return [pod for pod in staying if is_of(pod, hash_)], [pod for pod in staying if not is_of(pod, hash_)]


def _roll_over(ds: Obj, pods: ByNode, wanted: list[str], surge: int, hash_: str, clock: Clock) -> Plan:
    """New pods come beside old ones: at once where the old one is down, elsewhere as many as may be too many."""
    plan, doubled, up = Plan(), 0, 0
    candidates, homeless = list[str](), list[Obj]()
    for name, here in pods.items():
        new, old = _pair(here, hash_)
        if len(new) > 1 or len(old) > 1:
            doubled += 1
            continue
        up += any(is_up(ds, pod, clock) for pod in (old or new))
        if new and old:
            if is_up(ds, new[0], clock):
                plan.delete.append(old[0])
            else:
                doubled += 1
        elif old and name in wanted:
            (candidates if is_up(ds, old[0], clock) else plan.create).append(name)
        elif old:
            (homeless if is_up(ds, old[0], clock) else plan.delete).append(old[0])
    plan.delete += homeless[: max(0, up - len(wanted))]
    plan.create += candidates[: max(0, surge - doubled)]
    return plan
