"""The rules for ephemeral containers: what `kubectl debug` may put into a pod that already runs.

Part of `validation_pods.py`'s tables. Source: pkg/apis/core/validation/validation.go (validateEphemeralContainers,
ValidatePodEphemeralContainersUpdate).
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api.causes import duplicate, forbidden, not_found
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

NOT_FOR_SERVING = ("lifecycle", "livenessProbe", "ports", "readinessProbe", "resizePolicy", "resources",
                   "restartPolicy", "restartPolicyRules", "startupProbe")  # fmt: skip
NEVER = "cannot be set for an Ephemeral Container"


def ephemeral_containers(spec: Obj, path: str) -> Iterable[Cause]:
    """Names of their own, a target there is, and nothing that makes others rely on them."""
    ephemeral = spec.get("ephemeralContainers") or ()
    if ephemeral and path != "spec":
        yield forbidden(f"{path}.ephemeralContainers", "ephemeral containers not allowed in pod template")
        return
    others = {c.get("name") for group in ("containers", "initContainers") for c in spec.get(group) or ()}
    taken = set(others)
    for index, container in enumerate(ephemeral):
        where = f"{path}.ephemeralContainers[{index}]"
        name, target = container.get("name"), container.get("targetContainerName")
        if name and name in taken:
            yield duplicate(f"{where}.name", name)
        taken.add(name)
        if target and target not in others:
            yield not_found(f"{where}.targetContainerName", target)
        for field in NOT_FOR_SERVING:
            if container.get(field):
                yield forbidden(f"{where}.{field}", NEVER)
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    yield forbidden(f"{where}.volumeMounts[{place}].{field}", NEVER)


def none_at_first(pod: Obj) -> Iterable[Cause]:
    """A pod begins without: they come while it runs."""
    if pod["spec"].get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")


def only_added(pod: Obj, old: Obj) -> Iterable[Cause]:
    """Through `pods/ephemeralcontainers` containers are added, and those there are stay as they are."""
    new = {container.get("name"): container for container in pod["spec"].get("ephemeralContainers") or ()}
    for before in old["spec"].get("ephemeralContainers") or ():
        name = before["name"]
        if name not in new:
            yield forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be removed\n')
        elif new[name] != before:
            yield forbidden("spec.ephemeralContainers", f'existing ephemeral containers "{name}" may not be changed\n')
