"""A Deployment's versions: which ReplicaSet carries the current template, how a new one looks, which are too old.

Pure, for `deployment.py`. `kubectl rollout history` and `undo` read what is written here: the annotation
`deployment.kubernetes.io/revision` (pkg/controller/deployment/util/deployment_util.go).
"""

from __future__ import annotations

from functools import reduce

from k8slab.api.objects import SAFE, Obj, annotations_of, controller_ref, copy, encode, is_terminating
from k8slab.controllers.rolling import DESIRED, MAXIMUM, fence_posts, size

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NOT_COPIED = {REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"}
HISTORY_LENGTH = 2000  # characters of the annotation; the oldest revisions are dropped
KEEP_ALL = 2**31 - 1


def split(deployment: Obj, owned: list[Obj]) -> tuple[Obj | None, list[Obj]]:
    """The ReplicaSet of the Deployment's template (the oldest, should there be two), and all the others."""
    template = _without_hash(deployment["spec"]["template"])
    oldest_first = sorted(owned, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), rs["metadata"]["name"]))
    new = next((rs for rs in oldest_first if _without_hash(rs["spec"]["template"]) == template), None)
    return new, [rs for rs in oldest_first if rs is not new]


def _without_hash(template: Obj) -> Obj:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH}
    return template | {"metadata": {k: v for k, v in metadata.items() if v and k != "labels"} | {"labels": labels}}


def template_hash(template: Obj, collisions: int = 0) -> str:
    """Ten letters that stay the same as long as the template does; `collisions` gives another ten."""
    text = encode([_sorted(template), collisions])
    digest = reduce(lambda h, byte: ((h ^ byte) * 0x01000193) & 0xFFFFFFFF, text, 0x811C9DC5)  # FNV-1a, 32 bits
    return "".join(SAFE[ord(digit) % len(SAFE)] for digit in f"{digest:010d}")  # k8s.io/apimachinery/pkg/util/rand


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return [[key, _sorted(value[key])] for key in sorted(value)]
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def replica_set(deployment: Obj, old: list[Obj]) -> Obj:
    """A ReplicaSet for the current template, still without replicas."""
    spec, meta = copy(deployment["spec"]), deployment["metadata"]
    template = spec["template"]
    label = {HASH: template_hash(template, (deployment.get("status") or {}).get("collisionCount", 0))}
    labels = (template["metadata"].get("labels") or {}) | label
    template["metadata"]["labels"] = labels
    selector = spec["selector"] | {"matchLabels": (spec["selector"].get("matchLabels") or {}) | label}
    rs: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{label[HASH]}",
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "annotations": {},
            "ownerReferences": [controller_ref(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }
    if seconds := spec.get("minReadySeconds"):
        rs["spec"]["minReadySeconds"] = seconds
    rs = refreshed(deployment, rs, old)
    note_sizes(rs, deployment)
    return rs


def refreshed(deployment: Obj, new: Obj, old: list[Obj]) -> Obj:
    """The current ReplicaSet with the Deployment's annotations (its change-cause too) and the highest revision."""
    rs = copy(new)
    notes = rs["metadata"].setdefault("annotations", {})
    notes |= {name: value for name, value in annotations_of(deployment).items() if name not in NOT_COPIED}
    before, revision = revision_of(new), max(map(revision_of, old), default=0) + 1
    if before < revision:
        if REVISION in notes:  # a roll-back: what it was called before is remembered
            notes[HISTORY] = _shortened([*filter(None, notes.get(HISTORY, "").split(",")), str(before)])
        notes[REVISION] = str(revision)
    if rs["spec"].get("minReadySeconds", 0) != deployment["spec"].get("minReadySeconds", 0):
        rs["spec"]["minReadySeconds"] = deployment["spec"].get("minReadySeconds", 0)
    return rs


def _shortened(revisions: list[str]) -> str:
    while len(text := ",".join(revisions)) > HISTORY_LENGTH:
        revisions = revisions[1:]
    return text


def note_sizes(rs: Obj, deployment: Obj) -> None:
    """Write down for how many replicas it was sized: a later change of `spec.replicas` is told from a rollout by it."""
    wanted = deployment["spec"]["replicas"]
    notes = rs["metadata"].setdefault("annotations", {})
    notes |= {DESIRED: str(wanted), MAXIMUM: str(wanted + fence_posts(deployment)[0])}


def superfluous(deployment: Obj, old: list[Obj]) -> list[Obj]:
    """The old ReplicaSets beyond `revisionHistoryLimit`, oldest revision first; never one that has or wants pods."""
    limit = deployment["spec"].get("revisionHistoryLimit", KEEP_ALL)
    candidates = sorted((rs for rs in old if not is_terminating(rs)), key=revision_of)
    count = max(0, len(candidates) - limit) if limit != KEEP_ALL else 0
    return [rs for rs in candidates[:count] if _is_empty(rs)]


def _is_empty(rs: Obj) -> bool:
    status = rs.get("status") or {}
    observed = status.get("observedGeneration", 0) >= rs["metadata"].get("generation", 0)
    return observed and not size(rs) and not status.get("replicas")


def revision_of(rs: Obj) -> int:
    """Its revision, 0 if it has none."""
    try:
        return int(annotations_of(rs).get(REVISION, "0"))
    except ValueError:
        return 0
