"""Keeps open what the Services ask for: hears of changes, works out what should be open, compares, acts.

`rules.py` works it out, `openings.py` holds the ports, `forward.py` carries the bytes. Only addresses of this machine
can be opened (127.x, as runtime `local` gives them); in a lab whose addresses are fiction nothing is, and no fuss made.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections.abc import Callable

from k8slab import trace
from k8slab.api.errors import ApiError
from k8slab.api.objects import Key, Obj, key_of
from k8slab.client.base import Client
from k8slab.client.events import Recorder
from k8slab.clock import Clock
from k8slab.kubeproxy.forward import Connection, Identify, Reach, nobody
from k8slab.kubeproxy.openings import Bind, Opening, bind
from k8slab.kubeproxy.real_ports import REAL_PORTS, real_ports
from k8slab.kubeproxy.rules import Route, Target, cluster_ip, other_ports, service_of, tcp_ports, wanted

log = logging.getLogger(__name__)

RETRY = 5.0  # seconds until a port that was taken is tried again
AGAIN = "It is tried again every few seconds."


def on_this_machine(address: str) -> bool:
    """Whether the address is one of the loopback interface's 127.0.0.0/8."""
    return address.startswith("127.")


class Proxy:
    """The kube-proxy of all nodes in one. `opens` says which addresses it may listen on, `identify` who calls,
    `reach` where a pod is connected to, if that is not its own address."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        recorder: Recorder,
        *,
        opens: Callable[[str], bool] = on_this_machine,
        bind: Bind = bind,
        identify: Identify = nobody,
        reach: Reach | None = None,
    ) -> None:
        self._reach = reach
        self._identify = identify
        self._client, self._clock, self._recorder, self._opens, self._bind = client, clock, recorder, opens, bind
        self._services = client.informer("Service")
        self._slices: dict[Key, dict[str, Obj]] = {}  # by Service, then by their own name
        self._nodes: dict[str, str] = {}  # name -> InternalIP
        self._open: dict[Key, dict[Route, Opening]] = {}
        self._told: dict[tuple[Key, str], str] = {}  # Service, reason -> what was last complained of
        self._slow: dict[Key, float] = {}  # Service -> seconds
        self._retries: dict[Key, Callable[[], None]] = {}
        self._changed: set[Key] = set()
        self._work = asyncio.Event()
        self._following = False
        self.connections: set[Connection] = set()

    async def run(self) -> None:
        """Serve until cancelled; then everything is closed."""
        self._follow()
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._changed:
                    self._sync(self._changed.pop())
        finally:
            self.close()

    def close(self) -> None:
        """Close every port and break off every connection."""
        for retry in self._retries.values():
            retry()
        self._retries.clear()
        for openings in self._open.values():
            for opening in openings.values():
                opening.close()
        self._open.clear()
        for connection in list(self.connections):
            connection.reset()

    def slow(self, namespace: str, service: str, seconds: float) -> None:
        """What a Service answers is late by so many real seconds, from now on; 0 ends it."""
        key = Key(namespace, service)
        self._slow[key] = seconds
        for opening in self._open.get(key, {}).values():
            opening.slow(seconds)

    def mend(self) -> None:
        """No Service is slow any more."""
        for namespace, service in [*self._slow]:
            self.slow(namespace, service, 0.0)
        self._slow.clear()

    def _follow(self) -> None:
        if self._following:
            self._changed |= {key_of(service) for service in self._services.list()}
            self._work.set()
            return
        self._following = True
        self._client.informer("Node").subscribe(self._node_changed)
        self._client.informer("EndpointSlice").subscribe(self._slice_changed)
        self._services.subscribe(lambda before, after: self._touch(key_of(after or before or {})))

    def _touch(self, key: Key) -> None:
        self._changed.add(key)
        self._work.set()

    def _slice_changed(self, before: Obj | None, after: Obj | None) -> None:
        for old in [before] if before else []:
            self._slices.get(service_of(old), {}).pop(old["metadata"]["name"], None)
            self._touch(service_of(old))
        if after:
            self._slices.setdefault(service_of(after), {})[after["metadata"]["name"]] = after
            self._touch(service_of(after))

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        name = (after or before or {})["metadata"]["name"]
        address = _internal_ip(after) if after else ""
        if address == self._nodes.get(name, "") or not (self._opens(address) or name in self._nodes):
            return
        self._nodes.pop(name, None)
        if self._opens(address):
            self._nodes[name] = address
        for service in self._services.list():
            if any(port.get("nodePort") for port in service["spec"].get("ports") or ()):
                self._touch(key_of(service))

    def _sync(self, key: Key) -> None:
        service = self._services.get(key.name, key.namespace)
        try:
            self._compare(key, service)
        except Exception:
            log.exception("Service %s is not served", key)
            self._retry(key)

    def _compare(self, key: Key, service: Obj | None) -> None:
        openings = self._open.setdefault(key, {})
        table = self._table(key, service) if service else {}
        for route in openings.keys() - table.keys():
            openings.pop(route).close()
        problems = []
        for route, target in table.items():
            try:
                self._serve(route, target, openings, service or {})
            except OSError as error:
                problems.append(_complaint(route, error))
                if broken := openings.pop(route, None):
                    broken.close()
        for each in self._slices.get(key, {}).values() if table and trace.listening() else ():
            trace.hop("served", each, service=key.name)
        if problems:
            self._retry(key)
        if service:
            self._report(key, service, openings, problems)
        else:
            self._forget(key)

    def _table(self, key: Key, service: Obj) -> dict[Route, Target]:
        if not self._opens(cluster_ip(service)):
            return {}
        table = wanted([service], self._slices.get(key, {}).values(), self._nodes)
        return {route: target for route, target in table.items() if self._opens(route.address)}

    def _serve(self, route: Route, target: Target, openings: dict[Route, Opening], service: Obj) -> None:
        if route not in openings:
            opening = Opening(route, self._bind, self._clock, self.connections, self._identify, self._reach)
            own = {port["port"] for port in tcp_ports(service)}
            opening.open(real_ports(service).get(str(route.port), 0), own)
            openings[route] = opening
            if opening.port != route.port:
                self._recorder.event(service, "Normal", "PortRemapped", _remapped(service, route, opening.port))
        openings[route].slow(self._slow.get(key_of(service), 0.0))
        openings[route].serve(target)

    def _report(self, key: Key, service: Obj, openings: dict[Route, Opening], problems: list[str]) -> None:
        real = {str(route.port): opening.port for route, opening in openings.items() if opening.port != route.port}
        if not problems and real != real_ports(service):
            self._annotate(key, real)
        others = other_ports(service) if self._opens(cluster_ip(service)) else []
        unserved = f"Only TCP is served here: {', '.join(others)} can be seen, but not reached." if others else ""
        for reason, text in (("PortAllocationFailed", " ".join(problems)), ("ProtocolNotServed", unserved)):
            if text and text != self._told.get((key, reason)):
                self._recorder.event(service, "Warning", reason, text)
            self._told[key, reason] = text

    def _forget(self, key: Key) -> None:
        """The Service is gone."""
        self._open.pop(key, None)
        for reason in ("PortAllocationFailed", "ProtocolNotServed"):
            self._told.pop((key, reason), None)
        if not self._slices.get(key):
            self._slices.pop(key, None)

    def _annotate(self, key: Key, real: dict[str, int]) -> None:
        value = json.dumps(real) if real else None
        try:
            self._client.patch("Service", key.name, key.namespace, {"metadata": {"annotations": {REAL_PORTS: value}}})
        except ApiError as error:
            log.debug("real ports of %s not written: %s", key, error)

    def _retry(self, key: Key) -> None:
        if key not in self._retries:
            self._retries[key] = self._clock.call_later(RETRY, lambda: self._again(key))

    def _again(self, key: Key) -> None:
        self._retries.pop(key, None)
        self._touch(key)


def _internal_ip(node: Obj) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(each["address"]) for each in addresses if each["type"] == "InternalIP"), "")


def _remapped(service: Obj, route: Route, real: int) -> str:
    name = service["metadata"]["name"]
    return (
        f"Port {route.port} is served on {route.address}:{real}, because on this machine only root may open ports "
        f'below 1024. Service environment variables say {real}, and lab.get("http://{name}") knows.'
    )


def _complaint(route: Route, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{route.address}:{route.port} is in use by another program of this machine. "
            f"`ss -ltnp 'sport = :{route.port}'` says by whom: stop it, or give the Service another port. {AGAIN}"
        )
    return f"{route.address}:{route.port} cannot be opened: {error.strerror or error}. {AGAIN}"
