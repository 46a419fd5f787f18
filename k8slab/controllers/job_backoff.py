"""How long a Job waits before it makes a pod in the place of one that failed: 10 s, 20 s, 40 s, … 6 min at most.

Pure; the wait begins when the pod ended, and a success ends it. Source: pkg/controller/job/backoff_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from k8slab.api.objects import Obj, condition
from k8slab.clock import Clock, from_timestamp

FIRST, LONGEST = 10.0, 360.0  # Kubernetes seconds


class Backoff(NamedTuple):
    """Failures since the last success, and when the last of them was (seconds since 1970)."""

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: Iterable[Obj], failed: Iterable[Obj], clock: Clock) -> Backoff:
        """The record once these pods, not seen before, have ended."""
        successes = [ended_at(pod, clock) for pod in succeeded]
        failures = sorted(ended_at(pod, clock) for pod in failed)
        if not successes:
            return Backoff(self.failures + len(failures), failures[-1]) if failures else self
        since = [moment for moment in failures if moment > max(successes)]
        return Backoff(len(since), since[-1]) if since else Backoff()

    def left(self, clock: Clock) -> float:
        """Kubernetes seconds until the next pod may be made."""
        if not self.failures:
            return 0.0
        wait = min(FIRST * 2.0 ** min(self.failures - 1, 16), LONGEST)
        return max(0.0, wait - clock.since(self.last))


def ended_at(pod: Obj, clock: Clock) -> float:
    """When the pod ended, as well as it is known (seconds since 1970)."""
    return clock.in_second(_told(pod, clock))


def _told(pod: Obj, clock: Clock) -> float:
    """What its status says: its last container, else when it stopped being ready, was to be deleted, or was made."""
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    ends: list[str] = [((c.get("state") or {}).get("terminated") or {}).get("finishedAt") or "" for c in containers]
    if ends and all(ends):
        return max(map(from_timestamp, ends))
    ready, meta = condition(pod, "Ready"), pod["metadata"]
    if ready and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return from_timestamp(ready["lastTransitionTime"])
    if deleted := meta.get("deletionTimestamp"):
        return from_timestamp(deleted) - float(meta.get("deletionGracePeriodSeconds", 0)) / clock.speed
    return from_timestamp(meta["creationTimestamp"])
