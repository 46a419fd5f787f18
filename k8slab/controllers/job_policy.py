"""What a Job's own rules say: which failures count, end an index or end all, and when enough indexes have succeeded.

Pure; read by `job_look.py`. The rules and words are Kubernetes' (pkg/controller/job/pod_failure_policy.go,
success_policy.go; KEP-3329, KEP-3998).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from k8slab.api.objects import Obj
from k8slab.controllers import job_indexes


class Ruling(NamedTuple):
    """What a failed pod means: the rule's action ("" if none fits), and for FailJob, the sentence that says why."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether it counts towards the back-off limits."""
        return self.action != "Ignore"


def ruling(job: Obj, pod: Obj) -> Ruling:
    """The first rule of `podFailurePolicy` that the failed pod fits."""
    where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        action = rule["action"]
        if asked := rule.get("onExitCodes"):
            if container := _exited_so(pod, asked):
                code = container["state"]["terminated"]["exitCode"]
                why = f"Container {container['name']} for pod {where} failed with exit code {code}"
                return _ruled(action, f"{why} matching {action} rule at index {number}")
        elif type_ := _condition(pod, rule.get("onPodConditions") or []):
            return _ruled(action, f"Pod {where} has condition {type_} matching {action} rule at index {number}")
    return Ruling()


def _ruled(action: str, message: str) -> Ruling:
    return Ruling(action, message if action == "FailJob" else "")


def _exited_so(pod: Obj, asked: Obj) -> Obj | None:
    """The first container that ended with one of these exit codes; an end with 0 never counts."""
    status = pod.get("status") or {}
    for container in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        code = ((container.get("state") or {}).get("terminated") or {}).get("exitCode", 0)
        named = asked.get("containerName") in (None, container["name"])
        if named and code and (code in asked["values"]) == (asked["operator"] == "In"):
            return dict(container)
    return None


def _condition(pod: Obj, patterns: Iterable[Obj]) -> str:
    """The type of the pod's first condition that fits a pattern."""
    wanted = {(pattern["type"], pattern.get("status", "True")) for pattern in patterns}
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((c["type"] for c in conditions if (c["type"], c["status"]) in wanted), "")


def success(job: Obj, succeeded: frozenset[int]) -> str:
    """What the first rule of `successPolicy` that is met says; empty if none is."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or []):
        if _is_met(rule, succeeded, job["spec"]["completions"]):
            return f"Matched rules at index {number}"
    return ""


def _is_met(rule: Obj, succeeded: frozenset[int], completions: int) -> bool:
    least = rule.get("succeededCount")
    if "succeededIndexes" not in rule:
        return bool(succeeded) and least is not None and len(succeeded) >= least
    asked = job_indexes.parse(rule["succeededIndexes"], completions)
    met = len(asked & succeeded)
    return bool(asked) and (met == len(asked) or (least is not None and met >= least))
