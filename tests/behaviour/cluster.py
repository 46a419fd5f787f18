"""A lab of its own for a file of tests, spoken to over HTTPS, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from k8slab.api.objects import condition
from k8slab.client.http import HttpClient
from tests.waiting import until

Obj = dict[str, Any]

ROOT = Path(__file__).parents[2]
IMAGE = "k8slab/web:v1"
_numbers = itertools.count(1)


class Cluster:
    """One lab process; `knobs` are its settings."""

    def __init__(self, state: Path, env: Mapping[str, str] | None = None, **knobs: Any) -> None:
        self.state, self.name = state, "default"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("K8SLAB_") and k != "KUBECONFIG"}
        self.env |= {"K8SLAB_STATE_DIR": str(state)} | {f"K8SLAB_{k.upper()}": str(v) for k, v in knobs.items()}
        self.env |= env or {}
        self.up()
        self.api = HttpClient.open(self.state / self.name / "kubeconfig")

    def command(self, *words: str) -> None:
        line = [sys.executable, "-m", "k8slab.cli", *words]
        done = subprocess.run(line, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr

    def up(self) -> None:
        self.command("up")

    def down(self) -> None:
        self.api.close()
        self.command("down", "--all")

    def kubectl(self, *words: str, namespace: str = "default", stdin: str = "") -> subprocess.CompletedProcess[str]:
        line = ["kubectl", "--kubeconfig", str(self.state / self.name / "kubeconfig"), "-n", namespace, *words]
        return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)

    def power(self, node: str, on: bool) -> None:
        self.api.post("/k8slab/power", {"node": node, "on": on})


@contextmanager
def running(state: Path, env: Mapping[str, str] | None = None, **knobs: Any) -> Iterator[Cluster]:
    cluster = Cluster(state, env, **knobs)
    try:
        yield cluster
    finally:
        cluster.down()


class Namespace:
    """A namespace of a cluster, and what tests do in it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.api = cluster, cluster.api
        self.name = f"test-{next(_numbers)}"
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})

    def close(self) -> None:
        for pod in self.list("Pod"):
            self.api.delete("Pod", pod["metadata"]["name"], self.name, grace=0)
        self.api.delete("Namespace", self.name)

    def create(self, obj: Obj) -> Obj:
        return self.api.create({**obj, "metadata": {**obj["metadata"], "namespace": self.name}})

    def get(self, kind: str, name: str) -> Obj:
        return self.api.get(kind, name, self.name)

    def find(self, kind: str, name: str) -> Obj | None:
        return self.api.find(kind, name, self.name)

    def list(self, kind: str, selector: str = "") -> list[Obj]:
        return self.api.list(kind, self.name, selector)

    def patch(self, kind: str, name: str, patch: Any, subresource: str = "", form: str = "merge") -> Obj:
        return self.api.patch(kind, name, self.name, patch, subresource, form=form)

    def delete(self, kind: str, name: str, **how: Any) -> None:
        self.api.delete(kind, name, self.name, **how)

    def exec(self, pod: str, *command: str, container: str = "") -> str:
        choice = ["-c", container] if container else []
        done = self.cluster.kubectl("exec", pod, *choice, "--", *command, namespace=self.name)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logs(self, pod: str, container: str = "") -> str:
        return self.api.logs(pod, self.name, container=container)

    def events(self, name: str, reason: str = "") -> list[Obj]:
        return [
            event for event in self.list("Event")
            if event["involvedObject"]["name"] == name and reason in ("", event["reason"])
        ]  # fmt: skip

    # ---- pods ---------------------------------------------------------------------------------------------------

    def run(self, name: str, *command: str, containers: list[Obj] | None = None, **spec: Any) -> Obj:
        return self.create(pod(name, *command, containers=containers, **spec))

    def phase(self, name: str, *wanted: str) -> Obj:
        """Wait until the pod is in one of these phases."""

        def there() -> Obj | None:
            found = self.get("Pod", name)
            return found if found["status"].get("phase") in wanted else None

        return until(there, f"{name} is {' or '.join(wanted)}")

    def ready(self, name: str) -> Obj:
        def there() -> Obj | None:
            found = self.get("Pod", name)
            return found if is_ready(found) else None

        return until(there, f"{name} is ready")

    def gone(self, kind: str, name: str) -> None:
        until(lambda: self.find(kind, name) is None, f"{kind} {name} is gone")

    def container(self, name: str, container: str = "c") -> Obj:
        status = self.get("Pod", name)["status"]
        every = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        return next((one for one in every if one["name"] == container), {})


def pod(name: str, *command: str, containers: list[Obj] | None = None, labels: Obj | None = None, **spec: Any) -> Obj:
    """A pod of one container `c` that runs a shell script (a web server, without one), or of those given."""
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers or [box("c", *command)], "terminationGracePeriodSeconds": 10, **spec},
    }


def box(name: str, *script: str, **fields: Any) -> Obj:
    """A container that runs a shell script, or a web server."""
    return {"name": name, "image": IMAGE, **({"command": ["sh", "-c", *script]} if script else {}), **fields}


def is_ready(found: Obj) -> bool:
    ready = condition(found, "Ready")
    return ready is not None and ready["status"] == "True" and "deletionTimestamp" not in found["metadata"]


FOREVER = "trap 'exit 0' TERM; while true; do sleep 0.05; done"
