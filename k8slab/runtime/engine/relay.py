"""The lab's server on the lab's network: it listens at Services' addresses through the gateway, and reaches pods.

`gateway.py` is the program on the other side, in a container. `bind` gives what looks like a listening socket, so that
kubeproxy works with it as with any; connections come out of it that the gateway has handed over. Whether pods' own
addresses can be reached from here is tried with the gateway's: on Linux they can, behind a virtual machine not.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from k8slab.clock import Clock
from k8slab.runtime.base import RuntimeFailure
from k8slab.runtime.engine import gateway, specs
from k8slab.runtime.engine.link import Link, Missing, Refused
from k8slab.runtime.engine.sandboxes import gone

log = logging.getLogger(__name__)

SPARE = 16  # connections that wait at the gateway for clients
TRY = 1.0  # real seconds to reach the gateway's own address
AGAIN = 1.0  # real seconds until a gateway that is lost is called again

Address = tuple[str, int]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relayed(socket.socket):
    """Looks like a listening socket of an address of the lab's network. `accept` gives what the gateway handed over."""

    def __init__(self, relay: Relay, place: Address) -> None:
        ours, self._bell = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.setblocking(False)
        self._bell.setblocking(False)
        self._relay, self.place = relay, place
        self._come: deque[tuple[socket.socket, Address]] = deque()

    def listen(self, backlog: int = 0, /) -> None:
        self._relay.open[self.place] = self
        self._relay.changed()

    def accept(self) -> tuple[socket.socket, Address]:
        self.recv(1)  # BlockingIOError when nobody has come
        return self._come.popleft()

    def getsockname(self) -> Address:
        return self.place

    def come(self, client: socket.socket, address: Address) -> None:
        """Somebody was handed over."""
        self._come.append((client, address))
        self._bell.send(b"!")

    def close(self) -> None:
        if self._relay.open.get(self.place) is self:
            del self._relay.open[self.place]
            self._relay.changed()
        for client, _ in self._come:
            client.close()
        self._bell.close()
        super().close()


class Relay:
    """The gateway of one lab, and the way through it. `image` gives the image that it runs in."""

    def __init__(self, link: Link, lab: str, network: str, address: str, image: Callable[[], Awaitable[str]]) -> None:
        self._link, self._lab, self._network, self._image = link, lab, network, image
        self.address = address  # the gateway's own
        self.direct = True  # whether pods' addresses are reached from here
        self.why = ""  # why it does not work; empty: it does, or will in a moment
        self.open: dict[Address, Relayed] = {}
        self._talks: dict[Address, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {}
        self._doors: dict[Address, socket.socket] = {}
        self._at: Address = (address, gateway.PORT)
        self._token = ""
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Have the gateway run, from now on, and whenever it has ended."""
        self._do(self._run())

    async def close(self) -> None:
        """Let go. The gateway's container is `docker.py`'s to remove, with all others."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for door in self._doors.values():
            door.close()

    # ---- towards us

    def bind(self, address: str, port: int) -> socket.socket:
        """What can be listened on for connections to this address of the lab's network."""
        return Relayed(self, (address, port))

    def talk(
        self, place: Address, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        """Let this hold the conversations with clients of an address (on port 53 by UDP, too)."""
        self._talks[place] = talk
        self.changed()

    def changed(self) -> None:
        """There is another address to listen at, or one less."""
        self._changed.set()

    async def _run(self) -> None:
        clock = Clock()
        while True:
            try:
                await self._have()
                await self._serve()
            except (RuntimeFailure, Missing, Refused, OSError, asyncio.IncompleteReadError) as error:
                if self.why != str(error):
                    log.info("Services are not reached from containers: %s", error)
                self.why = str(error) or type(error).__name__
            await clock.sleep(AGAIN)

    async def _serve(self) -> None:
        """Keep the table as it should be, until the gateway is lost."""
        reader, writer = await self._call({"do": "table"})
        spare = [self._do(self._spare()) for _ in range(SPARE)]
        lost = asyncio.ensure_future(self._heard(reader))
        try:
            while not lost.done():
                self._changed.clear()
                writer.write(json.dumps([*self.open, *self._talks]).encode() + b"\n")
                await asyncio.wait([lost, news := asyncio.ensure_future(self._changed.wait())],
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                news.cancel()
            raise ConnectionResetError(errno.ECONNRESET, "the gateway has ended")
        finally:
            lost.cancel()
            for task in spare:
                task.cancel()
            writer.close()

    async def _heard(self, reader: asyncio.StreamReader) -> None:
        while await reader.readline():
            self.why = ""

    async def _spare(self) -> None:
        """Wait at the gateway for clients, one after the other; what one says is somebody else's to read."""
        loop, clock = asyncio.get_running_loop(), Clock()
        while True:
            sock = None
            try:
                sock = await self._socket()
                await loop.sock_sendall(sock, self._hello({"do": "wait"}))
                head = json.loads(await _exactly(sock, gateway.HEAD))
            except BaseException as error:
                if sock:
                    sock.close()
                if not isinstance(error, OSError):
                    raise
                await clock.sleep(AGAIN)
                continue
            self._hand_over(sock, tuple(head["client"]), tuple(head["at"]))

    def _hand_over(self, sock: socket.socket, client: Any, place: Any) -> None:
        if talk := self._talks.get(place):
            self._do(self._converse(sock, talk))
        elif listener := self.open.get(place):
            listener.come(sock, client)
        else:
            sock.close()

    async def _converse(self, sock: socket.socket, talk: Callable[..., Awaitable[None]]) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        with contextlib.suppress(OSError):
            await talk(reader, writer)

    # ---- from us

    async def checked(self, place: Address) -> Address:
        """As `reach`; a door that leads nowhere is not given. Raises OSError as the pod would refuse."""
        if not self.direct:
            (await self._through(*place)).close()
        return self.reach(place)

    async def _through(self, address: str, port: int) -> socket.socket:
        sock = await self._socket()
        try:
            await asyncio.get_running_loop().sock_sendall(sock, self._hello({"do": "connect", "to": [address, port]}))
            said = b""
            while not said.endswith(b"\n"):
                said += await _exactly(sock, 1)
            if said != b"ok\n":
                raise OSError(int(said), os.strerror(int(said)))
        except BaseException:
            sock.close()
            raise
        return sock

    def reach(self, place: Address) -> Address:
        """Where a pod's port is connected to from here: there, or at a door on loopback that leads there."""
        if self.direct:
            return place
        if place not in self._doors:
            door = self._doors[place] = socket.create_server(("127.0.0.1", 0), backlog=256)
            door.setblocking(False)
            self._do(self._hold(door, place))
        found = self._doors[place].getsockname()
        return str(found[0]), int(found[1])

    async def _hold(self, door: socket.socket, place: Address) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(door)
            self._do(self._lead(client, place))

    async def _lead(self, client: socket.socket, place: Address) -> None:
        try:
            pod = await self._through(*place)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gateway.RESET)
            client.close()
            return
        await gateway.join(await asyncio.open_connection(sock=client), await asyncio.open_connection(sock=pod))

    # ---- the gateway itself

    async def _have(self) -> None:
        """Have its container run, and find out where it is reached."""
        wanted = {"label": [f"{specs.LAB}={self._lab}", f"{specs.KIND}=gateway"]}
        found = await self._link.do(lambda api: api.containers(all=True, filters=wanted))
        running = [each for each in found if each["State"] == "running"]
        for each in found if not running else ():
            await gone(self._link, each["Id"])
        if not running:
            image = await self._image()
            id = await self._link.do(lambda api: self._make(api, image))
        told = await self._link.do(lambda api: api.inspect_container(running[0]["Id"] if running else id))
        env = dict(each.split("=", 1) for each in told["Config"]["Env"])
        self._token = env["TOKEN"]
        ports = told["NetworkSettings"]["Ports"].get(f"{gateway.PORT}/tcp") or []
        published = next(((each["HostIp"], int(each["HostPort"])) for each in ports), None)
        await self._find_way(published)

    def _make(self, api: Any, image: str) -> str:
        port = f"{gateway.PORT}/tcp"
        config = {
            "Image": image,
            "Entrypoint": ["python3", "-c", Path(gateway.__file__).read_text()],
            "Cmd": [],
            "User": "0",
            "Env": [f"TOKEN={secrets.token_hex(16)}"],
            "Labels": {specs.LAB: self._lab, specs.KIND: "gateway"},
            "ExposedPorts": {port: {}},
            "HostConfig": {
                "NetworkMode": self._network,
                "CapAdd": ["NET_ADMIN"],
                "PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": ""}]},
                "RestartPolicy": {"Name": "unless-stopped"},
            },
            "NetworkingConfig": {
                "EndpointsConfig": {self._network: {"IPAMConfig": {"IPv4Address": self.address}}}
            },
        }  # fmt: skip
        made = api.create_container_from_config(config, f"k8slab_gateway_{self._lab}")
        api.start(made["Id"])
        return str(made["Id"])

    async def _find_way(self, published: Address | None) -> None:
        """Its own address if that is reached from here, else the port it publishes."""
        clock = Clock()
        own = (self.address, gateway.PORT)
        for _ in range(100):  # Python takes a moment to start
            for self._at in [own, *([published] if published else [])]:
                answered = await self._ping()
                if answered:
                    self.direct = self._at == own
                    return
                if answered is None:  # refused: it can be reached, and does not listen yet
                    break
            await clock.sleep(0.05)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "the gateway's container runs, and does not answer")

    async def _ping(self) -> bool | None:
        """Whether the gateway answers there; None if it is refused."""
        try:
            async with asyncio.timeout(TRY):
                reader, writer = await self._call({"do": "ping"})
                try:
                    return await reader.readline() == b"ok\n"
                finally:
                    writer.close()
        except ConnectionRefusedError:
            return None
        except (OSError, TimeoutError):
            return False

    async def _socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, self._at)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _call(self, asked: dict[str, Any]) -> Streams:
        reader, writer = await asyncio.open_connection(sock=await self._socket())
        writer.write(self._hello(asked))
        return reader, writer

    def _hello(self, asked: dict[str, Any]) -> bytes:
        return json.dumps({"token": self._token, **asked}).encode() + b"\n"

    def _do(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, OSError | EOFError):
            log.error("a relayed connection failed", exc_info=error)


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "the gateway has hung up")
        data += piece
    return data
