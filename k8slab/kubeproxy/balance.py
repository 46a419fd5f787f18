"""Which pod gets the next connection of a Service's port. Nothing here opens or waits.

`rules.py` says between whom to choose, `forward.py` asks. kube-proxy in iptables mode draws lots; here they take turns,
because with a learner's ten requests lots look unfair and turns look like what a balancer is for. The first turn is
drawn, so that of many Services with one request each the first pod is not always hit. Some Services want to know who
asks: a client that is to keep its pod, or to stay on its node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from random import randrange
from typing import NamedTuple

REMEMBERED = 10_000  # clients with a pod of their own, per port; those heard of longest ago are forgotten first


class Backend(NamedTuple):
    """Where a pod listens."""

    address: str
    port: int


class Caller(NamedTuple):
    """Who asks: a pod's address and its node, or an address of whoever is no pod."""

    address: str = ""
    node: str = ""


ANYBODY = Caller()


class Balancer:
    """Takes turns; with `sticky` seconds a client keeps its pod until it has been away for so long. `near` are the pods
    for clients on each node, if they may use no other; `delay` is by how many seconds answers are late (a fault)."""

    def __init__(self, start: int | None = None) -> None:
        self.backends: tuple[Backend, ...] = ()
        self.sticky = 0.0
        self.near: Mapping[str, tuple[Backend, ...]] | None = None
        self.delay = 0.0
        self._turn = randrange(1 << 16) if start is None else start
        self._kept: OrderedDict[str, tuple[Backend, float]] = OrderedDict()

    @property
    def is_curious(self) -> bool:
        """Whether it matters who asks."""
        return bool(self.sticky) or self.near is not None

    def candidates(self, caller: Caller = ANYBODY, now: float = 0.0) -> Iterator[Backend]:
        """Whom to try, in order: the one whose turn it is (or the client's own), then the others in case it refuses.

        `now` counts seconds of the same kind as `sticky`. Say `keep` once a client has got through.
        """
        backends, turn = self._for(caller), self._turn
        own = self._own(caller.address, now) if self.sticky else None
        own = own if own in backends else None
        if own:
            yield own
        else:
            self._turn += 1
        for offset in range(len(backends)):
            backend = backends[(turn + offset) % len(backends)]
            if backend != own:
                yield backend

    def keep(self, caller: Caller, backend: Backend, now: float) -> None:
        """Remember who served the client, if it is to stay with them (`sessionAffinity: ClientIP`)."""
        if not self.sticky:
            return
        self._kept[caller.address] = (backend, now)
        self._kept.move_to_end(caller.address)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def _for(self, caller: Caller) -> tuple[Backend, ...]:
        return self.backends if self.near is None or not caller.node else self.near.get(caller.node, ())

    def _own(self, client: str, now: float) -> Backend | None:
        backend, since = self._kept.get(client, (None, 0.0))
        return backend if backend in self.backends and now - since < self.sticky else None
