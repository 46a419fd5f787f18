"""The defaults of Kubernetes 1.36 as a table: definition -> field -> value, or a function of what the field lies in.

`defaults.py` walks over objects with it. A new kind is more rows; `RULES` hold what one field alone cannot say. From
pkg/apis/*/v1/defaults.go, and what a real server stored (tests/api/defaults.json).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from k8slab.api.objects import Obj

Rows = dict[str, Any]
Rule = Callable[[Obj], None]

FILE_MODE = 0o644
MAX_INT32 = 2**31 - 1


def pull_policy(image: str) -> str:
    """`Always` for a tag that moves (`latest`, said or not), otherwise `IfNotPresent`."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if name and (tag == "latest" or not (tag or digest)) else "IfNotPresent"


def _externally_accessible(service: Obj) -> bool:
    return service.get("type") in ("NodePort", "LoadBalancer") or (
        service.get("type") == "ClusterIP" and bool(service.get("externalIPs"))
    )


def _affinity_config(service: Obj) -> Obj | None:
    return {"clientIP": {"timeoutSeconds": 10800}} if service.get("sessionAffinity") == "ClientIP" else None


_CONTAINER: Rows = {
    "imagePullPolicy": lambda container: pull_policy(container.get("image", "")),
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_JOB: Rows = {  # of a Job; the template in a CronJob stays as it was sent
    "completions": lambda spec: 1 if spec.get("parallelism") is None else None,
    "parallelism": 1,
    "backoffLimit": lambda spec: 6 if spec.get("backoffLimitPerIndex") is None else MAX_INT32,
    "completionMode": "NonIndexed",
    "suspend": False,
    "manualSelector": False,
    "podReplacementPolicy": lambda spec: "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
}

ROWS: dict[str, Rows] = {
    # pods
    "core.v1.PodSpec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "serviceAccountName": lambda spec: spec.get("serviceAccount"),  # one field with two names
        "serviceAccount": lambda spec: spec.get("serviceAccountName"),
    },
    "core.v1.Container": _CONTAINER,
    "core.v1.EphemeralContainer": _CONTAINER,
    "core.v1.ContainerPort": {"protocol": "TCP"},
    "core.v1.Probe": {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    "core.v1.HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    "core.v1.GRPCAction": {"service": ""},
    "core.v1.ObjectFieldSelector": {"apiVersion": "v1"},
    "core.v1.SecretVolumeSource": {"defaultMode": FILE_MODE},
    "core.v1.ConfigMapVolumeSource": {"defaultMode": FILE_MODE},
    "core.v1.DownwardAPIVolumeSource": {"defaultMode": FILE_MODE},
    "core.v1.ProjectedVolumeSource": {"defaultMode": FILE_MODE},
    "core.v1.ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    "core.v1.HostPathVolumeSource": {"type": ""},
    "core.v1.ImageVolumeSource": {"pullPolicy": lambda source: pull_policy(source.get("reference", ""))},
    # services
    "core.v1.ServiceSpec": {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "sessionAffinityConfig": _affinity_config,
        "externalTrafficPolicy": lambda spec: "Cluster" if _externally_accessible(spec) else None,
        "internalTrafficPolicy": lambda spec: None if spec["type"] == "ExternalName" else "Cluster",
        "allocateLoadBalancerNodePorts": lambda spec: True if spec["type"] == "LoadBalancer" else None,
    },
    "core.v1.ServicePort": {"protocol": "TCP", "targetPort": lambda port: port.get("port")},
    "core.v1.LoadBalancerIngress": {"ipMode": lambda ingress: "VIP" if ingress.get("ip") else None},
    "core.v1.EndpointPort": {"protocol": "TCP"},
    "discovery.v1.EndpointPort": {"name": "", "protocol": "TCP"},
    # the cluster
    "core.v1.NamespaceStatus": {"phase": "Active"},
    "core.v1.NodeStatus": {"allocatable": lambda status: status.get("capacity")},
    "core.v1.Secret": {"type": "Opaque"},
    "core.v1.PersistentVolumeSpec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
    "core.v1.PersistentVolumeStatus": {"phase": "Pending"},
    "core.v1.PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "core.v1.PersistentVolumeClaimStatus": {"phase": "Pending"},
    "storage.v1.StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
    "scheduling.v1.PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"},
    "authentication.v1.TokenRequestSpec": {"expirationSeconds": 3600},
    # workloads
    "apps.v1.DeploymentSpec": {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "apps.v1.DeploymentStrategy": {
        "type": "RollingUpdate",
        "rollingUpdate": lambda strategy: {} if strategy["type"] == "RollingUpdate" else None,
    },
    "apps.v1.RollingUpdateDeployment": {"maxSurge": "25%", "maxUnavailable": "25%"},
    "apps.v1.ReplicaSetSpec": {"replicas": 1},
    "apps.v1.StatefulSetSpec": {
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": {},
    },
    "apps.v1.StatefulSetUpdateStrategy": {
        "type": "RollingUpdate",
        "rollingUpdate": lambda strategy: {} if strategy["type"] == "RollingUpdate" else None,
    },
    "apps.v1.RollingUpdateStatefulSetStrategy": {"partition": 0},
    "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    "apps.v1.DaemonSetSpec": {"revisionHistoryLimit": 10},
    "apps.v1.DaemonSetUpdateStrategy": {
        "type": "RollingUpdate",
        "rollingUpdate": lambda strategy: {} if strategy["type"] == "RollingUpdate" else None,
    },
    "apps.v1.RollingUpdateDaemonSet": {"maxUnavailable": 1, "maxSurge": 0},
    "core.v1.ReplicationControllerSpec": {
        "replicas": 1,
        "selector": lambda spec: ((spec.get("template") or {}).get("metadata") or {}).get("labels"),
    },
    "batch.v1.PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    "batch.v1.CronJobSpec": {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    # autoscaling
    "autoscaling.v1.HorizontalPodAutoscalerSpec": {"minReplicas": 1},
    "autoscaling.v2.HorizontalPodAutoscalerSpec": {
        "minReplicas": 1,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
    "autoscaling.v2.HorizontalPodAutoscalerBehavior": {"scaleUp": {}, "scaleDown": {}},
    "autoscaling.v2.HPAScalingRules": {"selectPolicy": "Max"},
}


def _pod(pod: Obj) -> None:
    """What holds for pods and not for templates: requests follow limits, host ports the ports of a host's network."""
    spec = pod["spec"]
    spec.setdefault("enableServiceLinks", True)
    for container in _containers(spec):
        limits = (container.get("resources") or {}).get("limits") or {}
        if limits:
            container["resources"]["requests"] = limits | (container["resources"].get("requests") or {})
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                port["hostPort"] = port.get("hostPort") or port.get("containerPort")


def _containers(spec: Obj) -> Iterable[Obj]:
    return (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))


def _volume(volume: Obj) -> None:
    """A volume that says nothing of itself is an empty folder."""
    if not any(field != "name" for field in volume):
        volume["emptyDir"] = {}


def _service_port(port: Obj) -> None:
    if port.get("targetPort") in (0, "") and port.get("port"):
        port["targetPort"] = port["port"]


def _claim_templates(spec: Obj) -> None:
    for claim in spec.get("volumeClaimTemplates") or ():
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}


def _service(spec: Obj) -> None:
    """A Service that is sticky no more forgets for how long (SetDefaults_Service, pkg/apis/core/v1/defaults.go)."""
    if spec.get("sessionAffinity") == "None":
        spec.pop("sessionAffinityConfig", None)


def _namespace(namespace: Obj) -> None:
    """A namespace can be selected by its name."""
    if name := namespace["metadata"].get("name"):
        namespace["metadata"].setdefault("labels", {}).setdefault("kubernetes.io/metadata.name", name)


def _secret(secret: Obj) -> None:
    """`stringData` is there to be written only: it lands in `data`."""
    for key, text in secret.pop("stringData", {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _limit_range_item(item: Obj) -> None:
    """A container's default limit is the maximum, its default request the default limit or else the minimum."""
    if item.get("type") == "Container":
        limits = (item.get("max") or {}) | (item.get("default") or {})
        requests = (item.get("min") or {}) | limits | (item.get("defaultRequest") or {})
        item |= {name: value for name, value in (("default", limits), ("defaultRequest", requests)) if value}


def put(value: Obj, name: str, default: Any) -> None:
    """Set a field that nobody has set. A function says what to set, None that there is nothing to set."""
    if name in value:
        return
    if callable(default):
        default = default(value)
    if default is not None:
        value[name] = deepcopy(default)


def _job(job: Obj) -> None:
    for name, default in _JOB.items():
        put(job["spec"], name, default)


def _labels_of_template(workload: Obj) -> None:
    """Jobs and ReplicationControllers without labels take those of their pods."""
    labels = ((workload["spec"].get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not workload["metadata"].get("labels"):
        workload["metadata"]["labels"] = dict(labels)


def _behavior(behavior: Obj) -> None:
    """Up at once by four pods or by all, down by all (pkg/apis/autoscaling/v2/defaults.go)."""
    by_percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up, down = behavior["scaleUp"], behavior["scaleDown"]
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("policies", [{"type": "Pods", "value": 4, "periodSeconds": 15}, dict(by_percent)])
    down.setdefault("policies", [dict(by_percent)])


RULES: dict[str, tuple[Rule, ...]] = {
    "core.v1.Pod": (_pod,),
    "core.v1.Volume": (_volume,),
    "core.v1.ServiceSpec": (_service,),
    "core.v1.ServicePort": (_service_port,),
    "core.v1.Namespace": (_namespace,),
    "core.v1.Secret": (_secret,),
    "core.v1.LimitRangeItem": (_limit_range_item,),
    "core.v1.ReplicationController": (_labels_of_template,),
    "batch.v1.Job": (_job, _labels_of_template),
    "apps.v1.StatefulSetSpec": (_claim_templates,),
    "autoscaling.v2.HorizontalPodAutoscalerBehavior": (_behavior,),
}
