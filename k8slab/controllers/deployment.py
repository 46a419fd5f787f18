"""Deployments: one ReplicaSet for each version of the template, and the way from the old ones to the new.

The numbers are decided in `rolling.py`, versions and new ReplicaSets in `revisions.py`, the words of the status in
`rollout_status.py`, all pure. Here they are carried out, in the order of Kubernetes' pkg/controller/deployment. What a
ReplicaSet then does is `replicaset.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.errors import AlreadyExists, ApiError
from k8slab.api.objects import (
    Key,
    Obj,
    annotations_of,
    condition,
    controller_of,
    copy,
    is_terminating,
    key_of,
)
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers import revisions, rolling, rollout_status
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself, owners_of
from k8slab.controllers.census import Census
from k8slab.controllers.ownership import claim, of_owned


class DeploymentController(Controller[Key]):
    """Rolls out, rolls over, scales, pauses, cleans up. The objects its methods pass around are copies of its own."""

    name = "deployment-controller"

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client, clock)
        self.census = Census.of(client)

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Deployment": itself, "ReplicaSet": of_owned(self.client, "Deployment"), "Pod": self._of_gone_pod}

    def _of_gone_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A Recreate waits until the last old pod is gone."""
        owner = controller_of(before) if before and after is None else None
        if before is None or owner is None or owner["kind"] != "ReplicaSet":
            return ()
        rs = self.client.informer("ReplicaSet").get(owner["name"], before["metadata"]["namespace"])
        return owners_of("Deployment")(None, rs)

    async def reconcile(self, key: Key) -> float | None:
        if self.client.informer("Deployment").get(key.name, key.namespace) is None:
            return None
        deployment = self.client.get("Deployment", key.name, key.namespace)
        owned = [copy(rs) for rs in claim(self.client, deployment, "ReplicaSet")]
        if is_terminating(deployment):
            return self._report(deployment, *revisions.split(deployment, owned), progress=False)
        if conditions := rollout_status.paused_conditions(deployment, self.clock.timestamp()):
            self._write(deployment, conditions=conditions)
        new, old = self._current(deployment, owned)
        if deployment["spec"].get("paused") or rolling.is_scaling(deployment, owned):
            return self._scale(deployment, new, old)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, new, old)
        return self._roll(deployment, new, old)

    # What each situation asks for

    def _scale(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        for rs, replicas in rolling.scale(deployment, new, old):
            self._resize(deployment, rs, replicas)
        self._clean_up(deployment, old)
        return self._report(deployment, new, old, progress=False)

    def _roll(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        new = new or self._create(deployment, old)
        if new is None:
            return None
        wanted = rolling.new_replicas(deployment, new, old, self._leaving([new, *old]))
        steps = [(new, wanted)] if wanted != rolling.size(new) else rolling.shrink_old(deployment, new, old)
        for rs, replicas in steps:
            self._resize(deployment, rs, replicas)
        if not steps:
            self._clean_up(deployment, old)
        return self._report(deployment, new, old)

    def _recreate(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        active = [rs for rs in old if rolling.size(rs)]
        for rs in active:
            self._resize(deployment, rs, 0)
        if active or self._pods_run(old):
            return self._report(deployment, new, old)
        new = new or self._create(deployment, old)
        if new is None:
            return None
        if rolling.size(new) != deployment["spec"]["replicas"]:
            self._resize(deployment, new, deployment["spec"]["replicas"])
        if rollout_status.is_complete(deployment, deployment.get("status") or {}):
            self._clean_up(deployment, old)
        return self._report(deployment, new, old)

    def _leaving(self, sets: list[Obj]) -> int:
        """Pods beyond what their ReplicaSets ask for: these have been scaled down, and are about to delete them."""
        return sum(max(0, self.census.active(rs["metadata"]["uid"]) - rolling.size(rs)) for rs in sets)

    def _pods_run(self, sets: list[Obj]) -> bool:
        pods = (pod for rs in sets for pod in self.client.informer("Pod").by("owner", rs["metadata"]["uid"]))
        return any((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)

    # ReplicaSets

    def _current(self, deployment: Obj, owned: list[Obj]) -> tuple[Obj | None, list[Obj]]:
        """The ReplicaSet of the current template, if there is one, and the others; its revision is refreshed."""
        new, old = revisions.split(deployment, owned)
        if new is None:
            return None, old
        changed = revisions.refreshed(deployment, new, old)
        if changed != new:
            new.update(self.client.update(changed))
        message = f'Found new replica set "{rolling.name(new)}"'
        self._note(deployment, new, "" if condition(deployment, "Progressing") else "FoundNewReplicaSet", message)
        return new, old

    def _create(self, deployment: Obj, old: list[Obj]) -> Obj | None:
        """A ReplicaSet for the current template; None if its name was taken: the next look tries another."""
        rs = revisions.replica_set(deployment, old)
        rs["spec"]["replicas"] = rolling.new_replicas(deployment, rs, old, self._leaving(old))
        name = rolling.name(rs)
        try:
            rs = {**self.client.create(rs)}
        except AlreadyExists:
            self._write(deployment, collisionCount=(deployment.get("status") or {}).get("collisionCount", 0) + 1)
            return None
        except ApiError as error:
            if is_namespace_ending(error):
                return None
            self._failed(deployment, f'Failed to create new replica set "{name}": {error}')
            raise
        if count := rolling.size(rs):
            message = f"Scaled up replica set {name} from 0 to {count}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        self._note(deployment, rs, "NewReplicaSetCreated", f'Created new replica set "{name}"')
        return rs

    def _failed(self, deployment: Obj, message: str) -> None:
        reason = "ReplicaSetCreateError"
        if rollout_status.has_deadline(deployment):
            self._write(deployment, conditions=self._progressing(deployment, "False", reason, message))
        self.recorder.event(deployment, "Warning", reason, message)

    def _resize(self, deployment: Obj, rs: Obj, replicas: int) -> None:
        """Give it this size and note what for; `rs` becomes what the API says it is now."""
        before, changed = rolling.size(rs), copy(rs)
        changed["spec"]["replicas"] = replicas
        revisions.note_sizes(changed, deployment)
        if changed == rs:
            return
        rs.update(self.client.update(changed))
        if before != replicas:
            way = "up" if replicas > before else "down"
            message = f"Scaled {way} replica set {rolling.name(rs)} from {before} to {replicas}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)

    def _clean_up(self, deployment: Obj, old: list[Obj]) -> None:
        for rs in revisions.superfluous(deployment, old):
            namespace, name = key_of(rs)
            self.client.delete("ReplicaSet", name, namespace, uid=rs["metadata"]["uid"])

    # The status

    def _note(self, deployment: Obj, new: Obj, reason: str, message: str) -> None:
        """Show the current revision on the Deployment, and with a `reason`, that its ReplicaSet is there."""
        revision = str(revisions.revision_of(new))
        if annotations_of(deployment).get(revisions.REVISION) != revision:
            namespace, name = key_of(deployment)
            patch = {"metadata": {"annotations": {revisions.REVISION: revision}}}
            deployment.update(self.client.patch("Deployment", name, namespace, patch))
        if reason and rollout_status.has_deadline(deployment):
            self._write(deployment, conditions=self._progressing(deployment, "True", reason, message))

    def _progressing(self, deployment: Obj, status: str, reason: str, message: str) -> list[Obj]:
        before = (deployment.get("status") or {}).get("conditions") or []
        new = {"type": "Progressing", "status": status, "reason": reason, "message": message}
        return rollout_status.set_condition(before, new, self.clock.timestamp())

    def _report(self, deployment: Obj, new: Obj | None, old: list[Obj], *, progress: bool = True) -> float | None:
        status = rollout_status.status_of(deployment, new, old, self.clock, progress=progress)
        if status == deployment.get("status"):
            return rollout_status.look_again(deployment, self.clock)
        deployment["status"] = status
        self._write(deployment)
        return None

    def _write(self, deployment: Obj, **status: object) -> None:
        """Write the status with these fields changed; `deployment` becomes what the API says it is now."""
        changed = {**deployment, "status": (deployment.get("status") or {}) | status}
        deployment.update(self.client.update(changed, "status"))
