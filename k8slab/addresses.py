"""Which addresses a lab uses: a range of 127.0.0.0/8 of its own where containers are real, Kubernetes' usual ones else.

Linux gives all of 127.0.0.0/8 to loopback, for everybody on the machine. So that no two labs (of anybody) use the same
addresses, each holds a socket on the first address of its range, 127.A.0.1, while its server runs. `server.py` asks.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

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
    number: int = 0  # the A of 127.A.0.0/16; 0: nothing of this machine is used
    guard: socket.socket | None = field(default=None, compare=False)

    @property
    def subnet(self) -> str:
        """All addresses of the lab's nodes, pods and Services; empty if they are not this machine's."""
        return f"127.{self.number}.0.0/16" if self.number else ""

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


def _cidr(number: int) -> Callable[[int], str]:
    return lambda node: f"127.{number}.{node}.0/24"


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
