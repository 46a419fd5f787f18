"""Who stands behind a Service: its pods' addresses, as Endpoints and as EndpointSlices.

kubeproxy and the views read the slices; `kubectl describe service` too. Here they are carried out; which pods, ports
and slices there should be is decided in `endpoint_slices.py`, pure. The rules are Kubernetes' (pkg/controller/endpoint,
staging/src/k8s.io/endpointslice). Endpoints that users write are the business of `mirroring.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from k8slab.api.errors import ApiError, Conflict, NotFound
from k8slab.api.objects import Key, Obj, is_pod_ready, is_terminating, key_of, labels_of
from k8slab.api.selectors import from_labels
from k8slab.controllers import endpoint_slices as decide
from k8slab.controllers.base import Controller, Wakes, is_namespace_ending, itself, rest_after


class ServiceController(Controller[Key]):
    """What both controllers share: a Service is looked at when it, or a pod behind it, changes."""

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {"Service": itself, "Pod": self._of_pod}

    def _of_pod(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        sides = [labels_of(side) for side in (before, after) if side]
        namespace = (after or before or {})["metadata"]["namespace"]
        behind = [
            key_of(service)
            for service in self.client.informer("Service").list(namespace)
            if service["spec"].get("selector") and any(map(from_labels(service["spec"]["selector"]).matches, sides))
        ]
        if behind and before and after and _shown(before) == _shown(after):
            return ()
        return behind

    def rest(self, key: Key) -> float:
        service = self.service(key)
        slices = self.client.informer("EndpointSlice").by("owner", service["metadata"]["uid"]) if service else ()
        return rest_after(sum(len(found.get("endpoints") or ()) for found in slices))

    def service(self, key: Key) -> Obj | None:
        """The Service, if its endpoints are this controller's business."""
        service = self.client.informer("Service").get(key.name, key.namespace)
        spec = service["spec"] if service else {}
        return service if spec.get("selector") and spec.get("type") != "ExternalName" else None

    def pods(self, service: Obj) -> list[Obj]:
        """The pods it selects, by name."""
        selector = from_labels(service["spec"]["selector"])
        pods = self.client.informer("Pod").list(service["metadata"]["namespace"])
        return sorted((pod for pod in pods if selector.matches(labels_of(pod))), key=key_of)

    def attempt(self, service: Obj, write: Callable[[], object], reason: str, what: str) -> None:
        """Write; a refusal is told on the Service and goes on, unless the namespace is going away anyway."""
        try:
            write()
        except (Conflict, NotFound):
            raise
        except ApiError as error:
            if not is_namespace_ending(error):
                namespace, name = key_of(service)
                self.recorder.event(service, "Warning", reason, f"{what} {namespace}/{name}: {error}")
                raise


def _shown(pod: Obj) -> tuple[object, ...]:
    """All of a pod that endpoints depend on."""
    spec, status = pod["spec"], pod.get("status") or {}
    return (
        status.get("podIP"), status.get("phase"), is_pod_ready(pod), is_terminating(pod), labels_of(pod),
        spec.get("nodeName"), spec.get("hostname"), spec.get("subdomain"),
    )  # fmt: skip


class EndpointsController(ServiceController):
    """One Endpoints object a Service, of the same name; it goes with the Service."""

    name = "endpoint-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {**super().watches(), "Endpoints": self._of_endpoints}

    def _of_endpoints(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """Its own work, changed or deleted by somebody else, or left behind by a Service that went unseen."""
        obj = after or before
        if obj and labels_of(obj).get(decide.ENDPOINTS_MANAGED_BY) == decide.ENDPOINTS_MANAGER:
            yield key_of(obj)

    async def reconcile(self, key: Key) -> float | None:
        current = self.client.informer("Endpoints").get(key.name, key.namespace)
        if self.client.informer("Service").get(key.name, key.namespace) is None:
            if current:
                self.client.delete("Endpoints", key.name, key.namespace, uid=current["metadata"]["uid"])
            return None
        service = self.service(key)
        if service is None:
            return None
        wanted = decide.endpoints(service, self.pods(service), current)
        if wanted == current:
            return None
        wanted["metadata"].setdefault("annotations", {})[decide.TRIGGER_TIME] = self.clock.timestamp()
        if current:
            what = "Failed to update endpoint"
            self.attempt(service, lambda: self.client.update(wanted), "FailedToUpdateEndpoint", what)
        else:
            what = "Failed to create endpoint for service"
            self.attempt(service, lambda: self.client.create(wanted), "FailedToCreateEndpoint", what)
        return None


class EndpointSliceController(ServiceController):
    """As many slices as needed, of at most a hundred endpoints; the collector takes them away with the Service."""

    name = "endpoint-slice-controller"

    def watches(self) -> Mapping[str, Wakes[Key]]:
        return {**super().watches(), "EndpointSlice": self._of_slice}

    def _of_slice(self, before: Obj | None, after: Obj | None) -> Iterable[Key]:
        """A slice that somebody else changed or deleted is put right."""
        for obj in (before, after):
            if obj and labels_of(obj).get(decide.MANAGED_BY) == decide.MANAGER and decide.SERVICE in labels_of(obj):
                yield Key(obj["metadata"]["namespace"], labels_of(obj)[decide.SERVICE])

    async def reconcile(self, key: Key) -> float | None:
        service = self.service(key)
        if service is None or is_terminating(service):
            return None
        current = [
            obj
            for obj in self.client.informer("EndpointSlice").by("owner", service["metadata"]["uid"])
            if labels_of(obj).get(decide.MANAGED_BY) == decide.MANAGER and not is_terminating(obj)
        ]
        plan = decide.plan(service, decide.by_ports(service, self.pods(service), self._zone_of), current)
        what = "Error updating Endpoint Slices for Service"
        self.attempt(service, lambda: self._carry_out(plan), "FailedToUpdateEndpointSlices", what)
        return None

    def _carry_out(self, plan: decide.Plan) -> None:
        for obj in (*plan.create, *plan.update):
            obj["metadata"].setdefault("annotations", {})[decide.TRIGGER_TIME] = self.clock.timestamp()
        for obj in plan.create:
            self.client.create(obj)
        for obj in plan.update:
            self.client.update(obj)
        for obj in plan.delete:
            namespace, name = key_of(obj)
            self.client.delete("EndpointSlice", name, namespace, uid=obj["metadata"]["uid"])

    def _zone_of(self, node: str) -> str:
        found = self.client.informer("Node").get(node)
        return labels_of(found).get(decide.ZONE, "") if found else ""
