"""What a notebook shows of objects."""

from k8slab.lab.views import Object, Pods
from tests.lab.world import meta, pod, workload


def test_pods_ready_first_leaving_last():
    rs = workload("ReplicaSet", "web-1")
    pods = Pods([pod("c", rs, leaving=True), pod("b", rs, ready=False), pod("a", rs, restarts=2), pod("d")])
    assert [p.name for p in pods] == ["a", "d", "b", "c"]
    first = pods[0]
    assert (first.ready, first.restarts, first.node, first.ip) == (True, 2, "node-1", "127.64.1.2")
    assert (first.owner, pods[1].owner, first.terminating, pods[3].terminating) == ("replicaset/web-1", "", False, True)
    assert first.labels == {"app": "web"}
    assert first.metadata["name"] == "a"


def test_pods_as_a_table():
    assert repr(Pods([])) == "No pods."
    lines = repr(Pods([pod("a"), pod("long-name", ready=False)])).splitlines()
    assert lines[0].split() == ["NAME", "READY", "RESTARTS", "NODE", "IP", "OWNER"]
    assert lines[1].split() == ["a", "yes", "0", "node-1", "127.64.1.2"]
    assert lines[2].split()[:2] == ["long-name", "Running"]
    assert "<td>a</td>" in Pods([pod("a")])._repr_html_()


def test_html_is_escaped():
    hostile = pod("a")
    hostile["spec"]["nodeName"] = "<script>"
    assert "<script>" not in Pods([hostile])._repr_html_()


def test_an_object_and_its_parts():
    web = Object(workload("Deployment", "web"))
    assert web.spec["replicas"] == 3
    assert (web.selector, web.kind, Object({"kind": "X", "metadata": {}}).spec) == ("app=web", "Deployment", {})
    assert "replicas: 3" in repr(web)
    assert "<summary>deployment/web</summary>" in web._repr_html_()


def test_selectors_in_words():
    expressions = [{"key": "tier", "operator": "In", "values": ["b", "a"]}, {"key": "old", "operator": "DoesNotExist"}]
    obj = {"kind": "X", "metadata": meta("x"), "spec": {"selector": {"matchExpressions": expressions}}}
    assert Object(obj).selector == "!old,tier in (a,b)"
    assert Object({**obj, "spec": {"selector": {"app": "web"}}}).selector == "app=web"
    assert Object({**obj, "spec": {}}).selector == ""


def test_what_is_not_there_is_named():
    import pytest

    with pytest.raises(AttributeError, match="a Deployment has no 'specs'; it has apiVersion, kind, metadata, spec"):
        _ = Object(workload("Deployment", "web")).specs


def test_yaml_hides_the_bookkeeping():
    obj = workload("Deployment", "web")
    obj["metadata"]["managedFields"] = [1]
    obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    assert "managedFields" not in repr(Object(obj))
    assert "last-applied" not in repr(Object(obj))
    assert "mine" in repr(Object(obj))
