"""What of a pod's security context, and of other wishes of the kind, this node can keep, and what it cannot. Pure.

`launch.py` hands the first to the runtime, `ground.py` tells of the second in an event. What would open the machine
never comes here: the API server refuses it (apiserver/host_access.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slab.api.objects import Obj
from k8slab.kubelet.view import init_containers, main_containers
from k8slab.runtime.base import Abilities


def wish(pod: Obj, container: Obj, field: str) -> Any:
    """A field of the container's security context, else of the pod's."""
    own = (container.get("securityContext") or {}).get(field)
    return own if own is not None else (pod["spec"].get("securityContext") or {}).get(field)


def not_kept(pod: Obj, abilities: Abilities) -> list[str]:
    """What the pod asks for and does not get, each with the reason."""
    spec = pod["spec"]
    found = ["shareProcessNamespace: its containers do not see each other's processes"] * bool(
        spec.get("shareProcessNamespace")
    )
    found += [text for c in [*init_containers(pod), *main_containers(pod)] for text in _of_container(pod, c, abilities)]
    return list(dict.fromkeys(found))


def _of_container(pod: Obj, container: Obj, abilities: Abilities) -> Iterator[str]:
    context = container.get("securityContext") or {}
    if wish(pod, container, "runAsUser") is not None and "user" not in abilities.fences:
        yield f"runAsUser: {abilities.missing.get('user', 'there are no user namespaces here')}"
    group, user = wish(pod, container, "runAsGroup"), wish(pod, container, "runAsUser")
    if group is not None and group != user:
        yield "runAsGroup: a container's group has its user's number"
    if context.get("readOnlyRootFilesystem") and "mount" not in abilities.fences:
        yield f"readOnlyRootFilesystem: {abilities.missing.get('mount', 'there are no mount namespaces here')}"
    if (context.get("capabilities") or {}).get("add"):
        yield "capabilities: containers have none at all"
    for profile in ("seccompProfile", "appArmorProfile"):
        if (wish(pod, container, profile) or {}).get("type") == "Localhost":
            yield f"{profile}: profiles of this machine are not used"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "hostPort: pods are reached at their own addresses, and through Services"
