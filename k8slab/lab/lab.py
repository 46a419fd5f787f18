"""`Lab`: start a lab or join it, or any cluster of a kubeconfig; speak to it with kubectl, YAML or Python; look at it.

All it knows comes from the cluster's HTTPS API, so a notebook kernel that dies takes nothing with it. `launch.py`
starts the server; the widgets and checks are handed a Lab.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from k8slab import launch
from k8slab.api.errors import ApiError, NotFound
from k8slab.api.objects import Obj
from k8slab.api.selectors import format_selector
from k8slab.client.http import HttpClient
from k8slab.client.images import Image, Images
from k8slab.lab import magics, manifests, services, waiting
from k8slab.lab.browser import Browser
from k8slab.lab.faults import Faults
from k8slab.lab.kubectl import Kubectl, Text
from k8slab.lab.shows import Shows
from k8slab.lab.views import Object, Pod, Pods, restarts_of
from k8slab.settings import LabError, Settings

SECONDS = 60.0  # a wait's patience
WAITED_FOR = ("Pod", "ReplicaSet")  # what an object may own


class Lab(Faults, Shows):
    """A cluster to learn on. `Lab()` starts the lab, or joins the one that runs; `Lab(context="…")` is any cluster.

    Every failure that a learner can put right is a LabError, or an ApiError in Kubernetes' own words.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        context: str | None = None,
        nodes: int | None = None,
        runtime: str | None = None,
        speed: float | None = None,
    ) -> None:
        self.context = context
        if context is None:
            asked: dict[str, Any] = {"nodes": nodes, "runtime": runtime, "speed": speed}
            settings = Settings.read(name=name, **asked)
            told = launch.start(settings, **asked)
            self.name, self.abilities, self.kubeconfig = settings.name, told, told["kubeconfig"]
            self._kubectl = Kubectl(self.kubeconfig, cache=settings.folder.path / "kubectl-cache")
            self.api = HttpClient.open(self.kubeconfig)
        else:
            self.api = HttpClient.open(context=context)
            self.name, self.abilities = context, {"runtime": "cluster", "name": context, "real": True}
            self.kubeconfig = os.pathsep.join(map(str, self.api.cluster.files))
            self._kubectl = Kubectl(self.kubeconfig, context)
        self.namespace = self.api.cluster.namespace
        magics.register(self)

    @property
    def speed(self) -> float:
        """By how much Kubernetes' durations are divided here."""
        return float(self.abilities.get("speed", 1.0))

    # ---- speaking to it -------------------------------------------------------------------------------------------

    def kubectl(self, command: str | Sequence[str]) -> Text:
        """Run the real kubectl ("get pods"); what it printed. Raises Refused with what it said."""
        return self._kubectl.run(command)

    def stream_kubectl(self, command: str | Sequence[str], show: Callable[[str], object]) -> None:
        """The same, line by line as they come; an interrupt ends it."""
        self._kubectl.stream(command, show)

    def shell_environment(self) -> dict[str, str]:
        """What a shell needs so that `kubectl` in it speaks to this cluster."""
        return self._kubectl.for_shell()

    def apply(self, manifest: str | Path | Mapping[str, Any], *, options: str = "") -> Text:
        """Apply YAML, a file of it, or an object, with kubectl where there is one; what kubectl says."""
        text = manifests.text_of(manifest)
        documents = manifests.documents(text)  # a mistake in the YAML is named the same way with and without kubectl
        if self._kubectl.available():
            return self._kubectl.run(f"apply {options} -f -", text)
        if options:
            raise LabError(f"Options ({options}) are kubectl's, and it is not here: write them into the manifest.")
        with _refusals():
            return Text("\n".join(map(self._apply, documents)))

    def _apply(self, obj: Obj) -> str:
        done = self.api.apply(obj)
        group = obj["apiVersion"].rpartition("/")[0]
        return f"{obj['kind'].lower()}{'.' + group if group else ''}/{obj['metadata']['name']} {done}"

    def get(self, url: str, *, timeout: float = 10.0, headers: Mapping[str, str] | None = None) -> services.Answer:
        """HTTP GET through a Service: `http://web`, `http://web.default:80/path`. Each call is a new connection."""
        if self.context is None and not self.abilities.get("networked", True):
            raise LabError("Containers of the simulated runtime are records: nothing listens at their addresses.")
        direct = self.context is None and bool(self.abilities.get("direct", True))
        asked = {"headers": dict(headers)} if headers else {}
        return services.fetch(self.api, url, self.namespace, direct=direct, timeout=timeout, **asked)

    def build(self, name: str, folder: str | Path = ".", **arguments: str) -> Image:
        """Build an image from the Dockerfile in a folder; then a manifest may say `image: shop:v1`, in all your labs.

        `arguments` are for the Dockerfile's ARGs. Progress is printed. Raises LabError with the line that failed.
        """
        images = self.images
        for line in images.build(name, folder, arguments):
            print(line, flush=True)
        if (found := images.find(name)) is None:
            raise LabError(f"{name} was built, and has been removed meanwhile.")
        return found

    @property
    def images(self) -> Images:
        """The images of this lab: `lab.images.list()`, `save`, `load`, `remove`."""
        if self.context is not None:
            raise LabError(
                "Only a lab builds and keeps images. A cluster pulls them from a registry: push yours there."
            )
        return Images(self.api)

    def dial(self, address: str) -> socket.socket:
        """A TCP connection through a Service: `dial("chat:2323")`. Raises LabError when nobody answers."""
        if self.context is not None:
            raise LabError(
                f"Only in a lab is a Service's address reached from here: `kubectl port-forward svc/{address}`."
            )
        return services.dial(self.api, address, self.namespace)

    def browser(self, url: str, name: str = "you") -> Browser:
        """A browser with a cookie jar of its own, at a URL of the cluster: `get("/")`, `post("/cart", item="tea")`."""
        return Browser(self.api, url, self.namespace, name=name, direct=self.context is None)

    # ---- looking at it --------------------------------------------------------------------------------------------

    def read(self, what: str) -> Object | None:
        """An object ("deployment/web"), or None if there is none."""
        kind, name = self._named(what)
        with _refusals():
            found = self.api.find(kind, name, self.namespace)
        return None if found is None else Object(found)

    def pods(self, selector: str | Mapping[str, Any] | None = None) -> Pods:
        """The pods, or those with these labels ("app=web"); ready ones first, those on their way out last."""
        text = selector if isinstance(selector, str) else format_selector(selector)
        with _refusals():
            return Pods(self.api.list("Pod", self.namespace, text))

    # ---- waiting, and breaking it ---------------------------------------------------------------------------------

    def wait(self, what: str, timeout: float = SECONDS) -> float:
        """Until "deployment/web" is as wished (or, deleted, has left nothing behind); how many seconds it took.

        As wished: the pods it selects are all its own, ready, and as many as it wishes for.
        """
        kind, name = self._named(what)
        kinds = tuple(dict.fromkeys((kind, *WAITED_FOR)))
        with _refusals(), waiting.line() as say:
            lacking = partial(waiting.progress, kind, name)
            return round(waiting.until(self.api, kinds, self.namespace, lacking, timeout, say), 2)

    def crash(self, pod: str | Pod, container: str = "") -> None:
        """Kill a container's first process; returns when the cluster has seen it."""
        name = pod.name if isinstance(pod, Pod) else pod
        with _refusals():
            before = self.api.get("Pod", name, self.namespace)
            self._crash(before, container)
        count = restarts_of(before)

        def unseen(now: waiting.Snapshot) -> str:
            found = next((obj for obj in now["Pod"] if obj["metadata"]["uid"] == before["metadata"]["uid"]), None)
            if found is None or restarts_of(found) > count or waiting.has_ended(found):
                return ""
            return f"pod/{name} has not been seen to crash."

        waiting.until(self.api, ("Pod",), self.namespace, unseen, SECONDS)

    def _crash(self, pod: Obj, container: str) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        if self.context is None:
            self.api.post("/k8slab/crash", {"namespace": namespace, "pod": name, "container": container})
            return
        # On a cluster that is no lab, the image must have a way to crash, as k8slab/web has.
        ports = [p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or []] or [8080]
        answer = self.api.send("GET", f"/api/v1/namespaces/{namespace}/pods/{name}:{ports[0]}/proxy/crash")
        if answer.status_code == NotFound.code:
            raise LabError("Only a lab can crash any container. Elsewhere, use the image k8slab/web, which has /crash.")

    def reset(self) -> None:
        """Back to an empty cluster. On a cluster that is no lab this is refused: it is not ours to empty."""
        if self.context is not None:
            raise LabError("Only a lab can be reset. Here, delete what you made: `kubectl delete all --all`.")
        with _refusals():
            self.api.post("/k8slab/reset", {})

    def close(self) -> None:
        """Let go of the connections; the lab goes on. `k8slab down` ends it."""
        self.api.close()

    def __repr__(self) -> str:
        return f"<Lab {self.name}: {self.abilities.get('runtime')} at {self.api.cluster.server}>"

    def _named(self, what: str) -> tuple[str, str]:
        kind, slash, name = what.partition("/")
        if not slash or not name:
            raise LabError(f"{what!r} names no object: write its kind and name, such as deployment/web.")
        return self.api.resources.find(kind).kind, name


@contextmanager
def _refusals() -> Iterator[None]:
    """What the API server refuses, in the one line kubectl would print."""
    try:
        yield
    except ApiError as error:
        raise LabError(f"Error from server ({error.reason}): {error.message}") from error
