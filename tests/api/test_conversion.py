"""Two forms of one object: what goes out in the other form comes back as it was."""

from __future__ import annotations

import json

import pytest

from k8slab.api import conversion
from k8slab.api.errors import BadRequest
from k8slab.api.kinds import BY_PATH, KINDS

V1 = BY_PATH["autoscaling", "v1", "horizontalpodautoscalers"]
NEW_EVENT = BY_PATH["events.k8s.io", "v1", "events"]
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
OTHERS = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "64Mi"}}},
    {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"}}},
    {
        "type": "Object",
        "object": {
            "describedObject": {"kind": "Ingress", "name": "main", "apiVersion": "networking.k8s.io/v1"},
            "metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "Value", "value": "2k"},
        },
    },
    {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "30"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "c",
            "target": {"type": "Utilization", "averageUtilization": 9},
        },
    },
]


def autoscaler(*metrics, **spec):
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5, "metrics": list(metrics), **spec},
        "status": {"currentReplicas": 2, "desiredReplicas": 3},
    }


def test_one_cpu_share_has_a_field_of_its_own_in_v1():
    shown = conversion.served(V1, autoscaler(CPU))
    assert shown["apiVersion"] == "autoscaling/v1"
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "metrics" not in shown["spec"]
    assert "annotations" not in shown["metadata"]
    assert conversion.stored(V1, shown) == autoscaler(CPU)


@pytest.mark.parametrize("metric", OTHERS, ids=lambda metric: metric["type"])
def test_what_v1_cannot_say_travels_in_annotations_and_comes_back(metric):
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 5}}
    obj = autoscaler(CPU, metric, behavior=behavior)
    obj["metadata"]["annotations"] = {"mine": "stays"}
    obj["status"]["currentMetrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 70, "averageValue": "7m"}}}
    ]
    obj["status"]["conditions"] = [{"type": "AbleToScale", "status": "True"}]
    shown = conversion.served(V1, obj)
    assert shown["status"]["currentCPUUtilizationPercentage"] == 70
    assert json.loads(shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/behavior"]) == behavior
    assert conversion.stored(V1, shown) == obj


def test_metrics_lie_flat_in_v1():
    shown = conversion.served(V1, autoscaler(OTHERS[2]))
    (metric,) = json.loads(shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"])
    assert metric["object"] == {
        "target": {"kind": "Ingress", "name": "main", "apiVersion": "networking.k8s.io/v1"},
        "metricName": "hits",
        "selector": {"matchLabels": {"a": "b"}},
        "targetValue": "2k",
    }


@pytest.mark.parametrize("text", ["{", "7", '"x"', "[1]", '{"a": 1}'])
def test_a_damaged_annotation_is_a_bad_request(text):
    obj = conversion.served(V1, autoscaler(CPU))
    obj["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": text}
    with pytest.raises(BadRequest):
        conversion.stored(V1, obj)


def test_events_have_new_names_for_old_fields():
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "message": "Pulled",
        "reason": "Pulled",
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "count": 2,
        "reportingComponent": "kubelet",
    }
    shown = conversion.served(NEW_EVENT, event)
    assert (shown["apiVersion"], shown["note"], shown["regarding"]["name"]) == ("events.k8s.io/v1", "Pulled", "web")
    assert (shown["deprecatedCount"], shown["reportingController"]) == (2, "kubelet")
    assert conversion.stored(NEW_EVENT, shown) == event


def test_a_kind_with_one_form_is_left_alone():
    pod = {"kind": "Pod"}
    assert conversion.served(KINDS["Pod"], pod) is pod
    assert conversion.stored(KINDS["Pod"], pod) is pod
    assert NEW_EVENT.stored is KINDS["Event"]
