"""Creating and deleting the pods of a controller, and saying so in its events.

For the controllers whose pods are alike (`replicaset.py`, `daemonset.py`, `job.py`); a StatefulSet's have a hand of
their own. The words are Kubernetes' (pkg/controller/controller_utils.go, RealPodControl).
"""

from __future__ import annotations

from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import Obj, key_of
from k8slab.client.base import Client
from k8slab.client.events import Recorder
from k8slab.controllers.base import is_namespace_ending

BURST = 500  # pods made or deleted in one go (burstReplicas, MaxPodCreateDeletePerSync)
BATCH = 16  # of these before the API may answer in between


class PodControl:
    """The hand of one controller."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client, self._recorder = client, recorder

    def create(self, owner: Obj, pod: Obj) -> Obj:
        """Create it for its owner. Raises what the API raises, after telling of it."""
        try:
            made = self._client.create(pod)
        except ApiError as error:
            if not is_namespace_ending(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    def delete(self, owner: Obj, pod: Obj) -> None:
        """Ask for its deletion; one that has gone meanwhile is no error. Raises what else the API raises."""
        namespace, name = key_of(pod)
        try:
            self._client.delete("Pod", name, namespace, uid=pod["metadata"]["uid"])
        except NotFound:
            return
        except ApiError as error:
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")
