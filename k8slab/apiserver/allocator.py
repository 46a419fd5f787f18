"""Addresses and ports for Services, as the API server hands them out (pkg/registry/core/service/ipallocator).

`strategy.py` asks when a Service comes, changes or goes. What is taken is read from the Services themselves, so
there is nothing to repair after a crash.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable
from random import Random

from k8slab.api.objects import Obj

NODE_PORTS = range(30000, 32768)


class Allocator:
    """Draws from a range of addresses and from the node ports, never one that a Service holds."""

    def __init__(self, service_range: str) -> None:
        self.network = ipaddress.IPv4Network(service_range)
        self._random = Random()

    @property
    def first(self) -> str:
        """The address of the Service `kubernetes`."""
        return str(self.network[1])

    @property
    def dns(self) -> str:
        """The address of the cluster's DNS server, in every cluster the tenth."""
        return str(self.network[10])

    def address(self, services: Iterable[Obj]) -> str:
        """A free cluster IP. Raises RuntimeError when the range is used up."""
        taken = held(services) | {self.first, self.dns}
        last = self.network.num_addresses - 2
        for offset in self._from(self._random.randint(2, last), 2, last):
            if (found := str(self.network[offset])) not in taken:
                return found
        raise RuntimeError(f"no cluster IP is free in {self.network}: delete a Service")

    def refusal(self, address: str, services: Iterable[Obj]) -> str:
        """Why a Service cannot have the address it asks for; nothing, if it can."""
        try:
            fits = ipaddress.ip_address(address) in self.network
        except ValueError:
            return ""  # validation says so
        if not fits:
            return "the provided network does not match the current range"
        return "provided IP is already allocated" if address in held(services) else ""

    def node_port(self, taken: Container[int]) -> int:
        """A free node port. Raises RuntimeError when all are used."""
        for port in self._from(self._random.choice(NODE_PORTS), NODE_PORTS[0], NODE_PORTS[-1]):
            if port not in taken:
                return port
        raise RuntimeError("no node port is free between 30000 and 32767: delete a Service")

    @staticmethod
    def _from(start: int, first: int, last: int) -> Iterable[int]:
        return (*range(start, last + 1), *range(first, start))


def held(services: Iterable[Obj]) -> set[str]:
    """Every cluster IP that these Services have."""
    return {ip for service in services for ip in service["spec"].get("clusterIPs") or []}


def node_ports(services: Iterable[Obj]) -> Iterable[int]:
    """Every node port that these Services hold."""
    return (
        port["nodePort"] for service in services for port in service["spec"].get("ports") or [] if "nodePort" in port
    )
