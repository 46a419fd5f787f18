"""The same day with every client: a Deployment is made, watched, patched, scaled, looked into, and removed."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.clients.adapters import Kr8s, Kubectl, Lightkube, Official
from tests.e2e.conftest import World
from tests.waiting import until


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("clients") / "state")
    world.k8slab("up")
    yield world
    world.k8slab("down", "--all")


@pytest.fixture(params=[Kubectl, Kr8s, Lightkube, Official], ids=lambda kind: kind.__name__)
def client(request, lab):
    namespace = f"c-{uuid.uuid4().hex[:8]}"
    lab.kubectl("create", "namespace", namespace)
    client = request.param(lab.state / "default" / "kubeconfig", namespace)
    yield client
    client.close()
    lab.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.filterwarnings("ignore:Kubernetes version")  # kr8s wants to be newer than the cluster
def test_a_day_with_a_client(client):
    client.create()
    assert client.first_event() == ("ADDED", "web")
    (pod,) = until(client.pods)
    assert client.label() == "blue"
    assert client.scale(2) == 2
    until(lambda: len(client.pods()) == 2)
    assert "answers at" in client.logs(pod)
    assert client.exec(pod, "echo", "hello") == ("hello\n", "", 0)
    assert client.exec(pod, "sh", "-c", "echo out; echo err >&2; exit 7") == ("out\n", "err\n", 7)
    if client.forward:
        assert client.forward(pod) == "ok"
    assert "nobody" in client.missing("nobody")
    client.delete()
    until(lambda: client.pods() == [])


def test_stdin_of_the_official_client(lab):
    """Which speaks v5 here, so that it can end what it types."""
    from kubernetes import client
    from kubernetes import config as configuration
    from kubernetes.stream import stream

    lab.kubectl("run", "cat", "--image=k8slab/web:v1")
    lab.kubectl("wait", "--for=condition=Ready", "pod/cat", "--timeout=30s")
    with configuration.new_client_from_config(str(lab.state / "default" / "kubeconfig")) as api:
        running = stream(
            client.CoreV1Api(api).connect_get_namespaced_pod_exec, "cat", "default", command=["cat"],
            stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        assert running.subprotocol == "v5.channel.k8s.io"
        running.write_stdin("one\n")
        running.close_channel(0)
        running.run_forever(timeout=20)
        assert (running.read_stdout(), running.returncode) == ("one\n", 0)


def test_the_asynchronous_official_client_speaks_v4(lab):
    from kubernetes.aio import client
    from kubernetes.aio import config as configuration
    from kubernetes.aio.stream import WsApiClient

    lab.kubectl("run", "aio", "--image=k8slab/web:v1")
    lab.kubectl("wait", "--for=condition=Ready", "pod/aio", "--timeout=30s")

    async def say() -> str:
        made = client.Configuration()
        await configuration.load_kube_config(
            config_file=str(lab.state / "default" / "kubeconfig"), client_configuration=made
        )
        async with WsApiClient(configuration=made) as api:
            return await client.CoreV1Api(api).connect_get_namespaced_pod_exec(
                "aio", "default", command=["echo", "hello"], stdin=False, stdout=True, stderr=True, tty=False
            )

    assert asyncio.run(say()) == "hello\n"
