"""What is said beside the answer to a write: Kubernetes' sentences (pkg/api/pod/warnings.go and its like)."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.api.objects import Obj
from k8slab.api.warnings import of_change, of_new

HIDES = "hides previous definition of"
DROPPED = "which may be dropped when using apply"
SURPRISE = "which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"
NOBODY = "a null labelSelector results in matching no pod"


def obj(kind: str, spec: Obj, name: str = "x", generation: int = 1, **annotations: str) -> Obj:
    meta: Obj = {"name": name, "generation": generation}
    return {"kind": kind, "metadata": meta | ({"annotations": annotations} if annotations else {}), "spec": spec}


def pod(name: str = "x", **spec: Any) -> Obj:
    return obj("Pod", {"containers": [{"name": "c", "image": "i"}], **spec}, name)


def container(**fields: Any) -> Obj:
    return pod(containers=[{"name": "c", "image": "i", **fields}])


def service(**spec: Any) -> Obj:
    return obj("Service", {"type": "ClusterIP", "clusterIP": "10.96.0.9", "sessionAffinity": "None", **spec})


def env(*pairs: tuple[str, str]) -> Obj:
    return container(env=[{"name": name, "value": value} for name, value in pairs])


def ports(*given: Obj) -> Obj:
    return container(ports=[{"protocol": "TCP", **port} for port in given])


TABLE: list[tuple[Obj, list[str]]] = [
    (pod(), []),
    (pod("a.b"), [f"metadata.name: this is used in the Pod's hostname, {SURPRISE}"]),
    (obj("Deployment", {}, "a.b"), [f"metadata.name: this is used in Pod names and hostnames, {SURPRISE}"]),
    (obj("DaemonSet", {}, "a.b"), []),
    (env(("A", "1"), ("B", "2"), ("A", "3")), [f'spec.containers[0].env[2]: {HIDES} "A", {DROPPED}']),
    (env(("PATH", "/bin"), ("PATH", "/mine:$(PATH)")), []),
    (env(("A", "1"), ("A", "$(A)")), [f'spec.containers[0].env[1]: {HIDES} "A", {DROPPED}']),
    (ports({"containerPort": 80}, {"containerPort": 80}),
     ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
    (ports({"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}),
     ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"]),
    (ports({"containerPort": 80, "hostPort": 8080}, {"containerPort": 80, "hostPort": 8080, "hostIP": "1.2.3.4"}),
     ["spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]"]),
    (ports({"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}), []),
    (container(resources={"requests": {"memory": "100m"}, "limits": {"memory": "1Gi"}}),
     ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer']),
    (pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
     ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
    (pod(topologySpreadConstraints=[{"topologyKey": "zone"}]),
     [f"spec.topologySpreadConstraints[0].labelSelector: {NOBODY}"]),
    (pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "x"}]}}),
     [f"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: {NOBODY}"]),
    (pod(terminationGracePeriodSeconds=-1),
     ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"]),
    (pod(volumes=[{"name": "v", "gitRepo": {}}]), ["spec.volumes[0].gitRepo: deprecated in v1.11"]),
    (pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]), ['spec.imagePullSecrets[1].name: duplicate name "a"']),
    (obj("CronJob", {"jobTemplate": {"spec": {"template": env(("A", "1"), ("A", "2"))}}}),
     [f'spec.jobTemplate.spec.template.spec.containers[0].env[1]: {HIDES} "A", {DROPPED}']),
    (service(clusterIP="None", sessionAffinity="ClientIP"), ["spec.SessionAffinity is ignored for headless services"]),
    (service(externalName="example.com"),
     ['spec.externalName is ignored when spec.type is not "ExternalName"']),
    (service(externalIPs=["1.2.3.4"]),
     ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"]),
    (service(trafficDistribution="PreferClose"),
     ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']),
    (obj("Ingress", {}, **{"kubernetes.io/ingress.class": "nginx"}),
     ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]),
    (obj("PersistentVolumeClaim", {"resources": {"requests": {"storage": "100m"}}}),
     ['spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer']),
    (obj("PersistentVolume", {"persistentVolumeReclaimPolicy": "Recycle"}),
     ["spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach "
      "is to use dynamic provisioning."]),
]  # fmt: skip


@pytest.mark.parametrize(("made", "said"), TABLE)
def test_of_a_new_object(made, said):
    assert [*of_new(made)] == said


def test_a_template_is_looked_at_when_it_changes():
    before = obj("Deployment", {"template": env(("A", "1"))})
    after = obj("Deployment", {"template": env(("A", "1"), ("A", "2"))}, generation=2)
    assert [*of_change(after, before)] == [f'spec.template.spec.containers[0].env[1]: {HIDES} "A", {DROPPED}']
    assert [*of_change(after, after)] == []


def test_nobody_is_warned_of_a_changed_pod():
    assert [*of_change(env(("A", "1"), ("A", "2")), pod())] == []
