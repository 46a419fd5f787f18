"""What every cluster has before anybody asks: four namespaces, the Service `kubernetes`, two priority classes, storage.

Called once by `server.py` after the store is open; what is there already is left alone, but the API server's own
address is brought up to date. Sources: pkg/controlplane, pkg/registry/scheduling/rest.
"""

from __future__ import annotations

from k8slab.api.errors import Invalid
from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj, key_of
from k8slab.api.volumes import LOCAL
from k8slab.apiserver.verbs import Verbs

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
PRIORITY_CLASSES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}
STORAGE_CLASS = "standard"  # as minikube and kind call theirs
DNS = Key("kube-system", "kube-dns")
LABELS = {"component": "apiserver", "provider": "kubernetes"}


def bootstrap(verbs: Verbs, host: str, port: int) -> None:
    """Make what is missing; the API server listens on host:port."""
    for name in NAMESPACES:
        _create(verbs, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name in PRIORITY_CLASSES:
        _create(verbs, _priority_class(name))
    _create(verbs, _storage_class())
    for obj in (_service(verbs), _endpoints(host, port), _endpoint_slice(host, port)):
        if not _create(verbs, obj):
            _correct(verbs, obj)


def announce_dns(verbs: Verbs, *, there: bool) -> bool:
    """The Service `kube-dns`, if there is a DNS server behind it; whether its address could be had."""
    service = verbs.store.get(KINDS["Service"].resource, DNS)
    if not there:
        if service:
            verbs.store.delete(KINDS["Service"].resource, DNS)
        return False
    if service is None:
        try:
            _create(verbs, _dns_service(verbs))
        except Invalid:  # in a lab from before, another Service may have that address
            return False
    return True


def is_bootstrap(obj: Obj) -> bool:
    """Whether a reset leaves this object: a namespace or an object of the API server's own."""
    if obj["kind"] == "Namespace":
        return str(obj["metadata"]["name"]) in NAMESPACES
    if obj["kind"] == "PriorityClass":
        return str(obj["metadata"]["name"]) in PRIORITY_CLASSES
    if obj["kind"] == "StorageClass":
        return str(obj["metadata"]["name"]) == STORAGE_CLASS
    return key_of(obj) in (Key("default", "kubernetes"), DNS)


def _create(verbs: Verbs, obj: Obj) -> bool:
    kind, key = KINDS[obj["kind"]], key_of(obj)
    if verbs.store.get(kind.resource, key):
        return False
    verbs.create(kind, obj, key.namespace)
    return True


def _correct(verbs: Verbs, wished: Obj) -> None:
    """Put the wished address in place of the one an earlier server had."""

    def change(obj: Obj) -> Obj:
        return {
            **obj,
            **{field: value for field, value in wished.items() if field in ("subsets", "endpoints", "ports")},
        }

    verbs.update(KINDS[wished["kind"]], "kubernetes", "default", change)


def _priority_class(name: str) -> Obj:
    value, description = PRIORITY_CLASSES[name]
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    return {**kind, "metadata": {"name": name}, "value": value, "description": description}


def _storage_class() -> Obj:
    """The default one: `controllers/provisioner.py` makes its volumes, as soon as they are claimed."""
    meta = {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    made = {"provisioner": LOCAL, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
    return {**kind, "metadata": meta, **made}


def _meta(**labels: str) -> Obj:
    return {"name": "kubernetes", "namespace": "default", "labels": labels}


def _service(verbs: Verbs) -> Obj:
    address = verbs.allocator.first
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    spec = {"clusterIP": address, "clusterIPs": [address], "ports": ports, "type": "ClusterIP"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(**LABELS), "spec": spec}


def _dns_service(verbs: Verbs) -> Obj:
    """As clusters call it, though it is CoreDNS nowadays; no pods stand behind it, but the lab's server."""
    labels = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    meta = {"name": DNS.name, "namespace": DNS.namespace, "labels": labels}
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": 53}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    address = verbs.allocator.dns
    spec = {"clusterIP": address, "clusterIPs": [address], "ports": ports, "type": "ClusterIP"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _endpoints(host: str, port: int) -> Obj:
    subsets = [{"addresses": [{"ip": host}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}]
    meta = _meta(**{"endpointslice.kubernetes.io/skip-mirror": "true"})
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}


def _endpoint_slice(host: str, port: int) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _meta(**{"kubernetes.io/service-name": "kubernetes"}),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
