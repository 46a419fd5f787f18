"""Back to an empty cluster: every object goes at once, without grace, but for those a cluster begins with.

`server.py` calls it, then waits until the kubelets have ended the containers. Who watches sees every object go.
"""

from __future__ import annotations

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Obj, key_of
from k8slab.apiserver.bootstrap import NAMESPACES, is_bootstrap
from k8slab.apiserver.verbs import Verbs


def empty(verbs: Verbs) -> None:
    """Past grace periods and finalizers, in one go: no controller acts on a half."""
    for kind in KINDS.values():
        for obj in list(verbs.list(kind)):
            if kind.kind == "Node":
                verbs.update(kind, obj["metadata"]["name"], "", as_new)
            elif not _stays(obj):
                verbs.store.delete(kind.resource, key_of(obj))


def as_new(node: Obj) -> Obj:
    """The node without what people did to it: cordons, taints, labels and annotations of theirs."""
    meta, spec = node["metadata"], dict(node.get("spec") or {})
    spec.pop("unschedulable", None)
    taints = [taint for taint in spec.pop("taints", None) or [] if _is_kubernetes(taint["key"])]
    kept = [taint for taint in taints if taint["key"] != "node.kubernetes.io/unschedulable"]
    for field in ("labels", "annotations"):
        if field in meta:
            meta[field] = {key: value for key, value in meta[field].items() if _is_kubernetes(key)}
    return {**node, "metadata": meta, "spec": {**spec, "taints": kept} if kept else spec}


def _stays(obj: Obj) -> bool:
    system = obj["metadata"].get("namespace") in NAMESPACES[1:]
    return is_bootstrap(obj) or (obj["kind"] == "Lease" and system)


def _is_kubernetes(key: str) -> bool:
    """Whether a label's, annotation's or taint's key is of the cluster's own making."""
    domain, slash, _ = key.partition("/")
    return bool(slash) and f".{domain}".endswith((".kubernetes.io", ".k8s.io", ".k8slab.io"))
