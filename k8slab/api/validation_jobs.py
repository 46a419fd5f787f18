"""The rules for Jobs and CronJobs: how often, how many at once, what may fail, what may change.

Tables for `validation.py`. Source: pkg/apis/batch/validation/validation.go.
"""

from __future__ import annotations

import contextlib
import re
import zoneinfo
from collections.abc import Callable, Iterable

from k8slab.api import cron, names, selectors
from k8slab.api.causes import IMMUTABLE, duplicate, invalid, required, too_many, unsupported
from k8slab.api.checks import REQUIRED, Check, Creation, Required, Table, named, not_negative, one_of, positive
from k8slab.api.errors import Cause
from k8slab.api.objects import Obj

INDEXED = "Indexed"
JOB_NAME = ("batch.kubernetes.io/job-name", "job-name")  # the labels that the server puts on a job's pods
CONTROLLER_UID = ("batch.kubernetes.io/controller-uid", "controller-uid")
MOST_PARALLEL, MOST_NAME = 100_000, 52  # pods at once of an indexed job; letters of a CronJob's name
MOST_RULES, MOST_PATTERNS, MOST_CODES = 20, 20, 255
FIXED = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates", "affinity")  # free while a job has not started
OMITTED = "specifying both OnExitCodes and OnPodConditions is not supported"


def _indexed(spec: Obj, path: str) -> Iterable[Cause]:
    """What only a job whose pods are numbered can have, and what it must have."""
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.get("completionMode", "NonIndexed") == INDEXED:
        if completions is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
        if spec.get("parallelism", 0) > MOST_PARALLEL:
            detail = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
            yield invalid(f"{path}.parallelism", spec["parallelism"], detail)
        if completions is not None and failed is not None and failed > completions:
            yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
        return
    for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
        if spec.get(field) is not None:
            yield invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")


def _success_policy(spec: Obj, path: str) -> Iterable[Cause]:
    """Which pods are enough: of the indexes that there are, and no more than there are."""
    completions, where = spec.get("completions") or 0, f"{path}.successPolicy.rules"
    for index, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        listed, count, total = rule.get("succeededIndexes"), rule.get("succeededCount"), 0
        if listed is None and count is None:
            yield required(f"{where}[{index}]", "at least one of succeededCount or succeededIndexes must be specified")
        if listed is not None:
            try:
                total = _count_of_indexes(listed, completions)
            except ValueError as error:
                yield invalid(f"{where}[{index}].succeededIndexes", listed, f"error parsing succeededIndexes: {error}")
        if count is None:
            continue
        at = f"{where}[{index}].succeededCount"
        yield from positive(count, at)
        if count > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            yield invalid(at, count, detail)
        if listed is not None and count > total:
            what = "the number of indexes in the specified succeededIndexes field"
            yield invalid(at, count, f"must be less than or equal to {total} ({what})")


def _count_of_indexes(listed: str, completions: int) -> int:
    """How many indexes `0-3,5` means. Raises ValueError for one that is too large, out of order, or no number."""
    last, total = -1, 0
    for interval in listed.split(",") if listed else ():
        parts = interval.split("-")
        if len(parts) > 2:
            rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise ValueError(f'the fragment "{interval}" {rule}')
        for place, part in enumerate(parts):
            if not part.isdecimal():
                raise ValueError(f'cannot convert string to integer for index: "{part}"')
            if int(part) >= completions:
                raise ValueError(f'too large index: "{part}"')
            if last >= int(part):
                raise ValueError(f"non-increasing order, previous: {last}, current: {part}")
            total += int(part) - last if place else 1
            last = int(part)
    return total


def _failure_policy(spec: Obj, path: str) -> Iterable[Cause]:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    rules, where = policy.get("rules") or [], f"{path}.podFailurePolicy.rules"
    if len(rules) > MOST_RULES:
        yield too_many(where, len(rules), MOST_RULES)
    pod = spec["template"].get("spec") or {}
    containers = {c.get("name") for c in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ()))}
    for index, rule in enumerate(rules):
        yield from _failure_rule(rule, f"{where}[{index}]", containers, "backoffLimitPerIndex" in spec)


def _failure_rule(rule: Obj, path: str, containers: set[str], per_index: bool) -> Iterable[Cause]:
    action, actions = rule.get("action", ""), ("Count", "FailIndex", "FailJob", "Ignore")
    if not action:
        yield required(f"{path}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]')
    elif action not in actions:
        yield unsupported(f"{path}.action", action, actions)
    elif action == "FailIndex" and not per_index:
        yield invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        yield from _exit_codes(codes, f"{path}.onExitCodes", containers)
    if len(patterns) > MOST_PATTERNS:
        yield too_many(f"{path}.onPodConditions", len(patterns), MOST_PATTERNS)
    if codes is not None and patterns:
        yield Cause("FieldValueInvalid", f"Invalid value: {OMITTED}", path)
    elif codes is None and not patterns:
        said = "specifying one of OnExitCodes and OnPodConditions is required"
        yield Cause("FieldValueInvalid", f"Invalid value: {said}", path)


def _exit_codes(codes: Obj, path: str, containers: set[str]) -> Iterable[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values") or []
    if not operator:
        yield required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
    elif operator not in ("In", "NotIn"):
        yield unsupported(f"{path}.operator", operator, ["In", "NotIn"])
    if (name := codes.get("containerName")) is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", name, detail)
    if not values:
        yield invalid(f"{path}.values", values, "at least one value is required")
    elif len(values) > MOST_CODES:
        yield too_many(f"{path}.values", len(values), MOST_CODES)
    for index, code in enumerate(values):
        if operator == "In" and code == 0:
            yield invalid(f"{path}.values[{index}]", code, "must not be 0 for the In operator")
        if code in values[:index]:
            yield duplicate(f"{path}.values[{index}]", code)
    if values != sorted(values):
        yield invalid(f"{path}.values", values, "must be ordered")


def _replacement(spec: Obj, path: str) -> Iterable[Cause]:
    policy = spec.get("podReplacementPolicy")
    known = ["Failed"] if spec.get("podFailurePolicy") else ["Failed", "TerminatingOrFailed"]
    if policy is not None and policy not in known:
        yield unsupported(f"{path}.podReplacementPolicy", policy, known)


def _ends(spec: Obj, path: str) -> Iterable[Cause]:
    """A pod that is always started again never lets its job complete."""
    policy, where = (spec["template"].get("spec") or {}).get("restartPolicy", ""), f"{path}.template.spec.restartPolicy"
    if policy in ("", "Always"):
        yield required(where, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(where, policy, ["OnFailure", "Never"])
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _selects_its_pods(job: Obj, path: str) -> Iterable[Cause]:
    spec = job["spec"]
    selector, labels = spec.get("selector"), (spec["template"].get("metadata") or {}).get("labels")
    if selector is None:
        yield required("spec.selector")
        return
    try:
        matches = selectors.from_object(selector).matches(labels or {})
    except (ValueError, KeyError):
        return  # the selector's own rules have said so
    if not matches:
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _own_labels(job: Obj) -> Iterable[Cause]:
    """Labels and selector that the server makes have its values (validateGeneratedSelector)."""
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = dict.fromkeys(CONTROLLER_UID, meta.get("uid")) | dict.fromkeys(JOB_NAME, meta.get("name"))
    for label, value in wanted.items():
        where, detail = f"spec.template.metadata.labels[{label}]", f"must be '{value}'"
        if label not in labels:
            yield required(where, detail)
        elif labels[label] != value:
            yield invalid(where, labels, detail)
    with contextlib.suppress(ValueError, KeyError):  # the selector's own rules say so
        if not selectors.from_object(spec["selector"]).matches(wanted):
            yield invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def _hostnames(job: Obj) -> Iterable[Cause]:
    completions, name = job["spec"].get("completions") or 0, job["metadata"].get("name", "")
    if job["spec"].get("completionMode") == INDEXED and completions > 0:
        last = f"{name}-{completions - 1}"
        if names.dns_label(last):
            yield invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {last}")


def _job_kept(job: Obj, old: Obj) -> Iterable[Cause]:
    new, before = job["spec"], old["spec"]
    if new.get("completions") != before.get("completions"):
        if new.get("completionMode") != INDEXED:
            yield invalid("spec.completions", new.get("completions"), IMMUTABLE)
        elif new.get("completions") != new.get("parallelism"):
            detail = "can only be modified in tandem with spec.parallelism"
            yield invalid("spec.completions", new.get("completions"), detail)
    if _fixed_part(new["template"], old) != _fixed_part(before["template"], old):
        yield invalid("spec.template", new["template"], IMMUTABLE)
    yield from (invalid(f"spec.{f}", new.get(f), IMMUTABLE) for f in FIXED if new.get(f) != before.get(f))


def _fixed_part(template: Obj, old: Obj) -> Obj:
    """A suspended job that has not started may still be told where to run."""
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return template
    spec = {field: value for field, value in (template.get("spec") or {}).items() if field not in SCHEDULING}
    others = {f: v for f, v in ((template.get("spec") or {}).get("affinity") or {}).items() if f != "nodeAffinity"}
    return {"spec": spec | ({"affinity": others} if others else {})}


def _schedule(text: str, path: str) -> Iterable[Cause]:
    if "TZ" in text:
        yield invalid(path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        return
    try:
        cron.parse(text)
    except ValueError as error:
        yield invalid(path, text, str(error))


def _time_zone(name: str, path: str) -> Iterable[Cause]:
    parts = name.split("/")
    odd = any(p in (".", "..") or p.startswith("-") or not re.fullmatch(r"[A-Za-z.\-_0-9+]{1,14}", p) for p in parts)
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, name, detail)
    elif odd or not _is_zone(name):
        yield invalid(path, name, f"unknown time zone {name}")


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _short_name(job: Obj) -> Iterable[Cause]:
    """A timestamp follows the name in the names of its jobs."""
    if len(name := job["metadata"].get("name", "")) > MOST_NAME:
        yield invalid("metadata.name", name, f"must be no more than {MOST_NAME} characters")


def _template(template: Obj, path: str) -> Iterable[Cause]:
    spec = template.get("spec") or {}
    if spec.get("selector") is not None:
        yield invalid(f"{path}.spec.selector", spec["selector"], "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        yield unsupported(f"{path}.spec.manualSelector", True, ["nil", "false"])


_COUNT: tuple[Check, ...] = (not_negative,)
TABLE: Table = {
    "batch.v1.Job": {"spec": (REQUIRED,), "": (_selects_its_pods,)},
    "batch.v1.JobSpec": {
        "parallelism": _COUNT,
        "completions": _COUNT,
        "activeDeadlineSeconds": _COUNT,
        "backoffLimit": _COUNT,
        "ttlSecondsAfterFinished": _COUNT,
        "backoffLimitPerIndex": _COUNT,
        "maxFailedIndexes": _COUNT,
        "managedBy": (named(names.domain_prefixed),),
        "completionMode": (one_of("NonIndexed", INDEXED),),
        "template": (),
        "": (_indexed, _success_policy, _failure_policy, _replacement, _ends),
    },
    "batch.v1.SuccessPolicy": {
        "rules": (Required("at least one rules must be specified when the successPolicy is specified"),),
    },
    "batch.v1.PodFailurePolicyOnPodConditionsPattern": {
        "type": (REQUIRED, named(names.qualified_name)),
        "status": (Required('valid values: ["False" "True" "Unknown"]'), one_of("False", "True", "Unknown")),
    },
    "batch.v1.CronJob": {"spec": (REQUIRED,)},
    "batch.v1.CronJobSpec": {
        "schedule": (REQUIRED, _schedule),
        "startingDeadlineSeconds": _COUNT,
        "timeZone": (_time_zone,),
        "concurrencyPolicy": (REQUIRED, one_of("Allow", "Forbid", "Replace")),
        "jobTemplate": (_template,),
        "successfulJobsHistoryLimit": _COUNT,
        "failedJobsHistoryLimit": _COUNT,
    },
}
CREATES: dict[str, Creation] = {
    "batch.v1.Job": lambda job: (*_own_labels(job), *_hostnames(job)),
    "batch.v1.CronJob": _short_name,
}
UPDATES: dict[str, Callable[[Obj, Obj], Iterable[Cause]]] = {"batch.v1.Job": _job_kept}
