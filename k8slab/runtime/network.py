"""A network of its own for each pod, where we are root: its interfaces, ports and loopback, shared by its containers.

The pod keeps its 127.x address, and everything reaches it there as before: this machine has one cable (a veth pair) for
the lab, and every pod hangs on its far end (macvlan), so that no firewall's forwarding rules stand between pods. The
kernel lets loopback addresses leave through an interface that says `route_localnet`. `local.py` asks for a pod's
network; the shim's children enter it; `ip netns` shows and enters it, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from threading import Thread
from typing import TypeVar

from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.shim.spawn import CLONE_NEWNET, libc

Result = TypeVar("Result")

SHARED = "pods share this machine's loopback network, each with an address of its own out of 127.0.0.0/8"
NAMESPACES = Path("/run/netns")  # where `ip netns` keeps them
TRIAL_SECONDS = 0.5
SETTINGS = {  # of the kernel, for this network alone; the last two as containerd sets them
    "conf/eth0/route_localnet": "1",
    "ip_unprivileged_port_start": "0",
    "ping_group_range": "0 2147483647",
}


class PodNetworks:
    """Those of one lab; `tag` is its mark on this machine, of at most 11 letters, `subnet` its addresses."""

    def __init__(self, tag: str, subnet: IPv4Network) -> None:
        self.ready = False
        self._subnet = subnet
        self._cable, self._prefix = f"k8s{tag}", f"k8slab-{tag}-"

    def open(self) -> str:
        """Lay the cable unless it lies, and try it with a pod of its own: empty if all went through, else why not."""
        if os.geteuid() != 0:
            return f"{SHARED}; a network for each pod needs root"
        if shutil.which("ip") is None:
            return f"{SHARED}; a network for each pod needs `ip`: apt install iproute2"
        try:
            if not Path("/sys/class/net", self._cable).exists():
                self._lay()
            self._try()
        except (OSError, subprocess.CalledProcessError) as problem:
            self.close()
            return f"{SHARED}; this machine refuses a network for each: {words(problem)}"
        self.ready = True
        return ""

    def namespace(self, address: str) -> str:
        """The file that stands for the network of the pod with this address; empty: it shares the machine's."""
        path = NAMESPACES / (self._prefix + address)
        return str(path) if self.ready and path.exists() else ""

    def attach(self, address: str, cidr: str) -> None:
        """A network for the pod with this address; this machine calls it from its node's. Raises RuntimeFailure."""
        try:
            self._attach(address, str(IPv4Network(cidr).network_address + 1))
        except (OSError, subprocess.CalledProcessError) as problem:
            raise RuntimeFailure("FailedCreatePodSandBox", f"its network cannot be made: {words(problem)}") from problem

    def _attach(self, address: str, node: str) -> None:
        name = self._prefix + address
        if (NAMESPACES / name).exists():
            return
        hardware = "02:00:" + IPv4Address(address).packed.hex(":")  # the same each time: caches may keep it
        ip(
            f"netns add {name}",
            f"link add link {self._cable}p name eth0 netns {name} address {hardware} type macvlan mode bridge",
            f"route replace {address}/32 dev {self._cable} src {node} table local",
        )
        within(str(NAMESPACES / name), set_up)
        ip(
            "link set lo up", "addr del 127.0.0.1/8 dev lo", "addr add 127.0.0.1/32 dev lo",
            f"addr add {address}/32 dev lo", "link set eth0 up", f"route add 127.0.0.0/8 dev eth0 src {address}",
            namespace=name,
        )  # fmt: skip

    def detach(self, address: str) -> None:
        """Remove it. What is in it must have ended."""
        for line in (f"route del {address}/32 dev {self._cable} table local", f"netns del {self._prefix}{address}"):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                ip(line)

    def keep(self, addresses: Collection[str]) -> None:
        """Remove what an earlier server left behind, all but those of these pods."""
        if os.geteuid() == 0 and NAMESPACES.is_dir():
            for path in NAMESPACES.glob(f"{self._prefix}*"):
                if (address := path.name.removeprefix(self._prefix)) not in addresses:
                    self.detach(address)

    def close(self) -> None:
        """Leave nothing."""
        self.keep(())
        if Path("/sys/class/net", self._cable).exists():
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(f"link del {self._cable}")

    def _lay(self) -> None:
        ip(
            f"link add {self._cable} type veth peer name {self._cable}p",
            f"link set {self._cable} up", f"link set {self._cable}p up",
        )  # fmt: skip
        Path(f"/proc/sys/net/ipv4/conf/{self._cable}/route_localnet").write_text("1")

    def _try(self) -> None:
        """A connection from this machine to a pod, and one back."""
        node, pod = (str(self._subnet.network_address + number) for number in (1, 2))
        self._attach(pod, node)
        try:
            namespace = str(NAMESPACES / (self._prefix + pod))
            with within(namespace, lambda: socket.create_server((pod, 0))) as there:
                socket.create_connection(there.getsockname(), TRIAL_SECONDS).close()
            with socket.create_server((node, 0)) as here:
                within(namespace, lambda: socket.create_connection(here.getsockname(), TRIAL_SECONDS)).close()
        finally:
            self.detach(pod)


def ip(*lines: str, namespace: str = "") -> None:
    """Have iproute2 carry these out. Raises CalledProcessError with its words."""
    command = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True, capture_output=True)


def words(problem: Exception) -> str:
    """What went wrong, as iproute2 or the kernel said it."""
    return str(problem.stderr).strip() if isinstance(problem, subprocess.CalledProcessError) else str(problem)


def set_up() -> None:
    """The kernel's settings for the network we are in."""
    for name, value in SETTINGS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)


def within(namespace: str, work: Callable[[], Result]) -> Result:
    """Do something in another network: a namespace is a thread's own, so a thread goes there. Raises OSError."""
    results: list[Result] = []
    problems: list[OSError] = []

    def go() -> None:
        try:
            with open(namespace) as there:
                if libc.setns(there.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            results.append(work())
        except OSError as problem:
            problems.append(problem)

    thread = Thread(target=go)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return results[0]
