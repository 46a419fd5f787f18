"""A pod gets its node: take the next from the queue, read the cluster, decide, bind, and say so.

Informers feed `cache.py` and `queue.py`; `decide.py` (in large clusters `batch.py`) decides; `client.bind` writes
`spec.nodeName`, and the kubelet of that node takes it from there. Where no node will do, `preempt.py` says who might
have to leave, and `eviction.py` sees to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from k8slab import trace
from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Key, Obj, is_terminating, key_of, labels_of, with_condition
from k8slab.client.base import Client
from k8slab.client.event_series import SeriesRecorder
from k8slab.clock import Clock
from k8slab.scheduler.batch import Batch
from k8slab.scheduler.cache import Cache
from k8slab.scheduler.decide import Decision, decide
from k8slab.scheduler.eviction import Evictions
from k8slab.scheduler.explain import explained
from k8slab.scheduler.filters import is_relational
from k8slab.scheduler.matching import pinned
from k8slab.scheduler.podinfo import Group, PodInfo, priority_of
from k8slab.scheduler.preempt import WAITS, Candidate, preempt
from k8slab.scheduler.queue import SchedulingQueue, Waiting
from k8slab.scheduler.scores import Peers
from k8slab.scheduler.volumes import Storage, StorageReader

log = logging.getLogger(__name__)

NAME = "default-scheduler"
LARGE = 20  # nodes from which on pods of one kind share a ranking
BATCHES, EXPLAINED = 1000, 200  # how many are kept
WITH_VOLUMES = frozenset({"VolumeBinding"})
TURN = 8  # pods placed before others on the event loop have theirs


class Scheduler:
    """Places the pods that ask for it by `spec.schedulerName`. The recorder speaks as component `default-scheduler`."""

    def __init__(self, client: Client, clock: Clock, recorder: SeriesRecorder, name: str = NAME) -> None:
        self._client, self._clock, self._recorder, self._name = client, clock, recorder, name
        self._work = asyncio.Event()
        self.queue = SchedulingQueue(clock, self._work.set)
        self._namespaces = client.informer("Namespace")
        self.cache = Cache(self._labels_of_namespace)
        self._pods = client.informer("Pod")
        self._services = client.informer("Service")
        self._storage = StorageReader(client)
        self._budgets = client.informer("PodDisruptionBudget")
        self._evictions = Evictions(client, clock, recorder)
        self._decisions: OrderedDict[Key, Decision] = OrderedDict()
        self._batches: OrderedDict[tuple[bytes, tuple[Group, ...]], Batch] = OrderedDict()
        self._start = 0  # which node to look at first: every node has its turn
        self._telling: Key | None = None  # the pod whose status is being written here: no news to us
        self._following = False

    async def run(self) -> None:
        """Place pods until cancelled."""
        if not self._following:
            self._following = True
            self._client.informer("Node").subscribe(self._node_changed)
            self._namespaces.subscribe(self._namespace_changed)
            self._pods.subscribe(self._pod_changed)
            for kind in ("PersistentVolumeClaim", "PersistentVolume", "StorageClass"):
                self._client.informer(kind).subscribe(self._volumes_changed)
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._drain()
        finally:
            self.queue.close()

    def explain(self, namespace: str, pod: str) -> dict[str, Any] | None:
        """The last decision about a pod (see `explain.py`), if it was among the latest two hundred."""
        decision = self._decisions.get(Key(namespace, pod))
        return explained(decision, [node.name for node in self.cache.nodes]) if decision else None

    def what_if(self, pod: Obj) -> dict[str, Any]:
        """What would be decided now about a pod without a node, as plain data. Nothing is bound, said or kept.

        If it is one that has a node by now, that pod is thought away meanwhile.
        """
        info = PodInfo(pod, self._storage.of(pod))
        live = self._pods.get(info.key.name, info.key.namespace)
        node = self.cache.infos.get(live["spec"].get("nodeName", "")) if live else None
        with self.cache.without(node, [info.uid]) if node and info.uid in node.pods else nullcontext():
            decision = decide(info, self.cache, self._peers(info))
            if decision.node is None:
                decision, _ = self._preempted(info, decision)
        return explained(decision, [each.name for each in self.cache.nodes])

    async def _drain(self) -> None:
        placed = 0
        while entry := self.queue.pop():
            self._try(entry)
            placed += 1
            if placed % TURN == 0:
                await asyncio.sleep(0)

    def _try(self, entry: Waiting) -> None:
        pod = self._pods.get(entry.key.name, entry.key.namespace)
        if pod is None or not self._waits(pod):
            self.queue.remove(entry.key)
            return
        try:
            self._place(pod, entry)
        except NotFound:
            self.queue.remove(entry.key)  # deleted meanwhile
        except Conflict:
            self.queue.retry(entry)
        except Exception as error:
            log.exception("scheduling %s failed", entry.key)
            self._say_failed(pod, "SchedulerError", str(error))
            self.queue.retry(entry)

    def _place(self, pod: Obj, entry: Waiting) -> None:
        info = PodInfo(pod, self._storage.of(pod))
        decision = self._decide(info)
        trace.hop("decided", pod, node=decision.node or "", of=decision.total, fit=len(decision.scores))
        if decision.node is None:
            self._refuse(info, decision, entry)
            return
        self._keep(decision)
        if info.storage and not self._has_volumes(info.storage, decision.node):
            self.queue.park(entry, WITH_VOLUMES)
            return
        namespace, name = entry.key
        self._client.bind(namespace, name, decision.node, pod["metadata"].get("uid", ""))
        self.queue.remove(entry.key)
        said = f"Successfully assigned {namespace}/{name} to {decision.node}"
        self._recorder.event(pod, "Normal", "Scheduled", "Binding", said)

    def _has_volumes(self, storage: Storage, node: str) -> bool:
        """Whether all claims are bound; those that waited for this are, soon."""
        found = self._client.informer("Node").get(node)
        return found is not None and self._storage.bind(storage, found)

    def _decide(self, info: PodInfo) -> Decision:
        peers = self._peers(info)
        few = len(self.cache.nodes) < LARGE
        if few or info.storage or info.nominated or pinned(info) is not None or is_relational(info, self.cache):
            decision = decide(info, self.cache, peers, 0 if few else self._start)
            self._start += 0 if few else len(decision.scores) + len(decision.refused)
            return decision
        kind = info.signature, peers.groups
        batch = self._batches.get(kind)
        decision_ = batch.place(info) if batch else None
        if decision_ is None:
            batch = self._batches[kind] = Batch(info, peers, self.cache, self._start)
            self._start = (self._start + batch.looked_at) % len(self.cache.nodes)
            decision_ = batch.place(info)
        self._batches.move_to_end(kind)
        if len(self._batches) > BATCHES:
            self._batches.popitem(last=False)
        assert decision_ is not None, "a ranking just made has an answer"
        return decision_

    def _refuse(self, info: PodInfo, decision: Decision, entry: Waiting) -> None:
        """No node would have it: perhaps room can be made. If not, it waits for the cluster to change."""
        decision, found = self._preempted(info, decision)
        self._keep(decision)
        self.queue.park(entry, decision.refused_by)
        waits = found == WAITS
        node = found.node if isinstance(found, Candidate) else info.nominated if waits else ""
        self._say_failed(info.pod, "Unschedulable", decision.message, node)
        if isinstance(found, Candidate):
            self._evictions.make_room(info, found)

    def _preempted(self, info: PodInfo, decision: Decision) -> tuple[Decision, Candidate | str | None]:
        """The refusal with who would have to leave for the pod, or why that would not help."""
        if not self.cache.nodes:
            return decision, None
        found = preempt(info, self.cache, decision, self._pods_on, [*self._budgets.list()])
        if isinstance(found, str):
            return replace(decision, preemption=found), found
        victims = tuple(key_of(victim) for victim in found.victims)
        return replace(decision, cleared=found.node, victims=victims), found

    def _peers(self, info: PodInfo) -> Peers:
        group = info.usage.group
        if group.owner:
            return Peers((group,), self.cache.zones((group,)))
        selectors = [
            service["spec"]["selector"]
            for service in self._services.list(group.namespace)
            if service["spec"].get("selector") and service["spec"]["selector"].items() <= labels_of(info.pod).items()
        ]
        groups = self.cache.alike(group.namespace, selectors) if selectors else ()
        return Peers(groups, self.cache.zones(groups))

    def _keep(self, decision: Decision) -> None:
        self._decisions[decision.pod] = decision
        self._decisions.move_to_end(decision.pod)
        if len(self._decisions) > EXPLAINED:
            self._decisions.popitem(last=False)

    def _say_failed(self, pod: Obj, reason: str, message: str, nominated: str = "") -> None:
        """Event and condition, and on which node room is being made for it, if on any."""
        self._recorder.event(pod, "Warning", "FailedScheduling", "Scheduling", message)
        new = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message, "lastProbeTime": None}
        if generation := pod["metadata"].get("generation"):
            new["observedGeneration"] = generation
        status = pod.get("status") or {}
        old = status.get("conditions") or []
        conditions = with_condition(old, new, self._clock.timestamp())
        if conditions == old and nominated == status.get("nominatedNodeName", ""):
            return
        namespace, name = key_of(pod)
        patch = {"conditions": conditions, "nominatedNodeName": nominated or None}
        self._telling = key_of(pod)
        try:
            self._client.patch("Pod", name, namespace, {"status": patch}, "status")
        except ApiError as error:
            log.debug("condition of %s/%s not written: %s", namespace, name, error)
        finally:
            self._telling = None

    def _waits(self, pod: Obj) -> bool:
        """Whether the pod is ours to place, now."""
        spec = pod["spec"]
        free = not spec.get("nodeName") and not spec.get("schedulingGates")
        return free and spec.get("schedulerName", NAME) == self._name and not _finished(pod) and not is_terminating(pod)

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before and after and _alike(before, after):
            return
        pod = after or before
        assert pod is not None, "a change has a before or an after"
        node = before["spec"].get("nodeName", "") if before else ""
        uid = pod["metadata"]["uid"]
        self.queue.moved(self.cache.set_pod(uid, node, None if after is None or _finished(after) else after))
        if after is None or not self._waits(after):
            self.cache.withdraw(uid)
            self.queue.remove(key_of(pod))
            return
        if _nominated(after) or (before and _nominated(before)):
            self.cache.nominate(PodInfo(after))
        if key_of(after) != self._telling:
            self.queue.add(key_of(after), priority_of(after))

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        node = after or before
        assert node is not None, "a change has a before or an after"
        if changes := self.cache.set_node(node["metadata"]["name"], after):
            self.queue.moved(changes)

    def _volumes_changed(self, before: Obj | None, after: Obj | None) -> None:
        self.queue.moved(frozenset({"volumes"}))

    def _namespace_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is None or after is None or labels_of(before) != labels_of(after):
            self.cache.forget()
            self.queue.moved(frozenset({"namespaces"}))

    def _labels_of_namespace(self, name: str) -> dict[str, str]:
        found = self._namespaces.get(name)
        return labels_of(found) if found else {}

    def _pods_on(self, node: str) -> list[Obj]:
        return [*self._pods.by("node", node)]


def _finished(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _nominated(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("nominatedNodeName") or "")


def _alike(before: Obj, after: Obj) -> bool:
    """Whether the change is of no interest here: most are the kubelet's, of the status alone, and share the spec."""
    if before["spec"] is not after["spec"] and before["spec"] != after["spec"]:
        return False
    if _nominated(before) != _nominated(after) or _finished(before) != _finished(after):
        return False
    old, new = before["metadata"], after["metadata"]
    return all(old.get(field) == new.get(field) for field in ("labels", "ownerReferences", "deletionTimestamp"))
