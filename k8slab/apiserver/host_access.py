"""What in a pod would open the machine the lab runs on: refused, with the reason, unless a setting allows it.

`admission.py` asks, where containers are processes; to records there is nothing to open. The list is the Pod Security
Standards' baseline (docs/concepts/security/pod-security-standards), less what is harmless here: a hostPath lies on the
node's own disk, in the lab's folder.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slab.api.objects import Obj

BASELINE = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
HOW = "this lab keeps its machine closed to containers, and the pod asks for {0}; K8SLAB_HOST_ACCESS=allow lets it in"


def asked(pod: Obj) -> str:
    """Why the pod is refused; empty if it asks for nothing of the kind."""
    wishes = list(_wishes(pod["spec"]))
    return HOW.format(", ".join(wishes)) if wishes else ""


def _wishes(spec: Obj) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or []:
            yield from (f'{wish} (container "{container["name"]}")' for wish in _of_container(container))


def _of_container(container: Obj) -> Iterator[str]:
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        yield "privileged"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount {context['procMount']}"
    more = set((context.get("capabilities") or {}).get("add") or []) - BASELINE
    if more:
        yield f"capabilities {', '.join(sorted(more))}"
