"""The oracle is `defaults.json`: what a real Kubernetes 1.36 stored for what it was sent."""

from __future__ import annotations

import json
import timeit
from pathlib import Path

import pytest

from k8slab.api.default_rows import pull_policy
from k8slab.api.defaults import apply_defaults
from k8slab.api.errors import BadRequest
from k8slab.api.objects import copy

PAIRS = json.loads((Path(__file__).parent / "defaults.json").read_text())

# What strategies and admission plug-ins add, and what is observed: not defaults.
ADDED = {
    "*": ["metadata.generation", "metadata.namespace"],
    "Pod": ["spec.priority", "spec.preemptionPolicy", "spec.tolerations", "status.phase", "status.qosClass"],
    "Service": ["spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy", "spec.ports.0.nodePort"],
    "DaemonSet": ["metadata.annotations"],
    "Job": ["metadata.labels", "spec.selector", "spec.template.metadata.labels"],
    "HorizontalPodAutoscaler": ["status.currentMetrics"],  # null for Go clients, who read absence the same way
    "PersistentVolumeClaim": ["metadata.finalizers"],
    "PersistentVolume": ["metadata.finalizers", "status.lastPhaseTransitionTime"],
    "Namespace": ["spec.finalizers"],
    "Node": ["spec.taints"],
}


def definition_of(obj):
    group, _, version = obj["apiVersion"].rpartition("/")
    return f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}.{obj['kind']}"


def defaulted(obj):
    return apply_defaults(copy(obj), definition_of(obj))


def without_added(obj):
    obj = copy(obj)
    for path in (*ADDED["*"], *ADDED.get(obj["kind"], ())):
        *way, last = path.split(".")
        place = obj
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.get(step, {})
        place.pop(last, None)
    return obj


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['sent']['kind']}-{pair['sent']['metadata']['name']}")
def test_what_a_real_server_stores(pair):
    assert without_added(defaulted(pair["sent"])) == without_added(pair["stored"])


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["sent"]["kind"])
def test_defaulting_again_changes_nothing(pair):
    assert defaulted(pair["stored"]) == pair["stored"] or "currentMetrics" in pair["stored"]["status"]
    once = defaulted(pair["sent"])
    assert defaulted(once) == once


def pod(**spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c"}], **spec},
    }


def container(**fields):
    return defaulted(pod(containers=[{"name": "c", "image": "i:1", **fields}]))["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.27", "IfNotPresent"), ("", "IfNotPresent"),
        ("host:5000/nginx", "Always"), ("host:5000/nginx:1", "IfNotPresent"), ("nginx@sha256:0a", "IfNotPresent"),
        ("nginx:latest@sha256:0a", "Always"), ("k8slab/web:v1", "IfNotPresent"),
    ],
)  # fmt: skip
def test_pull_policy_follows_the_tag(image, policy):
    assert pull_policy(image) == policy


def test_nulls_and_empty_values_are_as_good_as_none():
    obj = pod(nodeName="", hostNetwork=False, nodeSelector={}, affinity=None, terminationGracePeriodSeconds=0)
    obj["metadata"] |= {"creationTimestamp": None, "labels": {}}
    stored = defaulted(obj)
    assert stored["metadata"] == {"name": "p"}
    assert not {"nodeName", "hostNetwork", "nodeSelector", "affinity"} & stored["spec"].keys()
    assert stored["spec"]["terminationGracePeriodSeconds"] == 0  # a pointer in Go: 0 was said


def test_a_template_is_the_same_however_it_was_written():
    def deployment(template):
        spec = {"selector": {"matchLabels": {"a": "b"}}, "strategy": {}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    plain = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    wordy = copy(plain)
    wordy["metadata"] |= {"creationTimestamp": None, "annotations": {}}
    wordy["spec"] |= {"restartPolicy": "Always", "volumes": [], "securityContext": {}}
    wordy["spec"]["containers"][0] |= {"resources": {}, "env": None, "tty": False, "imagePullPolicy": "Always"}
    one, other = defaulted(deployment(plain)), defaulted(deployment(wordy))
    assert one == other
    assert one["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}


def test_recreate_has_no_rolling_update():
    spec = {"strategy": {"type": "Recreate"}, "template": {}}
    stored = defaulted({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    assert stored["spec"]["strategy"] == {"type": "Recreate"}


def test_quantities_are_stored_canonically():
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"memory": "0.5Gi"}}
    assert container(resources=resources)["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "512Mi"},
    }
    from_field = {"resourceFieldRef": {"resource": "limits.cpu"}}
    assert container(env=[{"name": "A", "valueFrom": from_field}])["env"][0]["valueFrom"] == {
        "resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}
    }


def test_a_quantity_that_is_none_is_a_bad_request():
    with pytest.raises(BadRequest) as caught:
        container(resources={"limits": {"cpu": "much"}})
    assert caught.value.message == (
        'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


def test_a_host_network_gives_pods_their_host_ports():
    stored = defaulted(pod(hostNetwork=True, containers=[{"name": "c", "ports": [{"containerPort": 80}]}]))
    assert stored["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_a_volume_that_says_nothing_is_an_empty_folder():
    assert defaulted(pod(volumes=[{"name": "v"}]))["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_a_service_port_leads_where_it_says_or_to_itself():
    ports = [{"port": 80}, {"port": 81, "targetPort": "http"}, {"port": 82, "targetPort": 0}]
    stored = defaulted({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}})
    assert [port["targetPort"] for port in stored["spec"]["ports"]] == [80, "http", 82]


def test_times_not_known_yet_stay_null_in_conditions():
    obj = pod() | {"status": {"conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}]}}
    assert defaulted(obj)["status"]["conditions"][0]["lastProbeTime"] is None


def test_a_definition_nobody_knows_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        apply_defaults({}, "io.k8s.api.core.v1.Widget")


def test_it_is_fast():
    sent = PAIRS[0]["sent"]
    best = min(timeit.repeat(lambda: defaulted(sent), number=20, repeat=10)) / 20
    assert best < 2e-3, f"{best * 1e6:.0f} µs for a pod with seven volumes; about 60 µs on an idle machine"


def test_a_service_that_is_sticky_no_more_forgets_for_how_long():
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"sessionAffinity": "ClientIP"}}
    sticky = apply_defaults(service, "io.k8s.api.core.v1.Service")
    assert sticky["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    sticky["spec"]["sessionAffinity"] = "None"
    assert "sessionAffinityConfig" not in apply_defaults(sticky, "io.k8s.api.core.v1.Service")["spec"]
