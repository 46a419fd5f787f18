"""Draining nodes from the board, as `kubectl drain --ignore-daemonsets --delete-emptydir-data` does it.

Cordon, then evict; what a disruption budget refuses is tried again every five seconds until the node is empty or takes
pods again (k8s.io/kubectl/pkg/drain). `board.py` calls `go_on` with each new look at the cluster.
"""

from __future__ import annotations

from typing import Any

from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import Obj, controller_of, is_terminating
from k8slab.widgets.feed import Api
from k8slab.widgets.noticing import World
from k8slab.widgets.story_words import pods as some_pods

AGAIN = 5.0  # s before an eviction that was refused is tried again
TOO_MANY = 429  # what the API answers while a disruption budget allows none
MIRROR = "kubernetes.io/config.mirror"


class Drains:
    """The nodes being drained, and what holds each up."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}  # node -> how it goes
        self._due: dict[str, float] = {}

    def begin(self, node: Obj, world: World) -> None:
        """From now on. Raises ValueError when a pod there would be lost for good, as kubectl refuses it too."""
        name = node["metadata"]["name"]
        lost = [pod["metadata"]["name"] for pod in to_evict(name, world) if not controller_of(pod)]
        if lost:
            raise ValueError(
                f"Nobody would make {', '.join(lost[:3])} again elsewhere, with no owner. Delete what stands alone on "
                f"{name} first, then drain it."
            )
        self._due[name], self.notes[name] = 0.0, "draining"

    def go_on(self, world: World, api: Api, now: float) -> None:
        """Evict what is due. A node that takes pods again, or is empty, is done with."""
        cordoned = {n["metadata"]["name"] for n in world.nodes.values() if n["spec"].get("unschedulable")}
        for name, due in list(self._due.items()):
            left = to_evict(name, world)
            if now < due:
                continue
            if due and (name not in cordoned or not left):
                del self._due[name], self.notes[name]
                continue
            held = [pod["metadata"]["name"] for pod in left if not _evict(pod, api)]
            self._due[name] = now + AGAIN
            told = f": a disruption budget holds {some_pods(len(held))} back" if held else ""
            self.notes[name] = f"draining{told}"

    def wake(self) -> float | None:
        """When to go on at the latest."""
        return 1.0 if self._due else None


def to_evict(node: str, world: World) -> list[Obj]:
    """The pods that a drain moves: not those of DaemonSets, of the node itself, done, or going already."""
    return [
        pod
        for pod in world.pods.values()
        if pod["spec"].get("nodeName") == node
        and not is_terminating(pod)
        and (controller_of(pod) or {}).get("kind") != "DaemonSet"
        and MIRROR not in (pod["metadata"].get("annotations") or {})
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def _evict(pod: Obj, api: Api) -> bool:
    """Whether it goes."""
    name, namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "")
    body: dict[str, Any] = {"apiVersion": "policy/v1", "kind": "Eviction"}
    try:
        api.post(
            f"/api/v1/namespaces/{namespace}/pods/{name}/eviction",
            {**body, "metadata": {"name": name, "namespace": namespace}},
        )
    except NotFound:
        return True
    except ApiError as error:
        if error.code != TOO_MANY:
            raise
        return False
    return True
