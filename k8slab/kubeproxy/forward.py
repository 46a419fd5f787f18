"""The data path: accept a connection, connect it to a pod, carry bytes both ways until both sides are done.

`balance.py` chooses the pod; `proxy.py` opens and closes. Plain non-blocking sockets on the event loop's readers and
writers: a short request costs half of what asyncio's transports take, because a connection inside one machine is made
within the call and needs no task. Semantics are those of a network in between: one side's end of data is passed on
while the other still speaks, a reset stays a reset, and who does not read slows down who writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator

from k8slab.clock import Clock
from k8slab.kubeproxy.balance import Backend, Balancer, Caller

log = logging.getLogger(__name__)

CHUNK = 64 * 1024  # bytes read at once, and the most that waits in one direction
ACCEPTS = 64  # connections taken before others on the event loop have their turn
BREATHER = 1.0  # seconds without accepting, when the process has no file descriptor left
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset
PENDING = (errno.EINPROGRESS, errno.EALREADY)

Address = tuple[str, int]
Identify = Callable[[Address, Address], Awaitable[Caller | None]]  # of a client's socket: its own address, its peer's
Reach = Callable[[Address], Address]  # of a pod's port: where it is connected to from here


async def nobody(client: Address, peer: Address) -> Caller | None:
    """Where who calls cannot be told."""
    return None


class Way:
    """One direction of a connection: from `source` to `sink`. At most one chunk waits; then reading pauses."""

    __slots__ = ("connection", "done", "pending", "sink", "source")

    def __init__(self, connection: Connection, source: socket.socket, sink: socket.socket) -> None:
        self.connection, self.source, self.sink = connection, source, sink
        self.pending: memoryview | None = None
        self.done = False

    def readable(self) -> None:
        try:
            data = self.source.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.connection.reset()
            return
        if not data:
            self._finish()
        elif self.connection.holds(self):
            self.connection.hold(self, memoryview(data))
        else:
            self._carry(memoryview(data))

    def release(self, data: memoryview) -> None:
        """What was held back goes on its way."""
        self.connection.loop.add_reader(self.source.fileno(), self.readable)
        self._carry(data)

    def writable(self) -> None:
        data, self.pending = self.pending, None
        self.connection.loop.remove_writer(self.sink.fileno())
        self.connection.loop.add_reader(self.source.fileno(), self.readable)
        self._carry(data or memoryview(b""))

    def _carry(self, data: memoryview) -> None:
        try:
            sent = self.sink.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:  # the sink has closed; what it said before is still to be carried the other way
            self._finish()
            return
        if sent < len(data):
            self.pending = data[sent:]
            self.connection.loop.remove_reader(self.source.fileno())
            self.connection.loop.add_writer(self.sink.fileno(), self.writable)

    def _finish(self) -> None:
        self.done = True
        self.connection.finished(self)


class Connection:
    """A client's socket and a pod's, joined."""

    __slots__ = ("_asked", "_balancer", "_holding", "back", "client", "loop", "members", "pod", "there")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: socket.socket,
        pod: socket.socket,
        members: set[Connection],
        balancer: Balancer,
    ) -> None:
        self.loop, self.client, self.pod, self.members = loop, client, pod, members
        self._balancer = balancer
        self._asked = True  # the client has spoken since the pod last did
        self._holding: asyncio.TimerHandle | None = None
        self.there, self.back = Way(self, client, pod), Way(self, pod, client)
        members.add(self)
        # Numbers, because for a socket the loop's selector would write its whole description into a swallowed KeyError.
        loop.add_reader(client.fileno(), self.there.readable)
        loop.add_reader(pod.fileno(), self.back.readable)

    @property
    def over(self) -> bool:
        """Whether both directions have ended."""
        return self.there.done and self.back.done

    def holds(self, way: Way) -> bool:
        """Whether these bytes have to wait: the beginning of an answer, where answers are to be late."""
        if way is self.there:
            self._asked = True
            return False
        waits, self._asked = self._asked and self._balancer.delay > 0, False
        return waits

    def hold(self, way: Way, data: memoryview) -> None:
        """Let them go when it is time; until then nothing more is read from that side."""
        self.loop.remove_reader(way.source.fileno())
        self._holding = self.loop.call_later(self._balancer.delay, way.release, data)

    def reset(self) -> None:
        """Break it off, so that both sides see that it did not end well."""
        for end in (self.client, self.pod):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for way in (self.there, self.back):
            self.loop.remove_reader(way.source.fileno())
            self.loop.remove_writer(way.sink.fileno())
            way.done, way.pending = True, None
        self._free()

    def finished(self, way: Way) -> None:
        """A direction has ended: tell its sink, or, when the other has ended too, let both go."""
        self.loop.remove_reader(way.source.fileno())
        if self.over:
            self._free()
            return
        with contextlib.suppress(OSError):  # it may have gone altogether
            way.sink.shutdown(socket.SHUT_WR)

    def _free(self) -> None:
        self.members.discard(self)
        if self._holding:
            self._holding.cancel()
        self.client.close()
        self.pod.close()


class Door:
    """A listening socket, and the way from it to the pods. `members` collects its connections; they outlive it."""

    def __init__(
        self,
        sock: socket.socket,
        balancer: Balancer,
        clock: Clock,
        members: set[Connection],
        identify: Identify = nobody,
        reach: Reach | None = None,
    ) -> None:
        self._reach = reach
        self._sock, self._balancer, self._clock, self._members = sock, balancer, clock, members
        self._identify = identify
        self._asking: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._waking: Callable[[], None] | None = None
        self._waiting: dict[socket.socket, socket.socket] = {}  # pods that have not answered yet -> their clients
        sock.listen(1024)
        self._listen()

    def close(self) -> None:
        """Refuse from now on. What is connected stays so. Closing again does nothing."""
        if self._sock.fileno() < 0:
            return
        if self._waking:
            self._waking()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for task in self._asking:
            task.cancel()
        for pod, client in self._waiting.items():
            self._loop.remove_writer(pod.fileno())
            pod.close()
            _refuse(client)

    def _listen(self) -> None:
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                client, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted for a second: %s", error)
                self._loop.remove_reader(self._sock.fileno())
                self._waking = self._clock.call_later(BREATHER * self._clock.speed, self._listen)
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._balancer.is_curious:
                task = self._loop.create_task(self._ask_who(client, address))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            else:
                self._serve(client, Caller(address[0]))

    async def _ask_who(self, client: socket.socket, address: Address) -> None:
        try:
            caller = await self._identify(address, client.getsockname())
        except BaseException:
            _refuse(client)
            raise
        self._serve(client, caller or Caller(address[0]))

    def _serve(self, client: socket.socket, caller: Caller) -> None:
        self._connect(client, caller, self._balancer.candidates(caller, self._now()))

    def _connect(self, client: socket.socket, caller: Caller, candidates: Iterator[Backend]) -> None:
        """Join the client with the first that answers; nothing of what it says has been read by then."""
        for backend in candidates:
            there = self._reach(backend) if self._reach else backend
            try:
                pod = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            except OSError:
                break
            pod.setblocking(False)
            pod.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            result = pod.connect_ex(there)
            if result in PENDING:
                result = pod.connect_ex(there)  # within one machine the answer is there already
            if result in (0, errno.EISCONN):
                self._join(client, caller, pod, backend)
                return
            if result in PENDING:
                self._waiting[pod] = client
                self._loop.add_writer(pod.fileno(), self._answered, client, caller, pod, backend, candidates)
                return
            pod.close()
        _refuse(client)

    def _answered(
        self, client: socket.socket, caller: Caller, pod: socket.socket, backend: Backend, others: Iterator[Backend]
    ) -> None:
        self._loop.remove_writer(pod.fileno())
        del self._waiting[pod]
        if pod.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            pod.close()
            self._connect(client, caller, others)
        else:
            self._join(client, caller, pod, backend)

    def _join(self, client: socket.socket, caller: Caller, pod: socket.socket, backend: Backend) -> None:
        self._balancer.keep(caller, backend, self._now())
        Connection(self._loop, client, pod, self._members, self._balancer)

    def _now(self) -> float:
        return self._clock.monotonic() * self._clock.speed


def _refuse(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
