"""What a node is in the API: its Node object and its Lease, as a kubelet registers and renews them. Pure.

`agent.py` writes them. The words are those of pkg/kubelet/nodestatus/setters.go in Kubernetes 1.36.
"""

from __future__ import annotations

import ipaddress
import platform
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from k8slab.api.objects import Obj, condition

LEASES = "kube-node-lease"  # the namespace
RENEW, LEASE = 10.0, 40  # Kubernetes seconds: how often a Lease is renewed, how long it is good
REPORT = 300.0  # Kubernetes seconds: the status is posted this often even if nothing changed

HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
PRESSED = {  # the same when it is short of something
    "MemoryPressure": ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
}
MOST_IMAGES = 50  # that a node tells of (nodeStatusMaxImages)
PRESSURE_OF = {"memory": "MemoryPressure", "ephemeral-storage": "DiskPressure"}
SHORT_EVENTS = {"MemoryPressure": "NodeHasInsufficientMemory", "DiskPressure": "NodeHasDiskPressure"}
ENOUGH_EVENTS = {"MemoryPressure": "NodeHasSufficientMemory", "DiskPressure": "NodeHasNoDiskPressure"}
TRANSITION = 300.0  # Kubernetes seconds a pressure is shown after it was last seen (evictionPressureTransitionPeriod)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64"}


@dataclass(frozen=True)
class NodeConfig:
    """A node to be: its name, its range of pod addresses, and what it offers."""

    name: str
    cidr: str  # spec.podCIDR; its first address is the node's
    cpu: str = "4"
    memory: str = "8Gi"
    pods: int = 110
    storage: str = "100Gi"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Obj] = ()
    version: str = "v1.36.0"  # the kubelet's

    @property
    def address(self) -> str:
        """InternalIP."""
        return str(ipaddress.ip_network(self.cidr)[1])

    @property
    def capacity(self) -> dict[str, str]:
        """What pods may use, as quantities."""
        return {
            "cpu": self.cpu,
            "ephemeral-storage": self.storage,
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
            "memory": self.memory,
            "pods": str(self.pods),
        }


def new_node(config: NodeConfig) -> Obj:
    """The Node as it is first registered, without its status."""
    arch = architecture()
    labels = {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }
    spec: Obj = {"podCIDR": config.cidr, "podCIDRs": [config.cidr]}
    if config.taints:
        spec["taints"] = [*config.taints]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": config.name, "labels": labels}, "spec": spec}


def node_status(
    config: NodeConfig,
    node: Obj,
    runtime: str,
    boot: str,
    now: str,
    pressed: Collection[str] = (),
    images: Sequence[Obj] = (),
) -> Obj:
    """The status of a node. `runtime` is `<name>://<version>`, `boot` this boot's id, `pressed` has condition types."""
    old = node.get("status") or {}
    types = [type_ for type_, *_ in HEALTHY]
    return {
        **old,
        "addresses": [
            {"type": "InternalIP", "address": config.address},
            {"type": "Hostname", "address": config.name},
        ],
        "allocatable": config.capacity,
        "capacity": config.capacity,
        "conditions": [_condition(node, *_said(healthy, pressed), now) for healthy in HEALTHY]
        + [other for other in old.get("conditions") or [] if other["type"] not in types],
        "images": [*images],
        "nodeInfo": node_info(config, runtime, boot),
    }


def _said(healthy: tuple[str, str, str, str], pressed: Collection[str]) -> tuple[str, str, str, str]:
    return (healthy[0], *PRESSED[healthy[0]]) if healthy[0] in pressed else healthy


def _condition(node: Obj, type_: str, status: str, reason: str, message: str, now: str) -> Obj:
    old = condition(node, type_)
    since = (old.get("lastTransitionTime") if old and old.get("status") == status else None) or now
    times = {"lastHeartbeatTime": now, "lastTransitionTime": since}
    return {"type": type_, "status": status, "reason": reason, "message": message, **times}


def node_images(names: Collection[str], sizes: Mapping[str, int]) -> list[Obj]:
    """`status.images`: the largest first, and no more than a kubelet tells (nodeStatusMaxImages)."""
    ordered = sorted(names, key=lambda name: (-sizes.get(name, 0), name))[:MOST_IMAGES]
    return [{"names": [name]} | ({"sizeBytes": sizes[name]} if sizes.get(name) else {}) for name in ordered]


def node_info(config: NodeConfig, runtime: str, boot: str) -> Obj:
    """`status.nodeInfo`. The machine's own ids stay private: these are made from the node's name."""
    machine = uuid.uuid5(uuid.NAMESPACE_DNS, f"{config.name}.k8slab.io")
    return {
        "architecture": architecture(),
        "bootID": boot,
        "containerRuntimeVersion": runtime,
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": config.version,
        "machineID": machine.hex,
        "operatingSystem": "linux",
        "osImage": os_image(),
        "systemUUID": str(machine),
    }


def new_lease(config: NodeConfig, node: Obj, now: str) -> Obj:
    """The node's Lease; `now` is a MicroTime."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": config.name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": config.name, "namespace": LEASES, "ownerReferences": [owner]},
        "spec": {"holderIdentity": config.name, "leaseDurationSeconds": LEASE, "renewTime": now},
    }


@cache
def architecture() -> str:
    """The machine's architecture in Go's words: amd64, arm64."""
    return ARCHITECTURES.get(platform.machine(), platform.machine().lower())


@cache
def os_image() -> str:
    """The distribution's name, as /etc/os-release has it."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return platform.system()
    named = dict(line.split("=", 1) for line in lines if "=" in line)
    return named.get("PRETTY_NAME", "Linux").strip('"')
