"""Every namespace has a ConfigMap `kube-root-ca.crt`: whom to trust when speaking to the API server.

Made with the namespace, and put right when somebody changes or deletes it. The rule is Kubernetes'
(pkg/controller/certificates/rootcacertpublisher); `serviceaccounts.py` next door does the same with an account.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slab.api.objects import Key, is_terminating
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes
from k8slab.controllers.serviceaccounts import create, in_namespace

NAME = "kube-root-ca.crt"
ABOUT = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
}


class RootCAController(Controller[Key]):
    """Its keys are namespaces; `ca` is the certificate in PEM."""

    name = "root-ca-certificate-publisher-controller"

    def __init__(self, client: Client, clock: Clock, ca: str) -> None:
        super().__init__(client, clock)
        self._data = {"ca.crt": ca}

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Namespace": in_namespace(True, ""), "ConfigMap": in_namespace(False, NAME)}

    async def reconcile(self, key: Key) -> float | None:
        namespace = self.client.informer("Namespace").get(key.name)
        if namespace is None or is_terminating(namespace):
            return None
        found = self.client.informer("ConfigMap").get(NAME, key.name)
        if found is None:
            meta = {"name": NAME, "namespace": key.name, "annotations": ABOUT}
            create(self, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": self._data})
        elif found.get("data") != self._data:
            self.client.update({**found, "data": self._data})
        return None
