"""Names and addresses as pods see them, with real processes (conformance: Services, DNS)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import World
from tests.e2e.test_locked_down import lab  # noqa: F401 (a fixture)
from tests.runtime.test_unprivileged import python  # noqa: F401 (a fixture)
from tests.waiting import fetch, until

CALL = "import urllib.request as u; print(u.urlopen('{}', timeout=5).read().decode())"
RESOLVE = "import socket; print(' '.join(sorted({{a[4][0] for a in socket.getaddrinfo('{}', None)}})))"
FULL = ".default.svc.cluster.local"


def web(name: str, node: str = "", **spec: object) -> dict:
    container = {
        "name": "web",
        "image": "k8slab/web:v1",
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    }
    pod = {
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        **({"nodeName": node} if node else {}),
        **spec,
    }
    return {"kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": pod}


def service(name: str, **spec: object) -> dict:
    ports = [{"port": 80, "targetPort": 8080}]
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": ports, **spec}}


def apply(world: World, folder, *objects: dict) -> None:
    path = folder / "objects.json"
    path.write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **o} for o in objects]})
    )
    world.kubectl("apply", "-f", str(path))
    wanted = sum(each["kind"] == "Pod" for each in objects)
    until(lambda: len(world.ready("app=web")) == wanted, "all pods are ready")


def inside(world: World, pod: str, code: str) -> str:
    return world.kubectl("exec", pod, "--", "python3", "-c", code, check=False).strip()


def address(world: World, name: str, path: str = "{.spec.clusterIP}") -> str:
    return world.kubectl("get", "service", name, "-o", f"jsonpath={path}")


def answered_by(page: str) -> str:
    return next((line.removeprefix("pod: ") for line in page.splitlines() if line.startswith("pod: ")), page)


@pytest.fixture
def named(world):
    if world.told()["names"] != "dns":
        pytest.skip("port 53 may not be opened here: names stand in files (the test below)")
    return world


def test_dns_should_provide_dns_for_services(named, tmp_path):
    apply(
        named,
        tmp_path,
        web("web-0", hostname="web-0", subdomain="all"),
        web("web-1", hostname="web-1", subdomain="all"),
        service("web"),
        service("all", clusterIP="None"),
        service("out", type="ExternalName", externalName=f"web{FULL}"),
    )
    ip = address(named, "web")
    for name in ("web", "web.default", "web.default.svc", f"web{FULL}", "out"):
        assert inside(named, "web-0", RESOLVE.format(name)) == ip
    pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in named.ready("app=web")}
    assert inside(named, "web-0", RESOLVE.format("all")) == " ".join(sorted(pods.values()))
    assert inside(named, "web-0", RESOLVE.format("web-1.all")) == pods["web-1"]
    dashed = pods["web-1"].replace(".", "-")
    assert inside(named, "web-0", RESOLVE.format(f"{dashed}.default.pod.cluster.local")) == pods["web-1"]
    assert "Name or service not known" in inside(named, "web-0", RESOLVE.format("nobody"))
    full = "import socket as s; print(s.getaddrinfo(s.gethostname(), None, flags=s.AI_CANONNAME)[0][3])"
    assert inside(named, "web-0", full) == f"web-0.all{FULL}"
    assert answered_by(inside(named, "web-0", CALL.format("http://web-1.all:8080/"))) == "web-1"


def test_a_pod_reaches_itself_through_its_service_and_its_load_balancer(world, tmp_path):
    apply(world, tmp_path, web("alone"), service("web", type="LoadBalancer"))
    outer = until(lambda: address(world, "web", "{.status.loadBalancer.ingress[0].ip}"))
    port = world.kubectl("get", "service", "web", "-o", "jsonpath={.metadata.annotations.k8slab\\.io/real-ports}")
    real = json.loads(port or "{}").get("80", 80)
    for at in (address(world, "web"), outer):
        until(lambda at=at: answered_by(fetch(f"http://{at}:{real}/")) == "alone")
        assert answered_by(inside(world, "alone", CALL.format(f"http://{at}:{real}/"))) == "alone"
    assert "EnsuredLoadBalancer" in world.kubectl("describe", "service", "web")
    world.kubectl("delete", "service", "web", "--timeout=10s")
    assert fetch(f"http://{outer}:{real}/") == ""


def test_services_should_have_session_affinity_work(world, tmp_path):
    """Each pod is a client of its own, though all connections on this machine come from one address."""
    pods = [web(f"web-{n}", f"node-{n}") for n in (1, 2, 3)]
    apply(world, tmp_path, *pods, service("web", sessionAffinity="ClientIP"))
    url = f"http://{address(world, 'web')}:{real_port(world)}/"
    until(lambda: fetch(url))
    seen = {}
    for client in ("web-1", "web-2", "web-3"):
        several = "; ".join([CALL.format(url)] * 4)
        answers = {line for line in inside(world, client, several).splitlines() if line.startswith("pod: ")}
        assert len(answers) == 1
        seen[client] = answers.pop()
    assert len(set(seen.values())) > 1


def test_internal_traffic_stays_on_its_node_and_external_on_the_one_it_came_to(world, tmp_path):
    local = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local", "type": "NodePort"}
    apply(
        world,
        tmp_path,
        web("web-1", "node-1"),
        web("web-2", "node-2"),
        web("client", "node-3"),
        service("web", **local),
    )
    world.kubectl("label", "pod", "client", "app-")
    until(lambda: len(world.pods("app=web")) == 2)
    url = f"http://{address(world, 'web')}:{real_port(world)}/"
    until(lambda: "web-" in fetch(url))
    for client in ("web-1", "web-2"):
        several = "; ".join([CALL.format(url)] * 3)
        assert {line for line in inside(world, client, several).splitlines() if "pod:" in line} == {f"pod: {client}"}
    assert "Error" in inside(world, "client", CALL.format(url))  # no pod on its node
    port = address(world, "web", "{.spec.ports[0].nodePort}")
    nodes = [node["status"]["addresses"][0]["address"] for node in world.objects("nodes")]
    assert [answered_by(fetch(f"http://{node}:{port}/")) for node in nodes] == ["web-1", "web-2", ""]


def real_port(world: World) -> int:
    said = world.kubectl("get", "service", "web", "-o", "jsonpath={.metadata.annotations.k8slab\\.io/real-ports}")
    return int(json.loads(said or "{}").get("80", 80))


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_without_port_53_names_stand_in_the_pods_files_and_follow(lab):  # noqa: F811
    lab("k8slab", "up")
    config = lab("k8slab", "kubeconfig").strip()
    told = json.loads(Path(config).with_name("server.json").read_text())
    kubectl = ("kubectl", "--kubeconfig", config)
    if not lab.namespaces:
        assert told["names"] == ""
        return
    assert told["names"] == "hosts"
    lab(*kubectl, "create", "deployment", "web", "--image=k8slab/web:v1")
    lab(*kubectl, "rollout", "status", "deployment/web", "--timeout=90s")
    lab(*kubectl, "expose", "deployment", "web", "--port=8080")
    ip = lab(*kubectl, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    ask = ("exec", "deploy/web", "--", "cat", "/etc/hosts")
    until(lambda: f"{ip}\tweb{FULL} web.default.svc web.default web" in lab(*kubectl, *ask))
    page = lab(*kubectl, "exec", "deploy/web", "--", "python3", "-c", CALL.format("http://web.default:8080/"))
    assert "version: v1" in page
    lab(*kubectl, "delete", "service", "web")
    until(lambda: ip not in lab(*kubectl, *ask))
