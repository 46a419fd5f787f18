from __future__ import annotations

import pytest

from k8slab.api.objects import copy
from tests.api.making import changed, pod, said

PODS = [
    ({"containers": []}, ["spec.containers: Required value"]),
    (
        {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]},
        ['spec.containers[1].name: Duplicate value: "c"'],
    ),
    (
        {"initContainers": [{"name": "c", "image": "i", "livenessProbe": {"exec": {"command": ["x"]}}}]},
        [
            'spec.initContainers[0].name: Duplicate value: "c"',
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ],
    ),
    (
        {"restartPolicy": "Sometimes"},
        ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
    ),
    (
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    ({"terminationGracePeriodSeconds": -1}, []),  # counts as 1
    ({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}, []),
    (
        {"securityContext": {"sysctls": [{"name": "foo-", "value": "bar"}]}},
        [
            'spec.securityContext.sysctls[0].name: Invalid value: "foo-": must have at most 253 characters and match '
            r"regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
        ],
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        ['spec.volumes[1].name: Duplicate value: "v"'],
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    ({"volumes": [{"name": "v", "configMap": {}}]}, ["spec.volumes[0].configMap.name: Required value"]),
    (
        {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
        ["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
    ),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "/k"}]}}]},
        ['spec.volumes[0].secret.items[0].path: Invalid value: "/k": must be a relative path'],
    ),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 644}}]},
        [
            "spec.volumes[0].secret.defaultMode: Invalid value: 644: must be a number between 0 and 0777 (octal), both "
            "inclusive"
        ],
    ),
    (
        {"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]},
        ["spec.tolerations[0].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'"],
    ),
    (
        {"tolerations": [{"value": "v"}]},
        [
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means '
            '"match all values and all keys"'
        ],
    ),
    (
        {"tolerations": [{"key": "k", "effect": "Never"}]},
        [
            'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", '
            '"PreferNoSchedule", "NoExecute"'
        ],
    ),
    (
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}}},
        [
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required "
            "value: can not be empty"
        ],
    ),
    (
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In"}]}]
                    }
                }
            }
        },
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
            ".matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        ],
    ),
    (
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Now"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than 0",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Now": supported values: '
            '"DoNotSchedule", "ScheduleAnyway"',
        ],
    ),
]


@pytest.mark.parametrize(("spec", "causes"), PODS)
def test_pods(spec, causes):
    assert said(pod(**spec)) == causes


CHANGEABLE = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def test_a_pod_may_change_its_image_its_deadline_and_gain_tolerations():
    old = pod(tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 1, "effect": "NoExecute"}])
    new = changed(old, activeDeadlineSeconds=30)
    new["spec"]["containers"][0]["image"] = "nginx:1.28"
    new["spec"]["tolerations"][0]["tolerationSeconds"] = 5
    new["spec"]["tolerations"].append({"key": "b", "operator": "Exists"})
    assert said(new, old) == []
    assert said(changed(new, activeDeadlineSeconds=40), new) == [
        "spec.activeDeadlineSeconds: Invalid value: 40: must be less than or equal to previous value"
    ]
    assert said(changed(new, tolerations=[]), new) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_what_else_changes_in_a_pod_is_named():
    old = pod()
    assert said(changed(old, nodeName="node-1"), old) == [f'{CHANGEABLE}  + nodeName: "node-1"']
    new = copy(old)
    new["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    assert said(new, old) == [f'{CHANGEABLE}  + containers[0].env: [{{"name":"A","value":"1"}}]']
    new["spec"]["containers"].append({**old["spec"]["containers"][0], "name": "d"})
    assert said(new, old) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]
