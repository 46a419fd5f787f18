"""Which volume a claim may have: sizes, modes, classes, selectors, and from which nodes a volume can be reached. Pure.

The binder (`controllers/persistentvolume.py`) matches with it, the scheduler (`scheduler/volumes.py`) asks it about
nodes, and the kubelet (`kubelet/volumes.py`) finds its folder by it. The rules are Kubernetes'
(pkg/controller/volume/persistentvolume/pv_controller.go, component-helpers/storage/volume).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slab.api.objects import Obj, annotations_of, is_terminating, labels_of
from k8slab.api.quantities import parse
from k8slab.api.selectors import from_node_expression, from_object

LOCAL = "local.k8slab.io"  # the provisioner, and the driver of its volumes
BOUND_BY_US, BIND_COMPLETED = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
CLASS_BETA = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
NO_PROVISIONER = "kubernetes.io/no-provisioner"
WAIT = "WaitForFirstConsumer"


def class_of(obj: Obj) -> str:
    """The storage class a claim asks for, or a volume is of; empty for none."""
    return str(annotations_of(obj).get(CLASS_BETA) or obj["spec"].get("storageClassName") or "")


def default_class(classes: Iterable[Obj], notes: Iterable[str] = DEFAULT_CLASS) -> Obj | None:
    """The class of those that name none: of the classes with one of these notes, the youngest."""
    marked = [c for c in classes if any(annotations_of(c).get(note) == "true" for note in notes)]
    marked.sort(key=lambda c: str(c["metadata"]["name"]))
    return max(marked, key=lambda c: str(c["metadata"]["creationTimestamp"]), default=None)


def waits_for_pod(claim: Obj, class_: Obj | None) -> bool:
    """Whether the claim is bound only once a pod that uses it is being placed. `class_` is its StorageClass."""
    return class_of(claim) != "" and class_ is not None and class_.get("volumeBindingMode") == WAIT


def is_bound(claim: Obj) -> bool:
    """Whether the claim has its volume, for good."""
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in annotations_of(claim)


def belongs_to(volume: Obj, claim: Obj) -> bool:
    """Whether the volume is this claim's: reserved for its name by a person, or bound to itself."""
    ref, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    named = (ref.get("namespace"), ref.get("name")) == (meta["namespace"], meta["name"])
    return named and ref.get("uid") in (None, "", meta["uid"])


def fault(volume: Obj, claim: Obj) -> str:
    """Why the volume that a claim names cannot be its own, in Kubernetes' words; empty if it can."""
    if parse(capacity(volume)) < parse(request(claim)):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if volume["spec"].get("volumeMode", "Filesystem") != claim["spec"].get("volumeMode", "Filesystem"):
        return "incompatible volumeMode"
    if not _has_modes(volume, claim):
        return "incompatible accessMode"
    return ""


def best(
    claim: Obj,
    volumes: Iterable[Obj],
    *,
    delayed: bool = False,
    node: Obj | None = None,
    taken: Iterable[str] = (),
) -> Obj | None:
    """The smallest volume that would do; a volume made for the claim goes first.

    `delayed`: a claim that waits for its pod only gets what is reserved for it, unless a `node` is asked about.
    `taken`: the names of volumes that other claims are about to get.
    """
    wanted, found = parse(request(claim)), None
    selector = claim["spec"].get("selector")
    for volume in sorted(volumes, key=lambda v: str(v["metadata"]["name"])):
        if volume["metadata"]["name"] in taken or is_terminating(volume) or not _same_mode(volume, claim):
            continue
        if belongs_to(volume, claim):
            if parse(capacity(volume)) < wanted:
                continue
            return volume if node is None or is_reachable(volume, node) else None
        free = not volume["spec"].get("claimRef") and (volume.get("status") or {}).get("phase") == "Available"
        if not free or (delayed and node is None) or class_of(volume) != class_of(claim):
            continue
        if selector is not None and not from_object(selector).matches(labels_of(volume)):
            continue
        size = parse(capacity(volume))
        fits = size >= wanted and _has_modes(volume, claim) and (node is None or is_reachable(volume, node))
        if fits and (found is None or size < parse(capacity(found))):
            found = volume
    return found


def is_reachable(volume: Obj, node: Obj) -> bool:
    """Whether pods on the node can use the volume (`spec.nodeAffinity`)."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or any(_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def capacity(volume: Obj) -> str:
    """How large it is, as a quantity."""
    return str((volume["spec"].get("capacity") or {}).get("storage", "0"))


def request(claim: Obj) -> str:
    """How large it has to be, as a quantity."""
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def claims_of(pod: Obj) -> list[str]:
    """The claims a pod uses, by name; a generic ephemeral volume's is named after pod and volume."""
    found = []
    for volume in pod["spec"].get("volumes") or ():
        if name := claim_of(pod, volume):
            found.append(name)
    return found


def claim_of(pod: Obj, volume: Mapping[str, Obj | str]) -> str:
    """The claim behind one of a pod's volumes; empty if there is none."""
    source = volume.get("persistentVolumeClaim")
    if isinstance(source, dict):
        return str(source.get("claimName", ""))
    return f"{pod['metadata']['name']}-{volume['name']}" if "ephemeral" in volume else ""


def _same_mode(volume: Obj, claim: Obj) -> bool:
    return bool(volume["spec"].get("volumeMode", "Filesystem") == claim["spec"].get("volumeMode", "Filesystem"))


def _has_modes(volume: Obj, claim: Obj) -> bool:
    return set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ())


def _matches(term: Obj, node: Obj) -> bool:
    """A node selector term; an empty one matches nothing."""
    labels, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    named = {"metadata.name": node["metadata"]["name"]}
    return (
        bool(labels or fields)
        and all(from_node_expression(one).matches(labels_of(node)) for one in labels)
        and all(from_node_expression(one).matches(named) for one in fields)
    )
