"""Pod addresses out of their node's range, for the runtimes that give them out themselves (`local`, `simulated`).

As the host-local CNI plug-in does, the next address is the one after the last: a freed one rests as long as possible,
so that what still believes in an old pod does not meet a new one there.
"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network

from k8slab.runtime.base import RuntimeFailure


class Addresses:
    """Which address is whose. `.1` of every range is the node's own."""

    def __init__(self) -> None:
        self._address: dict[str, str] = {}
        self._owner: dict[str, str] = {}
        self._last: dict[str, int] = {}  # of each range

    def of(self, owner: str) -> str | None:
        """Its address, if it has one."""
        return self._address.get(owner)

    def owner(self, address: str) -> str | None:
        """Whose it is, if anybody's."""
        return self._owner.get(address)

    def all(self) -> dict[str, str]:
        """Owner -> address."""
        return dict(self._address)

    def give(self, owner: str, cidr: str) -> str:
        """An address for this owner, the same each time. Raises RuntimeFailure when the range is used up."""
        if owner in self._address:
            return self._address[owner]
        first, count = span(cidr)
        last = self._last.get(cidr, -1)
        for step in range(1, count + 1):
            offset = (last + step) % count
            address = str(IPv4Address(first + offset))
            if address not in self._owner:
                self._last[cidr] = offset
                self.keep(owner, address)
                return address
        raise RuntimeFailure(
            "FailedCreatePodSandBox",
            f"no address is left in {cidr}, the range of this node ({count} pods): delete pods or add a node",
        )

    def keep(self, owner: str, address: str) -> None:
        """It has had this address since before we came."""
        self._address[owner], self._owner[address] = address, owner

    def free(self, owner: str) -> None:
        """The address may be given away again."""
        address = self._address.pop(owner, None)
        if address is not None:
            del self._owner[address]


@cache
def span(cidr: str) -> tuple[int, int]:
    """The first pod address of a range, as a number, and how many: not the network's, the node's, or broadcast."""
    network = IPv4Network(cidr)
    return int(network.network_address) + 2, max(0, network.num_addresses - 3)
