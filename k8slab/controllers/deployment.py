"""Deployments: one ReplicaSet for each version of the template, and the way from the old ones to the new.

The numbers are decided in `rolling.py`, the ReplicaSets and revisions in `revisions.py`, the words of the status in
`rollout_status.py`: all pure. Here they are carried out, in the order of pkg/controller/deployment. ReplicaSets go on to
`replicaset.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.errors import AlreadyExists, ApiError
from k8slab.api.objects import Key, Obj, annotations_of, controller_of, copy, is_terminating, key_of
from k8slab.controllers import revisions, rolling, rollout_status
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself, owners_of
from k8slab.controllers.ownership import claim, would_adopt


class DeploymentController(Controller[Key]):
    """Rolls out, rolls over, scales, pauses and cleans up."""

    name = "deployment-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Deployment": itself, "ReplicaSet": self._of_replica_set, "Pod": self._of_gone_pod}

    def _of_replica_set(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        yield from owners_of("Deployment")(before, after)
        if after and not controller_of(after):
            yield from would_adopt(after, self.client.informer("Deployment").list(after["metadata"]["namespace"]))

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
        owned = claim(self.client, deployment, "ReplicaSet")
        if is_terminating(deployment):
            return self._write_status(deployment, *revisions.split(deployment, owned), progress=False)
        if paused := rollout_status.paused_condition(deployment, self.clock.timestamp()):
            deployment = self._set_status(deployment, {**deployment.get("status", {}), "conditions": paused})
        new, old = self._known(deployment, owned)
        deployment = self.client.get("Deployment", key.name, key.namespace)
        if deployment["spec"].get("paused") or rolling.is_scaling(deployment, [*old, *([new] if new else [])]):
            return self._scale(deployment, new, old)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, new, old)
        return self._roll(deployment, new, old)

    # What each situation asks for

    def _scale(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        for rs, replicas in rolling.scale(deployment, new, old):
            self._resize(deployment, rs, replicas, annotate=True)
        self._clean_up(deployment, old)
        return self._write_status(deployment, new, old, progress=False)

    def _roll(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        if new is None:
            new = self._create(deployment, old)
            if new is None:
                return None
            deployment = self.client.get("Deployment", *reversed(key_of(deployment)))
        wanted = rolling.new_replicas(deployment, new, old)
        steps = [(new, wanted)] if wanted != new["spec"]["replicas"] else rolling.shrink_old(deployment, new, old)
        for rs, replicas in steps:
            self._resize(deployment, rs, replicas)
        if not steps:
            self._clean_up(deployment, old)
        return self._write_status(deployment, new, old)

    def _recreate(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> float | None:
        active = [rs for rs in old if rs["spec"]["replicas"]]
        for rs in active:
            self._resize(deployment, rs, 0)
        if active or self._old_pods_run(old):
            return self._write_status(deployment, new, old)
        if new is None:
            new = self._create(deployment, old)
            if new is None:
                return None
            deployment = self.client.get("Deployment", *reversed(key_of(deployment)))
        self._resize(deployment, new, deployment["spec"]["replicas"])
        if rollout_status.is_complete(deployment, deployment.get("status") or {}):
            self._clean_up(deployment, old)
        return self._write_status(deployment, new, old)

    def _old_pods_run(self, old: list[Obj]) -> bool:
        pods = (pod for rs in old for pod in self.client.informer("Pod").by("owner", rs["metadata"]["uid"]))
        return any((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)

    # ReplicaSets

    def _known(self, deployment: Obj, owned: list[Obj]) -> tuple[Obj | None, list[Obj]]:
        """The ReplicaSet of the current template, if there is one, and the others; its revision is brought up to date."""
        new, old = revisions.split(deployment, owned)
        if new is None:
            return None, old
        changed = revisions.refreshed(deployment, new, old)
        if changed != new:
            return self.client.update(changed), old
        self._note(deployment, new, f'Found new replica set "{new["metadata"]["name"]}"', "FoundNewReplicaSet")
        return new, old

    def _create(self, deployment: Obj, old: list[Obj]) -> Obj | None:
        """The ReplicaSet of the current template; None if its name was taken and another will be tried."""
        rs = revisions.replica_set(deployment, old)
        rs["spec"]["replicas"] = rolling.new_replicas(deployment, rs, old)
        name = rs["metadata"]["name"]
        try:
            rs = self.client.create(rs)
        except AlreadyExists:
            count = (deployment.get("status") or {}).get("collisionCount", 0) + 1
            self._set_status(deployment, {**deployment.get("status", {}), "collisionCount": count})
            return None
        except ApiError as error:
            if is_namespace_ending(error):
                return None
            message = f'Failed to create new replica set "{name}": {error}'
            if rolling.has_deadline(deployment):
                self._set_condition(deployment, "False", "ReplicaSetCreateError", message)
            self.recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
            raise
        if count := rs["spec"]["replicas"]:
            message = f"Scaled up replica set {name} from 0 to {count}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        self._note(deployment, rs, f'Created new replica set "{name}"', "NewReplicaSetCreated", anew=True)
        return rs

    def _resize(self, deployment: Obj, rs: Obj, replicas: int, *, annotate: bool = False) -> None:
        before = rs["spec"]["replicas"]
        changed = copy(rs)
        changed["spec"]["replicas"] = replicas
        revisions.note_sizes(changed, deployment)
        if changed == rs or (before == replicas and not annotate):
            return
        rs.update(self.client.update(changed))
        if before != replicas:
            way = "up" if replicas > before else "down"
            message = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {replicas}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)

    def _clean_up(self, deployment: Obj, old: list[Obj]) -> None:
        for rs in revisions.superfluous(deployment, old):
            namespace, name = key_of(rs)
            self.client.delete("ReplicaSet", name, namespace, uid=rs["metadata"]["uid"])
