"""The verbs over the wire, for whoever stands outside the server: `Lab`, widgets, checks, the command line.

Works on any Kubernetes cluster. `kubeconfig.py` says where it is, `follow.py` watches it; errors are `api.errors`'.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from k8slab.api.errors import ApiError, NotFound, from_status
from k8slab.api.objects import Obj, decode, encode
from k8slab.client import kubeconfig
from k8slab.client.follow import Follow, Snapshot
from k8slab.client.resources import Resource, Resources
from k8slab.client.threeway import applied, three_way_patch
from k8slab.settings import LabError

if TYPE_CHECKING:
    from k8slab.client.execute import Exec

PAGE = 500  # objects a list asks for at a time
SECONDS, CONNECT_SECONDS = 30.0, 5.0  # to wait for an answer, and for a connection
CONTENT_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class Unreachable(LabError):
    """Nobody answers at the cluster's address."""


class HttpClient:
    """A cluster, through its HTTPS API. Safe to use from several threads; `close` it in the end."""

    def __init__(self, cluster: kubeconfig.Cluster) -> None:
        self.cluster = cluster
        self.resources = Resources(lambda path: dict(self.request("GET", path)))
        self._lock = threading.Lock()
        self._http = self._connect()
        self._follows: list[Follow] = []

    @classmethod
    def open(cls, path: str | Path | None = None, context: str | None = None) -> HttpClient:
        """The client of a kubeconfig's context. Raises LabError."""
        return cls(kubeconfig.load(path, context))

    def close(self) -> None:
        """Let go of every connection and thread."""
        for follow in self._follows:
            follow.close()
        self._http.close()

    # ---- objects ------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, namespace: str = "") -> Obj:
        """One object. Raises NotFound."""
        found: Obj = self.request("GET", self._path(kind, namespace, name))
        return found

    def find(self, kind: str, name: str, namespace: str = "") -> Obj | None:
        """One object, or None."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def list(self, kind: str, namespace: str = "", selector: str = "", fields: str = "") -> list[Obj]:
        """The objects of a namespace, or of all; label and field selectors as kubectl takes them."""
        resource = self.resources.find(kind)
        asked = {"labelSelector": selector, "fieldSelector": fields, "limit": str(PAGE)}
        params = {key: value for key, value in asked.items() if value}
        items: list[Obj] = []
        while True:
            page = self.request("GET", resource.path(namespace), params=params)
            items += (
                {"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page.get("items") or []
            )
            if not (more := page["metadata"].get("continue")):
                return items
            params["continue"] = more

    def create(self, obj: Obj) -> Obj:
        """Create it. Raises AlreadyExists, Invalid, …"""
        resource, namespace = self._home(obj)
        made: Obj = self.request("POST", resource.path(namespace), body=obj)
        return made

    def update(self, obj: Obj, subresource: str = "") -> Obj:
        """Replace it. Raises Conflict when it carries a resourceVersion that is not the latest."""
        resource, namespace = self._home(obj)
        path = resource.path(namespace, obj["metadata"]["name"], subresource)
        new: Obj = self.request("PUT", path, body=obj)
        return new

    def patch(
        self, kind: str, name: str, namespace: str, patch: Any, subresource: str = "", *, form: str = "merge"
    ) -> Obj:
        """Patch it; `form` is json, merge or strategic."""
        path = self.resources.find(kind).path(namespace, name, subresource)
        new: Obj = self.request("PATCH", path, body=patch, content_type=CONTENT_TYPES[form])
        return new

    def delete(
        self, kind: str, name: str, namespace: str = "", *, grace: int | None = None, propagation: str | None = None
    ) -> None:
        """Ask for its deletion. Raises NotFound."""
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {} if grace is None else {"gracePeriodSeconds": grace}
        options |= {} if propagation is None else {"propagationPolicy": propagation}
        self.request("DELETE", self._path(kind, namespace, name), body=options)

    def apply(self, obj: Obj) -> str:
        """Make it so, as `kubectl apply` does on the client's side: "created", "configured" or "unchanged"."""
        resource, namespace = self._home(obj)
        name = obj["metadata"].get("name", "")
        current = self.find(obj["kind"], name, namespace) if name else None
        if current is None:
            self.create(applied(obj))
            return "created"
        patch = three_way_patch(current, obj)
        if not patch:
            return "unchanged"
        new = self.request("PATCH", resource.path(namespace, name), body=patch, content_type=CONTENT_TYPES["merge"])
        same = new["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
        return "unchanged" if same else "configured"

    def logs(
        self, name: str, namespace: str = "", *, container: str = "", tail: int | None = None, previous: bool = False
    ) -> str:
        """What a pod's container has written so far."""
        asked = {"container": container, "tailLines": "" if tail is None else str(tail), "previous": "true" * previous}
        params = {key: value for key, value in asked.items() if value}
        path = self._path("Pod", namespace or self.cluster.namespace, name, "log")
        text: str = self.request("GET", path, params=params, text=True)
        return text

    def execute(self, name: str, namespace: str, command: Sequence[str], container: str = "") -> Exec:
        """Run a command in a pod's container, on a terminal. Raises LabError in the cluster's words."""
        from k8slab.client.execute import Exec  # its WebSocket is needed by few, and takes a moment to import

        return Exec(self.cluster, name, namespace, command, container)

    def post(self, path: str, body: Obj) -> Any:
        """Ask for something beside the objects, such as a lab's `/k8slab/crash`."""
        return self.request("POST", path, body=body)

    def stream(self, path: str, body: Obj) -> Iterator[Any]:
        """Ask for something that takes its time: the objects it answers, one a line, as they come."""
        asked: dict[str, Any] = {"content": encode(body), "headers": {"Content-Type": "application/json"}}
        patience = httpx.Timeout(None, connect=CONNECT_SECONDS)
        try:
            with self._http.stream("POST", path, timeout=patience, **asked) as answer:
                if answer.is_error:
                    answer.read()
                    raise _error(answer)
                for line in answer.iter_lines():
                    yield decode(line.encode())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def follow(self, kinds: Sequence[str], on_change: Callable[[Snapshot], None], namespace: str = "") -> Follow:
        """Call `on_change` with all objects of these kinds, now and after every change, on one thread, until closed.

        The Snapshot maps each kind to its objects, which are shared: never change one. A cluster that does not answer
        is tried again quietly; `Follow.problem` says so meanwhile.
        """
        paths = {kind: self.resources.find(kind) for kind in kinds}
        follow = Follow(self.cluster, paths, on_change, namespace)
        self._follows = [*(other for other in self._follows if not other.closed), follow]
        return follow

    # ---- the wire -----------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        text: bool = False,
    ) -> Any:
        """Send a request; its answer's JSON (or text). Raises the ApiError the cluster answered, or Unreachable."""
        content = None if body is None else encode(body)
        headers = {} if content is None else {"Content-Type": content_type}
        answer = self.send(method, path, params=params, content=content, headers=headers)
        if answer.is_error:
            raise _error(answer)
        return answer.text if text else decode(answer.content)

    def send(self, method: str, path: str, **asked: Any) -> httpx.Response:
        """Send a request; whatever is answered. Raises Unreachable."""
        for attempt in (1, 2):
            http = self._http
            try:
                return http.request(method, path, **asked)
            except httpx.TransportError as error:
                # Nothing was sent over a connection that could not be made; what only reads may be repeated as well.
                if attempt == 2 or not (self._moved(http) or (method == "GET" and _was_cut(error))):
                    raise self._unreachable(error) from error
        raise AssertionError("the second attempt returns or raises")

    def _connect(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.cluster.server,
            verify=self.cluster.ssl_context(),
            headers={"User-Agent": "k8slab", "Accept": "application/json", **self.cluster.headers()},
            timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,  # a proxy for the web is not the way to a lab on this machine
        )

    def _moved(self, failed: httpx.Client) -> bool:
        """Whether the kubeconfig names another address (or token) by now; if so, we are connected there."""
        with self._lock:
            if self._http is not failed:
                return True
            try:
                fresh = kubeconfig.again(self.cluster)
            except LabError:
                return False
            if fresh == self.cluster:
                return False
            self.cluster = fresh
            self._http = self._connect()
        return True

    def _unreachable(self, error: Exception) -> Unreachable:
        why = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
        hint = "If it is a lab, `k8slab status` says how it is, and `k8slab up` starts it."
        return Unreachable(f"The cluster at {self.cluster.server} does not answer ({why}). {hint}")

    def _path(self, kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
        return self.resources.find(kind).path(namespace, name, subresource)

    def _home(self, obj: Obj) -> tuple[Resource, str]:
        """Where an object belongs: its resource, and its namespace (the context's, if it names none)."""
        if not isinstance(obj, dict) or not obj.get("kind") or not obj.get("apiVersion"):
            raise LabError("An object needs `apiVersion` and `kind`, such as `apiVersion: v1` and `kind: Pod`.")
        if not isinstance(meta := obj.get("metadata"), dict):
            raise LabError(f"The {obj['kind']} needs `metadata` with a `name`.")
        resource = self.resources.find(obj["kind"], obj["apiVersion"])
        return resource, (meta.get("namespace") or self.cluster.namespace) if resource.namespaced else ""


def _was_cut(error: httpx.TransportError) -> bool:
    """A kept connection that the other side has closed meanwhile."""
    return isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError))


def _error(answer: httpx.Response) -> ApiError:
    try:
        status = decode(answer.content)
    except ValueError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return from_status(status)
    error = ApiError(f"{answer.status_code} {answer.reason_phrase}: {answer.text[:200]}")
    error.code = answer.status_code
    return error
