"""What is allowed and not wise: said beside the answer to a write that succeeds.

`apiserver/verbs.py` asks once an object has been found valid, and only where somebody listens. Rules and sentences are
Kubernetes' (pkg/api/pod/warnings.go, pkg/api/service/warnings.go and the strategies' WarningsOnCreate).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from k8slab.api import names
from k8slab.api.objects import Obj, annotations_of
from k8slab.api.quantities import parse

DEPRECATED_KINDS = {"Endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
TEMPLATES = {  # where a kind has its pods' template
    "CronJob": ("spec", "jobTemplate", "spec", "template"), "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"), "Job": ("spec", "template"), "PodTemplate": ("template",),
    "ReplicaSet": ("spec", "template"), "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}  # fmt: skip
NAMES_PODS = ("CronJob", "Deployment", "Job", "ReplicaSet", "ReplicationController")
STORAGE_CLASS_NOTE = "volume.beta.kubernetes.io/storage-class"
INGRESS_CLASS_NOTE = "kubernetes.io/ingress.class"


def of_new(obj: Obj) -> Iterator[str]:
    """Of an object that is about to be created."""
    kind, name = obj["kind"], obj["metadata"].get("name", "")
    about = "the Pod's hostname" if kind == "Pod" else "Pod names and hostnames" if kind in NAMES_PODS else ""
    if about and (wrong := names.dns_label(name)):
        surprise = "which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: this is used in {about}, {surprise}: [{' '.join(wrong)}]"
    if kind in _NEW:
        yield from _NEW[kind](obj)
    yield from _of_template(obj)


def of_change(obj: Obj, old: Obj) -> Iterator[str]:
    """Of an object that is about to be changed. Pods are written too often, and by no human (as Kubernetes has it)."""
    if obj["kind"] == "Service":
        yield from _service(obj)
    elif obj["kind"] in TEMPLATES and obj["metadata"].get("generation") != old["metadata"].get("generation"):
        yield from _of_template(obj)


def _of_template(obj: Obj) -> Iterable[str]:
    path, found = TEMPLATES.get(obj["kind"], ()), obj
    for field in path:
        found = found.get(field) or {}
    return of_pod(found, f"{'.'.join(path)}.") if path else ()


def of_pod(pod: Obj, path: str = "") -> Iterator[str]:
    """Of a pod, or of a template of pods that lies at `path`."""
    spec = pod.get("spec") or {}
    yield from _old_labels(spec, f"{path}spec")
    for index, spread in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{path}spec.topologySpreadConstraints[{index}]", spread.get("topologyKey", "")
        if key in NODE_LABELS:
            yield f"{where}.topologyKey: {key} is {NODE_LABELS[key]}"
        yield from _selects_nobody(spread, where)
    for key, said in ANNOTATIONS.items():
        if key in ((pod.get("metadata") or {}).get("annotations") or {}):
            yield f"{path}metadata.annotations[{key}]: {said}"
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from (
            f"{path}spec.volumes[{index}].{plugin}: {VOLUMES[plugin]}" for plugin in VOLUMES if plugin in volume
        )
    yield from _twice(spec.get("hostAliases") or (), "ip", f"{path}spec.hostAliases")
    yield from _twice(spec.get("imagePullSecrets") or (), "name", f"{path}spec.imagePullSecrets")
    for where, container in _containers(spec, f"{path}spec"):
        yield from _whole_bytes(container.get("resources") or {}, ("limits", "requests"), f"{where}.resources")
        yield from _hidden_variables(container, where)
    yield from _ports(spec, f"{path}spec")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        said = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}spec.terminationGracePeriodSeconds: {said}"
    yield from _pod_terms(spec.get("affinity") or {}, f"{path}spec.affinity")


def _containers(spec: Obj, path: str) -> Iterator[tuple[str, Obj]]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            yield f"{path}.{group}[{index}]", container


def _old_labels(spec: Obj, path: str) -> Iterator[str]:
    """Labels of nodes that have a new name."""
    for key in spec.get("nodeSelector") or ():
        if key in NODE_LABELS:
            yield f"{path}.nodeSelector[{key}]: {NODE_LABELS[key]}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    rule = "requiredDuringSchedulingIgnoredDuringExecution"
    where = f"{path}.affinity.nodeAffinity.{rule}.nodeSelectorTerms"
    for index, term in enumerate((affinity.get(rule) or {}).get("nodeSelectorTerms") or ()):
        yield from _old_keys(term, f"{where}[{index}]")
    rule = "preferredDuringSchedulingIgnoredDuringExecution"
    for index, term in enumerate(affinity.get(rule) or ()):
        yield from _old_keys(term.get("preference") or {}, f"{path}.affinity.nodeAffinity.{rule}[{index}].preference")


def _old_keys(term: Obj, path: str) -> Iterator[str]:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        if (key := expression.get("key", "")) in NODE_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {NODE_LABELS[key]}"


def _pod_terms(affinity: Obj, path: str) -> Iterator[str]:
    for side in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(side) or {}
        for index, term in enumerate(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
            yield from _selects_nobody(term, f"{path}.{side}.requiredDuringSchedulingIgnoredDuringExecution[{index}]")
        for index, weighted in enumerate(terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            where = f"{path}.{side}.preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
            yield from _selects_nobody(weighted.get("podAffinityTerm") or {}, where)


def _selects_nobody(term: Obj, path: str) -> Iterator[str]:
    if term.get("labelSelector") is None:
        yield f"{path}.labelSelector: a null labelSelector results in matching no pod"


def _twice(items: Iterable[Obj], field: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if (value := item.get(field, "")) in seen:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'
        seen.add(value)


def _whole_bytes(resources: Obj, sides: Iterable[str], path: str) -> Iterator[str]:
    """There is no half byte: `100m` of memory was meant to be `100Mi`."""
    for resource in ("memory", "ephemeral-storage", "storage"):
        for side in sides:
            quantity = (resources.get(side) or {}).get(resource)
            if quantity is not None and parse(quantity) % 1:
                yield f'{path}.{side}[{resource}]: fractional byte value "{quantity}" is invalid, must be an integer'


def _hidden_variables(container: Obj, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value") or ""
        itself = f"$({name})"
        extends = "valueFrom" not in variable and itself in value and value != itself
        if name in seen and not extends:
            said = f'hides previous definition of "{name}", which may be dropped when using apply'
            yield f"{path}.env[{index}]: {said}"
        seen.add(name)


def _ports(spec: Obj, path: str) -> Iterator[str]:
    """One number twice is odd, and on a node's addresses sometimes dangerous."""
    taken: dict[tuple[int, str], list[tuple[str, Obj]]] = {}
    for where, container in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            here = f"{where}.ports[{index}]"
            others = taken.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for there, other in others:
                if manner := _overlap(port, other):
                    yield f"{here}: {manner} port definition with {there}"
            others.append((here, port))


def _overlap(port: Obj, other: Obj) -> str:
    ip, number = port.get("hostIP", ""), port.get("hostPort", 0)
    other_ip, other_number = other.get("hostIP", ""), other.get("hostPort", 0)
    if (ip, number) == (other_ip, other_number):
        return "duplicate"
    if not number or not other_number:
        return "overlapping"
    return "dangerously ambiguous" if number == other_number and bool(ip) != bool(other_ip) else ""


def _service(service: Obj) -> Iterator[str]:
    spec = service.get("spec") or {}
    type_, outside = spec.get("type"), bool(spec.get("externalIPs"))
    headless = type_ == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        for field in ("loadBalancerIP", "externalIPs"):
            if spec.get(field):
                yield f"spec.{field} is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if outside and not headless and type_ != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if outside and type_ == "ExternalName":
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if type_ != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _ingress(ingress: Obj) -> Iterator[str]:
    if INGRESS_CLASS_NOTE in annotations_of(ingress):
        yield f"annotation \"{INGRESS_CLASS_NOTE}\" is deprecated, please use 'spec.ingressClassName' instead"


def _claim(claim: Obj) -> Iterator[str]:
    yield from _class_note(claim)
    yield from _whole_bytes(claim["spec"].get("resources") or {}, ("requests", "limits"), "spec.resources")


def _volume(volume: Obj) -> Iterator[str]:
    yield from _class_note(volume)
    if volume["spec"].get("persistentVolumeReclaimPolicy") == "Recycle":
        instead = "Instead, the recommended approach is to use dynamic provisioning."
        yield f"spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. {instead}"


def _class_note(obj: Obj) -> Iterator[str]:
    if STORAGE_CLASS_NOTE in annotations_of(obj):
        said = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{STORAGE_CLASS_NOTE}]: {said}"


_NEW: dict[str, Callable[[Obj], Iterable[str]]] = {
    "Ingress": _ingress, "PersistentVolume": _volume, "PersistentVolumeClaim": _claim, "Pod": of_pod,
    "Service": _service,
}  # fmt: skip
