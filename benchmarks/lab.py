"""The measurements themselves, taken as a person would meet them: the installed command, the real kubectl, HTTP."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from k8slab import vm
from k8slab.api.objects import is_pod_ready, is_terminating
from k8slab.client.http import HttpClient

K8SLAB = str(Path(sys.executable).with_name("k8slab"))
PATIENCE = 30.0  # s until a measurement is given up


class Bench:
    """A lab on runtime `local` for as long as the measurements last, in a folder of its own."""

    def __init__(self, folder: str, runs: int) -> None:
        self.runs = runs
        self.env = {**os.environ, "K8SLAB_STATE_DIR": folder, "K8SLAB_RUNTIME": "local"}
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, every start would compile everything again
        self._client: HttpClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.k8slab("down", "--all")

    def k8slab(self, *args: str) -> str:
        return subprocess.run([K8SLAB, *args], env=self.env, check=True, capture_output=True, text=True).stdout

    def kubectl(self, *args: str, name: str = "default") -> None:
        kubeconfig = f"{self.env['K8SLAB_STATE_DIR']}/{name}/kubeconfig"
        subprocess.run(["kubectl", "--kubeconfig", kubeconfig, *args], check=True, capture_output=True)

    @property
    def client(self) -> HttpClient:
        if self._client is None:
            self.k8slab("up")
            self._client = HttpClient.open(f"{self.env['K8SLAB_STATE_DIR']}/default/kubeconfig")
        return self._client


@contextmanager
def timed() -> Iterator[list[float]]:
    spent: list[float] = []
    began = time.perf_counter()
    yield spent
    spent.append(time.perf_counter() - began)


def until(condition) -> None:
    end = time.perf_counter() + PATIENCE
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("a measurement did not come to an end")
        time.sleep(0.002)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:8080/healthz", timeout=1) as response:
            return response.status == 200
    except OSError:
        return False


def ready_addresses(bench: Bench, selector: str) -> list[str]:
    pods = bench.client.list("Pod", "default", selector)
    return [pod["status"]["podIP"] for pod in pods if is_pod_ready(pod) and not is_terminating(pod)]


def up(bench: Bench) -> list[float]:
    spent = []
    for run in range(bench.runs):
        with timed() as took:
            bench.k8slab("up", "--name", f"up{run}")
            bench.kubectl("get", "nodes", name=f"up{run}")
        spent += took
        bench.k8slab("down", "--name", f"up{run}")
    return spent


def memory(bench: Bench) -> list[float]:
    bench.client.list("Node")
    folder = bench.env["K8SLAB_STATE_DIR"]
    mine = [p for p in psutil.process_iter(["cmdline"]) if any(folder in word for word in p.info["cmdline"] or [])]
    return [sum(p.memory_full_info().pss for p in mine) / 1e6]


def imported(bench: Bench) -> list[float]:
    """A fresh interpreter with the import, less one without."""
    alone, with_it = ([sys.executable, "-c", said] for said in ("pass", "import k8slab"))
    plain = sorted(_commands(alone, bench.runs))[bench.runs // 2]
    return [spent - plain for spent in _commands(with_it, bench.runs)]


def container_start(bench: Bench) -> list[float]:
    """Inside this process: the runtime alone, as a kubelet calls it."""
    from k8slab.runtime.base import ContainerSpec, PodConfig
    from k8slab.runtime.local import LocalRuntime

    async def measure() -> list[float]:
        folder = Path(bench.env["K8SLAB_STATE_DIR"]) / "container"
        folder.mkdir(mode=0o700, parents=True)
        runtime = LocalRuntime(folder, "bench", "127.63.0.0/16")
        await runtime.open()
        await runtime.pull("k8slab/web:v1")
        spent = []
        for run in range(2 * bench.runs):
            pod = PodConfig(f"uid-{run}", f"pod-{run}", "default", "node-1", "127.63.1.0/24", f"pod-{run}")
            await runtime.run_pod(pod)
            with timed() as took:
                await runtime.start(ContainerSpec(f"c-{run}", pod.uid, "web", "k8slab/web:v1"))
            spent += took
            await runtime.remove_pod(pod.uid)
        await runtime.close(leave_running=False)
        return spent

    return asyncio.run(measure())


def bubblewrap_alone(bench: Bench) -> list[float]:
    if not shutil.which("bwrap"):
        return []
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--unshare-cgroup-try",
               "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "true"]  # fmt: skip
    return _commands(command, 2 * bench.runs)


def docker_run(bench: Bench) -> list[float]:
    busybox = shutil.which("busybox")
    if not _docker_engine() or not busybox:
        return []
    image = "k8slab-bench:busybox"
    archive = subprocess.run(["tar", "-C", str(Path(busybox).parent), "-c", "busybox"], check=True, capture_output=True)
    subprocess.run(["docker", "import", "-", image], input=archive.stdout, check=True, capture_output=True)
    try:
        return _commands(["docker", "run", "--rm", image, "/busybox", "true"], bench.runs)
    finally:
        subprocess.run(["docker", "rmi", image], capture_output=True)


def vm_first(bench: Bench) -> list[float]:
    """Emulated, as on machines without KVM."""
    if vm.why_not():
        return []
    spent = []
    for _ in range(bench.runs):
        with vm.boot(kvm=False) as machine:
            spent.append(machine.times["first"])
    return spent


def why_not(name: str) -> str:
    return {
        "vm": vm.why_not(),
        "container, docker run": "needs a running Docker engine and busybox-static",
        "container, bubblewrap alone": "needs bubblewrap and user namespaces",
        "proxy, nginx": "needs nginx",
        "proxy, nginx, a connection each": "needs nginx",
    }.get(name, "nothing was measured")


def _docker_engine() -> bool:
    return bool(shutil.which("docker")) and not subprocess.run(["docker", "info"], capture_output=True).returncode


def _commands(command: list[str], runs: int) -> list[float]:
    spent = []
    for _ in range(runs + 1):
        with timed() as took:
            done = subprocess.run(command, capture_output=True)
        if done.returncode:
            return []
        spent += took
    return spent[1:]


def pod_ready(bench: Bench) -> list[float]:
    """From the moment kubectl is called, its own start included."""
    spent = []
    bench.client.list("Pod", "default")
    for run in range(bench.runs):
        with timed() as took:
            bench.kubectl("run", f"one-{run}", "--image=k8slab/web:v1", f"--labels=run=one-{run}")
            until(lambda: ready_addresses(bench, f"run=one-{run}"))  # noqa: B023
            until(lambda: answers(ready_addresses(bench, f"run=one-{run}")[0]))  # noqa: B023
        spent += took
        bench.kubectl("delete", "pod", f"one-{run}", "--now")
    return spent


def kill_to_replacement(bench: Bench) -> list[float]:
    bench.kubectl("create", "deployment", "many", "--image=k8slab/web:v1", "--replicas=3")
    until(lambda: len(ready_addresses(bench, "app=many")) == 3)
    spent = []
    for _ in range(bench.runs):
        before = set(ready_addresses(bench, "app=many"))
        victim = next(p for p in bench.client.list("Pod", "default", "app=many") if not is_terminating(p))
        with timed() as took:
            bench.client.delete("Pod", victim["metadata"]["name"], "default")
            until(lambda: set(ready_addresses(bench, "app=many")) - before)  # noqa: B023
            new = (set(ready_addresses(bench, "app=many")) - before).pop()
            until(lambda: answers(new))  # noqa: B023
        spent += took
        until(lambda: len(bench.client.list("Pod", "default", "app=many")) == 3)
    bench.kubectl("delete", "deployment", "many")
    return spent
