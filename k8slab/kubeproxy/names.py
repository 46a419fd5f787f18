"""Who is called what: the names of Services and pods under `cluster.local`, as CoreDNS answers them; always current.

`dns.py` asks for the records of a name; where no DNS server can be had, a kubelet writes `hosts` into its pods' files.
The scheme is github.com/kubernetes/dns, docs/specification.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from k8slab.api.objects import Key, Obj, key_of
from k8slab.client.base import Client
from k8slab.kubeproxy.dnswire import CNAME, PTR, SRV, A, Record
from k8slab.kubeproxy.real_ports import real_ports
from k8slab.kubeproxy.rules import cluster_ip, service_of

DOMAIN = "cluster.local"


class Found(NamedTuple):
    """What is known of a name: its records, of all types; `exists` also if there are none of the type asked for."""

    records: tuple[Record, ...]
    exists: bool


NOTHING = Found((), False)


class Host(NamedTuple):
    """A pod behind a headless Service."""

    name: str  # the first label of its name there
    address: str
    ports: tuple[Obj, ...]


class Names:
    """The names of a cluster. `network` holds its addresses: only those are looked up backwards."""

    def __init__(self, client: Client, network: str = "127.0.0.0/8") -> None:
        self._client, self._network = client, IPv4Network(network)
        self._services = client.informer("Service")
        self._slices: dict[Key, dict[str, Obj]] = {}
        self._told: list[Callable[[], None]] = []
        client.informer("EndpointSlice").subscribe(self._slice_changed)
        self._services.subscribe(lambda before, after: self._tell())

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call whenever a name may have changed."""
        self._told.append(changed)

    def is_ours(self, name: str) -> bool:
        """Whether nobody but us can know this name."""
        if name == DOMAIN or name.endswith(f".{DOMAIN}"):
            return True
        address = _backwards(name)
        return address is not None and address in self._network

    def look_up(self, name: str) -> Found:
        """All records of a name (in lower case, without the last dot)."""
        if (address := _backwards(name)) is not None:
            return self._reverse(name, str(address))
        labels = name.removesuffix(DOMAIN).rstrip(".").split(".")
        match labels:
            case [""]:
                return Found((), True)
            case [*rest, service, namespace, "svc"]:
                return self._of_service(name, rest, Key(namespace, service))
            case [dashed, namespace, "pod"]:
                return self._of_pod(name, dashed, namespace)
            case ["svc" | "pod"] | [_, "svc" | "pod"]:
                return Found((), labels[-1:] == labels or self._namespace_exists(labels[0]))
        return NOTHING

    def hosts(self, namespace: str) -> str:
        """The same as lines of /etc/hosts, for a pod of this namespace. (What is outside the cluster has no line.)"""
        lines = []
        for service in sorted(self._services.list(), key=key_of):
            home, name = key_of(service)
            names = [f"{name}.{home}.svc.{DOMAIN}", f"{name}.{home}.svc", f"{name}.{home}"]
            names += [name] if home == namespace else []
            if address := cluster_ip(service):
                lines.append((address, names))
            for host in () if address else self._hosts(service):
                lines.append((host.address, [*(f"{host.name}.{each}" for each in names), *names]))
        return "".join(f"{address}\t{' '.join(names)}\n" for address, names in lines)

    # ------------------------------------------------------------------------------------------- services

    def _of_service(self, name: str, rest: list[str], key: Key) -> Found:
        service = self._services.get(key.name, key.namespace)
        if service is None:
            return NOTHING
        if service["spec"].get("type") == "ExternalName":
            outside = str(service["spec"]["externalName"])
            return Found((Record(name, CNAME, outside),), True) if not rest else NOTHING
        if len(rest) == 2 and all(label.startswith("_") for label in rest):
            return _found(self._ports(name, service, rest[0][1:], rest[1][1:]))
        if len(rest) == 1:
            return _found(Record(name, A, host.address) for host in self._hosts(service) if host.name == rest[0])
        if rest:
            return NOTHING
        if address := cluster_ip(service):
            return Found((Record(name, A, address), *self._ports(name, service)), True)
        addresses = dict.fromkeys(host.address for host in self._hosts(service))
        return Found((*(Record(name, A, each) for each in addresses), *self._ports(name, service)), True)

    def _ports(self, name: str, service: Obj, port: str = "", protocol: str = "") -> Iterator[Record]:
        """SRV: which port is really open, and under which name."""
        full = _full(service)
        if cluster_ip(service):
            opened = real_ports(service)
            for each in service["spec"].get("ports") or ():
                if _is_meant(each, port, protocol):
                    yield Record(name, SRV, f"0 100 {opened.get(str(each['port']), each['port'])} {full}")
            return
        for host in self._hosts(service):
            for each in host.ports:
                if each.get("port") and _is_meant(each, port, protocol):
                    yield Record(name, SRV, f"0 100 {each['port']} {host.name}.{full}")

    def _hosts(self, service: Obj) -> Iterator[Host]:
        """The pods behind a headless Service that are ready (or published all the same)."""
        if cluster_ip(service):
            return
        for slice_ in self._slices.get(key_of(service), {}).values():
            for endpoint in slice_.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    address = endpoint["addresses"][0]
                    name = endpoint.get("hostname") or address.replace(".", "-")
                    yield Host(name, address, tuple(slice_.get("ports") or ()))

    # ------------------------------------------------------------------------------------------- the others

    def _of_pod(self, name: str, dashed: str, namespace: str) -> Found:
        try:
            address = str(IPv4Address(dashed.replace("-", ".")))
        except ValueError:
            return NOTHING
        return Found((Record(name, A, address),), True) if self._namespace_exists(namespace) else NOTHING

    def _reverse(self, name: str, address: str) -> Found:
        for service in self._services.list():
            if cluster_ip(service) == address:
                return Found((Record(name, PTR, _full(service)),), True)
            for host in self._hosts(service):
                if host.address == address:
                    return Found((Record(name, PTR, f"{host.name}.{_full(service)}"),), True)
        return NOTHING

    def _namespace_exists(self, name: str) -> bool:
        return self._client.informer("Namespace").get(name) is not None

    def _slice_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before:
            key = service_of(before)
            self._slices.get(key, {}).pop(before["metadata"]["name"], None)
            if not self._slices.get(key):
                self._slices.pop(key, None)
        if after:
            self._slices.setdefault(service_of(after), {})[after["metadata"]["name"]] = after
        self._tell()

    def _tell(self) -> None:
        for changed in self._told:
            changed()


def _full(service: Obj) -> str:
    namespace, name = key_of(service)
    return f"{name}.{namespace}.svc.{DOMAIN}"


def _is_meant(port: Obj, name: str, protocol: str) -> bool:
    named = not name or (port.get("name") or "") == name
    return named and (not protocol or str(port.get("protocol", "TCP")).lower() == protocol)


def _found(records: Iterator[Record]) -> Found:
    every = tuple(dict.fromkeys(records))
    return Found(every, bool(every))


def _backwards(name: str) -> IPv4Address | None:
    """The address in `7.240.64.127.in-addr.arpa`."""
    if not name.endswith(".in-addr.arpa"):
        return None
    try:
        return IPv4Address(".".join(reversed(name.removesuffix(".in-addr.arpa").split("."))))
    except ValueError:
        return None
