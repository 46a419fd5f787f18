"""The columns of what keeps pods running: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, autoscalers.

Rows for `table.py`; the pieces are in `cells.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slab.api.objects import Obj, condition_is, controller_of, is_terminating
from k8slab.apiserver.cells import (
    AGE,
    CONTAINERS,
    NAME,
    SELECTOR,
    Column,
    at,
    containers,
    human_duration,
    selects,
    since,
    words,
)
from k8slab.clock import from_timestamp

MOST_METRICS = 2
JOB_STATES = (  # the first condition that holds, and the word for it; a deletion comes between the second and the third
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
)


def _ready(obj: Obj, now: float) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"


def _controller(revision: Obj, now: float) -> str:
    owner = controller_of(revision)
    if owner is None:
        return "<none>"
    group = owner["apiVersion"].rpartition("/")[0]
    return f"{owner['kind'].lower()}{f'.{group}' * bool(group)}/{owner['name']}"


def _job_status(job: Obj, now: float) -> str:
    for type_, word in JOB_STATES:
        if condition_is(job, type_) if type_ else is_terminating(job):
            return word
    return "Running"


def _completions(job: Obj, now: float) -> str:
    succeeded, wanted = (job.get("status") or {}).get("succeeded", 0), job["spec"].get("completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = job["spec"].get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Obj, now: float) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = from_timestamp(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(end - from_timestamp(status["startTime"]))


def _last_schedule(cron: Obj, now: float) -> str:
    last = (cron.get("status") or {}).get("lastScheduleTime")
    return since(last, now) if last else "<none>"


def _scaled(autoscaler: Obj, now: float) -> str:
    target = autoscaler["spec"]["scaleTargetRef"]
    return f"{target['kind']}/{target['name']}"


def _targets(autoscaler: Obj, now: float) -> str:
    """Each metric as it is and as it should be, the first two (formatHPAMetrics)."""
    metrics = autoscaler["spec"].get("metrics") or []
    seen = (autoscaler.get("status") or {}).get("currentMetrics") or []
    shown = [_target(metric, seen[i] if i < len(seen) else {}) for i, metric in enumerate(metrics)]
    more = f" + {len(shown) - MOST_METRICS} more..." if len(shown) > MOST_METRICS else ""
    return (", ".join(shown[:MOST_METRICS]) + more) if shown else "<none>"


def _target(metric: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    type_ = metric.get("type", "")
    field = type_[:1].lower() + type_[1:]
    if field not in ("external", "pods", "object", "resource", "containerResource"):
        return "<unknown type>"
    source = metric.get(field) or {}
    target, current = source.get("target") or {}, (seen.get(field) or {}).get("current") or {}
    if field.endswith("esource"):
        if "averageValue" in target:
            return f"{source['name']}: {current.get('averageValue', '<unknown>')}/{target['averageValue']}"
        wanted = f"{target['averageUtilization']}%" if "averageUtilization" in target else "<auto>"
        is_ = f"{current['averageUtilization']}%" if "averageUtilization" in current else "<unknown>"
        return f"{source['name']}: {is_}/{wanted}"
    if field == "pods":
        return f"{current.get('averageValue', '<unknown>')}/{target.get('averageValue', '0')}"
    if "averageValue" in target:
        return f"{current.get('averageValue', '<unknown>')}/{target['averageValue']} (avg)"
    return f"{current.get('value', '<unknown>')}/{target.get('value', '0')}"


def _count(*path: str) -> Any:
    return at("status", *path)


_REPLICAS = (
    NAME,
    Column("Desired", at("spec", "replicas"), type="integer"),
    Column("Current", _count("replicas"), type="integer"),
    Column("Ready", _count("readyReplicas"), type="integer"),
    AGE,
    *CONTAINERS,
    SELECTOR,
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "ControllerRevision": (NAME, Column("Controller", _controller), Column("Revision", at("revision")), AGE),
    "CronJob": (
        NAME,
        Column("Schedule", at("spec", "schedule", default="")),
        Column("Timezone", at("spec", "timeZone", default="<none>")),
        Column("Suspend", lambda cron, _: words(cron["spec"].get("suspend")), type="boolean"),
        Column("Active", lambda cron, _: len((cron.get("status") or {}).get("active") or ()), type="integer"),
        Column("Last Schedule", _last_schedule),
        AGE,
        Column("Containers", containers("name", "spec", "jobTemplate", "spec", "template"), priority=1),
        Column("Images", containers("image", "spec", "jobTemplate", "spec", "template"), priority=1),
        Column("Selector", selects("spec", "jobTemplate", "spec", "selector"), priority=1),
    ),
    "DaemonSet": (
        NAME,
        Column("Desired", _count("desiredNumberScheduled"), type="integer"),
        Column("Current", _count("currentNumberScheduled"), type="integer"),
        Column("Ready", _count("numberReady"), type="integer"),
        Column("Up-to-date", _count("updatedNumberScheduled"), type="integer"),
        Column("Available", _count("numberAvailable"), type="integer"),
        Column("Node Selector", selects("spec", "template", "spec", "nodeSelector")),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "Deployment": (
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", _count("updatedReplicas")),
        Column("Available", _count("availableReplicas")),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "HorizontalPodAutoscaler": (
        NAME,
        Column("Reference", _scaled),
        Column("Targets", _targets),
        Column("MinPods", lambda hpa, _: str(hpa["spec"].get("minReplicas", "<unset>"))),
        Column("MaxPods", at("spec", "maxReplicas")),
        Column("Replicas", _count("currentReplicas")),
        AGE,
    ),
    "Job": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        *CONTAINERS,
        SELECTOR,
    ),
    "PodDisruptionBudget": (
        NAME,
        Column("Min Available", at("spec", "minAvailable", default="N/A")),
        Column("Max Unavailable", at("spec", "maxUnavailable", default="N/A")),
        Column("Allowed Disruptions", _count("disruptionsAllowed"), type="integer"),
        AGE,
    ),
    "ReplicaSet": _REPLICAS,
    "ReplicationController": _REPLICAS,
    "Scale": (
        NAME,
        Column("Desired", at("spec", "replicas"), type="integer"),
        Column("Available", _count("replicas"), type="integer"),
        AGE,
    ),
    "StatefulSet": (NAME, Column("Ready", _ready), AGE, *CONTAINERS),
}
