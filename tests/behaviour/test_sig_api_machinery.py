"""Kubernetes' own conformance tests of sig-api-machinery (and the API parts of others), mirrored.

The docstring of each is the name of its original. Containers are records here, and time goes twenty times as fast.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from k8slab.api.errors import ApiError
from k8slab.api.objects import condition
from tests.behaviour.cluster import Namespace, Obj
from tests.waiting import until

MERGE = "application/merge-patch+json"
AGGREGATED = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"
HELD = "example.com/held"


def ask(space: Namespace, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """A request as it is, refused or not."""
    cluster = space.api.cluster
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    sent = {**cluster.headers(), "Content-Type": "application/json", **headers}
    with httpx.Client(base_url=cluster.server, verify=cluster.ssl_context()) as http:
        return http.request(method, path, content=content, headers=sent)


def controller(name: str, replicas: int = 2) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web:v1"}]}}
    spec = {"replicas": replicas, "selector": labels, "template": template}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name}, "spec": spec}


def pod(name: str, **meta: Any) -> Obj:
    spec = {"containers": [{"name": "c", "image": "web:v1"}], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **meta}, "spec": spec}


def owner(obj: Obj, **more: Any) -> Obj:
    meta = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "uid": meta["uid"], **more}


def names(objects: list[Obj]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in objects)


# ---- discovery, forms, lists ----------------------------------------------------------------------------------------


def test_aggregated_discovery(recorded: Namespace) -> None:
    """AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers"""
    for version, form in (("v2", AGGREGATED), ("v2beta1", AGGREGATED.replace("v=v2;", "v=v2beta1;"))):
        found = ask(recorded, "GET", "/apis", Accept=form)
        assert f"v={version};as=APIGroupDiscoveryList" in found.headers["content-type"]
        assert found.json()["kind"] == "APIGroupDiscoveryList"
    assert ask(recorded, "GET", "/apis").json()["kind"] == "APIGroupList"
    assert ask(recorded, "GET", "/apis/apps/v1", Accept=AGGREGATED).json()["kind"] == "APIResourceList"


def test_preferred_version(recorded: Namespace) -> None:
    """Discovery should validate PreferredVersion for each APIGroup"""
    for group in ask(recorded, "GET", "/apis").json()["groups"]:
        one = ask(recorded, "GET", f"/apis/{group['name']}").json()
        assert one["preferredVersion"] in one["versions"]
        for version in one["versions"]:
            listed = ask(recorded, "GET", f"/apis/{version['groupVersion']}").json()
            assert listed["groupVersion"] == version["groupVersion"]
            assert listed["resources"]


def test_tables_of_what_is_not_kept(recorded: Namespace) -> None:
    """Servers with support for Table transformation should return a 406 for a backend which does not implement metadata"""
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert ask(recorded, "POST", path, review, Accept=table).status_code == 406
    assert ask(recorded, "POST", path, review, Accept=f"{table},application/json").status_code == 201


def test_chunks(recorded: Namespace) -> None:
    """Servers with support for API chunking should return chunks of results for list calls"""
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    for number in range(40):
        meta = {"name": f"template-{number:02}"}
        recorded.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": meta, "template": template})
    path, seen, token, versions = f"/api/v1/namespaces/{recorded.name}/podtemplates?limit=17", [], "", set()
    while True:
        page = ask(recorded, "GET", f"{path}&continue={token}" if token else path).json()
        seen += [item["metadata"]["name"] for item in page["items"]]
        versions.add(page["metadata"]["resourceVersion"])
        assert page["metadata"].get("remainingItemCount", 0) == 40 - len(seen)
        if not (token := page["metadata"].get("continue", "")):
            break
    assert seen == [f"template-{number:02}" for number in range(40)]
    assert len(versions) == 1


def test_unknown_and_duplicate_fields(recorded: Namespace) -> None:
    """FieldValidation should detect unknown and duplicate fields of a typed object"""
    body = b"""{"metadata": {"name": "x", "strange": 1}, "data": {"a": "b"}, "odd": 2, "data": {"c": "d"}}"""
    path = f"/api/v1/namespaces/{recorded.name}/configmaps?fieldValidation="
    refused = ask(recorded, "POST", f"{path}Strict", body)
    assert refused.status_code == 400
    said = refused.json()["message"].partition("strict decoding error: ")[2]
    assert sorted(said.split(", ")) == [
        'duplicate field "data"', 'unknown field "metadata.strange"', 'unknown field "odd"',
    ]  # fmt: skip
    warned = ask(recorded, "POST", f"{path}Warn", body)
    assert warned.status_code == 201
    assert len(warned.headers.get_list("warning")) == 3


# ---- the garbage collector ------------------------------------------------------------------------------------------


def test_foreground(recorded: Namespace) -> None:
    """Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so"""
    recorded.create(controller("rc"))
    pods = until(lambda: found if len(found := recorded.list("Pod", "app=rc")) == 2 else [], "two pods")
    held = pods[0]["metadata"]["name"]
    recorded.patch("Pod", held, {"metadata": {"finalizers": [HELD]}})
    recorded.delete("ReplicationController", "rc", propagation="Foreground")
    until(lambda: names(recorded.list("Pod", "app=rc")) == [held], "only the held pod is left")
    assert recorded.get("ReplicationController", "rc")["metadata"]["finalizers"] == ["foregroundDeletion"]
    recorded.patch("Pod", held, {"metadata": {"finalizers": None}})
    until(lambda: recorded.find("ReplicationController", "rc") is None, "the rc went after its pods")


def test_two_owners(recorded: Namespace) -> None:
    """Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted"""
    recorded.create(controller("goes", 4))
    stays = recorded.create(controller("stays", 0))
    pods = until(lambda: found if len(found := recorded.list("Pod", "app=goes")) == 4 else [], "four pods")
    for one in pods[:2]:
        references = [*one["metadata"]["ownerReferences"], owner(stays)]
        recorded.patch("Pod", one["metadata"]["name"], {"metadata": {"ownerReferences": references}})
    recorded.delete("ReplicationController", "goes", propagation="Foreground")
    until(lambda: recorded.find("ReplicationController", "goes") is None, "the first owner goes")
    left = recorded.list("Pod", "app=goes")
    assert names(left) == names(pods[:2])
    assert [[o["name"] for o in p["metadata"]["ownerReferences"]] for p in left] == [["stays"], ["stays"]]


def test_a_circle(recorded: Namespace) -> None:
    """Garbage collector should not be blocked by dependency circle"""
    pods = [recorded.create(pod(f"pod{number}")) for number in range(3)]
    for number, other in enumerate((pods[1], pods[2], pods[0])):
        reference = owner(other, controller=True, blockOwnerDeletion=True)
        recorded.patch("Pod", f"pod{number}", {"metadata": {"ownerReferences": [reference]}})
    recorded.delete("Pod", "pod0", propagation="Foreground")
    until(lambda: recorded.list("Pod") == [], "all three go")


def test_orphans(recorded: Namespace) -> None:
    """Garbage collector should orphan pods created by rc if delete options say so"""
    recorded.create(controller("rc"))
    until(lambda: len(recorded.list("Pod", "app=rc")) == 2, "two pods")
    recorded.delete("ReplicationController", "rc", propagation="Orphan")
    until(lambda: recorded.find("ReplicationController", "rc") is None, "the rc goes")
    assert len(recorded.list("Pod", "app=rc")) == 2
    assert all("ownerReferences" not in p["metadata"] for p in recorded.list("Pod", "app=rc"))


# ---- namespaces and quotas ------------------------------------------------------------------------------------------


@pytest.fixture
def second(recorded: Namespace) -> str:
    """A namespace that a test may take away."""
    name = f"{recorded.name}-second"
    recorded.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def test_pods_go_first(recorded: Namespace, second: str) -> None:
    """OrderedNamespaceDeletion namespace deletion should delete pod first"""
    path = f"/api/v1/namespaces/{second}"
    ask(recorded, "POST", f"{path}/pods", pod("held", finalizers=[HELD]))
    ask(recorded, "POST", f"{path}/configmaps", {"metadata": {"name": "waits"}})
    ask(recorded, "DELETE", path)

    def waits() -> Obj | None:
        left = condition(recorded.api.get("Namespace", second), "NamespaceContentRemaining")
        return left if left and left["status"] == "True" else None

    said = until(waits, "the namespace says what it waits for")["message"]
    assert said == "Some resources are remaining: pods. has 1 resource instances"
    assert ask(recorded, "GET", f"{path}/configmaps/waits").status_code == 200
    ask(recorded, "PATCH", f"{path}/pods/held", {"metadata": {"finalizers": None}}, **{"Content-Type": MERGE})
    until(lambda: recorded.api.find("Namespace", second) is None, "the namespace goes")


def test_finalizers_of_a_namespace(recorded: Namespace, second: str) -> None:
    """Namespaces should apply a finalizer to a Namespace"""
    path = f"/api/v1/namespaces/{second}"
    found = ask(recorded, "GET", path).json()
    found["spec"]["finalizers"].append(HELD)
    changed = ask(recorded, "PUT", f"{path}/finalize", found).json()
    assert changed["spec"]["finalizers"] == ["kubernetes", HELD]
    changed["spec"]["finalizers"].remove(HELD)
    assert ask(recorded, "PUT", f"{path}/finalize", changed).json()["spec"]["finalizers"] == ["kubernetes"]


def test_status_of_a_namespace(recorded: Namespace) -> None:
    """Namespaces should apply changes to a namespace status"""
    seen = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    patch = {"metadata": {"annotations": {"seen": "yes"}}, "status": {"conditions": [seen]}}
    changed = recorded.api.patch("Namespace", recorded.name, "", patch, "status")
    assert changed["status"]["phase"] == "Active"
    assert changed["metadata"]["annotations"]["seen"] == "yes"
    assert condition(changed, "StatusPatch") is not None


KINDS: list[tuple[Obj, dict[str, str]]] = [
    ({"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
     {"services": "1", "services.nodeports": "1"}),
    ({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}},
     {"services": "1", "services.nodeports": "1", "services.loadbalancers": "1"}),
    ({"apiVersion": "v1", "kind": "Secret"}, {"secrets": "1"}),
    ({"apiVersion": "v1", "kind": "ConfigMap"}, {"configmaps": "2"}),  # beside kube-root-ca.crt
    (controller("x", 0), {"replicationcontrollers": "1"}),
    ({"apiVersion": "v1", "kind": "Pod", "spec": {"terminationGracePeriodSeconds": 0, "containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m", "memory": "252Mi"}}}]}},
     {"pods": "1", "cpu": "500m", "memory": "252Mi"}),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "more"), KINDS, ids=lambda value: value.get("kind", "") if "kind" in value else "")
def test_a_life_in_a_quota(recorded: Namespace, obj: Obj, more: dict[str, str]) -> None:
    """ResourceQuota should create a ResourceQuota and capture the life of a service, secret, pod, configMap, replication controller"""
    meta = {"name": "quota"}
    hard = dict.fromkeys(more, "10") | ({"memory": "1Gi"} if "memory" in more else {})
    recorded.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}})

    def used() -> Obj:
        return dict((recorded.get("ResourceQuota", "quota").get("status") or {}).get("used") or {})

    before = until(lambda: used() if set(used()) == set(more) else {}, "the quota is counted")
    made = {**obj, "metadata": {"name": "x"}}
    recorded.create(made)
    until(lambda: used() == more, f"it is counted: {more}")
    recorded.delete(obj["kind"], "x")
    until(lambda: used() == before, "it is given back")


def test_too_much_for_a_quota(recorded: Namespace) -> None:
    """ReplicationController should surface a failure condition on a common issue like exceeded quota"""
    meta = {"name": "quota"}
    recorded.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "2"}}})
    until(lambda: recorded.get("ResourceQuota", "quota").get("status"), "the quota is counted")
    recorded.create(controller("rc", 3))

    def failure() -> Obj | None:
        return condition(recorded.get("ReplicationController", "rc"), "ReplicaFailure")

    assert "exceeded quota: quota" in until(failure, "it says why")["message"]
    recorded.patch("ReplicationController", "rc", {"spec": {"replicas": 2}})
    until(lambda: failure() is None, "it is well again")


# ---- services -------------------------------------------------------------------------------------------------------


def test_endpoints_by_hand(recorded: Namespace) -> None:
    """EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete"""
    selector = "kubernetes.io/service-name=db"

    def addresses() -> list[str]:
        slices = recorded.list("EndpointSlice", selector)
        return [address for s in slices for e in s["endpoints"] or () for address in e["addresses"]]

    meta, ports = {"name": "db"}, [{"name": "sql", "port": 80, "protocol": "TCP"}]
    recorded.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}})
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": ports}
    recorded.create({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]})
    until(lambda: addresses() == ["10.1.2.3"], "they are mirrored")
    recorded.patch("Endpoints", "db", {"subsets": [{**subset, "addresses": [{"ip": "10.2.3.4"}]}]})
    until(lambda: addresses() == ["10.2.3.4"], "the slice follows")
    recorded.delete("Endpoints", "db")
    until(lambda: recorded.list("EndpointSlice", selector) == [], "the slice goes")


def test_status_of_a_service(recorded: Namespace) -> None:
    """Services should complete a service status lifecycle"""
    spec = {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal", "ports": [{"port": 80}]}
    recorded.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec})
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}
    patched = recorded.patch("Service", "s", ingress, "status")
    assert patched["status"]["loadBalancer"]["ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
    assert patched["spec"]["loadBalancerClass"] == "example.com/internal"


@pytest.mark.parametrize("kind", ["DaemonSet", "ReplicaSet", "StatefulSet"])
def test_conditions_of_others(recorded: Namespace, kind: str) -> None:
    """Daemon set should verify changes to a daemon set status; Replicaset, Statefulset should validate Status endpoints"""
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web:v1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    recorded.create(made)
    wanted = {"DaemonSet": 3, "ReplicaSet": 1, "StatefulSet": 1}[kind]
    until(lambda: len(recorded.list("Pod", "app=x")) == wanted, "its pods")
    seen = [{"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}]
    until(lambda: tried(recorded, kind, {"status": {"conditions": seen}}), "the status is written")
    recorded.patch(kind, "x", {"metadata": {"annotations": {"look": "again"}}})
    found = recorded.get(kind, "x")
    assert condition(found, "StatusUpdate") is not None


def tried(space: Namespace, kind: str, patch: Obj) -> bool:
    """Whether a patch of the status got through; it may meet its controller's."""
    try:
        space.patch(kind, "x", patch, "status")
    except ApiError:
        return False
    return True
