from __future__ import annotations

import pytest

from tests.api.making import pod, said

C = "spec.containers[0]"
CONTAINERS = [
    ({"name": ""}, [f"{C}.name: Required value"]),
    ({"image": ""}, [f"{C}.image: Required value"]),
    (
        {"imagePullPolicy": "Sometimes"},
        [f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'],
    ),
    ({"restartPolicy": "Always"}, []),
    (
        {"restartPolicy": "No"},
        [f'{C}.restartPolicy: Unsupported value: "No": supported values: "Always", "Never", "OnFailure"'],
    ),
    (
        {"restartPolicyRules": [{}]},
        [f"{C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    ),
    (
        {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]},
        [f"{C}.restartPolicyRules[0].exitCodes: Required value: must be specified"],
    ),
    ({"ports": [{"name": "web"}]}, [f"{C}.ports[0].containerPort: Required value"]),
    (
        {"ports": [{"containerPort": 70000}]},
        [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
    ),
    (
        {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]},
        [f'{C}.ports[1].name: Duplicate value: "a"'],
    ),
    (
        {"ports": [{"containerPort": 80, "protocol": "tcp"}]},
        [f'{C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]},
        [f'{C}.ports[1].hostPort: Duplicate value: "TCP//80"'],
    ),
    ({"env": [{"value": "x"}]}, [f"{C}.env[0].name: Required value"]),
    (
        {"env": [{"name": "A=B"}]},
        [
            f'{C}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable '
            "ASCII characters other than '='"
        ],
    ),
    (
        {"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        {"env": [{"name": "A", "valueFrom": {}}]},
        [
            f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
            "`configMapKeyRef` or `secretKeyRef`"
        ],
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.colour"}}}]},
        [
            f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.colour": error converting fieldPath: '
            "field label not supported: spec.colour"
        ],
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]},
        [
            f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: '
            '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
            '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
        ],
    ),
    ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]}, []),
    (
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]},
        [f"{C}.env[0].valueFrom.configMapKeyRef.key: Required value"],
    ),
    (
        {"envFrom": [{"prefix": "P_"}]},
        [f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ),
    (
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        [f'{C}.volumeMounts[0].name: Not found: "data"'],
    ),
    (
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        {"resources": {"limits": {"memory": "-1Gi"}}},
        [
            f'{C}.resources.limits[memory]: Invalid value: "-1Gi": must be greater than or equal to 0',
            f'{C}.resources.requests[memory]: Invalid value: "-1Gi": must be greater than or equal to 0',
        ],
    ),
    (
        {"resources": {"requests": {"colour": "1"}}},
        [
            f'{C}.resources.requests[colour]: Invalid value: "colour": must be a standard resource type or fully '
            "qualified",
            f'{C}.resources.requests[colour]: Invalid value: "colour": must be a standard resource for containers',
        ],
    ),
    ({"resources": {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}}, []),
    (
        {"resources": {"requests": {"example.com/gpu": "1"}}},
        [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"],
    ),
    (
        {"resources": {"requests": {"example.com/gpu": "1500m"}, "limits": {"example.com/gpu": "2"}}},
        [
            f'{C}.resources.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
            f'{C}.resources.requests: Invalid value: "1500m": must be equal to example.com/gpu limit of 2',
        ],
    ),
    ({"livenessProbe": {}}, [f"{C}.livenessProbe: Required value: must specify a handler type"]),
    (
        {"livenessProbe": {"exec": {"command": ["true"]}, "httpGet": {"port": 80}}},
        [f"{C}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type"],
    ),
    (
        {"livenessProbe": {"httpGet": {"port": 80}, "successThreshold": 2, "periodSeconds": -1}},
        [
            f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
            f"{C}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    (
        {"readinessProbe": {"httpGet": {}}},
        [f"{C}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"],
    ),
    ({"readinessProbe": {"tcpSocket": {"port": "http"}}}, []),
    (
        {"readinessProbe": {"exec": {}, "terminationGracePeriodSeconds": 1}},
        [
            f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes",
            f"{C}.readinessProbe.exec.command: Required value",
        ],
    ),
    ({"lifecycle": {"preStop": {}}}, [f"{C}.lifecycle.preStop: Required value: must specify a handler type"]),
    ({"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, []),
]


@pytest.mark.parametrize(("container", "causes"), CONTAINERS)
def test_containers(container, causes):
    assert said(pod(container)) == causes
