"""When a wish is fulfilled."""

import pytest

from k8slab.lab import waiting
from k8slab.settings import LabError
from tests.lab.world import pod, service, snapshot, workload

WEB = workload("Deployment", "web")
RS = workload("ReplicaSet", "web-7d9", WEB)
PODS = [pod(f"web-7d9-{n}", RS) for n in "abc"]


@pytest.mark.parametrize(
    ("objects", "lacking"),
    [
        ([WEB, RS, *PODS], ""),
        ([WEB, RS, *PODS[:2]], "deployment/web wishes for 3 pods: 2 there, 2 ready."),
        (
            [WEB, RS, *PODS[:2], pod("web-7d9-c", RS, ready=False)],
            "deployment/web wishes for 3 pods: 3 there, 2 ready.",
        ),
        ([WEB, RS, *PODS, pod("web-7d9-d", RS)], "deployment/web wishes for 3 pods: 4 there, 4 ready."),
        ([WEB, RS, *PODS, pod("web-7d9-d", RS, leaving=True)], ""),
        ([WEB, RS, *PODS, pod("guest")], "deployment/web selects 1 pod that it does not own."),
        ([WEB, RS, *PODS, pod("stray", labels={"app": "alone"})], ""),
        ([WEB, *PODS], "deployment/web selects 3 pods that it does not own."),
        ([workload("Deployment", "web", seen=0), RS, *PODS], "The controller of deployment/web has not seen"),
        ([workload("Deployment", "web", updated=1), RS, *PODS], "1 of 3 pods are of its newest version."),
        ([], ""),
        ([RS, *PODS], "deployment/web is deleted; still there of what it was: 1."),
        (PODS, "deployment/web is deleted; still there of what it was: 3."),
        ([workload("Deployment", "web", leaving=True)], "still there of what it was: 1."),
        ([pod("free"), *[pod("x", workload("ReplicaSet", "webb-1"))]], ""),
    ],
)
def test_a_deployment(objects, lacking):
    said = waiting.progress("Deployment", "web", snapshot(*objects))
    assert lacking in said
    assert bool(said) == bool(lacking)


def test_a_replicaset_needs_no_updated_replicas():
    assert waiting.progress("ReplicaSet", "web-7d9", snapshot(WEB, RS, *PODS)) == ""


def test_a_pod_and_a_service():
    assert waiting.progress("Pod", "a", snapshot(pod("a"))) == ""
    assert waiting.progress("Pod", "a", snapshot(pod("a", ready=False))) == "pod/a is Running and not ready."
    web = service("web", {"app": "web"})
    assert waiting.progress("Service", "web", snapshot(web, pod("a"))) == ""
    assert waiting.progress("Service", "web", snapshot(web, pod("a", ready=False))) == (
        "No ready pod stands behind service/web."
    )


def test_anything_else_by_its_conditions():
    node = {"kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert waiting.progress("Node", "n", {"Node": [node]}) == "node/n is not Ready (no reason given)."
    assert waiting.progress("ConfigMap", "c", {"ConfigMap": [{"kind": "ConfigMap", "metadata": {"name": "c"}}]}) == ""


def test_the_line_is_gone_in_the_end(capsys):
    with waiting.line() as say:
        say("a long sentence")
        say("short")
    assert capsys.readouterr().out == "\ra long sentence\rshort          \r     \r"


def test_patience_has_an_end(api, namespace):
    with pytest.raises(LabError, match=r"After 0\.3 s this still holds: not yet\. `kubectl get events`"):
        waiting.until(api, ("Pod",), namespace, lambda _: "not yet.", 0.3)
