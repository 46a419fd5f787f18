"""`lab.get("http://web")`: what a pod of the cluster would get under that name, from outside of it.

Names and ports are looked up in the API at each call, as kubeproxy and the cluster's DNS have them. `lab.py` asks.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from k8slab.api.objects import Obj, annotations_of
from k8slab.client.http import HttpClient
from k8slab.clock import Clock
from k8slab.settings import LabError

DIAL_SECONDS = 30.0  # for the connection to come about, and then for each answer over it
REFUSED_SECONDS = 2.0  # a pod is ready a moment before its Service sends to it: a refusal is asked about again
FREE = 1024  # below, ports may be kept for root
REAL_PORTS = "k8slab.io/real-ports"  # on a Service whose low ports are served on others: {"80": 38211}


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    def json(self) -> Any:
        """The body, read as JSON. Raises LabError when it is something else."""
        try:
            return json.loads(self.text)
        except ValueError:
            raise LabError(f"The answer is no JSON: it begins with {self.text[:40]!r}.") from None

    def __repr__(self) -> str:
        return f"{self.status}\n{self.text}".rstrip()


@dataclass(frozen=True)
class Place:
    """Where a URL of the cluster leads: an address of this machine, or a path of the API server's proxy."""

    host: str = ""
    port: int = 0
    proxy: str = ""


def fetch(client: HttpClient, url: str, namespace: str, *, direct: bool, timeout: float, **asked: Any) -> Answer:
    """Send one request, on a connection of its own; `direct`, or by way of the API server if only that gets there.

    Raises LabError when there is no such name or port, or nobody answers.
    """
    place, path = find(client, url, namespace), path_of(url)
    try:
        if not direct and not place.proxy:
            raise LabError(f"{url} can be reached from inside of the cluster only: ask from one of its pods.")
        if not direct:
            return _answer(client.send("GET", f"{place.proxy}/{path.lstrip('/')}", timeout=timeout, **asked))
        target = f"{_parts(url).scheme}://{place.host}:{place.port}{path}"
        headers = {"Host": host_of(url), **asked.pop("headers", {})}
        with httpx.Client(verify=False, trust_env=False, timeout=timeout) as http:
            return _answer(http.get(target, headers=headers, **asked))
    except httpx.TransportError as error:
        why = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
        hint = "Is a pod behind it ready? `kubectl get endpoints` shows."
        raise LabError(f"{url} does not answer: {why}. {hint}") from None


def dial(client: HttpClient, address: str, namespace: str) -> socket.socket:
    """A TCP connection to what `name:port` means in the cluster. Raises LabError when nobody answers."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise LabError(f"{address!r} is no address: write a Service's name and port, such as chat:2323.")
    place, clock = locate(client, host, int(port), namespace), Clock()
    latest = clock.monotonic() + REFUSED_SECONDS
    while True:
        try:
            return socket.create_connection((place.host, place.port), DIAL_SECONDS)
        except OSError as error:
            if not isinstance(error, ConnectionRefusedError) or clock.monotonic() > latest:
                why = error.strerror or error
                raise LabError(f"{address} does not answer: {why}. Is a pod behind it ready?") from None
        threading.Event().wait(0.05)


def find(client: HttpClient, url: str, namespace: str) -> Place:
    """Where a URL of the cluster leads now. Raises LabError."""
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LabError(f"{url!r} is not a URL of the cluster: write it as http://web, or http://web.default:80/path.")
    return locate(client, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), namespace)


def path_of(url: str) -> str:
    """What of a URL is asked for at the place it leads to: its path and query."""
    parts = _parts(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def host_of(url: str) -> str:
    """What goes into the request's Host header."""
    return _parts(url).netloc


def _parts(url: str) -> SplitResult:
    return urlsplit(url if "//" in url else f"http://{url}")


def locate(client: HttpClient, host: str, port: int, namespace: str) -> Place:
    """Find what the cluster's DNS would: a Service (`web`, `web.default`, `web.default.svc.cluster.local`), a pod
    behind a headless one (`db-0.db`), a pod by its address (`127-64-1-2.default.pod`); and a node, or an address."""
    if host.replace(".", "").isdigit():
        return Place(host, _real_port(client, host, port))
    name, *domain = host.removesuffix(".cluster.local").removesuffix(".svc").split(".")
    home = domain[0] if domain else namespace
    if domain[1:] == ["pod"]:
        return Place(name.replace("-", "."), port)
    service = client.find("Service", name, home)
    if service is not None:
        return _service(client, service, port)
    if domain and (place := _member(client, name, domain[0], domain[1] if len(domain) > 1 else namespace, port)):
        return place
    if not domain and (node := client.find("Node", name)):
        return Place(_internal_address(node), port)
    raise LabError(f"The namespace {home!r} has no Service {name!r}. `kubectl get services` lists those it has.")


def _real_port(client: HttpClient, address: str, port: int) -> int:
    """Which port is open at an address that may be a Service's."""
    for service in client.list("Service") if port < FREE else ():
        balancer = (service.get("status") or {}).get("loadBalancer") or {}
        outer = [each.get("ip") for each in balancer.get("ingress") or []]
        if address in (service["spec"].get("clusterIP"), *outer):
            return real_ports(service).get(port, port)
    return port


def _member(client: HttpClient, host: str, service: str, namespace: str, port: int) -> Place | None:
    """A pod that has a name of its own under a headless Service."""
    for found in client.list("EndpointSlice", namespace, f"kubernetes.io/service-name={service}"):
        for endpoint in found.get("endpoints") or []:
            address = endpoint["addresses"][0]
            if host in (endpoint.get("hostname"), address.replace(".", "-")):
                pod = (endpoint.get("targetRef") or {}).get("name", "")
                return Place(address, port, f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy")
    return None


def _service(client: HttpClient, service: Obj, port: int) -> Place:
    meta, spec = service["metadata"], service["spec"]
    if spec.get("type") == "ExternalName":
        return Place(spec["externalName"], port)
    ports = {entry["port"]: entry for entry in spec.get("ports") or []}
    if port not in ports:
        have = ", ".join(map(str, ports)) or "none"
        raise LabError(
            f"The Service {meta['name']!r} has no port {port}. It has: {have}. Write http://{meta['name']}:PORT."
        )
    proxy = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}:{port}/proxy"
    if (address := spec.get("clusterIP")) in (None, "", "None"):
        return _behind(client, service, port, proxy)
    return Place(address, real_ports(service).get(port, port), proxy)


def _behind(client: HttpClient, service: Obj, port: int, proxy: str) -> Place:
    """A headless Service is its pods."""
    meta = service["metadata"]
    slices = client.list("EndpointSlice", meta["namespace"], f"kubernetes.io/service-name={meta['name']}")
    for found in slices:
        ready = [e for e in found.get("endpoints") or [] if (e.get("conditions") or {}).get("ready")]
        if ready and found.get("ports"):
            return Place(ready[0]["addresses"][0], found["ports"][0].get("port", port), proxy)
    raise LabError(f"No ready pod stands behind the Service {meta['name']!r}.")


def real_ports(service: Obj) -> dict[int, int]:
    """Port of the Service -> the port that really listens, where the kernel keeps low ports for root."""
    try:
        ports = json.loads(annotations_of(service).get(REAL_PORTS, "{}"))
        return {int(port): int(real) for port, real in ports.items()}
    except (ValueError, AttributeError):
        return {}


def _internal_address(node: Obj) -> str:
    addresses = node["status"].get("addresses") or []
    return next((entry["address"] for entry in addresses if entry["type"] == "InternalIP"), "")


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.text, dict(response.headers))
