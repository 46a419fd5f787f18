"""What an autoscaler scales: the object behind `scaleTargetRef`, its pods, and who else scales them.

Used by `podautoscaler.py`. Kubernetes goes through the scale subresource here; reading and patching `spec.replicas` of
the four kinds that have one is the same (pkg/controller/podautoscaler/horizontal.go, scaleForResourceMappings).
"""

from __future__ import annotations

from k8slab.api.kinds import KINDS
from k8slab.api.objects import Key, Obj, key_of, labels_of
from k8slab.api.selectors import LabelSelector, from_labels, from_object
from k8slab.client.base import Client


class NoScale(Exception):
    """There is nothing to scale; the message is Kubernetes'."""


def target_of(client: Client, hpa: Obj) -> Obj:
    """The object to be scaled. Raises NoScale."""
    ref, namespace = hpa["spec"]["scaleTargetRef"], key_of(hpa).namespace
    kind, group = KINDS.get(ref["kind"]), ref.get("apiVersion", "").rpartition("/")[0]
    if kind is None or kind.group != group:
        raise NoScale(f'no matches for kind "{ref["kind"]}" in group "{group}"')
    if "scale" not in kind.subresources:
        raise NoScale("the server could not find the requested resource")
    found = client.informer(kind.kind).get(ref["name"], namespace)
    if found is None:
        raise NoScale(f'{kind.resource} "{ref["name"]}" not found')
    return found


def pods_of(target: Obj) -> LabelSelector:
    """Which pods the target's scale counts."""
    selector = target["spec"].get("selector")
    return from_labels(selector) if target["kind"] == "ReplicationController" else from_object(selector)


def rivals(client: Client, hpa: Obj, selector: LabelSelector) -> list[Key]:
    """Every autoscaler that scales some of the pods this one does; one of them is itself."""
    namespace, name = key_of(hpa)
    pods = [labels_of(pod) for pod in client.informer("Pod").list(namespace)]
    mine = [labels for labels in pods if selector.matches(labels)]
    found = [key_of(hpa)]
    for other in client.informer("HorizontalPodAutoscaler").list(namespace) if mine else ():
        try:
            theirs = pods_of(target_of(client, other))
        except NoScale:
            continue
        if key_of(other).name != name and theirs and any(map(theirs.matches, mine)):
            found.append(key_of(other))
    return sorted(found)
