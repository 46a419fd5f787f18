"""What only a lab can do to its cluster: break it for real in ways a learner chooses, and say why a pod is where it is.

`Lab` has these verbs; each asks the lab's server under `/k8slab`. Whatever is broken here, `lab.reset()` mends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slab.api.errors import ApiError, NotFound
from k8slab.client.http import HttpClient
from k8slab.lab.explanations import Explanation, otherwise
from k8slab.lab.views import Pod
from k8slab.settings import LabError


class Faults:
    """Power, silence, full disks and slow networks; mixed into `Lab`."""

    api: HttpClient
    context: str | None
    namespace: str

    def explain(self, pod: str | Pod) -> Explanation:
        """Why the scheduler put a pod where it is, or nowhere: what each node was refused for, or scored."""
        asked = {"namespace": self.namespace, "pod": _name_of(pod)}
        told = self._lab("explain", lambda: self.api.request("GET", "/k8slab/explain", params=asked))
        return Explanation(told)

    def what_if(self, pod: str | Pod, **wishes: Any) -> Explanation:
        """Where a pod would go if it came now with other wishes: `lab.what_if("web-1", cpu="2", memory="1Gi")`.

        Also `node_selector={}`, `tolerations=[]` (more of them), `priority_class=""`. The scheduler thinks it through;
        nothing is bound or changed.
        """
        live = self._lab("what_if", lambda: self.api.get("Pod", _name_of(pod), self.namespace))
        wished = otherwise(live, **wishes)
        return Explanation(self._lab("what_if", lambda: self.api.post("/k8slab/explain", wished)), supposed=True)

    def power_off(self, node: str) -> None:
        """Pull a node's plug: its containers die at once, and nobody is told."""
        self._ask("power", node=node, on=False)

    def power_on(self, node: str) -> None:
        """Put it back: the node boots, and starts again what is still bound to it."""
        self._ask("power", node=node, on=True)

    def freeze(self, node: str) -> None:
        """A node's heartbeat is late, as if it were overloaded: after a while it counts as dead, and yet works on."""
        self._ask("freeze", node=node, on=True)

    def thaw(self, node: str) -> None:
        """Its heart beats again."""
        self._ask("freeze", node=node, on=False)

    def partition(self, node: str) -> None:
        """Cut a node off from the API server: neither hears of the other, and the node's containers run on."""
        self._ask("partition", node=node, on=True)

    def rejoin(self, node: str) -> None:
        """Join it again: it hears of all that has changed meanwhile, and tells what it did."""
        self._ask("partition", node=node, on=False)

    def fill_disk(self, node: str) -> None:
        """A node's disk is full, it believes (this machine's is not): DiskPressure, and pods are evicted."""
        self._ask("disk", node=node, on=True)

    def free_disk(self, node: str) -> None:
        """There is room on it again."""
        self._ask("disk", node=node, on=False)

    def slow(self, service: str, ms: float) -> None:
        """Every answer through a Service is late by so many milliseconds, and the requests of one connection in turn;
        0 is as it was."""
        if not 0 <= ms <= 60_000:
            raise LabError(f"slow takes milliseconds between 0 and 60000, not {ms}.")
        name, _, namespace = service.removeprefix("service/").partition(".")
        self._ask("slow", service=name, namespace=namespace.partition(".")[0] or self.namespace, ms=ms)

    def turn_loops(self, do: str, kind: str, name: str) -> Any:
        """Hold, look at, turn or release the loops below an object: `lab.loop` is the view of it."""
        body = {"do": do, "kind": kind, "namespace": self.namespace, "name": name}
        return self._lab("loop", lambda: self.api.post("/k8slab/loop", body))

    def follow_hops(self, kind: str, name: str, on: bool = True) -> None:
        """Have an object's next apply followed from hop to hop, or no more: `lab.journey` is the view of it."""
        body = {"do": "follow" if on else "leave", "kind": kind, "namespace": self.namespace, "name": name}
        self._lab("journey", lambda: self.api.post("/k8slab/trace", body))

    def hops(self, kind: str, name: str, journey: int = 0, since: int = 0) -> Any:
        """The hops of its last apply; of the journey of this number those after `since`. None: it is not followed."""
        asked = {"kind": kind, "namespace": self.namespace, "name": name}
        asked |= {"journey": str(journey), "since": str(since)}
        try:
            return self.api.request("GET", "/k8slab/trace", params=asked)
        except NotFound:
            return None

    def _ask(self, what: str, **body: Any) -> None:
        self._lab(what, lambda: self.api.post(f"/k8slab/{what}", body))

    def _lab(self, what: str, ask: Callable[[], Any]) -> Any:
        if self.context is not None:
            raise LabError(f"Only a lab can do this ({what}); {self.context} is a cluster of its own.")
        try:
            return ask()
        except NotFound as error:
            raise LabError(f"{error.message}.") from error
        except ApiError as error:
            raise LabError(f"Error from server ({error.reason}): {error.message}") from error


def _name_of(pod: str | Pod) -> str:
    return pod.name if isinstance(pod, Pod) else pod.removeprefix("pod/")
