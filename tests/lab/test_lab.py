"""`Lab` as a lesson uses it: real processes as containers, in a lab of the test module's own."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest

import k8slab
from k8slab import launch, tools
from k8slab.settings import LabError, Settings

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "k8slab/web:v1"}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A lab with local containers."""
    folder = tmp_path_factory.mktemp("local")
    settings = Settings.read({}, name="lab", runtime="local", state_dir=str(folder))
    launch.start(settings)
    yield settings
    launch.stop(settings)


@pytest.fixture
def lab(running, monkeypatch):
    monkeypatch.setenv("K8SLAB_STATE_DIR", running.state_dir)
    lab = k8slab.Lab("lab")
    yield lab
    lab.reset()
    lab.close()


@pytest.fixture
def simulated(lab_settings, monkeypatch):
    monkeypatch.setenv("K8SLAB_STATE_DIR", lab_settings.state_dir)
    lab = k8slab.Lab(lab_settings.name)
    yield lab
    lab.close()


@pytest.fixture
def web(lab):
    lab.apply(WEB + "---" + SERVICE)
    lab.wait("deployment/web")


def test_import_is_quick():
    code = "import time; t = time.perf_counter(); import k8slab; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(5)
    ]
    assert min(times) < 0.15


def test_apply_wait_pods(lab):
    assert lab.apply(WEB) == "deployment.apps/web created\n"
    assert lab.wait("deployment/web") > 0
    pods = lab.pods("app=web")
    assert len(pods) == 3
    assert all(pod.ready and pod.ip.startswith("127.") for pod in pods)
    assert {pod.node for pod in pods} == {"node-1", "node-2", "node-3"}
    assert {pod.owner.rpartition("-")[0] for pod in pods} == {"replicaset/web"}
    assert len(lab.pods({"app": "nope"})) == 0
    assert len(lab.pods()) == 3


def test_read(lab, web):
    found = lab.read("deployment/web")
    assert (found.spec["replicas"], found.status["readyReplicas"], found.selector) == (3, 3, "app=web")
    assert lab.read("deploy/nope") is None
    with pytest.raises(LabError, match=r"'web' names no object: write its kind and name, such as deployment/web\."):
        lab.read("web")


def test_get_through_a_service_is_spread_over_the_pods(lab, web):
    lab.wait("service/web")
    answers = [lab.get("http://web/").text for _ in range(12)]
    served = {line for answer in answers for line in answer.splitlines() if line.startswith("pod: ")}
    assert served == {f"pod: {pod.name}" for pod in lab.pods("app=web")}
    assert lab.get("http://web.default:80/healthz").status == 200


def test_a_crash_restarts_the_container_in_the_same_pod(lab, web):
    before = lab.pods("app=web")
    lab.crash(before[0])
    lab.wait("deployment/web")
    after = {pod.name: pod for pod in lab.pods("app=web")}
    assert after.keys() == {pod.name for pod in before}
    assert after[before[0].name].restarts == 1


def test_a_deleted_pod_is_replaced(lab, web):
    victim = lab.pods("app=web")[0].name
    lab.kubectl(f"delete pod {victim} --wait=false")
    assert lab.wait("deployment/web") < 10
    assert victim not in [pod.name for pod in lab.pods("app=web") if not pod.terminating]


def test_wait_for_what_is_deleted(lab, web):
    lab.kubectl("delete deployment web --wait=false")
    lab.wait("deployment/web")
    assert not lab.pods("app=web")


def test_diagram_and_board(lab, web):
    text = repr(lab.diagram())
    assert text.startswith("deployment/web (3 of 3 ready)\n  replicaset/web-")
    assert text.count("  -> pod/web-") == 3
    board = lab.board()
    assert board is lab.board()
    board.close()


def test_reset_is_quick_and_whole(lab, web):
    from k8slab.clock import Clock

    began = Clock().monotonic()
    lab.reset()
    assert Clock().monotonic() - began < 1.5
    assert lab.kubectl("get pods,deployments,replicasets") == "No resources found in default namespace.\n"
    assert not _containers(lab)


def test_the_real_kubectl(lab):
    if tools.path_of("kubectl") is None:
        pytest.fail("kubectl is needed: `make test` installs it")
    assert "node-1" in lab.kubectl("get nodes")
    with pytest.raises(LabError, match=r'^Error from server \(NotFound\): pods "nope" not found$'):
        lab.kubectl("get pod nope")


def test_without_kubectl_the_api_applies(simulated, monkeypatch):
    monkeypatch.setattr(tools, "path_of", lambda name: None)
    with pytest.raises(LabError, match=r"kubectl is not installed here"):
        simulated.kubectl("get pods")
    assert simulated.apply(SERVICE.replace("web", "without")) == "service/without created"
    assert simulated.apply(SERVICE.replace("web", "without")) == "service/without unchanged"
    with pytest.raises(LabError, match=r"Options \(-n shop\) are kubectl's"):
        simulated.apply(SERVICE, options="-n shop")
    simulated.api.delete("Service", "without", "default")


@pytest.mark.parametrize("with_kubectl", [True, False])
def test_a_manifest_with_a_typo(simulated, monkeypatch, with_kubectl):
    if not with_kubectl:
        monkeypatch.setattr(tools, "path_of", lambda name: None)
    with pytest.raises(LabError, match=r"(?s)(invalid|Invalid).*spec\.replicas|replicas"):
        simulated.apply(WEB.replace("replicas: 3", "replicas: three"))
    with pytest.raises(LabError, match=r"line 4: mapping values are not allowed here"):
        simulated.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}: x\n")
    assert simulated.read("deployment/web") is None


def test_an_unknown_image_says_what_there_is(lab):
    lab.kubectl("create deployment typo --image=k8slab/wbe:v1")
    with pytest.raises(LabError, match=r"deployment/typo wishes for 1 pod: 1 there, 0 ready"):
        lab.wait("deployment/typo", timeout=1.5)
    said = lab.kubectl("get events --field-selector reason=Failed")
    assert "k8slab/web:v1" in said


def test_simulated_containers_do_not_pretend(simulated):
    with pytest.raises(LabError, match="Containers of the simulated runtime are records"):
        simulated.get("http://web")


def test_crash_of_nothing(lab):
    with pytest.raises(LabError, match=r'Error from server \(NotFound\): pods "nope" not found'):
        lab.crash("nope")


def test_any_cluster_by_its_context(simulated, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", simulated.kubeconfig)
    other = k8slab.Lab(context="k8slab-shared")
    assert "node-3" in other.kubectl("get nodes")
    assert (other.name, other.speed, other.abilities["runtime"]) == ("k8slab-shared", 1.0, "cluster")
    with pytest.raises(LabError, match=r"Only a lab can be reset"):
        other.reset()
    other.close()
    with pytest.raises(LabError, match="no context 'nope'"):
        k8slab.Lab(context="nope")


def test_killed_server_leaves_containers_answering_and_adopts_them(lab, running, web):
    lab.kubectl("scale deployment web --replicas=20")
    lab.wait("deployment/web")
    before = {pod.name: (pod.ip, pod.restarts) for pod in lab.pods()}
    processes = _containers(lab)
    pid = launch.running(running.folder)["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=10)
    assert all(_answers(address) for address, _ in before.values())
    launch.start(running)
    lab.wait("deployment/web")
    assert {pod.name: (pod.ip, pod.restarts) for pod in lab.pods()} == before
    assert _containers(lab) == processes


def test_down_after_a_kill_leaves_no_process(state):
    settings = Settings.read(name="gone", runtime="local")
    lab = k8slab.Lab("gone", runtime="local")
    lab.apply(WEB)
    lab.wait("deployment/web")
    processes = _containers(lab)
    addresses = [pod.ip for pod in lab.pods()]
    lab.close()
    os.kill(launch.running(settings.folder)["pid"], signal.SIGKILL)
    assert launch.stop(settings)
    assert processes
    assert not psutil.wait_procs([p for p in processes if p.is_running()], timeout=5)[1]
    assert not any(_answers(address) for address in addresses)
    assert not state.exists()


def test_a_lesson_kernel_that_dies_changes_nothing(lab, running, web):
    code = "import k8slab, os; lab = k8slab.Lab('lab'); lab.pods(); os.kill(os.getpid(), 9)"
    environment = {**os.environ, "K8SLAB_STATE_DIR": running.state_dir}
    before = [(pod.name, pod.restarts) for pod in lab.pods()]
    subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert [(pod.name, pod.restarts) for pod in lab.pods()] == before


def _containers(lab):
    """The processes of this lab's containers, told by the address they know their API server by."""
    address, found = lab.api.get("Service", "kubernetes", "default")["spec"]["clusterIP"], set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("KUBERNETES_SERVICE_HOST") == address:
                found.add(process)
    return found


def _answers(address):
    import httpx

    try:
        return httpx.get(f"http://{address}:8080/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
