"""Four client libraries, each doing the same few things in its own way. Nothing here knows k8slab."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
                     "spec": {"containers": [{"name": "web", "image": "k8slab/web:v1"}]}},
    },
}  # fmt: skip
GET = b"GET /healthz HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as response:
        return response.read().decode().strip()


class Kubectl:
    """The yardstick."""

    def __init__(self, config: Path, namespace: str) -> None:
        self._base = ["kubectl", "--kubeconfig", str(config), "-n", namespace]

    def _run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._base, *args], check=check, capture_output=True, text=True, timeout=60)

    def create(self) -> None:
        self._run("create", "deployment", "web", "--image=k8slab/web:v1")

    def first_event(self) -> tuple[str, str]:
        args = [*self._base, "get", "deployments", "--watch", "--output-watch-events", "--no-headers"]
        with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as watching:
            event, name, *_ = watching.stdout.readline().split()
            watching.terminate()
        return event, name

    def pods(self) -> list[str]:
        """The pods that are ready."""
        ready = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
        lines = self._run("get", "pods", "-l", "app=web", "-o", f"jsonpath={ready}").stdout.split()
        return [line.partition("=")[0] for line in lines if line.endswith("=True")]

    def label(self) -> str:
        self._run("patch", "deployment", "web", "-p", '{"metadata":{"labels":{"team":"blue"}}}')
        return self._run("get", "deployment", "web", "-o", "jsonpath={.metadata.labels.team}").stdout

    def scale(self, replicas: int) -> int:
        self._run("scale", "deployment", "web", f"--replicas={replicas}")
        return int(self._run("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}").stdout)

    def logs(self, pod: str) -> str:
        return self._run("logs", pod).stdout

    def exec(self, pod: str, *command: str) -> tuple[str, str, int]:
        done = self._run("exec", pod, "--", *command, check=False)
        return (
            done.stdout,
            done.stderr.replace(f"command terminated with exit code {done.returncode}\n", ""),
            done.returncode,
        )

    def forward(self, pod: str) -> str:
        with subprocess.Popen(
            [*self._base, "port-forward", pod, ":8080"], stdout=subprocess.PIPE, text=True
        ) as process:
            port = int(re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[1])
            try:
                return page(port)
            finally:
                process.terminate()

    def missing(self, name: str) -> str:
        return self._run("get", "pod", name, check=False).stderr

    def delete(self) -> None:
        self._run("delete", "deployment", "web")

    def close(self) -> None:
        pass


class Kr8s:
    """kr8s."""

    def __init__(self, config: Path, namespace: str) -> None:
        import kr8s
        from kr8s.objects import Deployment

        self._kr8s, self._namespace = kr8s, namespace
        self._api = kr8s.api(kubeconfig=str(config), namespace=namespace)
        self._deployment = Deployment(
            {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "namespace": namespace}}, api=self._api
        )

    def create(self) -> None:
        self._deployment.create()

    def first_event(self) -> tuple[str, str]:
        event, found = next(iter(self._api.watch("deployments", namespace=self._namespace)))
        return event, found.name

    def _pod(self, name: str):
        from kr8s.objects import Pod

        return Pod.get(name, namespace=self._namespace, api=self._api)

    def pods(self) -> list[str]:
        found = self._api.get("pods", namespace=self._namespace, label_selector={"app": "web"})
        ready = lambda pod: any(c.type == "Ready" and c.status == "True" for c in pod.status.get("conditions") or [])
        return [pod.name for pod in found if ready(pod)]

    def label(self) -> str:
        self._deployment.patch({"metadata": {"labels": {"team": "blue"}}})
        self._deployment.refresh()
        return self._deployment.labels["team"]

    def scale(self, replicas: int) -> int:
        self._deployment.scale(replicas)
        self._deployment.refresh()
        return self._deployment.replicas

    def logs(self, pod: str) -> str:
        return "\n".join(self._pod(pod).logs())

    def exec(self, pod: str, *command: str) -> tuple[str, str, int]:
        done = self._pod(pod).exec(list(command), check=False)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def forward(self, pod: str) -> str:
        with self._pod(pod).portforward(8080, local_port="auto") as port:
            return page(port)

    def missing(self, name: str) -> str:
        try:
            self._pod(name)
        except self._kr8s.NotFoundError as error:
            return str(error)
        return ""

    def delete(self) -> None:
        self._deployment.delete(propagation_policy="Foreground")

    def close(self) -> None:
        pass


class Lightkube:
    """lightkube, which has no port-forward."""

    def __init__(self, config: Path, namespace: str) -> None:
        from lightkube import Client, KubeConfig, codecs
        from lightkube.resources.apps_v1 import Deployment
        from lightkube.resources.core_v1 import Pod

        self._client = Client(config=KubeConfig.from_file(config), namespace=namespace)
        self._namespace, self._deployments, self._pods, self._codecs = namespace, Deployment, Pod, codecs

    def create(self) -> None:
        self._client.create(self._codecs.from_dict(DEPLOYMENT))

    def first_event(self) -> tuple[str, str]:
        event, found = next(iter(self._client.watch(self._deployments)))
        return event, found.metadata.name

    def pods(self) -> list[str]:
        found = self._client.list(self._pods, labels={"app": "web"})
        ready = lambda pod: any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
        return [pod.metadata.name for pod in found if ready(pod)]

    def label(self) -> str:
        new = self._client.patch(self._deployments, "web", {"metadata": {"labels": {"team": "blue"}}})
        return new.metadata.labels["team"]

    def scale(self, replicas: int) -> int:
        scale = self._client.get(self._deployments.Scale, "web")
        scale.spec.replicas = replicas
        return self._client.replace(scale).spec.replicas

    def logs(self, pod: str) -> str:
        return "".join(self._client.log(pod))

    def exec(self, pod: str, *command: str) -> tuple[str, str, int]:
        done = self._client.exec(pod, command=command, stdout=True, stderr=True, stdin="")
        return done.stdout, done.stderr, done.exit_code

    forward = None

    def missing(self, name: str) -> str:
        from lightkube import ApiError

        try:
            self._client.get(self._pods, name)
        except ApiError as error:
            return str(error)
        return ""

    def delete(self) -> None:
        self._client.delete(self._deployments, "web", cascade=self._cascade())

    def _cascade(self):
        from lightkube.types import CascadeType

        return CascadeType.FOREGROUND

    def close(self) -> None:
        pass


class Official:
    """kubernetes, the official client."""

    def __init__(self, config: Path, namespace: str) -> None:
        from kubernetes import client
        from kubernetes import config as configuration

        self._api = configuration.new_client_from_config(str(config))
        self._core, self._apps, self._namespace = client.CoreV1Api(self._api), client.AppsV1Api(self._api), namespace

    def create(self) -> None:
        self._apps.create_namespaced_deployment(self._namespace, DEPLOYMENT)

    def first_event(self) -> tuple[str, str]:
        from kubernetes import watch

        event = next(iter(watch.Watch().stream(self._apps.list_namespaced_deployment, self._namespace)))
        return event["type"], event["object"].metadata.name

    def pods(self) -> list[str]:
        found = self._core.list_namespaced_pod(self._namespace, label_selector="app=web").items
        ready = lambda pod: any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
        return [pod.metadata.name for pod in found if ready(pod)]

    def label(self) -> str:
        change = {"metadata": {"labels": {"team": "blue"}}}
        return self._apps.patch_namespaced_deployment("web", self._namespace, change).metadata.labels["team"]

    def scale(self, replicas: int) -> int:
        change = {"spec": {"replicas": replicas}}
        return self._apps.patch_namespaced_deployment_scale("web", self._namespace, change).spec.replicas

    def logs(self, pod: str) -> str:
        return self._core.read_namespaced_pod_log(pod, self._namespace)

    def exec(self, pod: str, *command: str) -> tuple[str, str, int]:
        from kubernetes.stream import stream

        running = stream(
            self._core.connect_get_namespaced_pod_exec, pod, self._namespace, command=list(command),
            stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        running.run_forever(timeout=20)
        return running.read_stdout(), running.read_stderr(), running.returncode

    def forward(self, pod: str) -> str:
        from kubernetes.stream import portforward

        forwarding = portforward(self._core.connect_get_namespaced_pod_portforward, pod, self._namespace, ports="8080")
        connection = forwarding.socket(8080)
        connection.settimeout(20)
        connection.sendall(GET)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        connection.close()
        assert forwarding.error(8080) is None
        return answer.partition(b"\r\n\r\n")[2].decode().strip()

    def missing(self, name: str) -> str:
        from kubernetes.client.rest import ApiException

        try:
            self._core.read_namespaced_pod(name, self._namespace)
        except ApiException as error:
            return error.body if isinstance(error.body, str) else error.body.decode()
        return ""

    def delete(self) -> None:
        self._apps.delete_namespaced_deployment("web", self._namespace, propagation_policy="Foreground")

    def close(self) -> None:
        self._api.close()
