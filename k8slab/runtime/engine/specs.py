"""From a wish to an engine's words, and from its answers to ours: pure. `docker.py` sends and asks.

Names in `docker ps` say which pod a container is of; everything else is in labels, by which a later server finds it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from k8slab.runtime.base import ContainerSpec, ContainerState, PodConfig, RuntimeFailure

LAB, KIND, ID, POD, ATTEMPT, ADDRESS, IMAGE = (
    f"k8slab.io/{word}" for word in ("lab", "kind", "id", "pod", "attempt", "address", "image")
)
UID, NAME = "io.kubernetes.pod.uid", "io.kubernetes.container.name"  # as containerd's CRI and dockershim label them
PROCESSES = 512  # a container's, as on `local`
LOG = {"type": "json-file", "config": {"max-size": "10m", "max-file": "2"}}
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # of pods and containers: their ids name folders
NEVER = "0001-01-01"  # how Go writes no time
EXEC_REFUSED = re.compile(r'exec: "(?P<program>.*?)": (?P<why>.*?)(?:: unknown)?$', re.MULTILINE)
OF_CRUN = re.compile(r"crun: (?P<why>executable file) `(?P<program>.*?)` not found in \$PATH")
HUB = ("docker.io/library/", "docker.io/")  # Podman writes the registry that Docker leaves out
CANNOT_RUN = ("OCI runtime", "exec:", "failed to create task", "crun:", "runc", "executable file")


def sandbox_name(lab: str, pod: PodConfig) -> str:
    """Of a pod's pause container."""
    return _clean(f"k8slab_POD_{pod.name}_{pod.namespace}", lab + pod.uid)


def container_name(lab: str, spec: ContainerSpec, pod: PodConfig) -> str:
    """Of one of its containers."""
    return _clean(f"k8slab_{spec.name}_{pod.name}_{pod.namespace}_{spec.attempt}", lab + spec.id)


def _clean(name: str, unique: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name) + "_" + hashlib.sha256(unique.encode()).hexdigest()[:8]


def sandbox_labels(lab: str, pod: PodConfig, address: str) -> dict[str, str]:
    """Everything a later server must know of the pod."""
    kept = json.dumps({**asdict(pod), "hosts": "", "resolver": None})
    return {LAB: lab, KIND: "sandbox", UID: pod.uid, POD: kept, ADDRESS: address}


def container_labels(lab: str, spec: ContainerSpec, image: str) -> dict[str, str]:
    """Everything a later server must know of the container."""
    return {
        LAB: lab, KIND: "container", UID: spec.pod_uid, NAME: spec.name, ID: spec.id,
        ATTEMPT: str(spec.attempt), IMAGE: image,
    }  # fmt: skip


def host_config(spec: ContainerSpec, sandbox: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Its limits, files and network: the network is the sandbox's, `files` (target -> source) are its pod's."""
    mounts: list[dict[str, Any]] = [
        {"Type": "bind", "Source": source, "Target": target} for target, source in files.items()
    ]
    for mount in spec.mounts:
        mounts.append({"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only})
    config: dict[str, Any] = {
        "NetworkMode": f"container:{sandbox}",
        "IpcMode": f"container:{sandbox}",
        "Mounts": mounts,
        "PidsLimit": PROCESSES,
        "LogConfig": {"Type": LOG["type"], "Config": LOG["config"]},
        "ReadonlyRootfs": spec.read_only,
    }
    if spec.cpu:
        config["NanoCpus"] = max(int(spec.cpu * 1e9), 10_000_000)  # the least the engine takes is a hundredth
    if spec.memory:
        config["Memory"] = config["MemorySwap"] = max(spec.memory, 6 << 20)  # and 6 MiB
    return config


@dataclass(frozen=True)
class Ground:
    """What a container is put upon."""

    lab: str
    pod: PodConfig
    address: str
    sandbox: str  # the engine's id of the pause container
    shares_name: bool  # who joins a container's network has its host name, and may have no other; not so on Podman
    files: Mapping[str, str] = field(default_factory=dict)  # of the pod: target -> source


def container_config(spec: ContainerSpec, image: Mapping[str, Any], on: Ground) -> dict[str, Any]:
    """The body of the engine's `create`; `image` is what it said of the image. RuntimeFailure without a command."""
    of_image = image.get("Config") or {}
    if not (spec.command or spec.args or of_image.get("Entrypoint") or of_image.get("Cmd")):
        said = f'no command specified: neither by the container nor by "{spec.image}"'
        raise RuntimeFailure("CreateContainerError", said)
    config: dict[str, Any] = {
        "Image": image["Id"],
        "Labels": container_labels(on.lab, spec, image["Id"]),
        "Env": [f"{name}={value}" for name, value in {**_told(on, spec), **spec.env}.items()],
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin and spec.stdin_once,
        "HostConfig": host_config(spec, on.sandbox, on.files),
    }
    if spec.command:  # replaces the image's command, too, as the CRI has it
        config |= {"Entrypoint": list(spec.command), "Cmd": list(spec.args)}
    elif spec.args:
        config["Cmd"] = list(spec.args)
    if not on.shares_name:
        config["Hostname"] = on.pod.hostname[:63]
    if spec.workdir:
        config["WorkingDir"] = spec.workdir
    if spec.user is not None:
        config["User"] = str(spec.user)
    if spec.stop_signal:
        config["StopSignal"] = spec.stop_signal
    return config


def _told(on: Ground, spec: ContainerSpec) -> dict[str, str]:
    return {"POD_IP": on.address, "NODE_NAME": on.pod.node, "K8SLAB_CONTAINER": spec.id}


def state_of(told: Mapping[str, Any]) -> ContainerState:
    """What we say of a container that the engine describes so (its `inspect`)."""
    labels, state = told["Config"]["Labels"], told["State"]
    phase, started, finished = state["Status"], seconds(state.get("StartedAt")), seconds(state.get("FinishedAt"))
    known: dict[str, Any] = {"image_id": labels.get(IMAGE, "")}
    if phase in ("running", "paused", "restarting", "stopping"):
        known |= {"phase": "running", "pid": state.get("Pid") or None, "started": started}
    elif phase in ("exited", "dead", "removing", "stopped"):
        known |= {"phase": "exited", "started": started, "finished": max(finished, started), **ending(state)}
    else:
        known |= {"phase": "created"}
    return ContainerState(labels[ID], labels[UID], labels[NAME], int(labels.get(ATTEMPT, 0)), **known)


def ending(state: Mapping[str, Any]) -> dict[str, Any]:
    """How it ended."""
    code = int(state.get("ExitCode") or 0)
    reason = "Completed" if code == 0 else "OOMKilled" if state.get("OOMKilled") and code == 137 else "Error"
    return {"exit_code": code, "reason": reason, "message": str(state.get("Error") or "")}


def pod_of(labels: Mapping[str, str]) -> PodConfig:
    """The pod that a sandbox was made for."""
    return PodConfig(**json.loads(labels[POD]))


def seconds(time: str | None) -> float:
    """Since 1970; 0 for no time. The engine writes nanoseconds."""
    if not time or time.startswith(NEVER):
        return 0.0
    found = re.fullmatch(r"(.*?:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)", time)
    if not found:
        return 0.0
    whole = datetime.fromisoformat(found[1] + ("+00:00" if found[3] == "Z" else found[3])).timestamp()
    return whole + float(f"0.{found[2] or 0}")


def start_failure(message: str) -> RuntimeFailure:
    """Why it was not started: its command could not be run, or it could not be made."""
    if refused := exec_refused(message):
        return RuntimeFailure("RunContainerError", refused)
    cannot_run = any(word in message for word in CANNOT_RUN)
    return RuntimeFailure("RunContainerError" if cannot_run else "CreateContainerError", message)


def exec_refused(message: str) -> str:
    """Why a command could not be run, in runc's words whatever the engine runs containers with; empty: not for that."""
    found = EXEC_REFUSED.search(message) or OF_CRUN.search(message)
    if not found:
        return ""
    missing = " not found in $PATH" * (found.re is OF_CRUN)
    return f'exec: "{found["program"]}": {found["why"]}{missing}'


def hosts(pod: PodConfig, address: str, more: str) -> str:
    """The pod's /etc/hosts, as pkg/kubelet/kubelet_pods.go writes it."""
    full = f"{pod.hostname}.{pod.domain}\t" if pod.domain else ""
    own = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    return f"# Kubernetes-managed hosts file.\n{own}{address}\t{full}{pod.hostname}\n{more}"


def used_memory(stats: Mapping[str, Any]) -> int:
    """The working set: what the kernel counts, without the files it would give up at once (as cAdvisor)."""
    memory = stats.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    idle = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return max(0, int(memory.get("usage") or 0) - int(idle or 0))


def repository(names: Sequence[str] | None) -> list[str]:
    """An image's names as people write them, without those that say it has none."""
    return [short(name) for name in names or () if "<none>" not in name]


def short(name: str) -> str:
    """An image's name without the registry that goes without saying."""
    return next((name.removeprefix(hub) for hub in HUB if name.startswith(hub)), name)
