"""PodDisruptionBudgets: their status says how many of their pods may be evicted now.

What it says is worked out in `budgets.py`; the API server's eviction subresource obeys it. Also here, as in Kubernetes
(pkg/controller/disruption): a pod that was to be disrupted and still stands after two minutes is told so no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.kinds import KINDS
from k8slab.api.objects import (
    Key,
    Obj,
    condition,
    controller_of,
    is_pod_ready,
    is_terminating,
    key_of,
    labels_of,
    with_condition,
)
from k8slab.api.selectors import from_object, go_string
from k8slab.controllers import budgets
from k8slab.controllers.base import Controller, Wakes, itself

SCALED = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. "
    "As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "
    'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)


class DisruptionController(Controller[Key]):
    """Its keys are budgets."""

    name = "controllermanager"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"PodDisruptionBudget": itself, "Pod": self._of_pod, **dict.fromkeys(SCALED, self._of_owner)}

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        sides = [side for side in (before, after) if side]
        budgets_here = self.client.informer("PodDisruptionBudget").list(sides[0]["metadata"]["namespace"])
        if not budgets_here or (before and after and _shown(before) == _shown(after)):
            return
        for budget in budgets_here:
            selector = from_object(budget["spec"].get("selector"))
            if any(selector.matches(labels_of(side)) for side in sides):
                yield key_of(budget)

    def _of_owner(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A change of size changes what a percentage means."""
        if before and after and before["spec"].get("replicas") == after["spec"].get("replicas"):
            return
        owner = after or before or {}
        for budget in self.client.informer("PodDisruptionBudget").list(owner["metadata"]["namespace"]):
            if budgets.needs_scale(budget["spec"]):
                yield key_of(budget)

    async def reconcile(self, key: Key) -> float | None:
        budget = self.client.informer("PodDisruptionBudget").get(key.name, key.namespace)
        if budget is None:
            return None
        selector = from_object(budget["spec"].get("selector"))
        pods = [p for p in self.client.informer("Pod").list(key.namespace) if selector.matches(labels_of(p))]
        if not pods:
            self.recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        now = self.clock.timestamp()
        try:
            wanted = self._count(budget, pods)
        except (LookupError, ValueError) as error:
            said = f"Failed to calculate the number of expected pods: {error.args[0]}"
            self.recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", said)
            self._write(budget, budgets.failed(budget, error.args[0], now))
            return None
        going, late = budgets.still_going(budget.get("status") or {}, pods, self.clock)
        for pod in late:
            said = f"Pod was expected by PDB {key.namespace}/{key.namespace} to be deleted but it wasn't"
            self.recorder.event(pod, "Warning", "NotDeleted", said)
        self._write(budget, budgets.status(budget, wanted, budgets.healthy(pods, going), going, now))
        left = [budgets.DELETION_TIMEOUT - self.clock.since(since) for since in going.values()]
        return min(left) + 1 if left else None

    def _count(self, budget: Obj, pods: list[Obj]) -> budgets.Count:
        scale = self._scale(budget, pods) if budgets.needs_scale(budget["spec"]) else 0
        return budgets.count(budget["spec"], pods, scale)

    def _scale(self, budget: Obj, pods: list[Obj]) -> int:
        """What the pods' owners want together. Raises LookupError for an owner that is gone or has no replicas."""
        sizes: dict[str, int] = {}
        unmanaged = False
        for pod in pods:
            ref = controller_of(pod)
            if ref is None:
                unmanaged = True
            else:
                owner = self._scaled_owner(pod, ref)
                sizes[owner["metadata"]["uid"]] = int(owner["spec"].get("replicas", 1))
        if unmanaged:
            selector = go_string(budget["spec"].get("selector"))
            self.recorder.event(budget, "Warning", "UnmanagedPods", UNMANAGED.format(selector))
        return sum(sizes.values())

    def _scaled_owner(self, pod: Obj, ref: Obj) -> Obj:
        kind, (namespace, name) = KINDS.get(ref["kind"]), key_of(pod)
        if kind and "scale" not in kind.subresources:
            raise LookupError(f"{kind.resource} does not implement the scale subresource")
        owner = self.client.informer(kind.kind).get(ref["name"], namespace) if kind else None
        if owner is None or owner["metadata"]["uid"] != ref["uid"]:
            raise LookupError(f'found no controllers for pod "{name}"')
        above = controller_of(owner)
        if above and above["kind"] == "Deployment":
            deployment = self.client.informer("Deployment").get(above["name"], namespace)
            if deployment is None or deployment["metadata"]["uid"] != above["uid"]:
                raise LookupError(f'found no controllers for pod "{name}"')
            return deployment
        return owner

    def _write(self, budget: Obj, status: Obj) -> None:
        if status != budget.get("status"):
            self.client.update({**budget, "status": status}, "status")


def _shown(pod: Obj) -> tuple[object, ...]:
    """All of a pod that a budget depends on."""
    return is_pod_ready(pod), is_terminating(pod), labels_of(pod), controller_of(pod)


class StaleDisruptionController(Controller[Key]):
    """Its keys are pods: who was to be disrupted and was not, is again as any other."""

    name = "disruption-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Pod": self._of_pod}

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        return (key_of(after),) if after and _doomed(after) else ()

    async def reconcile(self, key: Key) -> float | None:
        pod = self.client.informer("Pod").get(key.name, key.namespace)
        target = _doomed(pod) if pod else None
        if pod is None or target is None:
            return None
        left = budgets.DELETION_TIMEOUT - self.clock.since(target["lastTransitionTime"])
        if left > 0:
            return left
        over = {"type": "DisruptionTarget", "status": "False"}
        conditions = with_condition(pod["status"]["conditions"], over, self.clock.timestamp())
        self.client.patch("Pod", key.name, key.namespace, {"status": {"conditions": conditions}}, "status")
        return None


def _doomed(pod: Obj) -> Obj | None:
    """Its DisruptionTarget condition, if it is about a pod that nobody has begun to end."""
    found = condition(pod, "DisruptionTarget")
    over = is_terminating(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    true = found is not None and found["status"] == "True" and found.get("reason") != "TerminationByKubelet"
    return found if true and not over else None
