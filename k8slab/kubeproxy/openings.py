"""One route of a Service on this machine: holds the port, and answers on it while there is a pod to answer.

`proxy.py` keeps one for every route it wants open; `forward.py` does the answering. The port is taken as soon as the
Service is there, so that a pod started before the first endpoint is ready learns the right number; but until then
nobody listens, and the kernel refuses connections as a cluster's would.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Iterable

from k8slab.clock import Clock
from k8slab.kubeproxy.balance import Balancer
from k8slab.kubeproxy.forward import Connection, Door, Identify, Reach
from k8slab.kubeproxy.rules import Route, Target

Bind = Callable[[str, int], socket.socket]

SHIFT = 18000  # where port 80 may not be opened, 18080 is tried first


def bind(address: str, port: int) -> socket.socket:
    """A TCP socket on exactly this address and port, not listening yet. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class Opening:
    """The port that is really open is `port`: another than the route's where the kernel keeps that one for root."""

    def __init__(
        self,
        route: Route,
        bind: Bind,
        clock: Clock,
        members: set[Connection],
        identify: Identify,
        reach: Reach | None = None,
    ) -> None:
        self.route, self.port = route, 0
        self._reach = reach
        self._bind, self._clock, self._members, self._identify = bind, clock, members, identify
        self._balancer = Balancer()
        self._held: socket.socket | None = None
        self._door: Door | None = None

    def open(self, earlier: int, avoid: Collection[int]) -> None:
        """Take the port, or in its stead the one it had `earlier`, or any but these. Raises OSError."""
        try:
            self._held = self._bind(*self.route)
        except PermissionError:
            usual = [port for port in (earlier, self.route.port + SHIFT) if 0 < port < 1 << 16 and port not in avoid]
            self._held = self._elsewhere([*usual, 0])
        self.port = self._held.getsockname()[1]

    def serve(self, target: Target) -> None:
        """Lead to these from now on. Raises OSError, and stays closed, if somebody else listens here meanwhile."""
        self._balancer.backends, self._balancer.sticky = target.backends, target.sticky
        self._balancer.near = target.near
        if target.backends and self._door is None:
            held = self._held or self._bind(self.route.address, self.port)
            self._held = None
            try:
                self._door = Door(held, self._balancer, self._clock, self._members, self._identify, self._reach)
            except BaseException:
                held.close()
                raise
        elif not target.backends and self._door is not None:
            self._door.close()
            self._door = None
            self._held = self._bind(self.route.address, self.port)

    def slow(self, seconds: float) -> None:
        """Answers are late by so much, also on connections that there are."""
        self._balancer.delay = seconds

    def close(self) -> None:
        """Let go of the port; connections go on."""
        if self._door:
            self._door.close()
        if self._held:
            self._held.close()
        self._door = self._held = None

    def _elsewhere(self, ports: Iterable[int]) -> socket.socket:
        for port in ports:
            try:
                return self._bind(self.route.address, port)
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES) or port == 0:
                    raise
        raise OSError(errno.EADDRINUSE, "no port is free")
