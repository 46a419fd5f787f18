"""The shape of a No: which plugin said it, in which words, and whether other pods' leaving could change it.

`filters.py`, `spread.py` and `affinity.py` give them, `decide.py` counts them into the words of FailedScheduling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from k8slab.scheduler.nodeinfo import NodeInfo
from k8slab.scheduler.podinfo import PodInfo


class Refusal(NamedTuple):
    """Why a node is out. `resolvable`: whether removing other pods from it could help (Unschedulable) or not at all
    (UnschedulableAndUnresolvable)."""

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool


Filter = Callable[[PodInfo, NodeInfo], Refusal | None]
