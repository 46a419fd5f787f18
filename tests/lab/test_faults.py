"""The verbs that break a lab, and the one that explains it, against a running one."""

from __future__ import annotations

import time

import pytest

import k8slab
from k8slab import launch
from k8slab.settings import LabError, Settings
from tests.waiting import until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: "k8slab/web:v1", readinessProbe: {httpGet: {path: /ready, port: 8080}}}]
  %s
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    settings = Settings.read({}, name="faults", runtime="local", speed=20.0, state_dir=str(folder))
    launch.start(settings)
    yield settings
    launch.stop(settings)


@pytest.fixture
def lab(running, monkeypatch):
    monkeypatch.setenv("K8SLAB_STATE_DIR", running.state_dir)
    lab = k8slab.Lab("faults")
    yield lab
    lab.reset()
    lab.close()


def ready(lab: k8slab.Lab, node: str) -> str:
    found = lab.read(f"node/{node}")
    assert found
    return next(c["status"] for c in found.status["conditions"] if c["type"] == "Ready")


def test_why_a_pod_is_where_it_is(lab):
    lab.apply(POD % ("web", "nodeSelector: {kubernetes.io/hostname: node-2}"))
    until(lambda: lab.pods() and lab.pods()[0].node)
    why = lab.explain("web")
    assert why.node == "node-2"
    assert [node["verdict"] for node in why.nodes] == ["refused", "fits", "refused"]
    assert lab.explain("pod/web").data == lab.explain(lab.pods()[0]).data == why.data
    with pytest.raises(LabError, match='pods "nobody" not found'):
        lab.explain("nobody")


def test_what_if_it_wished_for_something_else(lab):
    lab.apply(POD % ("web", "nodeSelector: {kubernetes.io/hostname: node-2}"))
    until(lambda: lab.pods() and lab.pods()[0].node)
    before = lab.read("pod/web")
    assert lab.what_if("web").headline == "web would go to node-2."
    anywhere = lab.what_if(lab.pods()[0], node_selector={})
    assert [node["verdict"] for node in anywhere.nodes] == ["fits"] * 3
    assert lab.what_if("web", cpu="500").message.startswith("0/3 nodes are available: 1 Insufficient cpu, 2 node(s)")
    assert lab.read("pod/web").spec == before.spec
    assert [pod.name for pod in lab.pods()] == ["web"]
    with pytest.raises(LabError, match="quantities must match"):
        lab.what_if("web", cpu="much")
    with pytest.raises(LabError, match='pods "nobody" not found'):
        lab.what_if("nobody")


def test_a_slow_service(lab):
    lab.apply(POD % ("web", ""))
    lab.apply(SERVICE)
    until(lambda: lab.pods() and lab.pods()[0].ready)
    until(lambda: lab.get("http://web").ok)

    def took() -> float:
        begun = time.monotonic()
        assert lab.get("http://web").ok
        return time.monotonic() - begun

    lab.slow("web", 300)
    assert 0.3 <= took() < 2
    lab.slow("web", 0)
    assert took() < 0.3
    lab.slow("service/web.default", 300)
    lab.reset()
    lab.apply(POD % ("web", ""))
    lab.apply(SERVICE)
    until(lambda: lab.pods() and lab.pods()[0].ready)
    until(lambda: took() < 0.3)
    with pytest.raises(LabError, match='services "nobody" not found'):
        lab.slow("nobody", 1)
    with pytest.raises(LabError, match="between 0 and 60000"):
        lab.slow("web", -1)


def test_a_partitioned_node_goes_on_serving(lab):
    lab.apply(POD % ("web", "nodeName: node-2"))
    until(lambda: lab.pods() and lab.pods()[0].ready)
    address = lab.pods()[0].ip
    lab.partition("node-2")
    until(lambda: ready(lab, "node-2") == "Unknown")
    assert lab.get(f"http://{address}:8080").ok
    lab.rejoin("node-2")
    until(lambda: ready(lab, "node-2") == "True")


def test_power_frost_and_a_full_disk(lab):
    lab.apply(POD % ("web", "nodeName: node-2"))
    until(lambda: lab.pods() and lab.pods()[0].ready)
    address = lab.pods()[0].ip
    lab.power_off("node-2")
    with pytest.raises(LabError):
        lab.get(f"http://{address}:8080")
    lab.power_on("node-2")
    until(lambda: lab.pods() and lab.pods()[0].ready)
    lab.freeze("node-3")
    until(lambda: ready(lab, "node-3") == "Unknown")
    lab.thaw("node-3")
    until(lambda: ready(lab, "node-3") == "True")
    lab.fill_disk("node-2")
    until(lambda: lab.read("pod/web").status.get("reason") == "Evicted")
    lab.free_disk("node-2")
    lab.reset()
    conditions = {c["type"]: c["status"] for c in lab.read("node/node-2").status["conditions"]}
    assert (conditions["DiskPressure"], conditions["Ready"]) == ("False", "True")


def test_there_is_no_such_node(lab):
    for verb in (lab.power_off, lab.freeze, lab.partition, lab.fill_disk):
        with pytest.raises(LabError, match='nodes "node-9" not found'):
            verb("node-9")
