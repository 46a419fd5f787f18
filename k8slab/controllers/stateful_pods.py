"""Who a StatefulSet's pods are: their names, numbers, claims, and what they must carry. Pure, for `statefulset.py`.

The rules are Kubernetes' (pkg/controller/statefulset/stateful_set_utils.go).
"""

from __future__ import annotations

import re
from typing import Any

from k8slab.api.objects import Obj, controller_of, controller_ref, copy, is_pod_ready, is_terminating, labels_of
from k8slab.clock import Clock
from k8slab.controllers.history import POD_HASH
from k8slab.controllers.pods import is_available, pod_from

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
NUMBERED = re.compile(r"(.*)-([0-9]+)")


def ordinal_of(pod: Obj) -> int:
    """The number at the end of its name; -1 without one."""
    found = NUMBERED.fullmatch(pod["metadata"]["name"])
    return int(found[2]) if found else -1


def is_member(set_: Obj, pod: Obj) -> bool:
    """Whether its name is one of those this set gives."""
    found = NUMBERED.fullmatch(pod["metadata"]["name"])
    return found is not None and found[1] == set_["metadata"]["name"]


def first_ordinal(set_: Obj) -> int:
    """The number of its first pod."""
    return int((set_["spec"].get("ordinals") or {}).get("start", 0))


def revision_of(pod: Obj) -> str:
    """The name of the revision it was made from."""
    return labels_of(pod).get(POD_HASH, "")


def is_healthy(pod: Obj) -> bool:
    """Running and ready: the one after it may come."""
    return (pod.get("status") or {}).get("phase") == "Running" and is_pod_ready(pod)


def is_up(set_: Obj, pod: Obj, clock: Clock) -> bool:
    """Healthy for `minReadySeconds`, and not about to go."""
    seconds = set_["spec"].get("minReadySeconds", 0)
    return is_healthy(pod) and is_available(pod, seconds, clock) and not is_terminating(pod)


def has_ended(pod: Obj) -> bool:
    """Failed or Succeeded: a pod of a StatefulSet never may."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def new_pod(set_: Obj, template: Obj, revision: str, ordinal: int) -> Obj:
    """The pod with this number, from the template of this revision."""
    pod = pod_from({**set_, "spec": {**set_["spec"], "template": template}})
    del pod["metadata"]["generateName"]
    pod["metadata"]["name"] = name = f"{set_['metadata']['name']}-{ordinal}"
    pod["spec"]["hostname"] = name
    if service := set_["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = service
    return marked(set_, pod, revision)


def marked(set_: Obj, pod: Obj, revision: str = "") -> Obj:
    """A copy with the labels and volumes that make it this set's pod; with a `revision` named if it is new."""
    pod = copy(pod)
    ordinal, name = ordinal_of(pod), pod["metadata"]["name"]
    labels = {POD_NAME: name, POD_INDEX: str(ordinal)} | ({POD_HASH: revision} if revision else {})
    pod["metadata"]["labels"] = labels_of(pod) | labels
    claims = [claim["metadata"]["name"] for claim in set_["spec"].get("volumeClaimTemplates") or []]
    volumes = [
        {"name": claim, "persistentVolumeClaim": {"claimName": claim_name(set_, claim, ordinal)}} for claim in claims
    ]
    volumes += [volume for volume in pod["spec"].get("volumes") or [] if volume["name"] not in claims]
    if volumes:
        pod["spec"]["volumes"] = volumes
    return pod


def is_itself(set_: Obj, pod: Obj) -> bool:
    """Whether it carries its own name and number, and the claims of its number."""
    ordinal, name, labels = ordinal_of(pod), pod["metadata"]["name"], labels_of(pod)
    if labels.get(POD_NAME) != name or labels.get(POD_INDEX) != str(ordinal):
        return False
    volumes = {volume["name"]: volume.get("persistentVolumeClaim") or {} for volume in pod["spec"].get("volumes") or []}
    claims = [claim["metadata"]["name"] for claim in set_["spec"].get("volumeClaimTemplates") or []]
    return all(volumes.get(claim, {}).get("claimName") == claim_name(set_, claim, ordinal) for claim in claims)


# Claims


def claim_name(set_: Obj, claim: str, ordinal: int) -> str:
    """The PersistentVolumeClaim of a template for one pod."""
    return f"{claim}-{set_['metadata']['name']}-{ordinal}"


def claims_of(set_: Obj, ordinal: int) -> list[Obj]:
    """The PersistentVolumeClaims the pod of this number has, as they are created."""
    made = []
    for template in set_["spec"].get("volumeClaimTemplates") or []:
        meta = template["metadata"]
        labels = (meta.get("labels") or {}) | (set_["spec"]["selector"].get("matchLabels") or {})
        metadata = {"name": claim_name(set_, meta["name"], ordinal), "namespace": set_["metadata"]["namespace"]}
        metadata |= {"labels": labels} | ({"annotations": meta["annotations"]} if meta.get("annotations") else {})
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        made.append(copy(claim))
    return made


def keeper_of(set_: Obj, pod: Obj, condemned: bool) -> Obj | None:
    """Whose end is the claim's end too (`persistentVolumeClaimRetentionPolicy`, KEP-1847): set, pod, or nobody's."""
    policy: dict[str, Any] = set_["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if condemned and policy.get("whenScaled") == "Delete":
        return pod
    return set_ if policy.get("whenDeleted") == "Delete" else None


def owners_of_claim(set_: Obj, claim: Obj, pod: Obj, condemned: bool) -> list[Obj]:
    """The owner references the claim should have: those of others, and its keeper."""
    ours = {set_["metadata"]["uid"], pod["metadata"].get("uid", "")}
    others = [ref for ref in claim["metadata"].get("ownerReferences") or [] if ref["uid"] not in ours]
    keeper = keeper_of(set_, pod, condemned)
    return others + ([controller_ref(keeper)] if keeper else [])


def is_stale(claim: Obj, pod_name: str) -> bool:
    """Whether it goes with an earlier pod of this name: the next one has to wait until it has gone."""
    owner = controller_of(claim)
    return is_terminating(claim) or bool(owner and owner["kind"] == "Pod" and owner["name"] == pod_name)
