"""A Service of type LoadBalancer gets an address of its own, out of a range of the lab: what a cloud does elsewhere.

kubeproxy opens what is written into `status.loadBalancer`. Finalizer, events and order are those of Kubernetes' service
controller (staging/src/k8s.io/cloud-provider/controllers/service). It runs only where the addresses can be reached;
without it such a Service stays `<pending>`, as on a cluster without a cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

from k8slab.api.objects import Key, Obj, is_terminating
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.controllers.base import Controller, Wakes, itself

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


class LoadBalancerController(Controller[Key]):
    """Gives addresses out of `pool`, the lowest free one first, and takes them back."""

    name = "service-controller"
    workers = 1

    def __init__(self, client: Client, clock: Clock, pool: str) -> None:
        super().__init__(client, clock)
        self._pool = IPv4Network(pool)

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Service": itself}

    async def reconcile(self, key: Key) -> float | None:
        service = self.client.informer("Service").get(key.name, key.namespace)
        if service is None:
            return None
        finalizers = service["metadata"].get("finalizers") or []
        if is_terminating(service) or not is_balanced(service):
            if FINALIZER in finalizers:
                self._release(service, key)
        elif not addresses_of(service):
            self._give(service, key, finalizers)
        return None

    def _give(self, service: Obj, key: Key, finalizers: list[str]) -> None:
        self.recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if FINALIZER not in finalizers:
            patch = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
            self.client.patch("Service", key.name, key.namespace, patch)
        address = self._free(service)
        if address is None:
            said = f"Error syncing load balancer: failed to ensure load balancer: no address is free in {self._pool}"
            self.recorder.event(service, "Warning", "SyncLoadBalancerFailed", said)
            return
        status = {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}
        self.client.patch("Service", key.name, key.namespace, {"status": status}, "status")
        self.recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    def _release(self, service: Obj, key: Key) -> None:
        self.recorder.event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        if addresses_of(service):
            patch = {"status": {"loadBalancer": {"ingress": None}}}
            self.client.patch("Service", key.name, key.namespace, patch, "status")
        left = [each for each in service["metadata"]["finalizers"] if each != FINALIZER]
        self.recorder.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
        self.client.patch("Service", key.name, key.namespace, {"metadata": {"finalizers": left or None}})

    def _free(self, service: Obj) -> str | None:
        """The address it wishes for, if that is one of ours and free; else the first that is."""
        taken = {ip for other in self.client.informer("Service").list() for ip in addresses_of(other)}
        wish = service["spec"].get("loadBalancerIP")
        every = map(str, self._pool.hosts())
        return next((ip for ip in every if ip not in taken and wish in (None, "", ip)), None)


def is_balanced(service: Obj) -> bool:
    """Whether it wants a load balancer of the usual kind."""
    spec = service["spec"]
    return bool(spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass"))


def addresses_of(service: Obj) -> list[str]:
    """The addresses it has been given."""
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    return [each["ip"] for each in balancer.get("ingress") or () if each.get("ip")]
