"""StatefulSets: pods with names, an order, and storage of their own.

What comes next is decided in `stateful_plan.py`, who the pods are in `stateful_pods.py`, both pure; the versions of the
template are kept by `history.py`. Here it is carried out, in the order of Kubernetes' pkg/controller/statefulset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from k8slab.api.errors import AlreadyExists, ApiError, NotFound
from k8slab.api.objects import Key, Obj, copy, is_terminating, key_of
from k8slab.controllers import history
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself
from k8slab.controllers.history import History
from k8slab.controllers.ownership import claim, of_owned
from k8slab.controllers.podcontrol import BATCH
from k8slab.controllers.pods import next_available
from k8slab.controllers.stateful_plan import Step, Versions, ordinals, plan, status_of
from k8slab.controllers.stateful_pods import (
    claims_of,
    is_healthy,
    is_member,
    is_stale,
    marked,
    new_pod,
    ordinal_of,
    owners_of_claim,
    revision_of,
)

HASH = "controller.kubernetes.io/hash"  # on its ControllerRevisions
STALE_LOOK = 1.0  # Kubernetes seconds until it is looked again whether an earlier pod's claim has gone
NO_LIMIT = 2**31 - 1


class StatefulSetController(Controller[Key]):
    """Keeps pods `name-0`, `name-1`, … and the claims that belong to them."""

    name = "statefulset-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"StatefulSet": itself, "Pod": of_owned(self.client, "StatefulSet")}

    async def reconcile(self, key: Key) -> float | None:
        set_ = self.client.informer("StatefulSet").get(key.name, key.namespace)
        if set_ is None:
            return None
        pods = claim(self.client, set_, "Pod", fits=lambda pod: is_member(set_, pod))
        pods = sorted((pod for pod in pods if is_member(set_, pod)), key=ordinal_of)
        past = history.sync(self.client, set_, HASH)
        versions = self._versions(set_, past)
        failure: ApiError | None = None
        replaced, stale = 0, False
        for taken, step in enumerate(plan(set_, pods, versions, self.clock), 1):
            if taken % BATCH == 0:
                await asyncio.sleep(0)
            try:
                stale |= not self._do(set_, step, past)
            except ApiError as error:
                failure = error
                break
            replaced += step.verb == "replace"
        self._report(key, status_of(set_, pods, versions, replaced, past.collisions, self.clock))
        if failure and not is_namespace_ending(failure):
            raise failure
        self._forget(set_, pods, versions, past)
        healthy = [pod for pod in pods if is_healthy(pod)]
        return STALE_LOOK if stale else next_available(healthy, set_["spec"].get("minReadySeconds", 0), self.clock)

    def _versions(self, set_: Obj, past: History) -> Versions:
        update = past.current["metadata"]["name"]
        current = (set_.get("status") or {}).get("currentRevision", "")
        known = {revision["metadata"]["name"] for revision in past.old}
        return Versions(current if current in known else update, update)

    # Steps

    def _do(self, set_: Obj, step: Step, past: History) -> bool:
        """Take it; False if it has to wait for a claim that is still going."""
        pod = step.pod
        if pod is None:
            return self._create(set_, step, past)
        if step.verb in ("delete", "replace"):
            self._delete(set_, pod)
        elif step.verb == "mark":
            self._tell(set_, "Update", pod, lambda: self.client.update(marked(set_, pod)))
        elif step.verb == "claims":
            self._create_claims(set_, pod)
        else:
            self._hand_over_claims(set_, pod)
        return True

    def _create(self, set_: Obj, step: Step, past: History) -> bool:
        template = set_["spec"]["template"]
        for revision in past.old:
            if revision["metadata"]["name"] == step.revision:
                template = history.template_in(revision)
        pod = new_pod(set_, template, step.revision, step.ordinal)
        name = pod["metadata"]["name"]
        found = (self._claim(wished) for wished in claims_of(set_, step.ordinal))
        if any(claim and is_stale(claim, name) for claim in found):
            return False
        self._create_claims(set_, pod)
        self._tell(set_, "Create", pod, lambda: self.client.create(pod))
        return True

    def _delete(self, set_: Obj, pod: Obj) -> None:
        namespace, name = key_of(pod)
        uid = pod["metadata"]["uid"]
        self._tell(set_, "Delete", pod, lambda: self.client.delete("Pod", name, namespace, uid=uid))

    def _tell(self, set_: Obj, verb: str, pod: Obj, do: Callable[[], object]) -> None:
        """Do it and say so. That a pod of the name exists already, or has gone already, is not worth an event."""
        what = f"{verb} Pod {pod['metadata']['name']} in StatefulSet {set_['metadata']['name']}"
        try:
            do()
        except NotFound:
            return
        except AlreadyExists:
            raise
        except ApiError as error:
            if not is_namespace_ending(error):
                self.recorder.event(set_, "Warning", f"Failed{verb}", f"{what} failed error: {error}")
            raise
        self.recorder.event(set_, "Normal", f"Successful{verb}", f"{what} successful")

    # Claims

    def _claim(self, wished: Obj) -> Obj | None:
        namespace, name = key_of(wished)
        return self.client.informer("PersistentVolumeClaim").get(name, namespace)

    def _create_claims(self, set_: Obj, pod: Obj) -> None:
        for wished in claims_of(set_, ordinal_of(pod)):
            if self._claim(wished) is None:
                self._create_claim(set_, pod, wished)

    def _create_claim(self, set_: Obj, pod: Obj, wished: Obj) -> None:
        names = [obj["metadata"]["name"] for obj in (wished, pod, set_)]
        of = "Claim {} Pod {} in StatefulSet {}".format(*names)
        if owners := owners_of_claim(set_, wished, pod, condemned=False):
            wished["metadata"]["ownerReferences"] = owners
        try:
            self.client.create(wished)
        except ApiError as error:
            if not is_namespace_ending(error):
                self.recorder.event(set_, "Warning", "FailedCreate", f"Create {of} failed error: {error}")
            raise
        self.recorder.event(set_, "Normal", "SuccessfulCreate", f"Create {of} success")

    def _hand_over_claims(self, set_: Obj, pod: Obj) -> None:
        """Write down whose end is the claims' end too: it changes when the pod is condemned, and when it is not."""
        condemned = ordinal_of(pod) not in ordinals(set_)
        for wished in claims_of(set_, ordinal_of(pod)):
            claim = self._claim(wished)
            if claim is None or is_terminating(claim):
                continue
            owners = owners_of_claim(set_, claim, pod, condemned)
            if owners != (claim["metadata"].get("ownerReferences") or []):
                changed = copy(claim)
                changed["metadata"]["ownerReferences"] = owners
                self.client.update(changed)

    # Afterwards

    def _report(self, key: Key, status: Obj) -> None:
        current = self.client.get("StatefulSet", key.name, key.namespace)
        before = {field: value for field, value in (current.get("status") or {}).items() if field != "conditions"}
        if status != before:  # conditions are somebody else's, and go with the next change, as in Kubernetes
            self.client.update({**current, "status": status}, "status")

    def _forget(self, set_: Obj, pods: list[Obj], versions: Versions, past: History) -> None:
        """Delete the oldest revisions beyond `revisionHistoryLimit` that nobody is of."""
        live = {*versions, *map(revision_of, pods)}
        unused = [revision for revision in past.old if revision["metadata"]["name"] not in live]
        limit = set_["spec"].get("revisionHistoryLimit", NO_LIMIT)
        history.delete(self.client, unused[: max(0, len(unused) - limit)])
