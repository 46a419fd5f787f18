"""Autoscalers, budgets, Ingresses, volumes, quotas, classes: one row a rule, with Kubernetes' words."""

from __future__ import annotations

import pytest

from k8slab.api.objects import copy
from tests.api.making import changed, obj, said

TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SELECTOR = {"matchLabels": {"app": "a"}}


def autoscaler(**spec):
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    return obj("autoscaling/v2", "HorizontalPodAutoscaler", spec={"scaleTargetRef": target, "maxReplicas": 3, **spec})


def budget(**spec):
    return obj("policy/v1", "PodDisruptionBudget", spec={"selector": SELECTOR, **spec})


def ingress(*paths, host="example.com", **spec):
    rules = {"rules": [{"host": host, "http": {"paths": list(paths)}}]} if paths else {}
    return obj("networking.k8s.io/v1", "Ingress", spec={**rules, **spec})


def path(text="/", type_="Prefix", **backend):
    service = backend or {"service": {"name": "web", "port": {"number": 80}}}
    return {"path": text, "pathType": type_, "backend": service}


def claim(**spec):
    size = {"requests": {"storage": "1Gi"}}
    return obj("v1", "PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"], "resources": size, **spec})


def volume(**spec):
    given = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
    return obj("v1", "PersistentVolume", spec={**given, **spec})


def stateful(**spec):
    return obj(
        "apps/v1", "StatefulSet", spec={"serviceName": "x", "selector": SELECTOR, "template": copy(TEMPLATE), **spec}
    )


def daemons(**spec):
    return obj("apps/v1", "DaemonSet", spec={"selector": SELECTOR, "template": copy(TEMPLATE), **spec})


def memory(**target):
    return {"metrics": [{"type": "Resource", "resource": {"name": "memory", "target": target}}]}


def limits(**item):
    return obj("v1", "LimitRange", spec={"limits": [{"type": "Container", **item}]})


def priority(name="high", **fields):
    return obj("scheduling.k8s.io/v1", "PriorityClass", name, **fields)


CASES = [
    (autoscaler(), []),
    (autoscaler(maxReplicas=0), [
        "spec.maxReplicas: Invalid value: 0: must be greater than 0",
        "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
    ]),
    (autoscaler(minReplicas=0), ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"]),
    (autoscaler(minReplicas=5), ["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"]),
    (autoscaler(scaleTargetRef={"kind": "Deployment"}), ["spec.scaleTargetRef.name: Required value"]),
    (autoscaler(metrics=[{"type": "Pods"}]), [
        "spec.metrics[0].pods: Required value: must populate information for the given metric source"
    ]),
    (autoscaler(**memory(type="Utilization")), [
        "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a "
        "target utilization"
    ]),
    (autoscaler(**memory(type="Utilization", averageUtilization=0)), [
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"
    ]),
    (autoscaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 4000, "policies": [{"type": "Some"}]}}), [
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600",
        'spec.behavior.scaleDown.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"',
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 0: must be greater than zero",
    ]),
    (budget(minAvailable="50%"), []),
    (budget(minAvailable="150%"), ['spec.minAvailable: Invalid value: "150%": must not be greater than 100%']),
    (budget(minAvailable=1, maxUnavailable=1), [
        'spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"a"}},"MaxUnavailable":1,'
        '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'
    ]),
    (ingress(path()), []),
    (ingress(), ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
    (ingress(path(), host="10.0.0.1"), [
        'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'
    ]),
    (ingress(path(), host="*.example.com"), []),
    (ingress(path("a")), ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path']),
    (ingress(path("/a/../b")), ['spec.rules[0].http.paths[0].path: Invalid value: "/a/../b": must not contain \'/../\'']),
    (ingress({"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}}), [
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"
    ]),
    (ingress(path(service={"name": "web"})), [
        "spec.rules[0].http.paths[0].backend: Required value: port name or number is required"
    ]),
    (ingress(defaultBackend={}), ['spec.defaultBackend: Invalid value: "": resource or service backend is required']),
    (obj("networking.k8s.io/v1", "IngressClass", spec={"controller": "nginx"}), [
        'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'
    ]),
    (claim(), []),
    (claim(accessModes=[]), ["spec.accessModes: Required value: at least 1 access mode is required"]),
    (claim(accessModes=["Often"]), [
        'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", '
        '"ReadWriteOnce", "ReadWriteOncePod"'
    ]),
    (claim(resources={}), ["spec.resources[storage]: Required value"]),
    (volume(), []),
    (volume(hostPath=None), ["spec: Required value: must specify a volume type"]),
    (volume(nfs={"server": "s", "path": "/"}), ["spec.nfs: Forbidden: may not specify more than 1 volume type"]),
    (volume(capacity={"storage": "0"}), ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']),
    (obj("storage.k8s.io/v1", "StorageClass", provisioner=""), ["provisioner: Required value"]),
    (stateful(), []),
    (stateful(template={"metadata": {"labels": {"app": "b"}}, "spec": {"restartPolicy": "Always"}}), [
        'spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`'
    ]),
    (stateful(podManagementPolicy="Any"), [
        'spec.podManagementPolicy: Invalid value: "Any": must be \'OrderedReady\' or \'Parallel\''
    ]),
    (daemons(), []),
    (daemons(updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}), [
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"
    ]),
    (daemons(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}), [
        "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"
    ]),
    (obj("v1", "ReplicationController", spec={"selector": {"a": "b"}, "template": copy(TEMPLATE)}), [
        'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'
    ]),
    (obj("apps/v1", "ControllerRevision", revision=1), ["data: Required value: data is mandatory"]),
    (obj("v1", "ResourceQuota", spec={"hard": {"pods": "1.5", "fish": "2", "cpu": "-1"}}), [
        'spec.hard[pods]: Invalid value: "1500m": must be an integer',
        'spec.hard[fish]: Invalid value: "fish": must be a standard resource type or fully qualified',
        'spec.hard[fish]: Invalid value: "fish": must be a standard resource for quota',
        'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ]),
    (obj("v1", "ResourceQuota", spec={"hard": {"pods": "1", "services": "2"}, "scopes": ["BestEffort"]}), [
        'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
    ]),
    (obj("v1", "ResourceQuota", spec={"hard": {"pods": "1", "cpu": "2"}, "scopes": ["NotTerminating"]}), []),
    (limits(min={"cpu": "2"}, max={"cpu": "1"}), [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ]),
    (limits(type="Pod", default={"cpu": "1"}), [
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"
    ]),
    (priority(value=5), []),
    (priority(value=2_000_000_000), ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"]),
    (priority("system-mine", value=1), [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
        "system-mine is not a known system priority class"
    ]),
    (obj("v1", "Secret", type="kubernetes.io/tls", data={"tls.crt": "YQ=="}), ["data[tls.key]: Required value"]),
    (obj("v1", "Secret", type="kubernetes.io/basic-auth", data={"username": "YQ=="}), []),
]  # fmt: skip


@pytest.mark.parametrize(("made", "expected"), CASES, ids=lambda case: case["kind"] if isinstance(case, dict) else "")
def test_rules(made, expected):
    assert said(made) == expected


STATEFUL_SET = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
CLASS = obj("storage.k8s.io/v1", "StorageClass", provisioner="p")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (stateful(), changed(stateful(), replicas=3, minReadySeconds=1), []),
        (stateful(), changed(stateful(), serviceName="y"), [STATEFUL_SET]),
        (daemons(), changed(daemons(), selector={"matchLabels": {"app": "b"}}), [
            'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
            'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
        ]),
        (priority(value=5), priority(value=6), ["value: Forbidden: may not be changed in an update."]),
        (CLASS, {**CLASS, "provisioner": "q"}, ["provisioner: Forbidden: updates to provisioner are forbidden."]),
        (claim(), changed(claim(), volumeName="v", storageClassName="fast"), []),
        (claim(), changed(claim(), accessModes=["ReadWriteMany"]), [
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
            'for bound claims\n  - accessModes[0]: "ReadWriteOnce"\n  + accessModes[0]: "ReadWriteMany"'
        ]),
        (volume(), changed(volume(), hostPath={"path": "/other", "type": ""}), [
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
            '  - hostPath.path: "/data"\n  + hostPath.path: "/other"'
        ]),
    ],
)  # fmt: skip
def test_what_may_change(old, new, expected):
    assert said(new, old) == expected
