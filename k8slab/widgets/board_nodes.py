"""One node as a card of the board: does it answer, what have its pods asked for, when are they replaced if it does not.

Pure. `board_model.py` puts the cards into the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from k8slab.api.objects import Obj, condition
from k8slab.api.quantities import parse
from k8slab.clock import from_timestamp
from k8slab.widgets.delta import Picture

GRACE = (
    50  # s without a heartbeat before a node counts as unreachable: kube-controller-manager --node-monitor-grace-period
)
PATIENCE = (
    300  # s more before its pods are replaced: DefaultTolerationSeconds, tolerationSeconds of unreachable:NoExecute
)
ZONE = "topology.kubernetes.io/zone"


def node_card(node: Obj, pods: Sequence[Obj], now: float, speed: float, off: Mapping[str, float]) -> Picture:
    """The card of `node`, on which these pods are. `off` says which nodes are known to be without power since when."""
    meta, status = node["metadata"], node.get("status") or {}
    state, word, silent = _state(node, off)
    card = {
        "name": meta["name"],
        "state": state,
        "word": word,
        "cordoned": bool(node["spec"].get("unschedulable")),
        "zone": (meta.get("labels") or {}).get(ZONE, ""),
        "cidr": node["spec"].get("podCIDR", ""),
        "cpu": _used("cpu", pods, status),
        "memory": _used("memory", pods, status),
    }
    if silent:
        began, due = silent
        card |= {"silent": began, "due": began + (GRACE + PATIENCE) / speed if due is None else due + PATIENCE / speed}
    return card


def _state(node: Obj, off: Mapping[str, float]) -> tuple[str, str, tuple[float, float | None] | None]:
    """State, word, and for a node that does not answer: since when, and when the cluster noticed (None: not yet)."""
    ready = condition(node, "Ready") or {}
    name, at = node["metadata"]["name"], ready.get("lastTransitionTime")
    noticed = from_timestamp(at) if at and ready.get("status") == "Unknown" else None
    if name in off:
        return "off", "Off", (off[name], noticed)
    if ready.get("status") == "Unknown":
        beat = ready.get("lastHeartbeatTime") or at
        return "silent", "Silent", (from_timestamp(beat), noticed) if beat else None
    if ready.get("status") == "True":
        return ("ready", "Cordoned", None) if node["spec"].get("unschedulable") else ("ready", "Ready", None)
    return "notready", "Not ready", None


def _used(resource: str, pods: Sequence[Obj], status: Obj) -> list[float]:
    """[asked for by the pods here, there is]: in cores, or in bytes."""
    there = (status.get("allocatable") or status.get("capacity") or {}).get(resource, "0")
    return [round(sum(_asks(pod, resource) for pod in pods if _counts(pod)), 3), _amount(there)]


def _counts(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _asks(pod: Obj, resource: str) -> float:
    requests = [
        ((c.get("resources") or {}).get("requests") or {}).get(resource, "0") for c in pod["spec"]["containers"]
    ]
    return sum(map(_amount, requests))


@lru_cache(1024)
def _amount(text: str) -> float:
    """The same few quantities are asked for again and again."""
    return float(parse(text))
