"""What the nodes answer when the API server comes with a client: logs, exec, attach, port-forward, and a page or two.

`kubelets.py` makes this, `server.py` hands it to the API server, which knows no kubelet (apiserver/connect.py:
Streams). The errors and their words are pkg/kubelet's (kubelet_pods.go, server/server.go) and containerd's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from k8slab.api.errors import ApiError, NotFound, ServiceUnavailable
from k8slab.api.objects import Obj, encode
from k8slab.api.options import ExecOptions, LogOptions
from k8slab.client.base import Client
from k8slab.clock import Clock
from k8slab.kubelet.logs import Logs
from k8slab.kubelet.view import all_containers
from k8slab.runtime.base import Exec, Runtime, RuntimeFailure

KUBELET_PORT = 10250
SECONDS = 5.0  # to wait for a pod to take a connection


class Streams:
    """The nodes' answers. `address_of` gives the address of a node whose power is on, else nothing."""

    def __init__(self, client: Client, runtime: Runtime, clock: Clock, is_on: Callable[[str], bool]) -> None:
        self._client, self._runtime, self._is_on = client, runtime, is_on
        self._logs = Logs(runtime, clock)

    async def logs(self, pod: Obj, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """What a container has printed. Raises BadRequest when it has not begun."""
        self._reach(pod, f"containerLogs/{_path(pod)}/{container}")
        return self._logs.read(pod, container, options)

    async def exec(self, pod: Obj, container: str, options: ExecOptions) -> Exec:
        """Start a command in a running container."""
        self._reach(pod, f"exec/{_path(pod)}/{container}")
        id = self._running(pod, container)
        try:
            return await self._runtime.exec(id, options.command, tty=options.tty, stdin=options.stdin)
        except RuntimeFailure as error:
            raise _internal(f"error executing command in container: failed to exec in container: {error}") from error

    async def attach(self, pod: Obj, container: str, options: ExecOptions) -> Exec:
        """Hold a running container's own streams. Its stdin ends with the client's if it says `stdinOnce`."""
        self._reach(pod, f"attach/{_path(pod)}/{container}")
        id = self._running(pod, container)
        spec = next(c for c in all_containers(pod) if c["name"] == container)
        if options.stdin and not spec.get("stdin"):
            options = ExecOptions(False, options.stdout, options.stderr, options.tty)
        try:
            once = bool(spec.get("stdinOnce")) and not spec.get("tty")
            return await self._runtime.attach(id, stdin=options.stdin, once=once)
        except RuntimeFailure as error:
            raise _internal(f"error attaching to container: {error}") from error

    async def connect(self, pod: Obj, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection to a port of the pod."""
        self._reach(pod, f"portForward/{_path(pod)}")
        meta = pod["metadata"]
        about = f"error forwarding port {port} to pod {meta['name']}, uid {meta['uid']}"
        address = self._runtime.pods().get(meta["uid"])
        if address is None:
            raise ApiError(f"{about}: the pod has no sandbox that runs")
        if not self._runtime.abilities.networked:
            raise ApiError(f"{about}: {self._no_network()}")
        try:
            return await asyncio.wait_for(self._open(address, port), SECONDS)
        except TimeoutError:
            raise ApiError(f"{about}: dial tcp {address}:{port}: i/o timeout") from None
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            why = "connection refused" if refused else (error.strerror or str(error)).lower()
            raise ApiError(f"{about}: dial tcp {address}:{port}: connect: {why}") from None

    async def _open(self, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*await self._runtime.reach(address, port))

    def need_network(self) -> None:
        """Raises ServiceUnavailable where pods are records: their addresses lead nowhere, or to somebody else."""
        if not self._runtime.abilities.networked:
            raise ServiceUnavailable(f"error trying to reach service: {self._no_network()}")

    def node(self, name: str, path: str) -> tuple[str, bytes]:
        """A page of a kubelet's HTTP API. Raises NotFound for a page there is not, ServiceUnavailable without power."""
        if not self._is_on(name):
            raise ServiceUnavailable(f"error trying to reach service: dial tcp: node {name} does not answer")
        if path.rstrip("/") == "/healthz":
            return "text/plain; charset=utf-8", b"ok"
        if path.rstrip("/") in ("/pods", "/runningpods"):
            pods = self._client.informer("Pod").by("node", name)
            if path.startswith("/runningpods"):
                pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
            return "application/json", encode({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [*pods]})
        raise NotFound("404 page not found", {})

    def _no_network(self) -> str:
        return f"pods of the {self._runtime.name} runtime have no network: a lab with `--runtime local` has"

    def _reach(self, pod: Obj, path: str) -> None:
        """Raises an error in the words of Go's HTTP client when the node has no power."""
        node, host = pod["spec"]["nodeName"], (pod.get("status") or {}).get("hostIP") or pod["spec"]["nodeName"]
        if not self._is_on(node):
            at = f"{host}:{KUBELET_PORT}"
            error = ApiError(f'Get "https://{at}/{path}": dial tcp {at}: connect: no route to host')
            error.reason = ""  # as for every error of Go's that is no Status
            raise error

    def _running(self, pod: Obj, container: str) -> str:
        states = [state for state in self._runtime.containers(pod["metadata"]["uid"]) if state.name == container]
        if not states or states[-1].phase != "running":
            raise _internal(f'unable to upgrade connection: container not found ("{container}")')
        return states[-1].id


def _path(pod: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _internal(words: str) -> ApiError:
    """As apimachinery's NewInternalError puts it."""
    return ApiError(f"Internal error occurred: {words}", {"causes": [{"message": words}]})
