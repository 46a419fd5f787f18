"""Whether a container that has ended is started again. Pure.

`plan.py` acts on it and `status.py` words it. The rules are those of docs/concepts/workloads/pods/pod-lifecycle
(restart policy; individual policies and rules are KEP-5307) and KEP-753 for sidecars.
"""

from __future__ import annotations

from k8slab.api.objects import Obj
from k8slab.runtime.base import ContainerState


def is_sidecar(container: Obj) -> bool:
    """Whether an init container stays and is restarted by itself (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def policy_of(pod: Obj, container: Obj) -> str:
    """Always, OnFailure or Never: the container's own, or the pod's. An ephemeral container lives once."""
    if container in (pod["spec"].get("ephemeralContainers") or []):
        return "Never"
    return str(container.get("restartPolicy") or pod["spec"].get("restartPolicy", "Always"))


def restarts(pod: Obj, container: Obj, state: ContainerState) -> bool:
    """Whether a container that ended so is started again."""
    code = state.exit_code
    if any(_matches(rule, code) for rule in container.get("restartPolicyRules") or []):
        return True
    policy = policy_of(pod, container)
    if policy == "Always" and container in (pod["spec"].get("initContainers") or []) and not is_sidecar(container):
        return code != 0  # done once is done
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _matches(rule: Obj, code: int | None) -> bool:
    """Only the action Restart exists without a feature gate; what a rule does not say decides the policy."""
    codes = rule.get("exitCodes") or {}
    listed = code in (codes.get("values") or [])
    return rule.get("action") == "Restart" and (listed if codes.get("operator") == "In" else not listed)


def runs_on(pod: Obj, container: Obj) -> bool:
    """Whether it is meant to run for ever: what a record does, which has no program to ask."""
    if container in (pod["spec"].get("initContainers") or []):
        return is_sidecar(container)
    return policy_of(pod, container) == "Always"
