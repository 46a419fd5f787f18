from __future__ import annotations

import pytest

from k8slab.api.objects import copy
from tests.api.making import changed, deployment, obj, said

DEPLOYMENTS = [
    ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    (
        {"selector": None},
        [
            "spec.selector: Required value",
            'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
        ],
    ),
    ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
    (
        {"selector": {"matchLabels": {"app": "b"}}},
        ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ),
    (
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Is"}]}},
        ['spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'],
    ),
    (
        {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
        ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    (
        {"strategy": {"type": "BlueGreen"}},
        ['spec.strategy.type: Unsupported value: "BlueGreen": supported values: "Recreate", "RollingUpdate"'],
    ),
    (
        {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
        ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
    ),
    (
        {"strategy": {"rollingUpdate": {"maxSurge": "half", "maxUnavailable": "150%"}}},
        [
            'spec.strategy.rollingUpdate.maxSurge: Invalid value: "half": a valid percent string must be a numeric '
            "followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%',
        ],
    ),
    (
        {"minReadySeconds": 600},
        ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    ),
]


@pytest.mark.parametrize(("spec", "causes"), DEPLOYMENTS)
def test_deployments(spec, causes):
    assert said(deployment(**spec)) == causes


def test_templates_keep_the_rules_of_pods_and_run_for_ever():
    made = deployment()
    made["spec"]["template"]["spec"] |= {"restartPolicy": "Never", "activeDeadlineSeconds": 1}
    made["spec"]["template"]["spec"]["containers"][0]["name"] = ""
    made["spec"]["template"]["metadata"]["labels"] = {}
    assert said(made) == [
        "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
        "spec.template.spec.containers[0].name: Required value",
    ]


def test_the_selector_of_a_deployment_stays():
    old = deployment()
    assert said(changed(old, selector={"matchLabels": {"app": "other"}}), old) == [
        'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
        'spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable',
    ]
    assert said(changed(old, replicas=3), old) == []


def test_a_replica_set_is_held_to_the_same():
    spec = copy(deployment()["spec"])
    made = obj("apps/v1", "ReplicaSet", spec={name: spec[name] for name in ("selector", "template")} | {"replicas": -1})
    assert said(made) == ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]
