"""Which addresses a lab uses: a range of 127.0.0.0/8 of its own where containers are real, Kubernetes' usual ones else.

Linux gives all of 127.0.0.0/8 to loopback, for everybody on the machine. So that no two labs (of anybody) use the same
addresses, each holds a socket on the first address of its range, 127.A.0.1, while its server runs. `server.py` asks.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from k8slab.settings import LabError

RANGES = range(64, 128)  # what A may be; below 64 others live (127.0.0.53 is systemd's resolver)
GUARD_PORT = 10250  # the kubelet's, on the range's first address
LOCAL_NODES = 200  # 127.A.232-239 are load balancers', 127.A.240-255 the Services'


@dataclass(frozen=True)
class AddressPlan:
    """The ranges of one lab, and the socket that keeps others out of them."""

    services: str
    pod_cidr: Callable[[int], str]  # the number of a node, from 1 -> its spec.podCIDR
    balancers: str = ""  # the range of load balancers; empty: there are none
    number: int = 0  # the A of 127.A.0.0/16 (or 10.A.0.0/16); 0: nothing of this machine is used
    guard: socket.socket | None = field(default=None, compare=False)
    first: int = 127  # or 10, of a network of an engine

    @property
    def subnet(self) -> str:
        """All addresses of the lab's nodes, pods and Services; empty if they are not this machine's."""
        return f"{self.first}.{self.number}.0.0/16" if self.number else ""

    def release(self) -> None:
        """Let others have the range."""
        if self.guard is not None:
            self.guard.close()


def simulated(nodes: int) -> AddressPlan:
    """The ranges of clusters whose addresses nobody can connect to: kubeadm's usual ones, wider for big clusters."""
    if nodes < 256:
        return AddressPlan("10.96.0.0/16", lambda node: f"10.244.{node}.0/24")
    return AddressPlan("10.96.0.0/16", lambda node: f"10.{128 + node // 256}.{node % 256}.0/24")


def local(nodes: int, preferred: int, taken: Collection[int]) -> AddressPlan:
    """A range of this machine's own: `preferred` if it is free, else one that is. Raises LabError when none is."""
    if nodes > LOCAL_NODES:
        raise LabError(
            f"{nodes} nodes are more than the {LOCAL_NODES} for which this machine has addresses. "
            "Use fewer, or `--runtime simulated`."
        )
    others = [number for number in RANGES if number not in taken and number != preferred]
    for number in [preferred, *others] if preferred in RANGES else others:
        if guard := _hold(number):
            return AddressPlan(f"127.{number}.240.0/20", _cidr(number), f"127.{number}.232.0/21", number, guard)
    raise LabError(
        f"All {len(RANGES)} address ranges for labs on this machine are in use. "
        "Take a lab down (`k8slab down --all`), or use `--runtime simulated`."
    )


def bridged(nodes: int, preferred: int, taken: Collection[int], used: Iterable[str]) -> AddressPlan:
    """A range for a network of an engine, 10.A.0.0/16: `preferred`, or one that neither the engine's networks (`used`)
    nor this machine's routes (a VPN's, say) overlap. Raises LabError when none is."""
    if nodes > LOCAL_NODES:
        raise LabError(f"{nodes} nodes are more than the {LOCAL_NODES} for which a lab's network has addresses.")
    others = [IPv4Network(each) for each in [*used, *routes()] if ":" not in each]
    free = [
        number
        for number in RANGES
        if number not in taken
        and number != preferred
        and not any(IPv4Network(f"10.{number}.0.0/16").overlaps(each) for each in others)
    ]
    for number in [preferred, *free] if preferred in RANGES else free:
        guard = None
        with contextlib.suppress(LabError):  # not Linux: labs of other users then have another virtual machine anyway
            guard = _hold(number)
            if guard is None:
                continue
        net = f"10.{number}"
        return AddressPlan(f"{net}.240.0/20", _cidr(number, 10), f"{net}.232.0/21", number, guard, 10)
    raise LabError("All address ranges for labs' networks are in use. Take a lab down: `k8slab down --all`.")


def routes(table: Path = Path("/proc/net/route")) -> list[str]:
    """The networks this machine has a route to, without the default one; none where that cannot be read."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    pairs = ((int(row[1], 16), int(row[7], 16)) for row in rows if len(row) > 7)
    return [
        str(IPv4Network((socket.inet_ntoa(struct.pack("=I", to)), bin(mask).count("1")), strict=False))
        for to, mask in pairs
        if mask
    ]


def holds(subnet: str, address: str) -> bool:
    """Whether an address (or no address at all) is of this subnet."""
    try:
        return IPv4Address(address) in IPv4Network(subnet)
    except ValueError:
        return False


def _cidr(number: int, first: int = 127) -> Callable[[int], str]:
    return lambda node: f"{first}.{number}.{node}.0/24"


def _hold(number: int) -> socket.socket | None:
    guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Without SO_REUSEADDR, which would let a second lab bind beside a first that does not listen.
    try:
        guard.bind((f"127.{number}.0.1", GUARD_PORT))
        guard.listen(1)
    except OSError as error:
        guard.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise LabError(
                "This machine gives its loopback interface only 127.0.0.1, so pods can have no addresses of their own. "
                "Use `--runtime simulated`."
            ) from error
        return None
    return guard
