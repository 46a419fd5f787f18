"""DaemonSets: one pod on every node that fits.

Where pods belong is `daemon_pods.py`'s to say, which come and go `daemon_plan.py`'s, both pure; `history.py` keeps the
versions of the template. Here it is carried out, in the order of Kubernetes' pkg/controller/daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from k8slab.api.errors import ApiError
from k8slab.api.objects import Key, Obj, is_pod_ready, is_terminating, key_of, labels_of
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers import daemon_plan, history
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself
from k8slab.controllers.daemon_plan import Plan
from k8slab.controllers.daemon_pods import by_node, new_pod, node_of, status_of
from k8slab.controllers.history import POD_HASH, History
from k8slab.controllers.ownership import claim, of_owned
from k8slab.controllers.podcontrol import BATCH, BURST, PodControl
from k8slab.controllers.pods import next_available

FIRST_WAIT, LONGEST_WAIT = 1.0, 900.0  # Kubernetes seconds between two failed pods on a node, doubled each time
NO_LIMIT = 2**31 - 1


class Failures(NamedTuple):
    """When a failed pod of a node was last deleted (monotonic), and how long the next has to wait after it."""

    at: float
    wait: float


class DaemonSetController(Controller[Key]):
    """Keeps one pod a node, and replaces those that fail ever more slowly."""

    name = "daemonset-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self.pods = PodControl(client, self.recorder)
        self._failures: dict[Key, dict[tuple[str, int, str], Failures]] = {}  # by uid, generation and node

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"DaemonSet": itself, "Pod": of_owned(self.client, "DaemonSet"), "Node": self._of_node}

    def _of_node(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """All DaemonSets, when the node comes or goes or its labels or taints change."""
        if before and after and _fitness(before) == _fitness(after):
            return ()
        return map(key_of, self.client.informer("DaemonSet").list())

    async def reconcile(self, key: Key) -> float | None:
        ds = self.client.informer("DaemonSet").get(key.name, key.namespace)
        if ds is None or is_terminating(ds):
            self._failures.pop(key, None)
            return None
        nodes = sorted(self.client.informer("Node").list(), key=lambda node: str(node["metadata"]["name"]))
        past = history.sync(self.client, ds, POD_HASH)
        hash_ = labels_of(past.current)[POD_HASH]
        failure: ApiError | None = None
        later: float | None = None
        try:
            later = await self._work_on(ds, nodes, hash_)
            self._forget(ds, past)
        except ApiError as error:
            failure = error
        pods = claim(self.client, ds, "Pod")
        self._report(key, status_of(ds, nodes, by_node(pods), hash_, past.collisions, self.clock))
        if failure and not is_namespace_ending(failure):
            raise failure
        ready = [pod for pod in pods if is_pod_ready(pod)]
        waits = (later, next_available(ready, ds["spec"].get("minReadySeconds", 0), self.clock))
        return min((wait for wait in waits if wait is not None), default=None)

    async def _work_on(self, ds: Obj, nodes: list[Obj], hash_: str) -> float | None:
        """Keep, and once there is nothing left to keep, roll; in how many seconds a failed pod is due to go."""
        there = by_node(claim(self.client, ds, "Pod"))
        plan = daemon_plan.keep(ds, nodes, there, hash_, self.clock)
        due, later = self._due(ds, plan.ended)
        plan.delete = due + plan.delete
        if not plan.create and not plan.delete and ds["spec"]["updateStrategy"].get("type") == "RollingUpdate":
            plan = daemon_plan.roll(ds, nodes, there, hash_, self.clock)
        await self._carry_out(ds, plan, hash_)
        return later

    async def _carry_out(self, ds: Obj, plan: Plan, hash_: str) -> None:
        for made, node in enumerate(plan.create[:BURST], 1):
            self.pods.create(ds, new_pod(ds, node, hash_))
            if made % BATCH == 0:
                await asyncio.sleep(0)
        for gone, pod in enumerate(plan.delete[:BURST], 1):
            self.pods.delete(ds, pod)
            if gone % BATCH == 0:
                await asyncio.sleep(0)

    def _due(self, ds: Obj, ended: list[Obj]) -> tuple[list[Obj], float | None]:
        """Those ended pods that may be replaced now, told of in events; and when the next of the others may."""
        due, waits = list[Obj](), list[float]()
        for pod in ended:
            (namespace, name), node = key_of(pod), node_of(pod)
            failed = pod["status"]["phase"] == "Failed"
            if failed and (wait := self._wait(ds, node)) > 0:
                waits.append(wait)
                continue
            where = f"daemon pod {namespace}/{name} on node {node}"
            if failed:
                message = f"Found failed {where}, will try to kill it"
                self.recorder.event(ds, "Warning", "FailedDaemonPod", message)
            else:
                message = f"Found succeeded {where}, will try to delete it"
                self.recorder.event(ds, "Normal", "SucceededDaemonPod", message)
            due.append(pod)
        return due, min(waits, default=None)

    def _wait(self, ds: Obj, node: str) -> float:
        """How long the node's failed pod has to stay yet; if it may go, the next one's wait is twice as long."""
        known = self._failures.setdefault(key_of(ds), {})
        key = (ds["metadata"]["uid"], (ds.get("status") or {}).get("observedGeneration", 0), node)
        now, last = self.clock.monotonic(), known.get(key)
        passed = (now - last.at) * self.clock.speed if last else 0.0
        if last and passed < last.wait:
            return last.wait - passed
        again = last and passed <= 2 * LONGEST_WAIT
        known[key] = Failures(now, min(last.wait * 2, LONGEST_WAIT) if last and again else FIRST_WAIT)
        return 0.0

    def _forget(self, ds: Obj, past: History) -> None:
        """Delete the oldest revisions beyond `revisionHistoryLimit`, but none that a pod is of."""
        excess = len(past.old) - ds["spec"].get("revisionHistoryLimit", NO_LIMIT)
        live = {labels_of(pod).get(POD_HASH) for pod in claim(self.client, ds, "Pod")}
        unused = [revision for revision in past.old if labels_of(revision).get(POD_HASH) not in live]
        history.delete(self.client, unused[: max(0, excess)])

    def _report(self, key: Key, status: Obj) -> None:
        current = self.client.get("DaemonSet", key.name, key.namespace)
        before = current.get("status") or {}
        if "conditions" in before:
            status = {**status, "conditions": before["conditions"]}  # somebody's: no controller sets any
        if status != before:
            self.client.update({**current, "status": status}, "status")


def _fitness(node: Obj) -> tuple[object, object]:
    return labels_of(node), (node.get("spec") or {}).get("taints")
