"""How a pod's containers look up names: its /etc/resolv.conf, and what stands in its /etc/hosts. Pure.

`ground.py` hands both to the runtime with the pod's sandbox. The rules are those of pkg/kubelet/network/dns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from k8slab.api.objects import Obj

DOMAIN = "cluster.local"
MOST_SERVERS, MOST_DOMAINS = 3, 32
NDOTS = "ndots:5"


@dataclass
class Resolver:
    """What a resolv.conf says."""

    servers: list[str] = field(default_factory=list)
    search: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Resolver:
        """Out of a file; the last `search` and all `options` count."""
        found = cls()
        for words in map(str.split, text.splitlines()):
            match words:
                case ["nameserver", address, *_]:
                    found.servers.append(address)
                case ["search" | "domain", *domains]:
                    found.search = domains
                case ["options", *options]:
                    found.options += options
        return found

    def __str__(self) -> str:
        search = [f"search {' '.join(self.search[:MOST_DOMAINS])}"] if self.search else []
        servers = [f"nameserver {server}" for server in self.servers[:MOST_SERVERS]]
        options = [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in (*search, *servers, *options))


def resolver(pod: Obj, cluster_dns: str, machine: str) -> str:
    """The pod's resolv.conf. `cluster_dns` is the address of the cluster's DNS server, empty if it has none; `machine`
    is what this machine's own file says."""
    spec, config = pod["spec"], pod["spec"].get("dnsConfig") or {}
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    made = Resolver() if policy == "None" else Resolver.read(machine)
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and cluster_dns:
        namespace = pod["metadata"].get("namespace", "")
        domains = [f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
        made = Resolver([cluster_dns], _joined(domains, made.search), [NDOTS])
    made.servers = _joined(made.servers, config.get("nameservers") or ())
    made.search = _joined(made.search, config.get("searches") or ())
    made.options = _options(made.options, config.get("options") or ())
    return str(made)


@dataclass(frozen=True)
class Naming:
    """How names are found in this cluster: by its DNS server at `dns`, or, where there can be none, by the lines that
    `hosts` has for a namespace; `machine` is this machine's own resolv.conf."""

    dns: str = ""
    hosts: Callable[[str], str] | None = None
    machine: str = ""

    def files(self, pod: Obj) -> dict[str, str]:
        """What the pod's sandbox is told: its full name's end, more lines of /etc/hosts, its resolv.conf."""
        return {"domain": domain(pod), "hosts": self.lines(pod), "resolver": resolver(pod, self.dns, self.machine)}

    def lines(self, pod: Obj) -> str:
        """What stands in its /etc/hosts below its own names."""
        names = self.hosts(pod["metadata"].get("namespace", "")) if self.hosts else ""
        return aliases(pod) + (f"\n# Names of the cluster, kept up to date.\n{names}" if names else "")


NO_NAMES = Naming()


def _joined(first: Sequence[str], more: Sequence[str]) -> list[str]:
    return [*dict.fromkeys((*first, *more))]


def _options(given: Sequence[str], more: Sequence[Obj]) -> list[str]:
    """Options of the same name replace each other."""
    said = {option.partition(":")[0]: option for option in given}
    for option in more:
        value = option.get("value")
        said[option["name"]] = option["name"] if value in (None, "") else f"{option['name']}:{value}"
    return [*said.values()]


def domain(pod: Obj) -> str:
    """What follows the pod's host name in its full name; nothing without a `subdomain`."""
    below = pod["spec"].get("subdomain")
    return f"{below}.{pod['metadata'].get('namespace', '')}.svc.{DOMAIN}" if below else ""


def aliases(pod: Obj) -> str:
    """The lines that `hostAliases` asks for."""
    asked = pod["spec"].get("hostAliases") or ()
    lines = [f"{each['ip']}\t{' '.join(each.get('hostnames') or ())}\n" for each in asked]
    return "".join(["\n# Entries added by HostAliases.\n", *lines]) if lines else ""
