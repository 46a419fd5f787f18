"""The rules for a container's own restart policy (KEP-5307, on by default since 1.35). Part of `validation_pods.py`.

Source: pkg/apis/core/validation/validation.go (validateContainerRestartPolicy).
"""

from __future__ import annotations

from collections.abc import Iterable

from k8slab.api.causes import required, too_many, unsupported
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

POLICIES = ("Always", "Never", "OnFailure")
MOST_RULES, MOST_CODES = 20, 255


def restart_policy(container: Obj, path: str) -> Iterable[Cause]:
    """`restartPolicy` and `restartPolicyRules` of a container, or of an init container."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    if policy is None:
        if rules:
            yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
        return
    if policy not in POLICIES:
        yield unsupported(f"{path}.restartPolicy", policy, POLICIES)
    if len(rules) > MOST_RULES:
        yield too_many(f"{path}.restartPolicyRules", len(rules), MOST_RULES)
    for index, rule in enumerate(rules):
        yield from _rule(rule, f"{path}.restartPolicyRules[{index}]")


def _rule(rule: Obj, path: str) -> Iterable[Cause]:
    if rule.get("action") != "Restart":
        yield unsupported(f"{path}.action", rule.get("action", ""), ["Restart"])
    codes = rule.get("exitCodes")
    if codes is None:
        yield required(f"{path}.exitCodes", "must be specified")
        return
    if codes.get("operator") not in ("In", "NotIn"):
        yield unsupported(f"{path}.exitCodes.operator", codes.get("operator", ""), ["In", "NotIn"])
    if len(codes.get("values") or []) > MOST_CODES:
        yield too_many(f"{path}.exitCodes.values", len(codes["values"]), MOST_CODES)
